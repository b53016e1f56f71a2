//! Runs and proofs of jobs: the same rules for whoever orders, looks and proves.

use ciro_cairo::Felt;
use ciro_protocol::blob::{BlobError, BlobId};

use super::{JOB_FELTS_MAX, ProgramBundle, ProgramInput, ProgramJobError, ProgramJobKey};
use crate::advice::Advice;
use crate::program::{
    Executable, LoadExecutableError, ProgramProof, ProgramRun, ProvenProgram, RunBounds,
    RunProgramError,
};
use crate::routes::CostEstimate;

/// Why a job about a program cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunJobError {
    /// The bytes are no executable that is proven.
    #[error(transparent)]
    Load(#[from] LoadExecutableError),
    /// The executable is no blob of a network.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The program has no key for such runs.
    #[error(transparent)]
    Key(#[from] ProgramJobError),
    /// The executable is another one than the key's.
    #[error("the executable is another one than the key's")]
    OtherProgram,
    /// There is no run, or no proof of it, within the key's steps.
    #[error("the program cannot be run and proven as it is ordered")]
    Run(#[from] RunProgramError),
    /// The program does not print its arguments first, so that no proof says what it was given.
    #[error("the program does not print its {arguments} argument(s) first, and then its answer")]
    Unprinted {
        /// How many it was given.
        arguments: usize,
    },
    /// The program prints too much.
    #[error("the program prints {0} felts, a job's program prints at most {JOB_FELTS_MAX}")]
    Printed(usize),
}

impl RunJobError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        let text = match self {
            Self::Load(_) | Self::Blob(_) | Self::Key(_) | Self::OtherProgram | Self::Run(_) => {
                return None;
            }
            Self::Unprinted { .. } => {
                "have `main` return its arguments before its answer: a proof says nothing of arguments that are not printed"
            }
            Self::Printed(_) => "have the program print a hash of what is long",
        };
        Some(Advice::of(text))
    }
}

/// A program that jobs under one key are about.
#[derive(Clone, Debug)]
pub struct JobProgram {
    executable: Executable,
    key: ProgramJobKey,
}

impl JobProgram {
    /// Reads an executable for jobs whose runs are no more work than so many plain steps.
    ///
    /// # Errors
    /// [`RunJobError`] if it is none, or has no key for such runs.
    pub fn new(executable: &[u8], steps: u64) -> Result<Self, RunJobError> {
        let blob = BlobId::of(executable)?;
        let executable = Executable::from_bytes(executable)?;
        let key = ProgramJobKey::new(executable.key().clone(), blob, steps)?;
        Ok(Self { executable, key })
    }

    /// Reads the executable of a key.
    ///
    /// # Errors
    /// [`RunJobError::OtherProgram`] if it is another one, by a byte or by its program; as
    /// [`Self::new`].
    pub fn of(executable: &[u8], key: &ProgramJobKey) -> Result<Self, RunJobError> {
        // A stranger's file is not read before it is known to be the key's.
        if BlobId::of(executable)? != key.executable() {
            return Err(RunJobError::OtherProgram);
        }
        let executable = Executable::from_bytes(executable)?;
        if executable.key() != key.program() {
            return Err(RunJobError::OtherProgram);
        }
        Ok(Self { executable, key: key.clone() })
    }

    /// The key.
    pub fn key(&self) -> &ProgramJobKey {
        &self.key
    }

    /// What a proof takes at most, whatever the arguments.
    pub fn estimate(&self) -> CostEstimate {
        self.executable.estimate(self.key.steps(), JOB_FELTS_MAX)
    }

    /// Runs the program on a job's input in at most so much memory (`None` for what the machine has
    /// free), and checks that the run can be proven and answers the order.
    ///
    /// # Errors
    /// [`RunJobError`] if it does not.
    pub fn check(
        &self,
        input: &ProgramInput,
        memory_bytes: Option<u64>,
    ) -> Result<ProgramRun, RunJobError> {
        self.check_for(input, memory_bytes, u64::MAX)
    }

    /// As [`Self::check`], for a network that takes bundles of at most so many bytes.
    ///
    /// # Errors
    /// As there; [`RunProgramError::ProofTooLong`] if the bundle could have more.
    pub fn check_for(
        &self,
        input: &ProgramInput,
        memory_bytes: Option<u64>,
        bundle_bytes: u64,
    ) -> Result<ProgramRun, RunJobError> {
        let around = ProgramBundle { arguments: 0, proof: self.no_proof() }.to_bytes().len();
        let bundle_bytes = usize::try_from(bundle_bytes).unwrap_or(usize::MAX);
        let proof_bytes = Some(bundle_bytes.saturating_sub(around));
        let bounds = RunBounds { proof_bytes, ..self.bounds(memory_bytes) };
        let run = self.executable.check(input.arguments(), bounds)?;
        answers(input, &run.output)?;
        Ok(run)
    }

    /// A proof of no bytes: what a bundle has beside its proof.
    fn no_proof(&self) -> ProgramProof {
        ProgramProof { key: self.executable.key().digest(), proof: Vec::new() }
    }

    /// Proves the run on a job's input, in at most so much memory. The proof is verified before it
    /// is given out.
    ///
    /// # Errors
    /// [`RunJobError`] if there is no proof that answers the order.
    pub fn prove(
        &self,
        input: &ProgramInput,
        memory_bytes: Option<u64>,
    ) -> Result<ProgramBundle, RunJobError> {
        let proven = self.executable.prove_within(input.arguments(), self.bounds(memory_bytes))?;
        let ProvenProgram { proof, output, .. } = proven;
        Ok(ProgramBundle { arguments: answers(input, &output)?, proof })
    }

    fn bounds(&self, memory_bytes: Option<u64>) -> RunBounds {
        RunBounds { steps: self.key.steps(), memory_bytes, proof_bytes: None }
    }
}

/// Checks that a program printed its arguments and not too much, and returns how many arguments
/// there are.
fn answers(input: &ProgramInput, printed: &[Felt]) -> Result<u32, RunJobError> {
    let given = input.arguments();
    if printed.len() > JOB_FELTS_MAX {
        return Err(RunJobError::Printed(printed.len()));
    }
    let unprinted = RunJobError::Unprinted { arguments: given.len() };
    match u32::try_from(given.len()) {
        Ok(arguments) if printed.starts_with(given) => Ok(arguments),
        _ => Err(unprinted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_answers_if_it_prints_its_arguments_first_and_not_too_much() {
        let felts = |count: usize| vec![Felt::ONE; count];
        let input = |count| ProgramInput::new(felts(count)).unwrap();
        assert!(matches!(answers(&input(0), &[]), Ok(0)));
        assert!(matches!(answers(&input(2), &felts(2)), Ok(2)));
        assert!(matches!(answers(&input(2), &felts(7)), Ok(2)));
        let short = answers(&input(2), &felts(1));
        assert!(matches!(short, Err(RunJobError::Unprinted { arguments: 2 })), "{short:?}");
        let other = answers(&input(1), &[Felt::TWO, Felt::ONE]);
        assert!(matches!(other, Err(RunJobError::Unprinted { arguments: 1 })), "{other:?}");
        let many = answers(&input(1), &felts(JOB_FELTS_MAX + 1));
        assert!(matches!(many, Err(RunJobError::Printed(_))), "{many:?}");
        assert!(answers(&input(1), &felts(JOB_FELTS_MAX)).is_ok());
    }
}
