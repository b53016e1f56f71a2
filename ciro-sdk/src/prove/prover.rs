//! Proofs of inferences, and the provers that make them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ciro_model::Tensor;
use ciro_model::integer::{Claim, Committing, Context, StatedTensor, Visibilities};

use super::model::Model;
use crate::advice::Advice;
use crate::blinding::Blinding;
use crate::inputs::Sample;
#[cfg(feature = "network")]
use crate::network::SecretInput;
use crate::route::{ProofKind, Route, RouteNotBuilt};
use crate::routes::{
    Asked, Blindings, CairoPackage, CostEstimate, ProveError, ProveSettings, RouteProof,
    RouteProver, backend, memory_limit,
};
use crate::verify::{
    ClaimForm, InputStatement, Key, KeyRing, KeyRingError, MAX_PROOF_BYTES, Opening, ProofBundle,
    RealOutput, Side,
};

/// Proves inferences of one model; made once, used for many inputs.
#[derive(Debug)]
pub struct Prover {
    model: Model,
    route: Box<dyn RouteProver>,
    context: Context,
    max_memory_bytes: Option<u64>,
}

/// A proof and what is known of it without verifying it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// The proof.
    pub bundle: ProofBundle,
    /// The outputs of every sample.
    pub outputs: Vec<Vec<RealOutput>>,
    /// For every sample, inputs with elements outside the calibrated range, and how many.
    pub clamped: Vec<Vec<(String, usize)>>,
    /// What opens the commitment to the input, if there is one alone. Keep it: without it nobody
    /// can show what was committed to.
    pub blinding: Option<Blinding>,
    /// What opens the commitments to single inputs and outputs, one by one. Keep it, and keep it
    /// secret.
    pub openings: Vec<Opening>,
    /// How many steps the Cairo program took; `None` on the tensor route.
    pub steps: Option<u64>,
    /// Milliseconds from samples to proof, the run of the model included.
    pub prove_ms: f64,
}

/// Keys that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeKeysError {
    /// The model has no proofs of a kind.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// They make no ring.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
}

impl MakeKeysError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Prove(error) => error.advice(),
            Self::Ring(_) => None,
        }
    }
}

impl Prover {
    /// Prepares proofs of a model: lays it out and commits to it.
    ///
    /// # Errors
    /// [`ProveError`] if the model cannot be proven on this route, or a proof would take too much
    /// memory.
    pub fn new(model: &Model, settings: &ProveSettings) -> Result<Self, ProveError> {
        let visibilities = backend(settings.route)?.visibilities(settings, &model.interface())?;
        Self::showing(model, settings, &visibilities)
    }

    /// As [`Self::new`], for proofs that commit to these inputs and outputs, whatever the settings
    /// commit to.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ProveError::Visibility`] if a name is none of the model's.
    pub fn committing(
        model: &Model,
        settings: &ProveSettings,
        [inputs, outputs]: [&Committing; 2],
    ) -> Result<Self, ProveError> {
        let (commit_input, commit_output) = (!inputs.is_nothing(), !outputs.is_nothing());
        let settings = ProveSettings { commit_input, commit_output, ..*settings };
        if [inputs, outputs].iter().any(|of| matches!(of, Committing::Named(_))) {
            let visibilities = model.interface().visibilities(inputs, outputs)?;
            return Self::showing(model, &settings, &visibilities);
        }
        Self::new(model, &settings)
    }

    /// As [`Self::new`], for proofs that show each input and output as `visibilities` say, whatever
    /// the settings commit to: [`Interface::visibilities`](crate::Interface::visibilities) makes
    /// them of names.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ProveError::CommitOutput`] on a route that does not commit to single
    /// tensors.
    pub fn showing(
        model: &Model,
        settings: &ProveSettings,
        visibilities: &Visibilities,
    ) -> Result<Self, ProveError> {
        let _span = tracing::info_span!("prepare", route = %settings.route).entered();
        check_batch(model, settings.batch)?;
        let route = backend(settings.route)?.prover(model.integer(), settings, visibilities)?;
        let ProveSettings { context, max_memory_bytes, .. } = *settings;
        Ok(Self { model: model.clone(), route, context, max_memory_bytes })
    }

    /// The key that verifiers need.
    pub fn key(&self) -> Key {
        Key::new(self.route.key())
    }

    /// What a proof is expected to cost.
    pub fn estimate(&self) -> CostEstimate {
        self.route.estimate()
    }

    /// Committed cells of one proof, the model's own columns not counted; `None` on a route that
    /// counts steps ([`Proven::steps`]).
    pub fn cells(&self) -> Option<u64> {
        self.route.estimate().cells
    }

    /// Runs the model on as many samples as the settings say and proves the results.
    ///
    /// # Errors
    /// [`ProveError`] if a sample does not fit the model, or there are more or fewer than the
    /// settings say.
    pub fn prove(&self, samples: &[Sample]) -> Result<Proven, ProveError> {
        self.prove_in(samples, self.context, self.max_memory_bytes)
    }

    /// As [`Self::prove`], in another context and under another limit of memory than the settings'.
    ///
    /// # Errors
    /// As [`Self::prove`]; [`ProveError::Memory`] if the proof is expected to take more,
    /// [`ProveError::Context`] if the route binds proofs to none.
    pub fn prove_in(
        &self,
        samples: &[Sample],
        context: Context,
        max_memory_bytes: Option<u64>,
    ) -> Result<Proven, ProveError> {
        self.prove_blinded(samples, &[], (context, max_memory_bytes))
    }

    /// As [`Self::prove_in`], with the blinding values of some committed tensors, in every
    /// inference; for the others new ones are drawn. With that of an earlier proof, a commitment is
    /// the same as there: an input is shown to be the output of another model, or the input of an
    /// earlier proof.
    ///
    /// # Errors
    /// As [`Self::prove_in`]; [`ProveError::Blinding`] if proofs do not commit to one of the
    /// tensors.
    pub fn prove_blinded(
        &self,
        samples: &[Sample],
        blindings: &[(Side, String, Blinding)],
        (context, max_memory_bytes): (Context, Option<u64>),
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
        let limit = memory_limit(max_memory_bytes);
        let proven = self.prove_integers(
            &integers,
            &Asked { context, limit, blindings: Blindings::Named(blindings) },
        )?;
        let prove_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(Proven { clamped, prove_ms, ..proven })
    }

    /// Proves the inferences of integers as an order states them, in the settings' context; of
    /// these nothing is encoded, so `clamped` stays empty.
    ///
    /// # Errors
    /// [`ProveError::Stated`] if the statement only commits to an input,
    /// [`ProveError::StatesCommitment`] if the proof would, otherwise as [`Self::prove_in`].
    pub fn prove_stated(
        &self,
        statement: &InputStatement,
        max_memory_bytes: Option<u64>,
    ) -> Result<Proven, ProveError> {
        let integers = statement.integers().ok_or(ProveError::Stated)?;
        let key = self.key();
        let shown = key.visibilities();
        let mut inputs = key.interface().inputs.iter().enumerate();
        if let Some((_, port)) = inputs.find(|(at, _)| shown.commits_input(*at)) {
            return Err(ProveError::StatesCommitment(port.name.clone()));
        }
        self.prove_ordered(&integers, Blindings::Named(&[]), max_memory_bytes)
    }

    /// As [`Self::prove_stated`], for integers that the proof commits to, under the blinding values
    /// that follow from their seed.
    ///
    /// # Errors
    /// As [`Self::prove_in`]; [`ProveError::CommitOutput`] on a route that does not commit to
    /// single tensors.
    #[cfg(feature = "network")]
    pub fn prove_secret(
        &self,
        input: &SecretInput,
        max_memory_bytes: Option<u64>,
    ) -> Result<Proven, ProveError> {
        self.prove_ordered(input.integers(), Blindings::Seeded(input.seed()), max_memory_bytes)
    }

    /// Proves integers in the settings' context.
    fn prove_ordered(
        &self,
        integers: &[Vec<Tensor<i32>>],
        blindings: Blindings<'_>,
        max_memory_bytes: Option<u64>,
    ) -> Result<Proven, ProveError> {
        let _span = tracing::info_span!("prove", samples = integers.len()).entered();
        let limit = memory_limit(max_memory_bytes);
        self.prove_integers(integers, &Asked { context: self.context, limit, blindings })
    }

    fn prove_integers(
        &self,
        integers: &[Vec<Tensor<i32>>],
        asked: &Asked<'_>,
    ) -> Result<Proven, ProveError> {
        let start = Instant::now();
        let RouteProof { statement, proof, steps, blinding, openings } =
            self.route.prove(integers, asked)?;
        if proof.len() > MAX_PROOF_BYTES {
            return Err(ProveError::TooLong { found: proof.len(), limit: MAX_PROOF_BYTES });
        }
        let bundle = ProofBundle::new(&self.key(), &statement, proof);
        let prove_ms = start.elapsed().as_secs_f64() * 1e3;
        let outputs = statement.claims.into_iter().enumerate();
        let outputs = outputs.map(|(sample, claim)| self.outputs(sample, claim, &openings));
        let outputs = outputs.collect();
        let clamped = Vec::new();
        Ok(Proven { bundle, outputs, clamped, blinding, openings, steps, prove_ms })
    }

    /// The outputs of one inference, committed ones from their openings.
    fn outputs(&self, sample: usize, claim: Claim, openings: &[Opening]) -> Vec<RealOutput> {
        let opened = openings.iter().filter(|opening| opening.sample == sample);
        let mut opened = opened.filter(|opening| opening.side == Side::Output);
        let integers = claim.outputs.into_iter().filter_map(|output| match output {
            StatedTensor::Public(integers) => Some(integers),
            StatedTensor::Committed(_) => opened.next().map(|opening| opening.integers.clone()),
        });
        self.model.decode(integers.collect())
    }
}

impl Model {
    /// The model as a readable Cairo package. Equal models give equal packages and equal hashes.
    ///
    /// # Errors
    /// [`ProveError`] if a node has no Cairo form, or the Cairo route is not part of this build.
    pub fn transpile(&self, name: &str) -> Result<CairoPackage, ProveError> {
        let programs = Route::ALL.iter().copied().filter_map(|route| backend(route).ok());
        let package = programs.into_iter().find_map(|route| route.transpile(self.integer(), name));
        package.unwrap_or_else(|| Err(RouteNotBuilt(Route::Cairo).into()))
    }

    /// The key that verifiers of this model's proofs need.
    ///
    /// # Errors
    /// As [`Prover::new`].
    pub fn key(&self, settings: &ProveSettings) -> Result<Key, ProveError> {
        Ok(Prover::new(self, settings)?.key())
    }

    /// The keys that verifiers of several kinds of proofs need, as one key file holds them: of
    /// proofs that commit to these inputs and outputs.
    ///
    /// # Errors
    /// [`MakeKeysError`] if one of them cannot be made, or there are none, or too many.
    pub fn key_ring(
        &self,
        kinds: impl IntoIterator<Item = ProofKind>,
        committed: [&Committing; 2],
        max_memory_bytes: Option<u64>,
    ) -> Result<KeyRing, MakeKeysError> {
        let keys = kinds.into_iter().map(|kind| {
            let settings = ProveSettings { max_memory_bytes, ..ProveSettings::of(kind) };
            Ok(Prover::committing(self, &settings, committed)?.key())
        });
        Ok(KeyRing::new(keys.collect::<Result<Vec<_>, ProveError>>()?)?)
    }

    /// The key to verify a bundle against, for a verifier who holds the whole model.
    ///
    /// The verifier chooses the route: a key of the Cairo route takes a compiler and a run of the
    /// program, seconds and gigabytes that no bundle may ask for. Preset, batch, whether the proof
    /// hides and what is committed are taken from the bundle: they only say which proof to expect.
    /// Whether its preset is strong enough remains the policy's business. What they would take is
    /// estimated before it is laid out, since whoever wrote the bundle chose them: without a limit
    /// in `max_memory_bytes`, one inference may take what the machine has free, as the model asks
    /// for it, and several together 256 MB.
    ///
    /// # Errors
    /// [`ProveError::OtherRoute`] if the bundle is of another route, [`ProveError::Statement`] if
    /// it cannot be about this model, [`ProveError::Memory`] if its key would take too much memory,
    /// otherwise as [`Prover::new`].
    pub fn key_for(
        &self,
        bundle: &ProofBundle,
        route: Route,
        max_memory_bytes: Option<u64>,
    ) -> Result<Key, ProveError> {
        let kind = bundle.kind();
        if kind.route != route {
            return Err(ProveError::OtherRoute { expected: route, found: kind.route });
        }
        let batch = bundle.claims();
        if batch == 0 || !bundle.has_form(&ClaimForm::of(&self.interface())) {
            return Err(ProveError::Statement);
        }
        let visibilities = bundle.visibilities(&self.interface()).ok_or(ProveError::Statement)?;
        let unasked = (batch > 1).then(|| memory_limit(None).min(UNASKED_BATCH_BYTES));
        let max_memory_bytes = max_memory_bytes.or(unasked);
        let settings = ProveSettings { max_memory_bytes, ..ProveSettings::of(kind) };
        Ok(Prover::showing(self, &settings, &visibilities)?.key())
    }
}

/// What a verifier with the model spends on a batch of a stranger's choice, in bytes, unless it
/// allows more.
const UNASKED_BATCH_BYTES: u64 = 256_000_000;

/// Refuses batches whose proofs no verifier would read.
fn check_batch(model: &Model, batch: u32) -> Result<(), ProveError> {
    let limit = ClaimForm::of(&model.interface()).max_claims();
    match usize::try_from(batch) {
        Ok(wanted) if wanted <= limit => Ok(()),
        _ => Err(ProveError::TooMany { batch, limit }),
    }
}

/// The provers that were used last; making one takes as long as some proofs.
///
/// Shared by threads; a prover that several ask for at once may be made several times.
#[derive(Debug)]
pub struct Provers {
    kept: usize,
    known: Mutex<VecDeque<(ProveSettings, Arc<Prover>)>>,
}

impl Provers {
    /// Keeps so many provers, at least 1. Each holds a model and the columns that commit to it.
    pub fn keeping(kept: usize) -> Self {
        Self { kept: kept.max(1), known: Mutex::default() }
    }

    /// The prover of a model for these settings, a new one if there is none.
    ///
    /// The limit of memory decides whether to begin, not how to prove, and a context belongs to a
    /// proof: both are for [`Prover::prove_in`] to say.
    ///
    /// # Errors
    /// As [`Prover::new`].
    pub fn get(&self, model: &Model, settings: &ProveSettings) -> Result<Arc<Prover>, ProveError> {
        let context = Context::NONE;
        let wanted = ProveSettings { context, max_memory_bytes: None, ..*settings };
        if let Some(prover) = self.known(model, &wanted) {
            return Ok(prover);
        }
        let prover = Arc::new(Prover::new(model, settings)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(self.kept - 1);
        known.push_front((wanted, Arc::clone(&prover)));
        Ok(prover)
    }

    fn known(&self, model: &Model, wanted: &ProveSettings) -> Option<Arc<Prover>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A prover keeps its model alive, so that two models never have one address.
        let position = known.iter().position(|(settings, prover)| {
            settings == wanted && Arc::ptr_eq(prover.model.integer(), model.integer())
        })?;
        let found = known.remove(position)?;
        known.push_front(found);
        known.front().map(|(_, prover)| Arc::clone(prover))
    }
}

impl Default for Provers {
    /// Four: a model is rarely proven in more ways at once.
    fn default() -> Self {
        Self::keeping(4)
    }
}
