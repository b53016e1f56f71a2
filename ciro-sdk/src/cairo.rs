//! The Cairo route: a model as a Cairo program, its proofs, and their verification.

use ciro_cairo::{
    CairoKey as ProgramKey, CairoProof, Compiler, EmitSettings, Execution, Felt, InputMode,
    Package, Program, StatedInput as CairoInput, Statement as CairoStatement,
};
use ciro_graph::integer::Encoding;
use ciro_graph::{IntegerModel, Tensor};
use ciro_stark::{KeyInput, KeyOutput, Preset, Security};

use crate::key::KeyError;
use crate::model::{CairoPackage, Model};
use crate::prover::{ProveError, ProveSettings};
use crate::statement::{Blinding, Claim, StatedInput, Statement};
use crate::verify::VerifyError;

/// The preset that names the route's one set of security parameters.
pub(crate) const PRESET: Preset = Preset::Standard;

/// A key of the Cairo route.
#[derive(Clone, Debug, PartialEq)]
pub struct CairoKey {
    key: ProgramKey,
    inputs: Vec<KeyInput>,
    outputs: Vec<KeyOutput>,
}

impl CairoKey {
    fn new(key: ProgramKey) -> Self {
        let inputs = key.inputs.iter().map(|input| KeyInput {
            name: input.name.clone(),
            shape: input.shape.clone(),
            encoding: input.encoding.clone(),
        });
        let outputs = key.outputs.iter().map(|output| KeyOutput {
            name: output.name.clone(),
            shape: output.shape.clone(),
            interval: output.interval,
            decoding: output.decoding.clone(),
        });
        Self { inputs: inputs.collect(), outputs: outputs.collect(), key }
    }

    /// The hash of the program, in hexadecimal digits.
    pub fn program_hash(&self) -> String {
        self.key.program.to_string()
    }

    /// The integer tensors that an inference starts from.
    pub fn inputs(&self) -> &[KeyInput] {
        &self.inputs
    }

    /// The tensors that an inference ends with.
    pub fn outputs(&self) -> &[KeyOutput] {
        &self.outputs
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.key.digest()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.key.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::new(ProgramKey::from_bytes(bytes)?))
    }
}

/// The security of every proof of the route: all ways to cheat together.
pub(crate) fn security() -> Security {
    ciro_cairo::security()
}

/// A model's program, ready to run.
#[derive(Debug)]
pub(crate) struct CairoProver {
    package: Package,
    program: Program,
    key: CairoKey,
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
        let key = CairoKey::new(ProgramKey::new(model.integer(), &program));
        Ok(Self { package, program, key, commit_input: settings.commit_input })
    }

    pub(crate) fn key(&self) -> &CairoKey {
        &self.key
    }

    fn run(&self, input: &[Tensor<i32>], mode: InputMode) -> Result<Execution, ProveError> {
        let arguments = ciro_cairo::arguments(&self.package, input, mode);
        ciro_cairo::run(&self.program, Some(&self.package), &arguments).map_err(ProveError::Run)
    }

    /// What a proof takes; inputs change it by a few per mille at most.
    ///
    /// # Errors
    /// [`ProveError::Cairo`] if no proof of so many steps has 100 bits of security: nothing is proven to find that out.
    pub(crate) fn work(&self, model: &IntegerModel) -> Result<Work, ProveError> {
        let inputs: Vec<Tensor<i32>> = model
            .input_nodes()
            .map(|(id, encoding)| {
                let least = match encoding {
                    Encoding::Ordered => 0,
                    Encoding::Affine { lo, .. }
                    | Encoding::Integer { lo, .. }
                    | Encoding::Columns { lo, .. } => *lo,
                };
                let shape = model.node(id).shape.clone();
                Tensor::full(shape, least).expect("a node's shape has a number of elements")
            })
            .collect();
        let execution = self.run(&inputs, InputMode::Public)?;
        let work = self.work_of(&execution);
        ciro_cairo::check_length(&self.program, execution).map_err(ProveError::Cairo)?;
        Ok(work)
    }

    fn work_of(&self, execution: &Execution) -> Work {
        Work { steps: execution.steps as u64, words: self.package.weights.len() as u64 }
    }

    /// Runs the program on one sample and proves the run, if that is expected to take no more memory than `max_memory_bytes`.
    pub(crate) fn prove(
        &self,
        input: &[Tensor<i32>],
        max_memory_bytes: Option<u64>,
    ) -> Result<CairoProven, ProveError> {
        let blinding = self.commit_input.then(Blinding::random).transpose()?;
        let execution = self.run(input, mode(blinding))?;
        let work = self.work_of(&execution);
        let stated =
            CairoStatement::parse(&self.key.key, &execution.output).map_err(ProveError::Output)?;
        if let Some(limit) = max_memory_bytes {
            crate::prover::check_memory(work.memory_bytes(), limit)?;
        }
        let proof = ciro_cairo::prove(&self.program, execution).map_err(ProveError::Cairo)?;
        let (statement, proof, steps) = (statement(stated), proof.to_bytes(), work.steps);
        Ok(CairoProven { statement, proof, steps, blinding })
    }
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
pub(crate) fn commit(input: &[Tensor<i32>], blinding: Blinding) -> [u8; 32] {
    ciro_cairo::commit_input(input, Felt::from_bytes_be(&blinding.0)).to_bytes_be()
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
    let stated = statement(ciro_cairo::verify(&key.key, &proof)?);
    match &stated.claims[..] {
        [proven] if proven.input != claim.input => Err(VerifyError::Stated("input")),
        [proven] if proven.outputs != claim.outputs => Err(VerifyError::Stated("output")),
        _ => Ok(()),
    }
}
