//! What the integers of an output mean.

use serde::{Deserialize, Serialize};

use super::{BOUND, Interval};
use crate::bounded;
use crate::tensor::Tensor;

/// What the integers of an output mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decoding {
    /// `real = scale * integer`.
    Real {
        /// The real value of one unit.
        scale: f64,
    },
    /// Integers as they are (indices, integer labels).
    Integer,
    /// The integer is a position in a list of class names, at most [`Self::MAX_NAMES`].
    Names(
        #[serde(deserialize_with = "bounded::sequence::<{ Decoding::MAX_NAMES }, _, _>")]
        Vec<String>,
    ),
}

impl Decoding {
    /// The most class names of one output: more than any vocabulary has words.
    pub const MAX_NAMES: usize = 1 << 18;

    /// The class names; none for numbers.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Names(names) => names,
            Self::Real { .. } | Self::Integer => &[],
        }
    }

    /// The real values of an output tensor; class names decode to their position.
    pub fn decode(&self, integers: &Tensor<i32>) -> Tensor<f64> {
        match self {
            Self::Real { scale } => integers.map(|&v| f64::from(v) * scale),
            Self::Integer | Self::Names(_) => integers.map(|&v| f64::from(v)),
        }
    }

    /// Whether every class name can be shown as it is.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Names(names) => names.iter().all(|name| crate::is_plain(name)),
            Self::Real { .. } | Self::Integer => true,
        }
    }

    /// Checks what [`Self::decode`] relies on, for integers of an interval.
    ///
    /// # Errors
    /// What is wrong with the decoding.
    pub fn check(&self, interval: Interval) -> Result<(), &'static str> {
        match self {
            Self::Real { scale } if !(scale.is_finite() && *scale > 0.0) => {
                Err("the output's scale is not a positive number")
            }
            Self::Names(names) if names.len() > Self::MAX_NAMES => {
                Err("the output has more than 262,144 class names")
            }
            Self::Names(names)
                if interval.lo < 0
                    || interval.hi >= i64::try_from(names.len()).unwrap_or(BOUND) =>
            {
                Err("the output's integers may point past its class names")
            }
            _ => Ok(()),
        }
    }
}
