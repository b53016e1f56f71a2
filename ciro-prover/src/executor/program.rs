//! Programs in a child: their jobs are looked at, and proven, by the rules of the SDK.

use std::error::Error;
use std::path::Path;

use ciro_sdk::program::EXECUTABLE_BYTES_MAX;
use ciro_sdk::program::job::{JobProgram, ProgramInput, ProgramJobKey};
use ciro_sdk::{error_chain, files, printable_message};

use super::child::{Failed, machine};
use super::protocol::{Fault, ProofTask};

/// Reads the executable of a key.
pub(super) fn load(path: &Path, key: &[u8]) -> Result<JobProgram, Failed> {
    let key = ProgramJobKey::from_bytes(key).map_err(|error| machine(error_chain(&error)))?;
    let executable = files::read(path, EXECUTABLE_BYTES_MAX as u64)
        .map_err(|error| machine(error_chain(&error)))?;
    JobProgram::of(&executable, &key).map_err(|error| machine(error_chain(&error)))
}

/// Reads the arguments of a job, if they are those that its order states.
fn arguments(program: &JobProgram, task: &ProofTask) -> Result<ProgramInput, Failed> {
    let input = |reason: String| (Fault::Input, reason);
    if task.sealed.is_some() {
        return Err(input("the input is sealed, and a program's proof shows it".to_owned()));
    }
    let bytes = std::fs::read(&task.input)
        .map_err(|error| machine(format!("cannot read the input: {error}")))?;
    let arguments = ProgramInput::from_bytes(&bytes).map_err(|error| input(error_chain(&error)))?;
    if arguments.order_digest(program.key()) == task.statement {
        Ok(arguments)
    } else {
        Err(input("the arguments are others than the order states".to_owned()))
    }
}

/// What an error says, of which a stranger's program may have chosen the words.
fn said(error: &(dyn Error + 'static)) -> String {
    const CHARACTERS_MAX: usize = 400;
    printable_message(&error_chain(error).chars().take(CHARACTERS_MAX).collect::<String>())
}

/// Runs a program on the arguments of a job, and checks that the run can be proven and answers the
/// order. Whatever goes wrong is the order's fault: it chose program, steps and arguments.
pub(super) fn look(program: &JobProgram, task: &ProofTask, max_memory: u64) -> Result<(), Failed> {
    let arguments = arguments(program, task)?;
    let run = program.check_for(&arguments, Some(max_memory), task.bundle_bytes_max);
    run.map(drop).map_err(|error| (Fault::Input, said(&error)))
}

/// Proves a job, and returns the bundle.
pub(super) fn prove(
    program: &JobProgram,
    task: &ProofTask,
    max_memory: u64,
) -> Result<Vec<u8>, Failed> {
    let arguments = arguments(program, task)?;
    let bundle = program.prove(&arguments, Some(max_memory));
    Ok(bundle.map_err(|error| machine(said(&error)))?.to_bytes())
}
