//! Programs, their runs, and proofs of them.

use std::path::Path;
use std::time::Instant;

use ciro_cairo::{
    CairoProveError, EXECUTABLE_BYTES_MAX, Execution, ExecutionError, Felt, Limits, Provable,
    ReadProgramError,
};
use ciro_stark::Policy;

use super::{ProgramKey, ProgramProof, VerifyProgramError, verify_program};
use crate::advice::Advice;
use crate::files::{self, FileError};
use crate::routes::cairo::{PROOF_BYTES, run_bytes, run_ms};
use crate::routes::{CostEstimate, MemoryShortage, RouteError, check_memory, memory_limit};
use crate::verify::MAX_PROOF_BYTES;

/// A Cairo program of one's own, from an executable as Scarb writes it.
#[derive(Clone, Debug)]
pub struct Executable {
    program: ciro_cairo::Program,
    key: ProgramKey,
}

/// An executable that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadExecutableError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no program that is proven.
    #[error("not a program that is proven")]
    Read(#[from] ReadProgramError),
}

/// Why there is no run or no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunProgramError {
    /// The program takes more steps than allowed.
    #[error("the program takes more than {0} steps, the most that there is room for")]
    Steps(usize),
    /// The program reaches further into the memory than allowed.
    #[error("the program reaches more than {0} cells of memory, the most that there is room for")]
    Cells(usize),
    /// The program panicked: it printed nothing.
    #[error("the program panicked: {0}")]
    Panicked(String),
    /// The program failed otherwise: an instruction does not hold, or arguments are missing.
    #[error("the program failed")]
    Failed(#[source] RouteError),
    /// The run is too long for proofs of 100 bits.
    #[error(
        "the run is too long to prove with 100 bits of security: it takes {rows} rows for {what}, at most {rows_max} are possible"
    )]
    TooLong {
        /// What there is too much of.
        what: String,
        /// How many rows it takes.
        rows: usize,
        /// How many it may take.
        rows_max: usize,
    },
    /// No felt of the run is 2^72 or more, which every run has to hold that is proven.
    #[error("the run holds no felt of 2^72 or more, and no such run is proven")]
    NoLargeValue,
    /// The run multiplies points of the curve, and no such run is proven.
    #[error("the run multiplies points of the curve, and no such run is proven")]
    Curve,
    /// The run is more work than whoever ordered it declared.
    #[error("the run is as much work as {needed} plain steps, and {declared} are declared")]
    Work {
        /// The work, in steps.
        needed: u64,
        /// What is declared.
        declared: u64,
    },
    /// The proof would take more memory than is allowed.
    #[error(transparent)]
    Memory(#[from] MemoryShortage),
    /// A proof that nobody takes: the run has too many kinds of instructions and builtins, or
    /// prints too much.
    #[error("the proof has up to {found} bytes, the longest that is taken has {limit}")]
    ProofTooLong {
        /// Its length at most.
        found: usize,
        /// The greatest length.
        limit: usize,
    },
    /// The prover stopped.
    #[error("the prover stopped")]
    Prover(#[source] RouteError),
    /// The proof does not verify; it is kept back.
    #[error("the proof does not verify; this is a fault of Ciro, nothing is written")]
    Unverified(#[source] VerifyProgramError),
    /// The proof states another output than the run; it is kept back.
    #[error(
        "the proof states another output than the run; this is a fault of Ciro, nothing is written"
    )]
    OtherOutput,
}

impl RunProgramError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Steps(_) | Self::Cells(_) | Self::TooLong { .. } => Some(Advice::of(
                "give the program smaller arguments, or split its work among several proofs",
            )),
            Self::ProofTooLong { .. } => Some(Advice::of(
                "have the program print a hash of what is long, or split its work among several proofs",
            )),
            Self::Curve => Some(Advice::of(
                "add points instead, which `core::ec` does without the builtin `ec_op`",
            )),
            Self::Work { .. } => Some(Advice::of(
                "declare more steps: name the number with which the program is registered, or register it with more",
            )),
            Self::NoLargeValue => Some(Advice::of(
                "give the program a large constant, such as an `assert` with a text of ten letters or more",
            )),
            Self::Failed(_) => Some(Advice::of(
                "look whether the arguments are those of the program: an array is its length and then its elements",
            )),
            _ => None,
        }
    }
}

/// A finished run of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRun {
    /// What it printed, felt by felt.
    pub output: Vec<Felt>,
    /// How many steps it took.
    pub steps: u64,
}

/// What a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunBounds {
    /// The most work, in plain steps: what a run takes beyond its steps for cells of memory, heavy
    /// instructions and builtins counts by the memory that its proof takes.
    pub steps: u64,
    /// The most memory of run and proof, in bytes; `None` for what the machine has free.
    pub memory_bytes: Option<u64>,
    /// The longest proof, in bytes; `None` for what verifiers read.
    pub proof_bytes: Option<usize>,
}

impl RunBounds {
    /// Checks that a proof which takes so much memory is within the bounds.
    fn admit(&self, memory_bytes: u64) -> Result<(), RunProgramError> {
        let (needed, declared) = (work(memory_bytes), self.steps);
        if needed > declared {
            return Err(RunProgramError::Work { needed, declared });
        }
        Ok(check_memory(memory_bytes, memory_limit(self.memory_bytes))?)
    }

    /// Checks the length of a proof, or the most that it may have.
    fn admit_proof(&self, found: usize) -> Result<(), RunProgramError> {
        let limit = self.proof_bytes.unwrap_or(MAX_PROOF_BYTES).min(MAX_PROOF_BYTES);
        if found > limit { Err(RunProgramError::ProofTooLong { found, limit }) } else { Ok(()) }
    }
}

/// A proof of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenProgram {
    /// The proof.
    pub proof: ProgramProof,
    /// What the program printed.
    pub output: Vec<Felt>,
    /// How many steps it took.
    pub steps: u64,
    /// How long running and proving took, in milliseconds.
    pub prove_ms: f64,
}

impl Executable {
    /// Reads an executable: the JSON that `scarb build` writes for a target `executable`.
    ///
    /// # Errors
    /// [`LoadExecutableError`] if it is none, or one that is not proven.
    pub fn from_bytes(json: &[u8]) -> Result<Self, LoadExecutableError> {
        let program = ciro_cairo::Program::read(json)?;
        let key = ProgramKey(program.key().map_err(ReadProgramError::from)?);
        Ok(Self { program, key })
    }

    /// Reads the file of an executable.
    ///
    /// # Errors
    /// As [`Executable::from_bytes`], and if the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, LoadExecutableError> {
        Self::from_bytes(&files::read(path, EXECUTABLE_BYTES_MAX as u64)?)
    }

    /// Whether a file begins as executables do and models do not: with a JSON object.
    pub fn is_executable_file(path: &Path) -> bool {
        files::head(path).is_some_and(|head| head.trim_ascii_start().starts_with(b"{"))
    }

    /// What verifiers hold of the program.
    pub fn key(&self) -> &ProgramKey {
        &self.key
    }

    /// Felts of bytecode.
    pub fn felts(&self) -> usize {
        self.program.bytecode().len()
    }

    /// Runs the program on arguments, which are felts that its parameters are deserialized from, in
    /// at most this much memory; `None` for what the machine has free.
    ///
    /// # Errors
    /// [`RunProgramError`] if it does not come to its end.
    pub fn run(
        &self,
        arguments: &[Felt],
        max_memory_bytes: Option<u64>,
    ) -> Result<ProgramRun, RunProgramError> {
        let limits = limits(memory_limit(max_memory_bytes));
        let Execution { output, steps, .. } = self.execute(arguments, limits)?;
        Ok(ProgramRun { output, steps: steps as u64 })
    }

    /// Runs the program on arguments within bounds, and checks that the run can be proven within
    /// them: a run is the same every time.
    ///
    /// # Errors
    /// [`RunProgramError`] if the program does not come to its end, or the run is none that can be
    /// proven within the bounds.
    pub fn check(
        &self,
        arguments: &[Felt],
        bounds: RunBounds,
    ) -> Result<ProgramRun, RunProgramError> {
        Ok(self.provable(arguments, bounds)?.0)
    }

    /// What a proof takes of a run that is as much work as so many plain steps and prints so many
    /// felts.
    #[expect(clippy::cast_precision_loss, reason = "a prediction is rounded")]
    pub fn estimate(&self, steps: u64, printed: usize) -> CostEstimate {
        /// A proof shows each felt of the program, and each one that it prints: its value, and 57
        /// bits at most that say which one it is.
        const BYTES_OF_FELT: u64 = 40;
        let (security, shown) = (self.key.security(), self.felts().saturating_add(printed));
        CostEstimate {
            cells: None,
            steps: Some(steps),
            prove_ms: run_ms(steps as f64),
            memory_bytes: run_bytes(steps),
            proof_bytes: PROOF_BYTES.saturating_add(BYTES_OF_FELT.saturating_mul(shown as u64)),
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
        }
    }

    /// Runs the program on arguments and proves what it printed, in at most this much memory;
    /// `None` for what the machine has free.
    ///
    /// The proof is verified before it is given out.
    ///
    /// # Errors
    /// [`RunProgramError`] if the program does not come to its end, or the run cannot be proven.
    pub fn prove(
        &self,
        arguments: &[Felt],
        max_memory_bytes: Option<u64>,
    ) -> Result<ProvenProgram, RunProgramError> {
        let memory_bytes = max_memory_bytes;
        self.prove_within(arguments, RunBounds { steps: u64::MAX, memory_bytes, proof_bytes: None })
    }

    /// As [`Executable::prove`], within bounds.
    ///
    /// # Errors
    /// As there; [`RunProgramError::Work`] if the run is more work.
    pub fn prove_within(
        &self,
        arguments: &[Felt],
        bounds: RunBounds,
    ) -> Result<ProvenProgram, RunProgramError> {
        let start = Instant::now();
        let (ProgramRun { output, steps }, provable) = self.provable(arguments, bounds)?;
        let proof = provable.prove().map_err(proving)?.to_bytes();
        bounds.admit_proof(proof.len())?;
        let proof = ProgramProof { key: self.key.digest(), proof };
        let verified = verify_program(&proof, &self.key, &Policy::default());
        if verified.map_err(RunProgramError::Unverified)?.output != output {
            return Err(RunProgramError::OtherOutput);
        }
        let prove_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(ProvenProgram { proof, output, steps, prove_ms })
    }

    /// Runs the program, and checks what a proof of the run would take: first by steps and cells,
    /// then by all that the trace is going to hold.
    fn provable(
        &self,
        arguments: &[Felt],
        bounds: RunBounds,
    ) -> Result<(ProgramRun, Provable), RunProgramError> {
        let limits = limits(memory_limit(bounds.memory_bytes));
        let steps = usize::try_from(bounds.steps).unwrap_or(usize::MAX).min(limits.steps);
        let execution = self.execute(arguments, Limits { steps, ..limits })?;
        let plain = memory_bytes(&execution);
        bounds.admit(plain)?;
        let run = ProgramRun { output: execution.output.clone(), steps: execution.steps as u64 };
        let provable = Provable::new(&self.program, execution).map_err(proving)?;
        bounds.admit(plain.max(provable.memory_bytes()))?;
        bounds.admit_proof(provable.proof_bytes())?;
        Ok((run, provable))
    }

    fn execute(&self, arguments: &[Felt], limits: Limits) -> Result<Execution, RunProgramError> {
        ciro_cairo::run_within(&self.program, None, arguments, limits).map_err(
            |error| match error {
                ExecutionError::TooLong(steps) => RunProgramError::Steps(steps),
                ExecutionError::TooLarge(cells) => RunProgramError::Cells(cells),
                ExecutionError::Panicked(message) => RunProgramError::Panicked(message),
                error => RunProgramError::Failed(RouteError::new(error)),
            },
        )
    }
}

/// What a run may take of so much memory: steps and cells take some hundred bytes each.
fn limits(memory_bytes: u64) -> Limits {
    const BYTES_OF_EACH: u64 = 256;
    let most = usize::try_from(memory_bytes / BYTES_OF_EACH).unwrap_or(usize::MAX);
    let Limits { steps, cells } = Limits::default();
    Limits { steps: steps.min(most), cells: cells.min(most) }
}

/// The memory that a proof of a plain run takes at its peak: that of the tables, of steps, and of
/// cells, which programs may leave empty. Others take what their components do.
fn memory_bytes(execution: &Execution) -> u64 {
    run_bytes(execution.steps as u64) + 250 * execution.cells as u64
}

/// The plain steps whose proof takes as much memory.
fn work(memory_bytes: u64) -> u64 {
    let [none, one] = [0, 1].map(run_bytes);
    memory_bytes.saturating_sub(none).div_ceil(one - none)
}

fn proving(error: CairoProveError) -> RunProgramError {
    match error {
        CairoProveError::TooLong { what, rows, rows_max, .. } => {
            RunProgramError::TooLong { what, rows, rows_max }
        }
        CairoProveError::NoLargeValue => RunProgramError::NoLargeValue,
        CairoProveError::Curve => RunProgramError::Curve,
        error => RunProgramError::Prover(RouteError::new(error)),
    }
}
