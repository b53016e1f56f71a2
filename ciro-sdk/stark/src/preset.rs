//! Security parameters, as presets with stated bits.

use serde::{Deserialize, Serialize};
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;

/// A set of security parameters. A verifier chooses which presets it accepts; a proof only names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Preset {
    /// 100 conjectured bits, fast prover: blow-up 2, or more for models so small that more costs nothing and makes proofs smaller.
    Standard,
    /// 100 conjectured bits, smallest proofs: blow-up 16. For verifiers that pay by the byte.
    Compact,
    /// 100 bits without any conjecture, by unique decoding (some fewer for large models): blow-up 4, many queries.
    Proven,
    /// For tests alone: a default verifier refuses it.
    FastTest,
}

/// Models up to so many cells are proven with blow-up 8: their time goes to what does not depend on size.
const SMALL: u64 = 1 << 17;

/// Models up to so many cells are proven with blow-up 4.
const MEDIUM: u64 = 1 << 18;

/// The parameters behind a preset, for models of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Zero bits of the proof of work before the queries.
    pub(crate) query_pow_bits: u32,
    /// Zero bits of the proof of work before the challenges that LogUp and folding depend on.
    pub(crate) challenge_pow_bits: u32,
    pub(crate) log_blowup: u32,
    pub(crate) queries: usize,
    pub(crate) log_last_layer: u32,
    pub(crate) fold_step: u32,
}

impl Preset {
    /// All presets, from the fastest to the smallest proofs.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Compact, Self::Proven, Self::FastTest];

    /// The preset's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Compact => "compact",
            Self::Proven => "proven",
            Self::FastTest => "fast-test",
        }
    }

    /// The parameters for a model whose chips have `cells` cells, the model's own included.
    pub(crate) fn parameters(self, cells: u64) -> Parameters {
        let standard = Parameters {
            query_pow_bits: 16,
            challenge_pow_bits: 8,
            log_blowup: 1,
            queries: 88,
            log_last_layer: 5,
            fold_step: 3,
        };
        match self {
            Self::Standard if cells <= SMALL => {
                Parameters { log_blowup: 3, queries: 29, ..standard }
            }
            Self::Standard if cells <= MEDIUM => {
                Parameters { log_blowup: 2, queries: 44, ..standard }
            }
            Self::Standard => standard,
            Self::Compact => {
                Parameters { query_pow_bits: 20, log_blowup: 4, queries: 21, ..standard }
            }
            Self::Proven => Parameters { log_blowup: 2, queries: 125, ..standard },
            Self::FastTest => {
                Parameters { query_pow_bits: 0, challenge_pow_bits: 0, queries: 3, ..standard }
            }
        }
    }
}

impl Parameters {
    /// The parameters in stwo's form. `log_rows` is the height of the tallest column; every tree is lifted to it, whatever a
    /// proof says.
    pub(crate) fn pcs_config(self, log_rows: u32) -> PcsConfig {
        PcsConfig {
            pow_bits: self.query_pow_bits,
            fri_config: FriConfig::new(
                self.log_last_layer.min(log_rows.saturating_sub(self.fold_step)),
                self.log_blowup,
                self.queries,
                self.fold_step,
            ),
            lifting_log_size: Some(log_rows + self.log_blowup),
        }
    }
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
#[error("unknown preset `{0}`: expected `standard`, `compact`, `proven` or `fast-test`")]
pub struct UnknownPreset(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_back() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        assert!("default".parse::<Preset>().is_err());
    }
}
