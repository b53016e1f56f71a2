//! How many bits of security a proof for a key has, term by term. The ledger in `docs/soundness.md` says where each comes from.

use crate::air::{Chip as _, Relation, Shape};
use crate::key::ModelKey;
use crate::preset::Parameters;

/// Binary logarithm of the size of the secure field, QM31.
const FIELD_BITS: f64 = 124.0;

/// Security of proofs for one key, in bits: the negated binary logarithm of the chance that a cheating prover convinces, for each hash
/// evaluation it pays for.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// If words are as far from the code as random words are (the list-decoding capacity, the form of the conjecture that is left after
    /// 2025).
    pub conjectured_bits: f64,
    /// Without any conjecture: within the unique-decoding radius.
    pub proven_bits: f64,
    /// Every term of the sum with its bits, the query phase first (conjectured).
    pub terms: Vec<(&'static str, f64)>,
}

impl Security {
    /// The security of proofs for a key.
    pub fn of(key: &ModelKey) -> Self {
        let p = key.parameters();
        let pow = f64::from(p.challenge_pow_bits);
        let log_rows = f64::from(key.max_log_size());
        let log_domain = log_rows + f64::from(p.log_blowup);
        let [mut fractions, mut constraints, mut columns] = [0.0; 3];
        for chip in &key.chips {
            let shape = Shape::of(chip);
            let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            fractions += count(shape.lookups) * f64::from(chip.log_size()).exp2();
            constraints += count(shape.constraints + shape.folds + shape.logup_columns() + 1);
            columns += count(shape.fixed + shape.committed());
        }
        let tuple = (Relation::MAX_WIDTH - 1) as f64;
        let rows = log_rows.exp2();
        let terms = vec![
            ("queries", p.query_bits()),
            ("LogUp", FIELD_BITS - (fractions * tuple).log2() + pow),
            // Degrees of the folding challenges: extents of a product and number of products, at most the rows of all chips.
            ("folding", FIELD_BITS - (fractions * 64.0).log2() + pow),
            ("composition", FIELD_BITS - constraints.log2()),
            ("out-of-domain point", FIELD_BITS - (3.0 * rows).log2() - 1.0),
            ("batching of columns", FIELD_BITS - (2.0 * columns).log2()),
            ("FRI folding", FIELD_BITS - log_domain - 1.0),
            ("hash", 128.0),
        ];
        let conjectured_bits = total(terms.iter().map(|(_, bits)| *bits));
        // Without the conjecture, columns that are batched by powers of one challenge may only be taken for close to the code together up to
        // an error that grows with the domain.
        let batching = FIELD_BITS - columns.log2() - log_domain;
        let proven = [p.unique_decoding_bits(), batching];
        let proven_bits = total(terms[1..].iter().map(|(_, bits)| *bits).chain(proven));
        Self { conjectured_bits, proven_bits, terms }
    }

    /// Whole bits under the conjecture.
    pub fn whole_conjectured_bits(&self) -> u32 {
        whole(self.conjectured_bits)
    }

    /// Whole bits without any conjecture.
    pub fn whole_proven_bits(&self) -> u32 {
        whole(self.proven_bits)
    }
}

/// Bits rounded down; the hash bounds them by 128.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to [0, 128]")]
fn whole(bits: f64) -> u32 {
    bits.clamp(0.0, 128.0).floor() as u32
}

/// Bits of a sum of error terms.
fn total(bits: impl Iterator<Item = f64>) -> f64 {
    -bits.map(|bits| (-bits).exp2()).sum::<f64>().log2()
}

impl Parameters {
    /// Conjectured bits of the query phase: a word beyond the list-decoding capacity passes one query with probability
    /// `rate + H(rate) / log2 |F|`, grinding included.
    pub(crate) fn query_bits(self) -> f64 {
        let rate = (-f64::from(self.log_blowup)).exp2();
        let entropy = -rate * rate.log2() - (1.0 - rate) * (1.0 - rate).log2();
        let pass = rate + entropy / FIELD_BITS;
        f64::from(self.query_pow_bits) - self.queries as f64 * pass.log2()
    }

    /// Proven bits of the query phase: a word outside the unique-decoding radius passes one query with probability `(1 + rate) / 2`,
    /// grinding included.
    pub(crate) fn unique_decoding_bits(self) -> f64 {
        let rate = (-f64::from(self.log_blowup)).exp2();
        f64::from(self.query_pow_bits) - self.queries as f64 * f64::midpoint(1.0, rate).log2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Preset;

    #[test]
    fn presets_hold_what_they_state() {
        for cells in (0..40).map(|bits| 1 << bits) {
            assert!(Preset::Standard.parameters(cells).query_bits() >= 100.5);
            assert!(Preset::Compact.parameters(cells).query_bits() >= 100.5);
            assert!(Preset::Proven.parameters(cells).unique_decoding_bits() >= 100.2);
            assert!(Preset::FastTest.parameters(cells).query_bits() < 20.0);
        }
    }

    #[test]
    fn a_sum_of_errors_is_weaker_than_its_worst_term() {
        assert!((total([100.0, 100.0].into_iter()) - 99.0).abs() < 1e-9);
        assert!(total([100.0, 130.0].into_iter()) > 99.99);
    }
}
