//! How many bits of security a proof for a key has, term by term. The ledger in `docs/soundness.md`
//! says where each comes from.
//!
//! Parameters are computed from these figures, so a prover and a verifier must find the same ones:
//! nothing here uses the platform's logarithms.

use std::collections::BTreeSet;

use libm::{exp2, log2};
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;

use crate::air::{Balance, Chip as _, Relation, Shape};
use crate::chips::AnyChip;
use crate::key::ModelKey;
use crate::preset::Parameters;
use crate::secrecy::Secrecy;

/// Binary logarithm of the size of the secure field, QM31, rounded down: challenges come from it.
const FIELD_BITS: f64 = 123.999_999_99;

/// Binary logarithm of the size of the base field, M31, rounded down: committed words consist of
/// it.
const WORD_BITS: f64 = 30.999_999_99;

/// Bits of Blake2s against collisions.
const HASH_BITS: f64 = 128.0;

/// Security of proofs for one key, in bits: the negated binary logarithm of the chance that a
/// cheating prover convinces, for each hash evaluation it pays for.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// If words are as far from the code as random words are (the list-decoding capacity, the form
    /// of the conjecture that is left after 2025).
    pub conjectured_bits: f64,
    /// Without any conjecture: within the unique-decoding radius.
    pub proven_bits: f64,
    /// Every term of the sum behind the conjectured bits, the query phase first.
    pub terms: Vec<(&'static str, f64)>,
    /// Every term of the sum behind the proven bits, the query phase first.
    pub proven_terms: Vec<(&'static str, f64)>,
}

impl Security {
    /// The security of proofs for a key.
    pub fn of(key: &ModelKey) -> Self {
        Self::of_counts(&Counts::of(&key.chips, key.secrecy), key.parameters())
    }

    pub(crate) fn of_counts(counts: &Counts, parameters: Parameters) -> Self {
        let terms = |regime| Ledger::new(regime, counts, parameters).terms(parameters);
        Self::from_terms(terms(Regime::Conjectured), terms(Regime::Proven))
    }

    /// The security of a protocol whose ways to cheat have these bits: their chances add up.
    pub fn from_terms(
        terms: Vec<(&'static str, f64)>,
        proven_terms: Vec<(&'static str, f64)>,
    ) -> Self {
        let (conjectured_bits, proven_bits) = (total(&terms), total(&proven_terms));
        Self { conjectured_bits, proven_bits, terms, proven_terms }
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

/// Rounds down to a whole number between 0 and 1024: more is neither said nor needed of bits and
/// queries.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to [0, 1024]")]
pub(crate) fn whole(number: f64) -> u32 {
    number.clamp(0.0, 1024.0).floor() as u32
}

/// Bits of a sum of error terms.
pub(crate) fn total(terms: &[(&'static str, f64)]) -> f64 {
    -log2(terms.iter().map(|(_, bits)| exp2(-bits)).sum())
}

/// What is believed of words that are far from the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// They are as far as random words are: up to the list-decoding capacity of the code, over the
    /// alphabet of committed words.
    Conjectured,
    /// Nothing: words are decoded where decoding is unique.
    Proven,
}

/// What the ledger counts of a key's chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Whether proofs hide.
    pub(crate) secrecy: Secrecy,
    /// Rows of the tallest chip, as a binary logarithm.
    pub(crate) log_rows: u32,
    /// Cells of all chips, the model's own included.
    pub(crate) cells: u64,
    /// Columns of all chips, the model's own included.
    pub(crate) columns: u64,
    /// Lookups of all rows.
    pub(crate) lookups: u64,
    /// Constraints of all chips, each once for all rows.
    pub(crate) constraints: u64,
    /// Degree in the folding challenges of the sums that are compared.
    pub(crate) folding: u64,
    /// Terms of the sum that all openings are batched into: one for a column that is opened in one
    /// row; three for a column that is opened in two, the third shows that it repeats every `rows`
    /// rows.
    pub(crate) openings: u64,
}

impl Counts {
    pub(crate) fn of(chips: &[AnyChip], secrecy: Secrecy) -> Self {
        // The composition polynomial, and the masks of FRI.
        let last_tree = SECURE_EXTENSION_DEGREE * secrecy.pieces().iter().sum::<usize>();
        let mut counts = Self {
            secrecy,
            log_rows: 0,
            cells: 0,
            columns: 0,
            lookups: 0,
            constraints: 0,
            folding: 0,
            openings: last_tree as u64,
        };
        let mut selectors = BTreeSet::new();
        let balance = Balance::of(chips);
        for (number, chip) in chips.iter().enumerate() {
            let (shape, log_size) = (Shape::of(chip), chip.log_size());
            let columns = shape.fixed + shape.committed();
            // Every fold looks back at the row before, with four coordinates, and so does the
            // running sum. Where a LogUp column shows that rows repeat it is opened there, too.
            let logup = usize::from(balance.opens_twice((number, chip)));
            let twice = shape.witness_twice + SECURE_EXTENSION_DEGREE * (shape.folds + logup);
            let last = balance.reads_last((number, chip));
            let used = [shape.first, last].into_iter().enumerate().filter(|(_, used)| *used);
            selectors.extend(used.map(|(selector, _)| (selector, log_size)));
            counts.log_rows = counts.log_rows.max(log_size);
            counts.cells = counts.cells.saturating_add((columns as u64) << log_size);
            counts.columns += columns as u64;
            counts.lookups = counts.lookups.saturating_add((shape.lookups as u64) << log_size);
            // A total is compared once: with the statement, or with all others.
            counts.constraints += (shape.all_constraints() + usize::from(last)) as u64;
            let folding = u64::from(chip.folding_degree()) << log_size;
            counts.folding = counts.folding.saturating_add(folding);
            counts.openings += (columns + 2 * twice) as u64;
        }
        counts.openings += selectors.len() as u64;
        counts
    }

    /// Coefficients of the tallest column, as a binary logarithm.
    pub(crate) fn log_degree(&self) -> u32 {
        self.log_rows + self.secrecy.excess()
    }
}

/// The ways to cheat, each in bits, grinding not yet counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ledger {
    /// Bits of the query phase.
    pub(crate) queries: f64,
    /// By luck with `z, alpha, t, s, lambda`.
    pub(crate) challenges: [(&'static str, f64); 2],
    /// By luck with the challenges of the rounds that follow.
    pub(crate) rounds: [(&'static str, f64); 4],
}

impl Ledger {
    pub(crate) fn new(regime: Regime, counts: &Counts, parameters: Parameters) -> Self {
        let log_degree = f64::from(counts.log_degree());
        let log_domain = log_degree + f64::from(parameters.log_blowup);
        let lucky = |count: f64| FIELD_BITS - log2(count);
        // A multiset that does not balance: its tuples fall together (degree 7 in alpha), its sum
        // vanishes or has a pole (each of degree 1 in z).
        let fractions = (Relation::MAX_WIDTH + 1) as f64 * to_f64(counts.lookups);
        // Words that are close to the code together, though they are not one by one: without a
        // conjecture, as often as the domain is large.
        let batching = to_f64(counts.openings)
            * match regime {
                Regime::Conjectured => 2.0,
                Regime::Proven => exp2(log_domain),
            };
        Self {
            queries: parameters.queries as f64
                * query_bits(regime, counts.log_degree(), parameters.log_blowup),
            challenges: [("LogUp", lucky(fractions)), ("folding", lucky(to_f64(counts.folding)))],
            rounds: [
                ("composition", lucky(to_f64(counts.constraints))),
                // Constraints have degree 3; a function of that degree on the circle has twice as
                // many zeros.
                ("out-of-domain point", lucky(6.0 * exp2(log_degree))),
                ("batching of columns", lucky(batching)),
                ("FRI folding", lucky(2.0 * exp2(log_domain))),
            ],
        }
    }

    /// All terms with their grinding.
    pub(crate) fn terms(&self, parameters: Parameters) -> Vec<(&'static str, f64)> {
        let with = |terms: &[(&'static str, f64)], pow_bits: u32| {
            terms.iter().map(|&(name, bits)| (name, bits + f64::from(pow_bits))).collect::<Vec<_>>()
        };
        let mut terms = with(&[("queries", self.queries)], parameters.query_pow_bits);
        terms.extend(with(&self.challenges, parameters.challenge_pow_bits));
        terms.extend(with(&self.rounds, parameters.round_pow_bits));
        terms.push(("hash", HASH_BITS));
        terms
    }
}

/// Bits of one query of FRI, for columns of `2^log_degree` coefficients over M31 that are extended
/// by a factor of `2^log_blowup`.
pub fn query_bits(regime: Regime, log_degree: u32, log_blowup: u32) -> f64 {
    // Quotients by an opening have two more zeros than columns have.
    let degree = exp2(f64::from(log_degree));
    let rate = (degree + 2.0) / (degree * exp2(f64::from(log_blowup)));
    let pass = match regime {
        Regime::Conjectured => capacity(rate),
        // Words outside the unique-decoding radius.
        Regime::Proven => f64::midpoint(1.0, rate),
    };
    -log2(pass)
}

/// The share of a word beyond the list-decoding capacity that agrees with one code word: where the
/// entropy of the agreement, counted in letters of the alphabet of committed words, makes up for
/// what the rate lacks.
fn capacity(rate: f64) -> f64 {
    let entropy = |share: f64| -share * log2(share) - (1.0 - share) * log2(1.0 - share);
    // Each step brings the solution nearer by a factor of at least 5 for rates above 2^-6.
    (0..32).fold(rate, |share, _| rate + entropy(share) / WORD_BITS)
}

#[expect(clippy::cast_precision_loss, reason = "bits, rounded")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_errors_is_weaker_than_its_worst_term() {
        assert!((total(&[("a", 100.0), ("b", 100.0)]) - 99.0).abs() < 1e-9);
        assert!(total(&[("a", 100.0), ("b", 130.0)]) > 99.99);
    }
}
