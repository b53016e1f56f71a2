//! Proofs of inferences.

use std::sync::Arc;
use std::time::Instant;

use ciro_graph::Tensor;
use ciro_stark::{LayoutError, Preset, ProveError as TensorError};

use crate::bundle::ProofBundle;
#[cfg(feature = "cairo")]
use crate::cairo::CairoProver;
use crate::check::Estimate;
use crate::inputs::Sample;
use crate::key::ModelKey;
use crate::model::{CairoPackage, Model, SampleMismatch};
use crate::output::Output;
use crate::route::{Route, RouteNotBuilt};
use crate::statement::{Blinding, Claim, StatedInput, Statement};

/// How inferences are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProveSettings {
    /// The route. Default: tensor.
    pub route: Route,
    /// The security parameters. Default: standard, the only ones of the Cairo route.
    pub preset: Preset,
    /// How many inferences one proof is about. Default: 1, valid from 1; always 1 on the Cairo route.
    pub batch: u32,
    /// Whether proofs state a commitment to the input instead of the input. Default: no; for the Cairo route alone.
    pub commit_input: bool,
    /// The most memory, in bytes, that a proof may be expected to take. Default: no limit.
    pub max_memory_bytes: Option<u64>,
}

impl Default for ProveSettings {
    fn default() -> Self {
        Self {
            route: Route::Tensor,
            preset: Preset::Standard,
            batch: 1,
            commit_input: false,
            max_memory_bytes: None,
        }
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The route is not part of this build.
    #[error(transparent)]
    NotBuilt(#[from] RouteNotBuilt),
    /// The model cannot be proven on this route.
    #[error("the tensor route cannot prove this model")]
    Layout(#[source] LayoutError),
    /// The proof would take more memory than is allowed.
    #[error("the proof needs about {needed} MB of memory, more than the limit of {limit} MB")]
    Memory {
        /// What it is expected to take, in megabytes.
        needed: u64,
        /// What is allowed, in megabytes.
        limit: u64,
    },
    /// A sample does not fit the model.
    #[error("sample {sample}")]
    Sample {
        /// Its position.
        sample: usize,
        /// What does not fit.
        #[source]
        source: SampleMismatch,
    },
    /// The bundle's inputs and outputs have other shapes than the model's.
    #[error("the proof is not about this model: its inputs or outputs have other shapes")]
    Statement,
    /// The prover stopped.
    #[error("the tensor route failed")]
    Tensor(#[source] TensorError),
    /// The tensor route states inputs as they are.
    #[error("the tensor route cannot commit to inputs")]
    CommitInput,
    /// The Cairo route proves one inference at a time.
    #[error("the Cairo route proves one inference at a time, not {0}")]
    Batch(u32),
    /// The Cairo route has one set of parameters.
    #[error("the Cairo route has no preset `{0}`")]
    Preset(Preset),
    /// The model has no Cairo form.
    #[cfg(feature = "cairo")]
    #[error("the Cairo route cannot prove this model")]
    Emit(#[source] ciro_cairo::EmitError),
    /// The model's Cairo program does not compile.
    #[cfg(feature = "cairo")]
    #[error("the model's Cairo program does not compile")]
    Compile(#[source] ciro_cairo::CompileError),
    /// The model's Cairo program stops early.
    #[cfg(feature = "cairo")]
    #[error("the model's Cairo program does not run")]
    Run(#[source] ciro_cairo::RunError),
    /// The model's Cairo program writes something else than a statement.
    #[cfg(feature = "cairo")]
    #[error("the model's Cairo program gives no statement")]
    Output(#[source] ciro_cairo::StatementError),
    /// The run of the Cairo program cannot be proven.
    #[cfg(feature = "cairo")]
    #[error("the Cairo route failed")]
    Cairo(#[source] ciro_cairo::ProveError),
    /// The operating system gives no random numbers to hide an input with.
    #[cfg(feature = "cairo")]
    #[error("no random numbers for the commitment to the input")]
    Random(#[from] getrandom::Error),
}

/// Proves inferences of one model; made once, used for many inputs.
#[derive(Debug)]
pub struct Prover {
    model: Model,
    backend: Backend,
    max_memory_bytes: Option<u64>,
}

/// What a route needs of a model.
#[derive(Debug)]
enum Backend {
    Tensor(Box<ciro_stark::Prover>),
    #[cfg(feature = "cairo")]
    Cairo(Box<CairoProver>),
}

/// A proof and what is known of it without verifying it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// The proof.
    pub bundle: ProofBundle,
    /// The outputs of every sample.
    pub outputs: Vec<Vec<Output>>,
    /// For every sample, inputs with elements outside the calibrated range, and how many.
    pub clamped: Vec<Vec<(String, usize)>>,
    /// What opens the commitment to the input, if there is one. Keep it: without it nobody can show what was committed to.
    pub blinding: Option<Blinding>,
    /// How many steps the Cairo program took; `None` on the tensor route.
    pub steps: Option<u64>,
    /// Milliseconds from samples to proof, the run of the model included.
    pub prove_ms: f64,
}

impl Prover {
    /// Prepares proofs of a model: lays it out and commits to it.
    ///
    /// # Errors
    /// [`ProveError`] if the model cannot be proven on this route, or a proof would take too much memory.
    pub fn new(model: &Model, settings: &ProveSettings) -> Result<Self, ProveError> {
        let _span = tracing::info_span!("prepare", route = %settings.route).entered();
        let backend = match settings.route {
            Route::Tensor if settings.commit_input => return Err(ProveError::CommitInput),
            Route::Tensor => {
                let integer = Arc::clone(model.integer());
                let plan = ciro_stark::Plan::new(integer, settings.preset, settings.batch)
                    .map_err(ProveError::Layout)?;
                if let Some(limit) = settings.max_memory_bytes {
                    check_memory(Estimate::from_columns(plan.estimate()).memory_bytes, limit)?;
                }
                Backend::Tensor(Box::new(plan.commit()))
            }
            // Its memory depends on the steps, which are known when the program has run.
            #[cfg(feature = "cairo")]
            Route::Cairo => Backend::Cairo(Box::new(CairoProver::new(model, settings)?)),
            #[cfg(not(feature = "cairo"))]
            Route::Cairo => return Err(RouteNotBuilt(Route::Cairo).into()),
        };
        let max_memory_bytes = settings.max_memory_bytes;
        Ok(Self { model: model.clone(), backend, max_memory_bytes })
    }

    /// The key that verifiers need.
    pub fn key(&self) -> ModelKey {
        match &self.backend {
            Backend::Tensor(prover) => ModelKey::Tensor(Box::new(prover.key().clone())),
            #[cfg(feature = "cairo")]
            Backend::Cairo(prover) => ModelKey::Cairo(Box::new(prover.key().clone())),
        }
    }

    /// Committed cells of one proof, the model's own columns not counted; `None` on the Cairo route, which counts steps
    /// ([`Proven::steps`]).
    pub fn cells(&self) -> Option<u64> {
        match &self.backend {
            Backend::Tensor(prover) => Some(prover.cells()),
            #[cfg(feature = "cairo")]
            Backend::Cairo(_) => None,
        }
    }

    /// Runs the model on as many samples as the settings say and proves the results.
    ///
    /// # Errors
    /// [`ProveError`] if a sample does not fit the model, or there are more or fewer than the settings say.
    pub fn prove(&self, samples: &[Sample]) -> Result<Proven, ProveError> {
        self.prove_within(samples, self.max_memory_bytes)
    }

    /// As [`Self::prove`], under another limit of memory than the settings'.
    ///
    /// # Errors
    /// As [`Self::prove`]; [`ProveError::Memory`] if the proof is expected to take more.
    pub fn prove_within(
        &self,
        samples: &[Sample],
        max_memory_bytes: Option<u64>,
    ) -> Result<Proven, ProveError> {
        let _span = tracing::info_span!("prove", samples = samples.len()).entered();
        let start = Instant::now();
        let mut integers = Vec::with_capacity(samples.len());
        let mut clamped = Vec::with_capacity(samples.len());
        for (sample, reals) in samples.iter().enumerate() {
            let encoded =
                self.model.encode(reals).map_err(|source| ProveError::Sample { sample, source })?;
            integers.push(encoded.tensors);
            clamped.push(encoded.clamped);
        }
        let (statement, proof, steps, blinding) = match &self.backend {
            Backend::Tensor(prover) => {
                if let Some(limit) = max_memory_bytes {
                    check_memory(Estimate::from_columns(prover.estimate()).memory_bytes, limit)?;
                }
                let (statement, proof) = prover.prove(&integers).map_err(ProveError::Tensor)?;
                (Statement::from_tensor(statement), proof.to_bytes(), None, None)
            }
            #[cfg(feature = "cairo")]
            Backend::Cairo(prover) => {
                let [input] = &integers[..] else {
                    let count = u32::try_from(integers.len()).unwrap_or(u32::MAX);
                    return Err(ProveError::Batch(count));
                };
                let proven = prover.prove(input, max_memory_bytes)?;
                (proven.statement, proven.proof, Some(proven.steps), proven.blinding)
            }
        };
        let key = self.key();
        let (route, preset, model_key) = (key.route(), key.preset(), key.digest());
        let bundle = ProofBundle { route, preset, model_key, statement, proof };
        let prove_ms = start.elapsed().as_secs_f64() * 1e3;
        let claims = bundle.statement.claims.iter();
        let outputs = claims.map(|claim| self.model.decode(claim.outputs.clone())).collect();
        Ok(Proven { bundle, outputs, clamped, blinding, steps, prove_ms })
    }
}

impl Model {
    /// The model as a readable Cairo package. Equal models give equal packages and equal hashes.
    ///
    /// # Errors
    /// [`ProveError`] if a node has no Cairo form, or the Cairo route is not part of this build.
    pub fn transpile(&self, name: &str) -> Result<CairoPackage, ProveError> {
        #[cfg(feature = "cairo")]
        return crate::cairo::transpile(self, name);
        #[cfg(not(feature = "cairo"))]
        {
            let _ = name;
            Err(RouteNotBuilt(Route::Cairo).into())
        }
    }

    /// The key that verifiers of this model's proofs need.
    ///
    /// # Errors
    /// As [`Prover::new`].
    pub fn key(&self, settings: &ProveSettings) -> Result<ModelKey, ProveError> {
        let prover = Prover::new(self, settings)?;
        #[cfg(feature = "cairo")]
        if let Backend::Cairo(cairo) = &prover.backend {
            // A key for a program that is too long to be proven would wait for proofs in vain.
            cairo.work(self.integer())?;
        }
        Ok(prover.key())
    }

    /// The key to verify a bundle against, for a verifier who holds the whole model.
    ///
    /// Route, preset and batch are taken from the bundle: they only say which proof to expect. Whether its preset is strong
    /// enough remains the policy's business.
    ///
    /// # Errors
    /// [`ProveError::Statement`] if the bundle cannot be about this model, otherwise as [`Prover::new`].
    pub fn key_for(
        &self,
        bundle: &ProofBundle,
        max_memory_bytes: Option<u64>,
    ) -> Result<ModelKey, ProveError> {
        let shapes = |tensors: &[Tensor<i32>]| -> Vec<Vec<usize>> {
            tensors.iter().map(|tensor| tensor.shape().to_vec()).collect()
        };
        let integer = self.integer();
        let shape = |id| integer.node(id).shape.clone();
        let inputs: Vec<_> = integer.input_nodes().map(|(id, _)| shape(id)).collect();
        let outputs: Vec<_> = integer.outputs().iter().map(|output| shape(output.node)).collect();
        let claims = &bundle.statement.claims;
        let about_this = |claim: &Claim| {
            let input = match &claim.input {
                StatedInput::Public(tensors) => shapes(tensors) == inputs,
                StatedInput::Committed(_) => true,
            };
            input && shapes(&claim.outputs) == outputs
        };
        let batch = u32::try_from(claims.len()).ok().filter(|&batch| batch > 0);
        let (Some(batch), true) = (batch, claims.iter().all(about_this)) else {
            return Err(ProveError::Statement);
        };
        let (route, preset) = (bundle.route, bundle.preset);
        let settings =
            ProveSettings { route, preset, batch, max_memory_bytes, ..Default::default() };
        self.key(&settings)
    }
}

/// Refuses work that is expected to take more memory than allowed.
pub(crate) fn check_memory(needed: u64, limit: u64) -> Result<(), ProveError> {
    if needed <= limit {
        return Ok(());
    }
    let (needed, limit) = (needed.div_ceil(1_000_000), limit / 1_000_000);
    Err(ProveError::Memory { needed, limit })
}
