//! The operators of the integer model, one file each.
//!
//! To add one: write its file, then add its line at the end of `operators!`.

mod arg_max;
mod bucketize;
mod combine;
mod constant;
mod conv;
mod div_floor;
mod embed;
mod input;
mod isqrt;
mod linear;
mod lookup;
mod mat_mul;
mod movement;
mod mul;
mod reduce_max;
mod reduce_sum;
mod requantize;
#[cfg(test)]
mod testing;
mod tree_ensemble;

pub use arg_max::ArgMax;
pub use bucketize::Bucketize;
pub use combine::Combine;
pub use constant::Constant;
pub use conv::Conv;
pub use div_floor::DivFloor;
pub use embed::Embed;
pub use input::InputTensor;
pub use isqrt::Isqrt;
pub use linear::Linear;
pub use lookup::Lookup;
pub use mat_mul::MatMul;
pub use mul::Mul;
pub use reduce_max::ReduceMax;
pub use reduce_sum::ReduceSum;
pub use requantize::Requantize;
pub use tree_ensemble::{TreeEnsemble, TreeNode};

use serde::{Deserialize, Serialize};

use super::{ConstId, Operator};
use crate::movement::Movement;

/// The list of operators: the enum, the operator behind each variant and the conversions from it.
///
/// The order of variants is part of the format of compiled models and of the digest in model keys:
/// new ones come last.
macro_rules! operators {
    ($($(#[$doc:meta])* $variant:ident($operator:ty),)*) => {
        /// An operator of the integer model.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Op {
            $($(#[$doc])* $variant($operator),)*
        }

        impl Op {
            /// The operator behind the variant.
            pub fn operator(&self) -> &dyn Operator {
                match self {
                    $(Self::$variant(op) => op,)*
                }
            }
        }

        $(impl From<$operator> for Op {
            fn from(op: $operator) -> Self {
                Self::$variant(op)
            }
        })*
    };
}

operators! {
    /// A tensor that comes from outside.
    Input(InputTensor),
    /// A tensor that is part of the model.
    Constant(Constant),
    /// Product with a constant matrix, plus bias.
    Linear(Linear),
    /// Convolution with a constant kernel, plus bias.
    Conv(Conv),
    /// Product of two computed matrices.
    MatMul(MatMul),
    /// Linear combination of tensors with integer coefficients.
    Combine(Combine),
    /// Elementwise product.
    Mul(Mul),
    /// Rounding shift and clamp.
    Requantize(Requantize),
    /// Unary function by table.
    Lookup(Lookup),
    /// Elementwise floor division.
    DivFloor(DivFloor),
    /// Elementwise integer square root.
    Isqrt(Isqrt),
    /// Sum over the last axis.
    ReduceSum(ReduceSum),
    /// Maximum over the last axis.
    ReduceMax(ReduceMax),
    /// Position of the maximum over the last axis.
    ArgMax(ArgMax),
    /// Moves elements.
    Move(Movement<i32>),
    /// Rows of a constant matrix, chosen by computed indices.
    Embed(Embed),
    /// Ranks of features among sorted boundaries.
    Bucketize(Bucketize),
    /// Sums of decision-tree leaves.
    TreeEnsemble(TreeEnsemble),
}

impl Op {
    /// The ids of the constants that the operator reads, to be renumbered.
    pub(super) fn constants_mut(&mut self) -> Vec<&mut ConstId> {
        match self {
            Self::Constant(Constant { value }) => vec![value],
            Self::Linear(Linear { weight, bias }) | Self::Conv(Conv { weight, bias, .. }) => {
                [weight].into_iter().chain(bias).collect()
            }
            Self::Lookup(Lookup { table, .. }) | Self::Embed(Embed { table }) => vec![table],
            Self::Input(_)
            | Self::MatMul(_)
            | Self::Combine(_)
            | Self::Mul(_)
            | Self::Requantize(_)
            | Self::DivFloor(_)
            | Self::Isqrt(_)
            | Self::ReduceSum(_)
            | Self::ReduceMax(_)
            | Self::ArgMax(_)
            | Self::Move(_)
            | Self::Bucketize(_)
            | Self::TreeEnsemble(_) => vec![],
        }
    }
}
