//! Models that cannot be laid out.

use ciro_model::Interval;
use ciro_model::integer::{VisibilityError, room};

use super::roundings::NoRoom;

/// A model that cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The model's inputs and outputs cannot be shown like this.
    #[error(transparent)]
    Visibility(#[from] VisibilityError),
    /// An input whose admissible integers no constraint describes.
    #[error("input `{name}` cannot be committed: {reason}")]
    CommitInput {
        /// The input's name.
        name: String,
        /// What stands in the way.
        reason: &'static str,
    },
    /// Intermediate values are too large for a sound rounding check.
    #[error("node `{node}` ({op})")]
    NoRoom {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// Which values leave no room.
        #[source]
        source: NoRoom,
    },
    /// A division that no sound check in the field covers.
    #[error(
        "node `{node}` ({op}): dividends in {dividend}, divisors in {divisor} and quotients in {quotient} are too wide to check together; \
         bound them more tightly, dividends to {}",
        room::DIVIDEND
    )]
    WideDivision {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What the dividends lie in.
        dividend: Interval,
        /// What the divisors lie in.
        divisor: Interval,
        /// What the quotients lie in.
        quotient: Interval,
    },
    /// Elements of a maximum that are too far apart to be compared soundly.
    #[error(
        "node `{node}` ({op}): elements in {interval} are too far apart to compare in a 31-bit field; keep them below 2^29 in absolute value"
    )]
    WideSpread {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What the elements lie in.
        interval: Interval,
    },
    /// Values and boundaries that are too far apart to be compared soundly.
    #[error(
        "node `{node}` (Bucketize): values in {values} and boundaries in {boundaries} are too far apart to compare in a 31-bit field; \
         keep values below {most} in absolute value, and boundaries inside of [{}, {}], where they decide something",
        values.lo - 1, values.hi, most = room::RANKED
    )]
    WideRanks {
        /// The node's name.
        node: String,
        /// What the values lie in.
        values: Interval,
        /// What the boundaries lie in.
        boundaries: Interval,
    },
    /// Two limbs that are no image of a float32.
    #[error(
        "node `{node}` (Bucketize): element {element} of the operand is not the two limbs of an element of an `Ordered` input; \
         rank limbs of such an input, or integers without limbs"
    )]
    Images {
        /// The node's name.
        node: String,
        /// Which element, row-major.
        element: usize,
    },
    /// A tree ensemble that reads what is no rank of a `Bucketize` node.
    #[error(
        "node `{node}` (TreeEnsemble): element {element} of the operand is no result of a Bucketize node; \
         rank it, and move results of Bucketize nodes only"
    )]
    Ranks {
        /// The node's name.
        node: String,
        /// Which element, row-major, of the samples one after the other.
        element: usize,
    },
    /// The model has more tensor elements than addresses.
    #[error(
        "the model and its batch hold {elements} tensor elements, more than the {most} that can be addressed"
    )]
    TooLarge {
        /// Tensor elements of the whole batch.
        elements: u64,
        /// The most that can be addressed.
        most: u64,
    },
    /// The trace is larger than any that a verifier takes.
    #[error(
        "the model and its batch are too large to be verified: {0}; prove fewer samples at once, or a smaller model"
    )]
    Chips(&'static str),
}
