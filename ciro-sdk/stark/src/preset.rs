//! Security parameters, as presets with stated bits.

use serde::{Deserialize, Serialize};
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;

use crate::secrecy::Secrecy;
use crate::security::{Counts, Ledger, Regime, query_bits, total, whole};

/// A set of security parameters. A verifier chooses which presets it accepts; a proof only names
/// one.
///
/// What a preset states holds for every model: queries and proofs of work follow from the model's
/// size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Preset {
    /// 100 conjectured bits, fast prover: blow-up 2, or more for models so small that more costs
    /// nothing and makes proofs smaller.
    Standard,
    /// 100 conjectured bits, smallest proofs: blow-up 16. For verifiers that pay by the byte.
    Compact,
    /// 100 bits without any conjecture, by unique decoding: blow-up 4, many queries.
    Proven,
    /// For tests alone: a default verifier refuses it.
    FastTest,
    /// 100 conjectured bits, for the verifier on Starknet, which pays by the felt: blow-up 64, or
    /// 32 for more than 2^15 rows, and 26 bits of grinding before the queries. The prover takes
    /// four times the memory of [`Self::Compact`].
    Chain,
}

/// Models up to so many cells are proven with blow-up 8: their time goes to what does not depend on
/// size.
const SMALL: u64 = 1 << 17;

/// Models up to so many cells are proven with blow-up 4.
const MEDIUM: u64 = 1 << 18;

/// What every preset but that of tests reaches, in bits: all ways to cheat together.
const TARGET_BITS: f64 = 100.0;

/// What the challenges and the rounds reach by grinding, each together. The share of the target
/// that they leave to the queries costs less than one query in ten models.
const CHALLENGE_BITS: f64 = TARGET_BITS + 5.0;

/// The parameters behind a preset, for models of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Whether proofs hide.
    pub(crate) secrecy: Secrecy,
    /// Zero bits of the proof of work before the queries.
    pub(crate) query_pow_bits: u32,
    /// Zero bits of the proof of work before the challenges that LogUp and folding depend on.
    pub(crate) challenge_pow_bits: u32,
    /// Zero bits of the proof of work before the challenges of every later round: composition,
    /// out-of-domain point, batching of columns, and each folding of FRI.
    pub(crate) round_pow_bits: u32,
    pub(crate) log_blowup: u32,
    pub(crate) queries: usize,
    pub(crate) log_last_layer: u32,
    pub(crate) fold_step: u32,
}

impl Preset {
    /// All presets, in the order of the key's encoding.
    pub const ALL: [Self; 5] =
        [Self::Standard, Self::Compact, Self::Proven, Self::FastTest, Self::Chain];

    /// The presets at which tests make proofs by the dozen: [`Self::Chain`] grinds for seconds.
    #[cfg(test)]
    pub(crate) const QUICK: [Self; 4] =
        [Self::Standard, Self::Compact, Self::Proven, Self::FastTest];

    /// The preset's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Compact => "compact",
            Self::Proven => "proven",
            Self::FastTest => "fast-test",
            Self::Chain => "chain",
        }
    }

    /// The parameters for chips of this size.
    pub(crate) fn parameters(self, counts: &Counts) -> Parameters {
        let standard = Parameters {
            secrecy: counts.secrecy,
            query_pow_bits: 16,
            challenge_pow_bits: 0,
            round_pow_bits: 0,
            log_blowup: match counts.cells {
                cells if cells <= SMALL => 3,
                cells if cells <= MEDIUM => 2,
                _ => 1,
            },
            queries: 0,
            log_last_layer: 5,
            fold_step: 3,
        };
        match self {
            Self::Standard => standard.reaching(Regime::Conjectured, counts),
            Self::Compact => Parameters { query_pow_bits: 20, log_blowup: 4, ..standard }
                .reaching(Regime::Conjectured, counts),
            Self::Proven => {
                Parameters { log_blowup: 2, ..standard }.reaching(Regime::Proven, counts)
            }
            Self::FastTest => {
                Parameters { query_pow_bits: 0, log_blowup: 1, queries: 3, ..standard }
            }
            Self::Chain => {
                Parameters { query_pow_bits: 26, log_blowup: chain_blowup(counts), ..standard }
                    .reaching(Regime::Conjectured, counts)
            }
        }
    }
}

/// Blow-up of proofs for the chain: every query opens a whole row, so felts are saved by asking
/// fewer of them, until the folds' errors, which grow with the domain, cost more grinding.
fn chain_blowup(counts: &Counts) -> u32 {
    match counts.log_degree() {
        ..=15 => 6,
        // stwo has domains of up to 2^30 points.
        16..=25 => 5,
        _ => 4,
    }
}

impl Parameters {
    /// Adds as much grinding as brings the challenges to [`CHALLENGE_BITS`], then as many queries
    /// as bring all to [`TARGET_BITS`].
    fn reaching(self, regime: Regime, counts: &Counts) -> Self {
        let ledger = Ledger::new(regime, counts, self);
        let mut parameters = Self {
            challenge_pow_bits: missing_bits(&ledger.challenges),
            round_pow_bits: missing_bits(&ledger.rounds),
            ..self
        };
        // The queries must reach the target, and a little more to leave room for the rest.
        let needed = TARGET_BITS - f64::from(self.query_pow_bits);
        let least =
            whole(needed / query_bits(regime, counts.log_degree(), self.log_blowup)) as usize;
        let reached = |parameters: &Self| {
            let ledger = Ledger::new(regime, counts, *parameters);
            total(&ledger.terms(*parameters)) >= TARGET_BITS
        };
        // A query is worth more than 0.6 bits.
        const SPARE: usize = 8;
        parameters.queries = least;
        while !reached(&parameters) && parameters.queries < least + SPARE {
            parameters.queries += 1;
        }
        parameters
    }

    /// Random coefficients of the mask of a column.
    #[cfg(feature = "prove")]
    pub(crate) fn mask(self) -> usize {
        self.secrecy.mask(self.queries)
    }

    /// The fewest rows of a chip, as a binary logarithm.
    pub(crate) fn log_size_min(self) -> u32 {
        self.secrecy.log_size_min(self.queries)
    }

    /// Rounds of FRI after the first one, for columns of `2^log_degree` coefficients.
    pub(crate) fn inner_layers(self, log_degree: u32) -> usize {
        let left = log_degree.saturating_sub(self.fold_step);
        (left - self.last_layer(log_degree)).div_ceil(self.fold_step) as usize
    }

    /// Coefficients of the last layer of FRI, as a binary logarithm.
    pub(crate) fn last_layer(self, log_degree: u32) -> u32 {
        self.log_last_layer.min(log_degree.saturating_sub(self.fold_step))
    }

    /// Nonces of a proof, that before the queries not counted.
    pub(crate) fn nonces(self, log_degree: u32) -> usize {
        // Composition, out-of-domain point, batching, first round of FRI.
        let rounds = 4 + self.inner_layers(log_degree);
        usize::from(self.challenge_pow_bits > 0) + if self.round_pow_bits > 0 { rounds } else { 0 }
    }

    /// The parameters in stwo's form. The tallest column has `2^log_degree` coefficients; every
    /// tree is lifted to it, whatever a proof says.
    pub(crate) fn pcs_config(self, log_degree: u32) -> PcsConfig {
        PcsConfig {
            pow_bits: self.query_pow_bits,
            fri_config: FriConfig::new(
                self.last_layer(log_degree),
                self.log_blowup,
                self.queries,
                self.fold_step,
            ),
            lifting_log_size: Some(log_degree + self.log_blowup),
        }
    }
}

/// Zero bits of a proof of work that bring a group of terms to [`CHALLENGE_BITS`].
fn missing_bits(terms: &[(&'static str, f64)]) -> u32 {
    // stwo looks for at most 32. Keys are bounded so that fewer than 30 are enough.
    const POW_BITS_MAX: u32 = 30;
    whole((CHALLENGE_BITS - total(terms)).ceil()).min(POW_BITS_MAX)
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

/// No preset has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown preset `{0}`: expected `standard`, `compact`, `proven`, `chain` or `fast-test`")]
pub struct UnknownPreset(String);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Security;

    /// Models from the smallest to the largest that a key may name, of every height.
    fn sizes() -> impl Iterator<Item = Counts> {
        let both = [Secrecy::Plain, Secrecy::Hiding];
        let heights =
            both.into_iter().flat_map(|secrecy| (4..=26).map(move |log_rows| (secrecy, log_rows)));
        heights.flat_map(|(secrecy, log_rows): (_, u32)| {
            let columns = [20, 300, 3000, crate::key::COLUMNS_MAX];
            columns.into_iter().map(move |columns| {
                let cells = columns << log_rows;
                Counts {
                    secrecy,
                    log_rows,
                    cells,
                    columns,
                    lookups: cells.min(crate::key::LOOKUPS_MAX),
                    constraints: columns,
                    folding: (crate::key::CHIPS_MAX as u64 * 129) << log_rows,
                    openings: 3 * columns + 64,
                }
            })
        })
    }

    #[test]
    fn names_are_parsed_back() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        assert!("default".parse::<Preset>().is_err());
    }

    #[test]
    fn every_preset_holds_what_it_states_at_every_size() {
        for counts in sizes() {
            for preset in Preset::ALL.into_iter().filter(|preset| *preset != Preset::FastTest) {
                let parameters = preset.parameters(&counts);
                let security = Security::of_counts(&counts, parameters);
                let bits = match preset {
                    Preset::Proven => security.proven_bits,
                    _ => security.conjectured_bits,
                };
                assert!(bits >= TARGET_BITS, "{preset}: {counts:?}: {parameters:?}: {security:?}");
                assert!(security.conjectured_bits >= TARGET_BITS, "{preset}: {counts:?}");
                // Nothing is wasted: one query fewer would not do.
                let fewer = Parameters { queries: parameters.queries - 1, ..parameters };
                let fewer = Security::of_counts(&counts, fewer);
                let bits = match preset {
                    Preset::Proven => fewer.proven_bits,
                    _ => fewer.conjectured_bits,
                };
                assert!(bits < TARGET_BITS, "{preset}: {counts:?}: {parameters:?}");
            }
            let parameters = Preset::FastTest.parameters(&counts);
            assert!(Security::of_counts(&counts, parameters).conjectured_bits < 20.0);
        }
    }

    #[test]
    fn proofs_for_the_chain_have_few_queries() {
        // Keys with longer columns are refused.
        for counts in sizes().filter(|counts| counts.log_degree() <= 26) {
            let parameters = Preset::Chain.parameters(&counts);
            assert_eq!(parameters.query_pow_bits, 26);
            // Columns of hiding proofs are twice as long as a chip has rows.
            let degree = counts.log_degree();
            let at_most = if degree <= 15 { 15 } else { 18 };
            assert!(degree + parameters.log_blowup <= 30, "{degree}");
            assert!(degree > 20 || parameters.queries <= at_most, "{counts:?}: {parameters:?}");
        }
    }

    #[test]
    fn small_models_grind_before_the_queries_alone() {
        let counts = Counts {
            secrecy: Secrecy::Plain,
            log_rows: 10,
            cells: 1 << 17,
            columns: 128,
            lookups: 1 << 14,
            constraints: 128,
            folding: 1 << 14,
            openings: 300,
        };
        let parameters = Preset::Standard.parameters(&counts);
        assert_eq!((parameters.queries, parameters.log_blowup), (31, 3));
        assert_eq!(parameters.nonces(counts.log_rows), 0);
    }
}
