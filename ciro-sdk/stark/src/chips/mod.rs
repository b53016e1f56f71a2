//! The chips of the tensor STARK, one file each.

mod accumulate;
mod arg_max;
mod arithmetic;
mod constants;
mod contract;
#[cfg(test)]
pub(crate) mod defects;
mod divide;
mod embed;
mod io;
pub(crate) mod limbs;
mod max;
pub(crate) mod quantize;
mod rank;
mod table;
mod tree;
#[cfg(feature = "prove")]
pub(crate) mod unique;

pub(crate) use accumulate::AccumulateChip;
pub(crate) use arg_max::ArgMaxChip;
pub(crate) use arithmetic::ArithmeticChip;
pub(crate) use constants::ConstantsChip;
pub(crate) use contract::ContractChip;
pub(crate) use divide::{DivideChip, RootChip};
pub(crate) use embed::EmbedChip;
pub(crate) use io::IoChip;
pub(crate) use max::MaxChip;
pub(crate) use rank::RankChip;
#[cfg(feature = "prove")]
pub(crate) use table::Book;
pub(crate) use table::TableChip;
pub(crate) use tree::{LeafChip, PathChip};

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Row};

/// A chip of any kind with its parameters, as the model key lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AnyChip {
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
}

impl AnyChip {
    /// The chip's name in reports and error messages.
    #[cfg(feature = "prove")]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Table(chip) => match chip.book {
                Book::Functions => "function tables",
                Book::Boundaries => "boundary table",
                Book::TreeNodes => "tree nodes",
                Book::Leaves => "tree leaves",
            },
            Self::Constants(_) => "constants",
            Self::Io(_) => "public values",
            Self::Contract(chip) if chip.dynamic => "products of activations",
            Self::Contract(_) => "products with weights",
            Self::Accumulate(chip) if chip.limbs.is_some() => "rounded products",
            Self::Accumulate(_) => "raw products",
            Self::Arithmetic(chip) if chip.limbs.is_some() => "rounded arithmetic",
            Self::Arithmetic(_) => "raw arithmetic",
            Self::Max(_) => "maxima",
            Self::ArgMax(_) => "positions of maxima",
            Self::Divide(_) => "divisions",
            Self::Root(_) => "square roots",
            Self::Embed(_) => "embeddings",
            Self::Rank(_) => "feature ranks",
            Self::Path(_) => "tree paths",
            Self::Leaf(_) => "leaf weights",
        }
    }

    /// Whether sizes and lane counts are such that the chip can be built; keys from outside are not
    /// trusted.
    pub(crate) fn is_sane(&self, max_log_size: u32) -> bool {
        let lanes = |lanes: u32| (1..=Challenges::MAX_LANES).contains(&(lanes as usize));
        let shape = match self {
            Self::Table(chip) => lanes(chip.lanes),
            Self::Constants(chip) => lanes(chip.lanes),
            Self::Io(chip) => lanes(chip.lanes),
            Self::Contract(chip) => lanes(chip.left) && lanes(chip.right),
            Self::Accumulate(chip) => {
                lanes(chip.lanes) && chip.limbs.is_none_or(|limbs| limbs.is_sane())
            }
            Self::Arithmetic(chip) => {
                lanes(chip.lanes) && chip.limbs.is_none_or(|limbs| limbs.is_sane())
            }
            Self::Max(chip) => chip.limbs.is_sane(),
            Self::ArgMax(chip) => chip.limbs.is_sane(),
            Self::Divide(chip) => chip.limbs.is_sane(),
            Self::Root(chip) => chip.limbs.is_sane(),
            Self::Embed(chip) => lanes(chip.lanes),
            Self::Rank(chip) => chip.limbs.is_sane(),
            Self::Path(chip) => chip.limbs.is_sane(),
            Self::Leaf(_) => true,
        };
        shape && (5..=max_log_size).contains(&self.log_size())
    }

    /// Degree of the chip's total in the folding challenges together: a row adds the powers of its lanes, and where folds are folded
    /// again, one power of each challenge.
    pub(crate) fn folding_degree(&self) -> u64 {
        let degree: u32 = match self {
            Self::Io(chip) => chip.lanes,
            Self::Contract(chip) => chip.left + chip.right + 1,
            Self::Accumulate(chip) => chip.lanes + 2,
            _ => 0,
        };
        u64::from(degree) << self.log_size()
    }

    /// Whether the chip has a total; the claim of one that has none is 0.
    pub(crate) fn has_total(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Contract(_) | Self::Accumulate(_))
    }

    /// With which sign the chip's total enters the balance of matrix products; `None` if it has no
    /// part in it.
    pub(crate) fn product_sign(&self) -> Option<i32> {
        match self {
            Self::Contract(_) => Some(1),
            Self::Accumulate(_) => Some(-1),
            _ => None,
        }
    }
}

macro_rules! dispatch {
    ($self:expr, $chip:ident => $body:expr) => {
        match $self {
            AnyChip::Table($chip) => $body,
            AnyChip::Constants($chip) => $body,
            AnyChip::Io($chip) => $body,
            AnyChip::Contract($chip) => $body,
            AnyChip::Accumulate($chip) => $body,
            AnyChip::Arithmetic($chip) => $body,
            AnyChip::Max($chip) => $body,
            AnyChip::ArgMax($chip) => $body,
            AnyChip::Divide($chip) => $body,
            AnyChip::Root($chip) => $body,
            AnyChip::Embed($chip) => $body,
            AnyChip::Rank($chip) => $body,
            AnyChip::Path($chip) => $body,
            AnyChip::Leaf($chip) => $body,
        }
    };
}

impl Chip for AnyChip {
    fn log_size(&self) -> u32 {
        dispatch!(self, chip => chip.log_size())
    }

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        dispatch!(self, chip => chip.evaluate(row, challenges));
    }
}
