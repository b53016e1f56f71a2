//! Keys, statements and proofs as felts: what the verifier in `contracts/` reads.
//!
//! `P(words)` packs eight words of 31 bits into a felt, word `j` at bit `31 j`, and fills the last
//! felt up with zeros. `H(hashes)` is their number, their last bytes (31 a felt), and of each the
//! 31 bytes before it.
//!
//! The key: version; parameters and counts; numbers of input and output tensors; digest, in two
//! halves; root of the model's columns, in two halves; chips; what the integers of each tensor have
//! to be.
//!
//! The statement: context; P(shown inputs of all samples); P(shown outputs of all samples); for
//! every sample the commitments of its inputs, then those of its outputs, each P(its eight
//! elements), which is one felt.
//!
//! The proof: nonces, that before the queries last; H(roots of trees 1 to 3 and of the layers of
//! FRI, paths of trees 0 to 3 and of those layers); P(opened values); P(last layer); for each query
//! and tree P(the row, columns by size); for each layer of FRI the number of its values and
//! P(values).
//!
//! The key fixes every length but those of paths and of the values of FRI's layers, which depend on
//! where the queries fall.

mod key;
mod pack;
mod proof;
mod statement;

use ciro_model::integer::Context;
use serde::{Deserialize, Serialize};

pub use proof::PROOF_FELTS_MAX;
pub use statement::StatementFelts;

/// An element of the Stark field, big-endian, as Starknet's calldata has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Felt(pub [u8; 32]);

/// Text that is no element of the Stark field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a felt has 1 to 64 hexadecimal digits behind `0x` or nothing, and is below the Stark prime"
)]
pub struct InvalidFelt;

impl std::str::FromStr for Felt {
    type Err = InvalidFelt;

    fn from_str(text: &str) -> Result<Self, InvalidFelt> {
        // A context is such a number, written so.
        let number: Context = text.parse().map_err(|_| InvalidFelt)?;
        Ok(Self(number.to_bytes()))
    }
}

impl TryFrom<String> for Felt {
    type Error = InvalidFelt;

    fn try_from(text: String) -> Result<Self, InvalidFelt> {
        text.parse()
    }
}

impl From<Felt> for String {
    fn from(felt: Felt) -> Self {
        felt.to_string()
    }
}

impl std::fmt::Debug for Felt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// As tools for Starknet write it: hexadecimal digits without leading zeros.
impl std::fmt::Display for Felt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        write!(f, "0x")?;
        let mut digits = digits.skip_while(|&digit| digit == 0).peekable();
        if digits.peek().is_none() {
            return write!(f, "0");
        }
        digits.try_for_each(|digit| write!(f, "{digit:x}"))
    }
}

/// A key, statement or proof that the verifier on the chain does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeltsError {
    /// Proofs for the key are masked.
    #[error(
        "proofs for the key hide inputs and execution, and the verifier on the chain knows plain \
         ones alone: make a key without hiding"
    )]
    Hiding,
    /// The domain has more points than the verifier takes.
    #[error(
        "the model's trace has 2^{log_rows} rows, the verifier on the chain takes at most 2^{most}: \
         prove fewer inferences at once, or a smaller model"
    )]
    TooTall {
        /// The rows of the tallest chip, as a binary logarithm.
        log_rows: u32,
        /// The most that the verifier takes.
        most: u32,
    },
    /// That several integer views are about one real input is not checked there.
    #[error(
        "input `{0}` has several integer forms, and the verifier on the chain does not check that \
         they are about one real input: export a model whose trees and arithmetic read different \
         inputs"
    )]
    Views(String),
    /// That each element of an input is one of its own texts is not checked there.
    #[error(
        "elements of input `{0}` take some texts each, and the verifier on the chain does not check \
         which: encode the texts outside of the model"
    )]
    Texts(String),
    /// A count that has no room in the key's felts.
    #[error("the key's {0} do not fit its felts: the verifier on the chain takes no such model")]
    Count(&'static str),
    /// The statement is not about the key's model.
    #[error("the statement does not have the key's form: {0}")]
    Statement(&'static str),
    /// The proof does not have the form that the key prescribes.
    #[error("the proof's form is not the key's: {0}")]
    Structure(&'static str),
    /// More felts than one transaction carries.
    #[error(
        "key, statement and proof take {felts} felts, one transaction carries {PROOF_FELTS_MAX}: \
         {help}"
    )]
    TooLong {
        /// All felts together.
        felts: usize,
        /// What would make them fewer.
        help: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn felts_are_written_without_leading_zeros() {
        let felt = |end: &[u8]| {
            let mut bytes = [0; 32];
            bytes[32 - end.len()..].copy_from_slice(end);
            Felt(bytes).to_string()
        };
        assert_eq!(felt(&[]), "0x0");
        assert_eq!(felt(&[9]), "0x9");
        assert_eq!(felt(&[0xa0, 0x0b]), "0xa00b");
    }
}
