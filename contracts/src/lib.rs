#![doc = include_str!("../README.md")]

mod class;
mod compile;
mod run;
mod scenario;
mod sources;

pub use class::{BYTECODE_FELTS_MAX, Class, ClassError, Contract};
pub use compile::{CompileError, compile};
pub use run::{Accepted, RunError, Verdict, Verifier, model_id};
pub use scenario::Scenarios;
pub use sources::{BOND, CONSUMERS, Package, TOKEN, VERIFIER};
