//! The chips of the tensor STARK, one file for each kind of work.
//!
//! What a chip's columns are called is declared beside its constraints; `rows/` fills them, in a
//! file of the same name.

pub(crate) mod admit;
pub(crate) mod arithmetic;
pub(crate) mod constants;
#[cfg(test)]
pub(crate) mod defects;
pub(crate) mod division;
pub(crate) mod embedding;
pub(crate) mod extremum;
pub(crate) mod hash;
pub(crate) mod io;
pub(crate) mod limbs;
pub(crate) mod product;
pub(crate) mod rank;
pub(crate) mod rounding;
pub(crate) mod table;
pub(crate) mod tree;
#[cfg(feature = "prove")]
pub(crate) mod unique;

pub(crate) use admit::AdmitChip;
pub(crate) use arithmetic::ArithmeticChip;
pub(crate) use constants::ConstantsChip;
pub(crate) use division::{DivideChip, RootChip};
pub(crate) use embedding::EmbedChip;
pub(crate) use extremum::{ArgMaxChip, MaxChip};
pub(crate) use hash::HashChip;
pub(crate) use io::IoChip;
pub(crate) use product::{AccumulateChip, ContractChip};
pub(crate) use rank::RankChip;
pub(crate) use table::TableChip;
#[cfg(feature = "prove")]
pub(crate) use table::TableKind;
pub(crate) use tree::{LeafChip, PathChip};

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Row, Total};

/// Lists the kinds of chips once; their order is that of the model key's encoding.
macro_rules! chips {
    ($($kind:ident($chip:ty)),* $(,)?) => {
        /// A chip of any kind with its parameters, as the model key lists it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum AnyChip {
            $($kind($chip)),*
        }

        impl Chip for AnyChip {
            fn log_size(&self) -> u32 {
                match self { $(Self::$kind(chip) => chip.log_size()),* }
            }

            fn name(&self) -> &'static str {
                match self { $(Self::$kind(chip) => chip.name()),* }
            }

            fn is_sane(&self) -> bool {
                match self { $(Self::$kind(chip) => chip.is_sane()),* }
            }

            fn total(&self) -> Total {
                match self { $(Self::$kind(chip) => chip.total()),* }
            }

            fn folding_degree(&self) -> u32 {
                match self { $(Self::$kind(chip) => chip.folding_degree()),* }
            }

            fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
                match self { $(Self::$kind(chip) => chip.evaluate(row, challenges)),* }
            }
        }
    };
}

chips! {
    Table(TableChip),
    Constants(ConstantsChip),
    Io(IoChip),
    Contract(ContractChip),
    Accumulate(AccumulateChip),
    Arithmetic(ArithmeticChip),
    Max(MaxChip),
    ArgMax(ArgMaxChip),
    Divide(DivideChip),
    Root(RootChip),
    Embed(EmbedChip),
    Rank(RankChip),
    Path(PathChip),
    Leaf(LeafChip),
    Hash(HashChip),
    Admit(AdmitChip),
}
