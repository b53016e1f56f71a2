//! The Cairo route: a model as a Cairo program, its proofs, and their verification.

use std::sync::Arc;

use ciro_cairo::{
    CairoKey as ProgramKey, CairoProof, Compiler, EmitSettings, Execution, Felt, InputMode,
    Package, Program, StatedInput as CairoInput, Statement as CairoStatement, Subject,
};
use ciro_model::{IntegerModel, Interface, Tensor};
use ciro_stark::{Preset, Security};

use crate::key::KeyError;
use crate::model::{CairoPackage, Model};
use crate::prover::{ProveError, ProveSettings};
use crate::statement::{Blinding, Claim, StatedInput, Statement};
use crate::verify::VerifyError;

/// The preset that names the route's one set of security parameters.
pub(crate) const PRESET: Preset = Preset::Standard;

/// A key of the Cairo route.
#[derive(Clone, Debug, PartialEq)]
pub struct CairoKey(ProgramKey);

impl CairoKey {
    /// The hash of the program, in hexadecimal digits.
    pub fn program_hash(&self) -> String {
        self.0.program.to_string()
    }

    /// What the model takes and gives.
    pub fn interface(&self) -> &Interface {
        &self.0.interface
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0.digest()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        Ok(Self(ProgramKey::from_bytes(bytes)?))
    }
}

/// The security of every proof of the route: all ways to cheat together.
pub(crate) fn security() -> Security {
    ciro_cairo::security()
}

/// A model's program, ready to run.
#[derive(Debug)]
pub(crate) struct CairoProver {
    model: Arc<IntegerModel>,
    package: Package,
    program: Program,
    key: CairoKey,
    work: Work,
    commit_input: bool,
}

impl CairoProver {
    pub(crate) fn new(model: &Model, settings: &ProveSettings) -> Result<Self, ProveError> {
        if settings.batch != 1 {
            return Err(ProveError::Batch(settings.batch));
        }
        if settings.preset != PRESET {
            return Err(ProveError::Preset(settings.preset));
        }
        let package = package(model, "model")?;
        let program = compile(&package)?;
        let key = CairoKey(ProgramKey::new(model.integer(), &program));
        if let (true, Some(port)) =
            (settings.commit_input, key.interface().first_with_several_views())
        {
            return Err(ProveError::CommitSeveralViews(port.name.clone()));
        }
        let model = Arc::clone(model.integer());
        let subject = Subject { model: &model, package: &package, program: &program, key: &key.0 };
        // A key is a promise about the model: the program is compared with it first.
        let execution = subject.probe(steps_max(settings)).map_err(ProveError::Program)?;
        let work = Work::of(&package, &execution);
        // A program too long for a proof of 100 bits is refused before anything is proven.
        ciro_cairo::check_length(&program, execution).map_err(ProveError::Cairo)?;
        Ok(Self { model, package, program, key, work, commit_input: settings.commit_input })
    }

    pub(crate) fn key(&self) -> &CairoKey {
        &self.key
    }

    /// What a proof takes; inputs change it by a few per mille at most.
    pub(crate) fn work(&self) -> Work {
        self.work
    }

    /// Runs the program on one sample, compares it with the model, and proves the run, if that is expected to take no more
    /// memory than `max_memory_bytes`.
    pub(crate) fn prove(
        &self,
        input: &[Tensor<i32>],
        max_memory_bytes: Option<u64>,
    ) -> Result<CairoProven, ProveError> {
        let blinding = self.commit_input.then(Blinding::random).transpose()?;
        let Self { model, package, program, key, .. } = self;
        let subject = Subject { model, package, program, key: &key.0 };
        let (stated, execution) =
            subject.run(input, mode(blinding)).map_err(ProveError::Program)?;
        let work = Work::of(package, &execution);
        if let Some(limit) = max_memory_bytes {
            crate::prover::check_memory(work.memory_bytes(), limit)?;
        }
        let proof = ciro_cairo::prove(program, execution).map_err(ProveError::Cairo)?;
        let (statement, proof, steps) = (statement(stated), proof.to_bytes(), work.steps);
        Ok(CairoProven { statement, proof, steps, blinding })
    }
}

/// The most steps that a run may take: the virtual machine takes some hundred bytes for each.
fn steps_max(settings: &ProveSettings) -> usize {
    const BYTES_OF_STEP: u64 = 128;
    let limit = ProveSettings::memory_limit(settings.max_memory_bytes) / BYTES_OF_STEP;
    usize::try_from(limit).unwrap_or(usize::MAX).min(ciro_cairo::STEPS_MAX)
}

/// A proof of the Cairo route.
pub(crate) struct CairoProven {
    pub(crate) statement: Statement,
    pub(crate) proof: Vec<u8>,
    pub(crate) steps: u64,
    pub(crate) blinding: Option<Blinding>,
}

/// What decides the cost of a proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Steps of the program.
    pub(crate) steps: u64,
    /// Words of weights that the program hashes.
    pub(crate) words: u64,
}

impl Work {
    fn of(package: &Package, execution: &Execution) -> Self {
        Self { steps: execution.steps as u64, words: package.weights.len() as u64 }
    }

    /// The memory that a proof takes at its peak.
    pub(crate) fn memory_bytes(self) -> u64 {
        1_780_000_000 + 1_250 * self.steps + 30_000 * self.words
    }
}

fn package(model: &Model, name: &str) -> Result<Package, ProveError> {
    ciro_cairo::emit(model.integer(), name, EmitSettings::default()).map_err(ProveError::Emit)
}

fn compile(package: &Package) -> Result<Program, ProveError> {
    let mut compiler = Compiler::new().map_err(ProveError::Compile)?;
    compiler.compile(package).map_err(ProveError::Compile)
}

/// The model as a package, and its compiled program's hash.
pub(crate) fn transpile(model: &Model, name: &str) -> Result<CairoPackage, ProveError> {
    let package = package(model, name)?;
    let program_hash = compile(&package)?.hash().to_string();
    Ok(CairoPackage { files: package.files.into_iter().collect(), program_hash })
}

fn mode(blinding: Option<Blinding>) -> InputMode {
    match blinding {
        Some(blinding) => InputMode::Committed(Felt::from_bytes_be(&blinding.0)),
        None => InputMode::Public,
    }
}

/// The commitment to an input under a blinding value, as statements hold it.
pub(crate) fn commit(key: &CairoKey, input: &[Tensor<i32>], blinding: Blinding) -> [u8; 32] {
    let blinding = Felt::from_bytes_be(&blinding.0);
    ciro_cairo::commit_input(key.0.identity(), input, blinding).to_bytes_be()
}

fn statement(stated: CairoStatement) -> Statement {
    let input = match stated.input {
        CairoInput::Public(tensors) => StatedInput::Public(tensors),
        CairoInput::Committed(commitment) => StatedInput::Committed(commitment.to_bytes_be()),
    };
    Statement { claims: vec![Claim { input, outputs: stated.output }] }
}

/// Verifies a proof and that it is about this statement.
pub(crate) fn verify(
    key: &CairoKey,
    expected: &Statement,
    proof: &[u8],
) -> Result<(), VerifyError> {
    let [claim] = &expected.claims[..] else {
        return Err(VerifyError::Claims(expected.claims.len()));
    };
    let proof = CairoProof::from_bytes(proof)?;
    let stated = statement(ciro_cairo::verify(&key.0, proof)?);
    match &stated.claims[..] {
        [proven] if proven.input != claim.input => Err(VerifyError::Stated("input")),
        [proven] if proven.outputs != claim.outputs => Err(VerifyError::Stated("output")),
        _ => Ok(()),
    }
}
