#![doc = include_str!("../README.md")]

mod advice;
mod advise;
mod blinding;
#[cfg(feature = "client")]
pub mod client;
mod error_chain;
pub mod files;
pub mod inputs;
mod machine;
#[cfg(feature = "network")]
pub mod network;
mod printable;
#[cfg(feature = "cairo")]
pub mod program;
#[cfg(feature = "prove")]
mod prove;
mod route;
mod routes;
#[cfg(feature = "starknet")]
pub mod starknet;
mod verdict;
mod verify;

pub use advice::Advice;
pub use advise::{advice, failed_check};
pub use blinding::{Blinding, BlindingSeed, InvalidBlinding};
#[cfg(feature = "prove")]
pub use ciro_compiler::{import, quantize};
pub use ciro_model::integer::{
    Claim, Committing, Context, ContextError, EncodedSample, InputPort, OutputPort, SampleMismatch,
    StatedInput, StatedTensor, Statement, Visibilities, Visibility, VisibilityError,
};
pub use ciro_model::{IntegerModel, Interface, Tensor, integer};
#[cfg(feature = "starknet")]
pub use ciro_stark::Felt;
pub use ciro_stark::{Policy, Preset, Secrecy, Security, UnknownPreset};
pub use error_chain::error_chain;
pub use files::{FileError, OutputFile, OutputFolder};
pub use machine::{available_memory, peak_memory, total_memory};
pub use printable::{printable, printable_json, printable_message};
#[cfg(feature = "prove")]
pub use prove::{
    Cache, Cached, CalibrateWith, CalibrationOrigin, CompileError, CompileSettings, Concern,
    Difference, Disagreement, Examined, FloatModel, Given, InputRefusal, Inspection,
    LoadModelError, MakeKeysError, Model, OnnxFile, OpenError, OpenSettings, Opened, OpenedFrom,
    Proven, Prover, Provers, Ran, RecomputeError, Report, Trusted, check, check_bytes, check_model,
    inspect, open, open_bytes, open_trusted, refusals, refusals_bytes,
};
pub use route::{ProofKind, Route, RouteNotBuilt, UnknownRoute};
pub use routes::RouteError;
#[cfg(feature = "prove")]
pub use routes::{
    CairoPackage, CostEstimate, MemoryShortage, ProveError, ProveSettings, RefusedNode, proof_kinds,
};
#[cfg(feature = "starknet")]
pub use starknet::{Calldata, CalldataError};
pub use verdict::Check;
pub use verify::{
    BundleError, CommittedTensor, Disclosure, EncodedInputs, InputCheck, InputMismatch,
    InputStatement, InputStatementError, Key, KeyDecodeError, KeyDigest, KeyRing, KeyRingError,
    LoadBundleError, LoadKeyError, MAX_BUNDLE_BYTES, MAX_KEY_FILE_BYTES, MAX_KEYS, Opening,
    OpeningError, ProofBundle, RealInput, RealOutput, Shown, ShownTensor, Side, Verified,
    VerifiedSample, VerifyError, verify, verify_with,
};
