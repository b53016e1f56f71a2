#![doc = include_str!("../README.md")]

mod class;
mod compile;
mod run;
mod sources;

pub use class::{BYTECODE_FELTS_MAX, Class, ClassError};
pub use compile::{CompileError, compile};
pub use run::{Accepted, RunError, Verdict, Verifier, model_id};
pub use sources::SOURCES;
