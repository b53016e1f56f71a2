#![doc = include_str!("../README.md")]

mod bundle;
#[cfg(feature = "prove")]
mod cache;
#[cfg(feature = "cairo")]
mod cairo;
#[cfg(feature = "prove")]
mod check;
mod files;
#[cfg(feature = "prove")]
pub mod inputs;
#[cfg(feature = "prove")]
mod inspect;
mod key;
#[cfg(feature = "prove")]
mod machine;
#[cfg(feature = "prove")]
mod model;
mod output;
mod printable;
#[cfg(feature = "prove")]
mod prover;
mod real_input;
#[cfg(feature = "prove")]
mod recompute;
mod route;
mod statement;
mod verify;

pub use bundle::{DecodeError, LoadBundleError, MAX_BUNDLE_BYTES, ProofBundle};
#[cfg(feature = "prove")]
pub use cache::{Cache, Cached};
#[cfg(feature = "cairo")]
pub use cairo::CairoKey;
#[cfg(feature = "prove")]
pub use check::{Estimate, Refusal, Report, check_file, check_model};
#[cfg(feature = "prove")]
pub use ciro_compiler::{import, quantize};
pub use ciro_model::integer::{EncodedSample, InputPort, OutputPort, SampleMismatch};
pub use ciro_model::{IntegerModel, Interface, Tensor, integer};
pub use ciro_stark::{Policy, Preset, Security, UnknownPreset, VerificationError};
pub use files::{FileError, OutputFile};
#[cfg(feature = "prove")]
pub use inspect::{Inspection, inspect_file, inspect_model};
pub use key::{KeyDigest, KeyError, LoadKeyError, ModelKey};
#[cfg(feature = "prove")]
pub use machine::available_memory;
#[cfg(feature = "prove")]
pub use model::{CairoPackage, CompileError, CompileSettings, Concern, Model, OnnxFile};
pub use output::Output;
pub use printable::{printable, printable_json, printable_message};
#[cfg(feature = "prove")]
pub use prover::{ProveError, ProveSettings, Proven, Prover};
pub use real_input::RealInput;
#[cfg(feature = "prove")]
pub use recompute::{Disagreement, FloatModel, RecomputeError};
pub use route::{Route, RouteNotBuilt, UnknownRoute};
pub use statement::{Blinding, Claim, InvalidBlinding, StatedInput, Statement};
pub use verify::{
    InputCheck, InputMismatch, Verified, VerifiedSample, VerifyError, verify, verify_with,
};
