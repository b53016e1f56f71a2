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
mod model;
mod output;
#[cfg(feature = "prove")]
mod prover;
#[cfg(feature = "prove")]
mod recheck;
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
pub use ciro_graph::integer::{EncodedSample, InputPort, OutputPort, SampleMismatch};
pub use ciro_graph::{IntegerModel, Interface, Tensor, integer};
#[cfg(feature = "prove")]
pub use ciro_graph::{import, quantize};
pub use ciro_stark::{Policy, Preset, Security, UnknownPreset, VerificationError};
pub use files::{FileError, OutputFile};
#[cfg(feature = "prove")]
pub use inspect::{Inspection, inspect_file, inspect_model};
pub use key::{KeyDigest, KeyError, LoadKeyError, ModelKey};
#[cfg(feature = "prove")]
pub use model::{CairoPackage, CompileError, CompileSettings, Model};
pub use output::Output;
#[cfg(feature = "prove")]
pub use prover::{ProveError, ProveSettings, Proven, Prover};
#[cfg(feature = "prove")]
pub use recheck::{ClaimMismatch, Rechecked};
pub use route::{Route, RouteNotBuilt, UnknownRoute};
pub use statement::{Blinding, Claim, InvalidBlinding, StatedInput, Statement};
pub use verify::{InputMismatch, Verified, VerifiedSample, VerifyError, verify, verify_with};
