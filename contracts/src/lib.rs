#![doc = include_str!("../README.md")]

mod class;
mod compile;
mod deploy;
mod evidence;
mod run;
mod scenario;
mod sources;

pub use class::{BYTECODE_FELTS_MAX, Class, ClassError, Compiled, Contract};
pub use compile::{CompileError, compile};
pub use deploy::{DeployError, Deployed, declare, deploy};
pub use evidence::evidence_to_felts;
pub use run::{Accepted, RunError, Verdict, Verifier, model_id};
pub use scenario::{Cost, Rehearsal, Scenarios};
pub use sources::{BOND, BRIDGE, CONSUMERS, GOVERNOR, Package, ROUTER, TOKEN, VERIFIER};
