//! From inputs to a proof.

use std::sync::Arc;

use ciro_model::integer::{Claim, Context, RunError, Statement, Trace, Visibilities};
use ciro_model::{IntegerModel, Interface, Tensor};
use num_traits::Zero;
use rayon::prelude::*;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::PolyOps;
use tracing::info_span;
use zeroize::Zeroizing;

use super::balance::{Residues, close};
use super::columns::evaluations;
use super::conclude::{Committed, Concluded, Scheme};
use super::estimate::Estimate;
use super::masks::{Entropy, Masks, secrets};
use super::tree::ModelTree;
use super::{folds, logup};
use crate::air::{Balance, Challenges, Chip as _, Shape};
use crate::chips::{AnyChip, IoChip};
use crate::commitment::Salt;
use crate::key::{ModelKey, Terms};
use crate::layout::{Layout, LayoutError};
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::rows::table::Tables;
use crate::rows::{Column, PlacedChip};
use crate::secrecy::Secrecy;
use crate::security::{Counts, Security};
use crate::statement::public_values;
use crate::transcript::{Transcript, open_transcript};

/// Why no proof was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StarkProveError {
    /// The model cannot be proven on this route.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The model does not take these inputs.
    #[error("sample {sample}")]
    Run {
        /// Position in the batch.
        sample: usize,
        /// What is wrong with its inputs.
        #[source]
        source: RunError,
    },
    /// Another number of inputs than the prover was made for.
    #[error("this prover takes {expected} input(s) at once, got {got}")]
    Batch {
        /// What the prover was made for.
        expected: u32,
        /// How many came.
        got: usize,
    },
    /// Another number of salts than the key commits to tensors.
    #[error(
        "proofs for this key commit to {expected} tensor(s), each of which takes a salt, got {got}"
    )]
    Salts {
        /// Committed tensors of all samples.
        expected: usize,
        /// Salts that came.
        got: usize,
    },
    /// A value was used that nothing made: a defect of this library.
    #[error(
        "the wiring does not balance: some value is used that was not produced; this is a defect \
         of Ciro, please report the model"
    )]
    Wiring,
    /// A result is not the product of its operands: a defect of this library.
    #[error(
        "the matrix products do not balance: some result is not the product of its operands; this \
         is a defect of Ciro, please report the model"
    )]
    Products,
    /// The trace violates a constraint: a defect of this library.
    #[error("the trace violates a constraint; this is a defect of Ciro, please report the model")]
    Unsatisfied,
    /// The operating system gives no random bytes, which proofs that hide need.
    #[error("no random bytes for the masks of the proof")]
    Randomness(#[source] getrandom::Error),
    /// Several sets of random masks in a row do not mask: a defect of this library.
    #[error("random masks do not mask the proof; this is a defect of Ciro, please report it")]
    Unmasked,
}

/// A model that is laid out for proofs, before anything is committed: what they cost is known.
pub struct Plan {
    model: Arc<IntegerModel>,
    terms: Terms,
    layout: Layout,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("estimate", &self.estimate()).finish_non_exhaustive()
    }
}

impl Plan {
    /// Lays a model out for proofs of `batch` inputs at once, which show everything.
    ///
    /// # Errors
    /// [`LayoutError`] if the model cannot be proven on this route.
    pub fn new(model: Arc<IntegerModel>, preset: Preset, batch: u32) -> Result<Self, LayoutError> {
        let visibilities = Visibilities::public(&Interface::of(&model));
        Self::showing(model, preset, batch, visibilities)
    }

    /// Lays a model out for proofs of `batch` inputs at once, which show its inputs and outputs
    /// like this.
    ///
    /// # Errors
    /// [`LayoutError`] if the model cannot be proven on this route, or an input cannot be
    /// committed.
    pub fn showing(
        model: Arc<IntegerModel>,
        preset: Preset,
        batch: u32,
        visibilities: Visibilities,
    ) -> Result<Self, LayoutError> {
        Self::on(model, Terms { preset, batch, visibilities, secrecy: Secrecy::Plain })
    }

    /// As [`Self::showing`], for proofs that hide inputs and execution: they show nothing beside
    /// the key and the statement. What that means is said in `docs/privacy.md`; the model is
    /// public.
    ///
    /// # Errors
    /// As [`Self::showing`].
    pub fn hiding(
        model: Arc<IntegerModel>,
        preset: Preset,
        batch: u32,
        visibilities: Visibilities,
    ) -> Result<Self, LayoutError> {
        Self::on(model, Terms { preset, batch, visibilities, secrecy: Secrecy::Hiding })
    }

    fn on(model: Arc<IntegerModel>, terms: Terms) -> Result<Self, LayoutError> {
        let layout = info_span!("layout").in_scope(|| Layout::new(&model, &terms))?;
        Ok(Self { model, terms, layout })
    }

    /// What a proof will cost.
    pub fn estimate(&self) -> Estimate {
        Estimate::of_layout(&self.layout, self.terms.preset)
    }

    #[cfg(test)]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The security of the proofs.
    pub fn security(&self) -> Security {
        let parameters = self.layout.parameters(self.terms.preset);
        Security::of_counts(&Counts::of(&self.layout.shapes(), self.terms.secrecy), parameters)
    }

    /// Commits the model's columns.
    pub fn commit(self) -> TensorProver {
        let Self { model, terms, layout } = self;
        let parameters = layout.parameters(terms.preset);
        let tree = info_span!("commit_model").in_scope(|| ModelTree::new(&layout, parameters));
        let key = ModelKey::new(&model, terms, (tree.root(), layout.shapes()));
        let shape = ProofShape::of(&key);
        let prover = TensorProver { model, layout, tree, key, shape };
        prover.describe().iter().for_each(|chip| tracing::debug!("{chip}"));
        prover
    }
}

/// Proves inferences of one model; made once, used for many inputs.
pub struct TensorProver {
    model: Arc<IntegerModel>,
    layout: Layout,
    tree: ModelTree,
    key: ModelKey,
    /// What proofs for the key look like.
    shape: ProofShape,
}

impl std::fmt::Debug for TensorProver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorProver").field("key", &self.key).finish_non_exhaustive()
    }
}

impl TensorProver {
    /// Lays a model out and commits its columns, for proofs of `batch` inputs at once.
    ///
    /// # Errors
    /// [`StarkProveError::Layout`] if the model cannot be proven on this route.
    pub fn new(
        model: Arc<IntegerModel>,
        preset: Preset,
        batch: u32,
    ) -> Result<Self, StarkProveError> {
        Ok(Plan::new(model, preset, batch)?.commit())
    }

    /// The key that verifiers need.
    pub fn key(&self) -> &ModelKey {
        &self.key
    }

    /// The model that is proven.
    pub fn model(&self) -> &Arc<IntegerModel> {
        &self.model
    }

    #[cfg(test)]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    #[cfg(test)]
    pub(super) fn model_tree(&self) -> &ModelTree {
        &self.tree
    }

    /// Committed cells of one proof, the model's own columns not counted.
    pub fn cells(&self) -> u64 {
        self.estimate().cells
    }

    /// What a proof costs, by the formula of [`Estimate`].
    pub fn estimate(&self) -> Estimate {
        Estimate::of_layout(&self.layout, self.key.preset)
    }

    /// One line for each chip: its work, rows and columns.
    pub fn describe(&self) -> Vec<String> {
        let line = |placed: &PlacedChip| {
            let shape = &placed.shape;
            format!(
                "{:<24} 2^{:<2} rows, {:>3} fixed, {:>3} witness, {:>2} folds, {:>2} lookups",
                placed.chip.name(),
                chip_log(placed),
                shape.fixed,
                shape.witness,
                shape.folds,
                shape.lookups
            )
        };
        self.layout.chips.iter().map(line).collect()
    }

    /// Runs the model on one input for each sample of the batch and proves the results, bound to
    /// nothing else.
    ///
    /// # Errors
    /// As [`Self::prove_in`].
    pub fn prove(
        &self,
        inputs: &[Vec<Tensor<i32>>],
    ) -> Result<(Statement, Proof), StarkProveError> {
        self.prove_in(inputs, Context::NONE)
    }

    /// Runs the model on one input for each sample of the batch and proves the results in a
    /// context: the proof is none in another.
    ///
    /// # Errors
    /// [`StarkProveError`] if the number of inputs is not the batch's, or the model does not take
    /// one of them.
    pub fn prove_in(
        &self,
        inputs: &[Vec<Tensor<i32>>],
        context: Context,
    ) -> Result<(Statement, Proof), StarkProveError> {
        self.prove_committed(inputs, context, &[])
    }

    /// As [`Self::prove_in`], with a salt for each tensor that the key commits to: sample by
    /// sample, inputs before outputs, in the interface's order.
    ///
    /// # Errors
    /// As [`Self::prove_in`]; [`StarkProveError::Salts`] if there are more salts or fewer.
    pub fn prove_committed(
        &self,
        inputs: &[Vec<Tensor<i32>>],
        context: Context,
        salts: &[Salt],
    ) -> Result<(Statement, Proof), StarkProveError> {
        let mut seed = Zeroizing::new([0; 32]);
        if self.key.secrecy.hides() {
            getrandom::fill(&mut *seed).map_err(StarkProveError::Randomness)?;
        }
        self.prove_seeded((inputs, context), salts, &seed)
    }

    /// As [`Self::prove_committed`], with masks that follow from a seed.
    pub(crate) fn prove_seeded(
        &self,
        (inputs, context): (&[Vec<Tensor<i32>>], Context),
        salts: &[Salt],
        seed: &[u8; 32],
    ) -> Result<(Statement, Proof), StarkProveError> {
        let (expected, got) = (self.layout.salts.len(), salts.len());
        if expected != got {
            return Err(StarkProveError::Salts { expected, got });
        }
        if inputs.len() != self.key.batch as usize {
            return Err(StarkProveError::Batch { expected: self.key.batch, got: inputs.len() });
        }
        let span = info_span!("run").entered();
        let traces = inputs
            .par_iter()
            .enumerate()
            .map(|(sample, inputs)| {
                self.model.trace(inputs).map_err(|source| StarkProveError::Run { sample, source })
            })
            .collect::<Result<Vec<Trace>, _>>()?;
        drop(span);
        let claim = |(inputs, trace): (&Vec<Tensor<i32>>, &Trace)| {
            let outputs = self.model.outputs().iter();
            let outputs = outputs.map(|output| trace.value(output.node).clone()).collect();
            Claim::public(inputs.clone(), outputs)
        };
        let claims = inputs.iter().zip(&traces).map(claim).collect();
        let statement = self.key.state(Statement { claims, context }, salts);
        let witness = self.witness(&self.layout.values(&traces, salts));
        let entropy = self
            .key
            .secrecy
            .hides()
            .then(|| Entropy::new(seed, self.key.digest(), secrets(inputs, context, salts)));
        let proof = self.prove_witness(&statement, &witness, entropy.as_ref())?;
        Ok((statement, proof))
    }

    /// The witness columns of every chip.
    pub(crate) fn witness(&self, values: &[i32]) -> Vec<Vec<Column>> {
        let _span = info_span!("witness").entered();
        let tables = &self.layout.tables;
        let (mut columns, counts): (Vec<Vec<Column>>, Vec<_>) = self
            .layout
            .chips
            .par_iter()
            .map(|placed| {
                let mut counts = tables.counts();
                (placed.witness.columns(values, tables, &mut counts), counts)
            })
            .unzip();
        let mut total = tables.counts();
        counts.iter().for_each(|counts| total.add(counts));
        for (columns, placed) in columns.iter_mut().zip(&self.layout.chips) {
            if let AnyChip::Table(chip) = &placed.chip {
                *columns = Tables::columns(chip, &total);
            }
        }
        columns
    }

    /// Proves a statement from witness columns.
    pub(super) fn prove_witness(
        &self,
        statement: &Statement,
        witness: &[Vec<Column>],
        entropy: Option<&Entropy>,
    ) -> Result<Proof, StarkProveError> {
        // A batching challenge that does not do has a chance of 2^-62, a 0 among what is shown one
        // of 2^-31 for each element. What is not read then has one in the model's tree, as all see.
        const ATTEMPTS: u32 = 8;
        for attempt in 0..ATTEMPTS {
            let masks = self.masks(entropy, attempt);
            let (committed, residues) = self.commit(statement, witness, masks);
            if !residues.wiring.is_zero() {
                return Err(StarkProveError::Wiring);
            }
            if !residues.products.is_zero() {
                return Err(StarkProveError::Products);
            }
            let Concluded { proof, holds, is_masked } =
                committed.conclude(&self.key.chips, &self.shape);
            if !holds {
                return Err(StarkProveError::Unsatisfied);
            }
            let is_read = || Proof::from_bytes(&proof.to_bytes(), &self.key).is_ok();
            if !self.key.secrecy.hides() || (is_masked && is_read()) {
                return Ok(proof);
            }
        }
        Err(StarkProveError::Unmasked)
    }

    /// The masks of an attempt at a proof, if its key says that it hides.
    pub(super) fn masks(&self, entropy: Option<&Entropy>, attempt: u32) -> Option<Masks> {
        let length = self.shape.parameters.mask();
        let masks = || entropy.expect("what hides has a seed").masks(attempt, length);
        self.key.secrecy.hides().then(masks)
    }

    /// Commits the model's tree, the witness, and what follows from the challenges.
    pub(super) fn commit(
        &self,
        statement: &Statement,
        witness: &[Vec<Column>],
        masks: Option<Masks>,
    ) -> (Committed<'_>, Residues) {
        let parameters = self.shape.parameters;
        let config = parameters.pcs_config(self.shape.log_degree);
        let ModelTree { tree, twiddles, pool } = &self.tree;
        let mut channel = Transcript::searching();
        open_transcript(&mut channel, &self.key, statement);
        config.mix_into(&mut channel);
        let mut scheme = Scheme::with_memory_pool(config, twiddles, pool);
        // Coefficients cost memory, but evaluating them out of domain is several times as fast as
        // evaluating values there.
        scheme.set_store_polynomials_coefficients();
        scheme.commit_tree(MaybeOwned::Borrowed(tree), &mut channel);
        commit(&mut scheme, witness.iter().flatten(), masks.as_ref(), &mut channel);

        let span = info_span!("interaction").entered();
        channel.ask_for_work(parameters.challenge_pow_bits);
        let challenges = Challenges::draw(&mut channel);
        let columns: Vec<Vec<Column>> = self
            .layout
            .chips
            .par_iter()
            .zip(witness)
            .map(|(placed, witness)| {
                let sources = [&placed.fixed[..], witness];
                interaction((&placed.chip, &placed.shape), sources, &challenges)
            })
            .collect();
        let mut columns: Vec<Column> = columns.into_iter().flatten().collect();
        let balance = Balance::of(&self.key.chips);
        let residues = close(&balance, &mut columns);
        drop(span);
        commit(&mut scheme, columns.iter(), masks.as_ref(), &mut channel);
        channel.ask_for_work(parameters.round_pow_bits);
        let public = IoChip::public_total(public_values(statement), &challenges);
        (Committed { channel, scheme, challenges, public, balance, masks }, residues)
    }

    /// As [`Self::prove_witness`], but proves false statements too, as a cheating prover would:
    /// nothing is checked on the way.
    #[cfg(test)]
    pub(crate) fn prove_unchecked(&self, statement: &Statement, witness: &[Vec<Column>]) -> Proof {
        let entropy = Entropy::new(&[7; 32], self.key.digest(), [0; 32]);
        let (committed, _) = self.commit(statement, witness, self.masks(Some(&entropy), 0));
        committed.conclude(&self.key.chips, &self.shape).proof
    }
}

fn chip_log(placed: &PlacedChip) -> u32 {
    placed.chip.log_size()
}

/// The columns of tree 2 of one chip: folds, then LogUp; from its fixed columns and its witness.
pub(super) fn interaction(
    (chip, shape): (&AnyChip, &Shape),
    sources: [&[Column]; 2],
    challenges: &Challenges,
) -> Vec<Column> {
    let (folds, logup) = rayon::join(
        || folds::fill(chip, shape, sources, challenges),
        || logup::fill(chip, shape, sources, challenges),
    );
    folds.into_iter().chain(logup).collect()
}

/// Commits columns as the next tree, masked if there are masks.
pub(super) fn commit<'c>(
    scheme: &mut Scheme<'_>,
    columns: impl Iterator<Item = &'c Column>,
    masks: Option<&Masks>,
    channel: &mut Transcript,
) {
    let _span = info_span!("commit").entered();
    let columns: Vec<_> = columns.map(Vec::as_slice).collect();
    let (tree, twiddles, config) = (scheme.trees.len(), scheme.twiddles, scheme.config);
    let mut builder = scheme.tree_builder();
    let evaluations = evaluations(&columns);
    if let Some(masks) = masks {
        let lifted = config.lifting_log_size.expect("every tree is lifted to the tallest column");
        let log_degree = lifted - config.fri_config.log_blowup_factor;
        let columns = SimdBackend::interpolate_columns(evaluations, twiddles);
        builder.extend_polys(masks.columns(tree, columns));
        builder.extend_polys(masks.salts(tree, log_degree));
    } else {
        builder.extend_evals(evaluations);
    }
    builder.commit(channel);
}
