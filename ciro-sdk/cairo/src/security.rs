//! Security parameters: fixed here, never read from a proof.

use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;
use stwo::core::vcs::blake2_hash::Blake2sHash;

/// Bits of proof of work before the FRI queries are drawn.
const POW_BITS: u32 = 20;

/// FRI queries; each is worth `LOG_BLOWUP_FACTOR` bits.
const QUERIES: usize = 80;

/// Logarithm of the rate's inverse: 1 proves fastest.
pub(crate) const LOG_BLOWUP_FACTOR: u32 = 1;

/// The security that every proof of this crate reaches, in bits: `POW_BITS + LOG_BLOWUP_FACTOR * QUERIES`, conjectured as
/// for all FRI proofs of this kind.
///
/// The lookup argument adds no weaker link: its field has 124 bits, 24 bits of proof of work precede it, and fewer than 2^31
/// terms take part.
pub const SECURITY_BITS: u32 = POW_BITS + LOG_BLOWUP_FACTOR * 80;

const _: () = assert!(QUERIES == 80 && SECURITY_BITS >= 100);

/// Commitment-scheme parameters for traces of at most `2^(lifting_log_size - 1)` rows.
pub(crate) fn pcs_config(lifting_log_size: u32) -> PcsConfig {
    PcsConfig {
        pow_bits: POW_BITS,
        fri_config: FriConfig {
            log_blowup_factor: LOG_BLOWUP_FACTOR,
            log_last_layer_degree_bound: 0,
            n_queries: QUERIES,
            fold_step: 1,
        },
        lifting_log_size: Some(lifting_log_size),
    }
}

/// The sizes that traces are lifted to: the preprocessed trace needs 2^21, a component of 2^22 rows needs 2^23.
pub(crate) const LIFTING_LOG_SIZES: std::ops::RangeInclusive<u32> = 21..=23;

/// The Merkle root of the preprocessed trace, lifted to `2^lifting_log_size`; a proof with another root used other tables.
pub(crate) fn preprocessed_root(lifting_log_size: u32) -> Option<Blake2sHash> {
    let root = match lifting_log_size {
        21 => "068d1166c9f9f0ec247641ca391ee8396170e69343dfcacc632f9638670d2bec",
        _ => return None,
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(root, &mut bytes).ok()?;
    Some(Blake2sHash(bytes))
}
