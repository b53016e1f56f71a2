//! From ONNX files to proofs.

mod cache;
mod check;
mod compile;
mod concern;
mod differences;
mod given;
mod inspect;
mod losses;
mod model;
mod open;
mod prover;
mod recompute;

pub use cache::{Cache, Cached};
pub use check::{Report, check_model};
pub use compile::{CompileError, CompileSettings, OnnxFile};
pub use concern::{Concern, Examined, InputRefusal, Ran};
pub use differences::Difference;
pub use given::Given;
pub use inspect::Inspection;
pub use model::{LoadModelError, Model};
pub use open::{
    CalibrateWith, CalibrationOrigin, OpenError, OpenSettings, Opened, OpenedFrom, Trusted, check,
    check_bytes, inspect, open, open_bytes, open_trusted, refusals, refusals_bytes,
};
pub use prover::{MakeKeysError, Proven, Prover, Provers};
pub use recompute::{Disagreement, FloatModel, RecomputeError};
