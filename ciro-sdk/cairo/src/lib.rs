#![doc = include_str!("../README.md")]

mod agreement;
mod compile;
mod corelib;
mod emit;
mod guard;
mod identity;
mod key;
mod package;
mod program;
mod proof;
mod prove;
mod run;
mod security;
mod statement;
mod verify;

pub use agreement::{AgreementError, Subject, probes};
pub use compile::{CompileError, Compiler, Place};
pub use emit::{EmitError, EmitSettings, emit};
pub use identity::Identity;
pub use key::{CairoKey, KeyError};
pub use package::{Origin, Package};
pub use program::{Location, Program, ProgramHash};
pub use proof::{CairoProof, ProofDecodeError};
pub use prove::{ProveError, check_length, prove};
pub use run::{Execution, RunError, STEPS_MAX, run, run_within};
pub use security::security;
pub use starknet_types_core::felt::Felt;
pub use statement::{InputMode, StatedInput, Statement, StatementError, arguments, commit_input};
pub use verify::{ClaimError, VerificationError, verify, verify_statement};
