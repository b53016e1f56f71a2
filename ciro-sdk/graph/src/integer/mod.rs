//! The integer model: operators with one exact meaning on integers below 2^30 in absolute value.

mod encoding;
mod interpret;
mod interval;
mod model;
mod operator;
pub mod ops;

pub use encoding::{Decoding, Encoding, EncodingError, Encoded, ordered_image};
pub use interpret::{RunError, Trace};
pub use interval::{BOUND, Interval};
pub use model::{ConstId, Constants, Input, IntegerModel, ModelBuilder, ModelError, Node, NodeId, Output};
pub use operator::{Operator, OperatorError};
pub use ops::Op;
