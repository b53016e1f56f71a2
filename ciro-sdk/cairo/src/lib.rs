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
pub use compile::{Compiler, Place, ProgramError};
pub use emit::{EmitError, EmitSettings, emit};
pub use identity::Identity;
pub use key::{CairoKey, CairoKeyError};
pub use package::{Origin, Package};
pub use program::{Location, Program, ProgramHash};
pub use proof::{CairoProof, ProofDecodeError};
pub use prove::{CairoProveError, check_length, prove};
pub use run::{Execution, ExecutionError, STEPS_MAX, run, run_within};
pub use security::security;
pub use starknet_types_core::felt::Felt;
pub use statement::{
    InputMode, StatementError, arguments, commit_input, expected_claim, parse_claim,
};
pub use verify::{CairoVerificationError, MalformedClaim, verify, verify_statement};
