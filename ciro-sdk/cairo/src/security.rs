//! Security parameters: fixed here, never read from a proof.

use ciro_stark::{Regime, Security, query_bits};
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;
use stwo::core::vcs::blake2_hash::Blake2sHash;

/// Bits of proof of work before the FRI queries are drawn: four million hashes, a hundredth of the
/// shortest proof's time, which stand for two queries.
const POW_BITS: u32 = 22;

/// FRI queries: the fewest with which all terms of [`security`] add up to 100 bits.
pub(crate) const QUERIES: usize = 88;

/// Logarithm of the rate's inverse: 1 proves fastest.
pub(crate) const LOG_BLOWUP_FACTOR: u32 = 1;

/// The size that traces are lifted to, as a binary logarithm. The preprocessed trace needs it.
/// Longer traces would leave less than 100 bits to the challenges, before which stwo-cairo does not
/// grind.
pub(crate) const LIFTING_LOG_SIZE: u32 = 21;

/// Rows of the longest component, as a binary logarithm.
pub(crate) const LOG_ROWS: u32 = LIFTING_LOG_SIZE - LOG_BLOWUP_FACTOR;

/// The security of every proof of this crate.
pub fn security() -> Security {
    security_of(LOG_ROWS)
}

/// The security of proofs with these parameters whose longest component has `2^log_rows` rows:
/// every way to cheat, and their sum.
///
/// Challenges come from a field of `2^124` elements. The trace has fewer than 2^14 columns,
/// constraints and openings of its own, and makes fewer than 2^11 lookups in a row of each
/// component; tuples have up to 127 elements; 24 bits of grinding precede the challenges of the
/// lookup argument.
pub(crate) fn security_of(log_rows: u32) -> Security {
    const FIELD_BITS: f64 = 123.99;
    const COLUMNS_LOG: f64 = 14.0;
    const LOOKUPS_LOG: f64 = 11.0;
    const LOOKUP_POW_BITS: f64 = 24.0;
    // Binary logarithm of 129: tuples that fall together, roots and poles.
    const TUPLE_LOG: f64 = 7.02;
    let rows = f64::from(log_rows);
    let domain = rows + f64::from(LOG_BLOWUP_FACTOR);
    let terms = |regime| {
        let batching = match regime {
            Regime::Conjectured => 1.0,
            Regime::Proven => domain,
        };
        let queries = QUERIES as f64 * query_bits(regime, log_rows, LOG_BLOWUP_FACTOR);
        vec![
            ("queries", queries + f64::from(POW_BITS)),
            ("LogUp", FIELD_BITS - rows - LOOKUPS_LOG - TUPLE_LOG + LOOKUP_POW_BITS),
            ("composition", FIELD_BITS - COLUMNS_LOG),
            // Six zeros on the circle for each row: constraints have degree 3.
            ("out-of-domain point", FIELD_BITS - rows - 2.59),
            ("batching of columns", FIELD_BITS - COLUMNS_LOG - batching),
            ("FRI folding", FIELD_BITS - domain - 1.0),
            ("hash", 128.0),
        ]
    };
    Security::from_terms(terms(Regime::Conjectured), terms(Regime::Proven))
}

/// Commitment-scheme parameters.
pub(crate) fn pcs_config() -> PcsConfig {
    PcsConfig {
        pow_bits: POW_BITS,
        fri_config: FriConfig {
            log_blowup_factor: LOG_BLOWUP_FACTOR,
            log_last_layer_degree_bound: 0,
            n_queries: QUERIES,
            fold_step: 1,
        },
        lifting_log_size: Some(LIFTING_LOG_SIZE),
    }
}

/// Parts that the memory is split into: the addresses into exactly this many, the large values into
/// at most this many (`flatten_claim` asserts it).
pub(crate) const MEMORY_PARTS: usize =
    cairo_air::components::memory_address_to_id::MEMORY_ADDRESS_TO_ID_SPLIT;

/// The Merkle root of the preprocessed trace, lifted to `2^LIFTING_LOG_SIZE`; a proof with another
/// root used other tables.
pub(crate) fn preprocessed_root() -> Blake2sHash {
    const ROOT: [u8; 32] = [
        0x06, 0x8d, 0x11, 0x66, 0xc9, 0xf9, 0xf0, 0xec, 0x24, 0x76, 0x41, 0xca, 0x39, 0x1e, 0xe8,
        0x39, 0x61, 0x70, 0xe6, 0x93, 0x43, 0xdf, 0xca, 0xcc, 0x63, 0x2f, 0x96, 0x38, 0x67, 0x0d,
        0x2b, 0xec,
    ];
    Blake2sHash(ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_cheat_together_leave_100_bits() {
        let security = security();
        assert!(security.conjectured_bits >= 100.0, "{security:?}");
        assert!(security.conjectured_bits < 100.9, "a query is wasted: {security:?}");
        assert_eq!(security.whole_proven_bits(), 58, "{security:?}");
        // One sum, not the least term: two terms of some 101 bits are worth less than either.
        let least = security.terms.iter().map(|(_, bits)| *bits).fold(f64::INFINITY, f64::min);
        assert!(security.conjectured_bits < least - 0.5);
    }

    #[test]
    fn twice_the_rows_have_less_than_100_bits() {
        assert_eq!(security_of(LOG_ROWS + 1).whole_conjectured_bits(), 99);
    }
}
