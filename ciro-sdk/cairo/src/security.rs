//! Security parameters: fixed here, never read from a proof.

use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;
use stwo::core::vcs::blake2_hash::Blake2sHash;

/// Bits of proof of work before the FRI queries are drawn.
const POW_BITS: u32 = 20;

/// FRI queries.
const QUERIES: usize = 83;

/// Logarithm of the rate's inverse: 1 proves fastest.
pub(crate) const LOG_BLOWUP_FACTOR: u32 = 1;

/// Bits of security of every proof of this crate, by the conjecture that most deployed STARKs rest on.
///
/// A word beyond the list-decoding capacity passes a query with probability `rate + H(rate) / log2 |F|`, so that 83 queries
/// at rate 1/2 are worth 81.1 bits, and grinding adds 20. No other way to cheat is worth less than 100 bits, see
/// [`SECURITY_TERMS`].
pub const SECURITY_BITS: u32 = 100;

/// What each step of a proof is worth in bits, for the longest traces that this crate proves.
///
/// Challenges come from a field of `2^124` elements; a component has at most `2^21` rows, fewer than `2^31` terms take part
/// in the lookup argument, and 24 bits of grinding precede it.
pub const SECURITY_TERMS: [(&str, f64); 5] = [
    ("queries", 101.08),
    ("LogUp", 117.0),
    ("out-of-domain point", 100.4),
    ("FRI folding", 100.0),
    ("hash", 128.0),
];

/// Bits of security of every proof of this crate without any conjecture: within the unique-decoding radius each of the 83
/// queries is worth 0.415 bits.
pub const PROVEN_SECURITY_BITS: u32 = 54;

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

/// Parts that the memory is split into: the addresses into exactly this many, the large values into at most this many
/// (`flatten_claim` asserts it).
pub(crate) const MEMORY_PARTS: usize =
    cairo_air::components::memory_address_to_id::MEMORY_ADDRESS_TO_ID_SPLIT;

/// The sizes that traces are lifted to: the preprocessed trace needs 2^21, a component of 2^21 rows needs 2^22. More rows
/// would leave less than 100 bits to the challenges.
pub(crate) const LIFTING_LOG_SIZES: std::ops::RangeInclusive<u32> = 21..=22;

/// The Merkle root of the preprocessed trace, lifted to `2^lifting_log_size`; a proof with another root used other tables.
pub(crate) fn preprocessed_root(lifting_log_size: u32) -> Option<Blake2sHash> {
    let root = match lifting_log_size {
        21 => "068d1166c9f9f0ec247641ca391ee8396170e69343dfcacc632f9638670d2bec",
        22 => "27a97d4eab58fe63fd37378d9b3be7c6b58d2f06ab55a4b730f16282454206b4",
        _ => return None,
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(root, &mut bytes).ok()?;
    Some(Blake2sHash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_hold_what_they_state() {
        let (queries, grinding) = (QUERIES as f64, f64::from(POW_BITS));
        let conjectured = grinding - queries * (0.5f64 + 1.0 / 124.0).log2();
        assert!((conjectured - SECURITY_TERMS[0].1).abs() < 0.01, "{conjectured}");
        assert!(SECURITY_TERMS.iter().all(|(_, bits)| *bits >= f64::from(SECURITY_BITS)));
        let proven = grinding - queries * 0.75f64.log2();
        assert!(proven >= f64::from(PROVEN_SECURITY_BITS), "{proven}");
    }
}
