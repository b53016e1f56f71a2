//! Proofs of inferences.

use std::sync::Arc;
use std::time::Instant;

use ciro_model::integer::SampleMismatch;
use ciro_stark::{LayoutError, Preset, ProveError as TensorError};

use crate::bundle::{ClaimForm, MAX_PROOF_BYTES, ProofBundle};
#[cfg(feature = "cairo")]
use crate::cairo::CairoProver;
use crate::check::Estimate;
use crate::inputs::Sample;
use crate::key::ModelKey;
use crate::machine::available_memory;
use crate::model::{CairoPackage, Model};
use crate::output::Output;
use crate::route::{Route, RouteNotBuilt};
use crate::statement::{Blinding, Statement};

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
    /// The most memory, in bytes, that a proof may be expected to take. Default: `None`, what the machine has
    /// [free](crate::available_memory); `u64::MAX` sets no limit.
    pub max_memory_bytes: Option<u64>,
}

impl ProveSettings {
    /// The limit in force now.
    pub(crate) fn memory_limit(max_memory_bytes: Option<u64>) -> u64 {
        max_memory_bytes.or_else(available_memory).unwrap_or(u64::MAX)
    }
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
    /// More inferences than a bundle holds.
    #[error("a proof of this model is about at most {limit} inference(s), not {batch}")]
    TooMany {
        /// How many were asked for.
        batch: u32,
        /// The most.
        limit: usize,
    },
    /// A proof that no verifier reads.
    #[error("the proof has {found} bytes, the longest that is read has {limit}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The greatest length.
        limit: usize,
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
    /// The bundle names another route than the verifier expects.
    #[error("the proof is of the route `{found}`, not `{expected}`")]
    OtherRoute {
        /// What the verifier expects.
        expected: Route,
        /// What the bundle names.
        found: Route,
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
    /// A commitment would not say that the integer forms of an input come from one real input.
    #[error(
        "input `{0}` is read in several integer forms (by trees and by arithmetic, say), which a \
         commitment does not tie together: prove it with a public input"
    )]
    CommitSeveralViews(String),
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
    /// The model's Cairo program stops early, or computes something else than the model.
    #[cfg(feature = "cairo")]
    #[error("the model's Cairo program is not the model")]
    Program(#[source] ciro_cairo::AgreementError),
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
        check_batch(model, settings.batch)?;
        let backend = match settings.route {
            Route::Tensor if settings.commit_input => return Err(ProveError::CommitInput),
            Route::Tensor => {
                let limit = ProveSettings::memory_limit(settings.max_memory_bytes);
                Backend::Tensor(Box::new(plan_within(model, settings, limit)?.commit()))
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
        let limit = ProveSettings::memory_limit(max_memory_bytes);
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
                check_memory(Estimate::from_columns(prover.estimate()).memory_bytes, limit)?;
                let (statement, proof) = prover.prove(&integers).map_err(ProveError::Tensor)?;
                (Statement::from_tensor(statement), proof.to_bytes(), None, None)
            }
            #[cfg(feature = "cairo")]
            Backend::Cairo(prover) => {
                let [input] = &integers[..] else {
                    let count = u32::try_from(integers.len()).unwrap_or(u32::MAX);
                    return Err(ProveError::Batch(count));
                };
                let proven = prover.prove(input, Some(limit))?;
                (proven.statement, proven.proof, Some(proven.steps), proven.blinding)
            }
        };
        if proof.len() > MAX_PROOF_BYTES {
            return Err(ProveError::TooLong { found: proof.len(), limit: MAX_PROOF_BYTES });
        }
        let bundle = ProofBundle::new(&self.key(), &statement, proof);
        let prove_ms = start.elapsed().as_secs_f64() * 1e3;
        let claims = statement.claims.into_iter();
        let outputs = claims.map(|claim| self.model.decode(claim.outputs)).collect();
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
        Ok(Prover::new(self, settings)?.key())
    }

    /// The key to verify a bundle against, for a verifier who holds the whole model.
    ///
    /// The verifier chooses the route: a key of the Cairo route takes a compiler and a run of the program, seconds and gigabytes
    /// that no bundle may ask for. Preset and batch are taken from the bundle: they only say which proof to expect. Whether its
    /// preset is strong enough remains the policy's business. What they would take is estimated before it is laid out, since
    /// whoever wrote the bundle chose them: without a limit in `max_memory_bytes`, one inference may take what the machine has
    /// free, as the model asks for it, and several together 256 MB.
    ///
    /// # Errors
    /// [`ProveError::OtherRoute`] if the bundle is of another route, [`ProveError::Statement`] if it cannot be about this model,
    /// [`ProveError::Memory`] if its key would take too much memory, otherwise as [`Prover::new`].
    pub fn key_for(
        &self,
        bundle: &ProofBundle,
        route: Route,
        max_memory_bytes: Option<u64>,
    ) -> Result<ModelKey, ProveError> {
        if bundle.route != route {
            return Err(ProveError::OtherRoute { expected: route, found: bundle.route });
        }
        let batch = bundle.claims();
        if batch == 0 || !bundle.has_form(&ClaimForm::of(&self.interface())) {
            return Err(ProveError::Statement);
        }
        let unasked =
            (batch > 1).then(|| ProveSettings::memory_limit(None).min(UNASKED_BATCH_BYTES));
        let settings = ProveSettings {
            route,
            preset: bundle.preset,
            batch,
            max_memory_bytes: max_memory_bytes.or(unasked),
            ..ProveSettings::default()
        };
        self.key(&settings)
    }
}

/// What a verifier with the model spends on a batch of a stranger's choice, in bytes, unless it allows more.
const UNASKED_BATCH_BYTES: u64 = 256_000_000;

/// Refuses batches whose proofs no verifier would read.
fn check_batch(model: &Model, batch: u32) -> Result<(), ProveError> {
    let limit = ClaimForm::of(&model.interface()).max_claims();
    match usize::try_from(batch) {
        Ok(wanted) if wanted <= limit => Ok(()),
        _ => Err(ProveError::TooMany { batch, limit }),
    }
}

/// Lays a model out for a batch, if a proof is expected to take no more memory than `limit`.
fn plan_within(
    model: &Model,
    settings: &ProveSettings,
    limit: u64,
) -> Result<ciro_stark::Plan, ProveError> {
    let plan = |batch| {
        let plan = ciro_stark::Plan::new(Arc::clone(model.integer()), settings.preset, batch)
            .map_err(ProveError::Layout)?;
        check_memory(Estimate::from_columns(plan.estimate()).memory_bytes, limit)?;
        Ok(plan)
    };
    lay_out_within(settings.batch, plan)
}

/// Lays out the batches 1, ... `batch` / 16, `batch` / 4 and then `batch` itself, up to the first that is refused.
///
/// A layout takes memory for every inference before its cost is known, a part of what the proof takes. When one begins here, the
/// layout of a quarter of its inferences has shown that a proof of those fits, so whoever chose the batch cannot make much more
/// memory than the limit allows.
fn lay_out_within<T>(
    batch: u32,
    mut lay_out: impl FnMut(u32) -> Result<T, ProveError>,
) -> Result<T, ProveError> {
    let smaller = std::iter::successors(Some(batch / 4), |batch| Some(batch / 4));
    let mut smaller: Vec<u32> = smaller.take_while(|&batch| batch > 0).collect();
    smaller.reverse();
    for batch in smaller {
        lay_out(batch)?;
    }
    lay_out(batch)
}

/// Refuses work that is expected to take more memory than allowed.
pub(crate) fn check_memory(needed: u64, limit: u64) -> Result<(), ProveError> {
    if needed <= limit {
        return Ok(());
    }
    let (needed, limit) = (needed.div_ceil(1_000_000), limit / 1_000_000);
    Err(ProveError::Memory { needed, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is laid out on the way to `batch` inferences of 10 MB each, under a limit of 1 GB.
    fn laid_out(batch: u32) -> (Vec<u32>, bool) {
        let mut seen = Vec::new();
        let result = lay_out_within(batch, |batch| {
            seen.push(batch);
            check_memory(u64::from(batch) * 10_000_000, 1_000_000_000)
        });
        (seen, result.is_ok())
    }

    #[test]
    fn a_batch_of_any_size_is_refused_before_much_is_laid_out() {
        assert_eq!(laid_out(1), (vec![1], true));
        assert_eq!(laid_out(100), (vec![1, 6, 25, 100], true));
        for batch in [101, 400, 40_000, 1 << 20, u32::MAX] {
            let (seen, allowed) = laid_out(batch);
            assert!(!allowed && seen.iter().all(|&batch| batch <= 400), "{batch}: {seen:?}");
        }
    }
}
