#![doc = include_str!("../README.md")]

#[cfg(feature = "prove")]
mod agreement;
#[cfg(feature = "prove")]
mod arguments;
mod builtin;
#[cfg(feature = "prove")]
mod compile;
#[cfg(feature = "prove")]
mod corelib;
#[cfg(feature = "prove")]
mod emit;
mod guard;
mod header;
mod identity;
mod key;
#[cfg(feature = "prove")]
mod package;
#[cfg(feature = "prove")]
mod program;
mod program_hash;
mod program_key;
mod proof;
#[cfg(feature = "prove")]
mod prove;
#[cfg(feature = "prove")]
mod run;
mod security;
mod statement;
mod verify;

#[cfg(feature = "prove")]
pub use agreement::{AgreementError, Subject, probes};
#[cfg(feature = "prove")]
pub use arguments::arguments;
pub use builtin::{Builtin, Unprovable};
#[cfg(feature = "prove")]
pub use compile::{Compiler, Place, ProgramError, core_config};
#[cfg(feature = "prove")]
pub use corelib::virtual_folder;
#[cfg(feature = "prove")]
pub use emit::{EmitError, EmitSettings, emit};
pub use identity::Identity;
pub use key::{CairoKey, CairoKeyError};
#[cfg(feature = "prove")]
pub use package::{Origin, Package};
#[cfg(feature = "prove")]
pub use program::{EXECUTABLE_BYTES_MAX, Location, Program, ReadProgramError, hexadecimal};
pub use program_hash::ProgramHash;
pub use program_key::{CairoProgramKey, CairoProgramKeyError};
pub use proof::{CairoProof, ProofDecodeError};
#[cfg(feature = "prove")]
pub use prove::{CairoProveError, Provable, check_length, prove};
#[cfg(feature = "prove")]
pub use run::{CELLS_MAX, Execution, ExecutionError, Limits, STEPS_MAX, run, run_within};
pub use security::security;
pub use starknet_types_core::felt::Felt;
pub use statement::{InputMode, StatementError, commit_input, expected_claim, parse_claim};
pub use verify::{
    CairoVerificationError, MalformedClaim, verify, verify_program, verify_statement,
};
