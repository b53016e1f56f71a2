//! The integer model: operators with one exact meaning on integers below 2^30 in absolute value.

mod builder;
mod claim;
mod context;
mod decoding;
mod dictionary;
mod encoding;
mod file;
mod guard;
mod images;
mod interface;
mod interpret;
mod interval;
mod model;
mod operator;
pub mod ops;
mod preimage;
mod report;
pub mod room;
mod visibility;

pub use builder::ModelBuilder;
pub use claim::{Claim, ClaimError, StatedInput, StatedTensor, Statement};
pub use context::{Context, ContextError};
pub use decoding::Decoding;
pub use dictionary::Dictionary;
pub use encoding::{
    Encoded, Encoding, EncodingError, MISSING_BOUNDARY, MISSING_IMAGE, ORDERED_IMAGE_MAX,
    ordered_image,
};
pub use file::{CompiledModel, MAX_FILE_BYTES, ModelFileError, SourceInfo};
pub use guard::{Clip, Guard, Loss};
pub use interface::{
    EncodedSample, InputPort, Interface, InterfaceError, MAX_RANK, OutputPort, SampleMismatch,
};
pub use interpret::{RunError, Trace};
pub use interval::{BOUND, Interval, IntervalSum};
pub use model::{
    ConstId, Constants, Input, IntegerModel, MAX_ELEMENTS, ModelError, Node, NodeId, Output,
};
pub use operator::{Operator, OperatorError};
pub use ops::Op;
pub use report::{AccuracyReport, LayerAccuracy, OutputAccuracy};
pub use visibility::{Committing, Visibilities, Visibility, VisibilityError};
