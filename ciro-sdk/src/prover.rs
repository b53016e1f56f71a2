//! Proofs of inferences.

use std::sync::Arc;
use std::time::Instant;

use ciro_graph::Tensor;
use ciro_stark::{LayoutError, Preset, ProveError as TensorError};

use crate::bundle::ProofBundle;
use crate::check::Estimate;
use crate::inputs::Sample;
use crate::key::ModelKey;
use crate::model::{Model, SampleMismatch};
use crate::output::Output;
use crate::route::{Route, RouteNotBuilt};
use crate::statement::{Claim, StatedInput, Statement};

/// How inferences are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProveSettings {
    /// The route. Default: tensor.
    pub route: Route,
    /// The security parameters. Default: standard.
    pub preset: Preset,
    /// How many inferences one proof is about. Default: 1, valid from 1.
    pub batch: u32,
    /// The most memory, in bytes, that a proof may be expected to take. Default: no limit.
    pub max_memory_bytes: Option<u64>,
}

impl Default for ProveSettings {
    fn default() -> Self {
        Self { route: Route::Tensor, preset: Preset::Standard, batch: 1, max_memory_bytes: None }
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
}

/// Proves inferences of one model; made once, used for many inputs.
#[derive(Debug)]
pub struct Prover {
    model: Model,
    tensor: ciro_stark::Prover,
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
        match settings.route {
            Route::Tensor => {}
            Route::Cairo => return Err(RouteNotBuilt(Route::Cairo).into()),
        }
        if let Some(limit) = settings.max_memory_bytes {
            let estimate = Estimate::of(model, settings)?;
            if estimate.memory_bytes > limit {
                let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
                let (needed, limit) = (megabytes(estimate.memory_bytes), limit / 1_000_000);
                return Err(ProveError::Memory { needed, limit });
            }
        }
        let tensor = tensor_prover(model, settings)?;
        Ok(Self { model: model.clone(), tensor })
    }

    /// The key that verifiers need.
    pub fn key(&self) -> ModelKey {
        ModelKey::Tensor(Box::new(self.tensor.key().clone()))
    }

    /// Committed cells of one proof, the model's own columns not counted.
    pub fn cells(&self) -> u64 {
        self.tensor.cells()
    }

    /// Runs the model on as many samples as the settings say and proves the results.
    ///
    /// # Errors
    /// [`ProveError`] if a sample does not fit the model, or there are more or fewer than the settings say.
    pub fn prove(&self, samples: &[Sample]) -> Result<Proven, ProveError> {
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
        let (statement, proof) = self.tensor.prove(&integers).map_err(ProveError::Tensor)?;
        let key = self.key();
        let bundle = ProofBundle {
            route: key.route(),
            preset: key.preset(),
            model_key: key.digest(),
            proof: proof.to_bytes(),
            statement: Statement::from_tensor(statement),
        };
        let prove_ms = start.elapsed().as_secs_f64() * 1e3;
        let claims = bundle.statement.claims.iter();
        let outputs = claims.map(|claim| self.model.decode(claim.outputs.clone())).collect();
        Ok(Proven { bundle, outputs, clamped, prove_ms })
    }
}

impl Model {
    /// The key that verifiers of this model's proofs need.
    ///
    /// # Errors
    /// As [`Prover::new`].
    pub fn key(&self, settings: &ProveSettings) -> Result<ModelKey, ProveError> {
        Ok(Prover::new(self, settings)?.key())
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
        self.key(&ProveSettings { route, preset, batch, max_memory_bytes })
    }
}

pub(crate) fn tensor_prover(
    model: &Model,
    settings: &ProveSettings,
) -> Result<ciro_stark::Prover, ProveError> {
    let prover =
        ciro_stark::Prover::new(Arc::clone(model.integer()), settings.preset, settings.batch);
    prover.map_err(|error| match error {
        TensorError::Layout(source) => ProveError::Layout(source),
        error => ProveError::Tensor(error),
    })
}
