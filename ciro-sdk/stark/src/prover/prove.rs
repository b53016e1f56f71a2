//! From inputs to a proof.

use std::sync::Arc;

use ciro_model::integer::{Claim, RunError, Statement, Trace};
use ciro_model::{IntegerModel, Tensor};
use rayon::prelude::*;
use stwo::core::fields::qm31::SecureField;
#[cfg(test)]
use stwo::core::proof::StarkProof;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{CommitmentSchemeProver, ComponentProver};
use stwo_constraint_framework::{FrameworkComponent, TraceLocationAllocator};
use tracing::info_span;

use super::columns::evaluations;
use super::estimate::Estimate;
use super::tree::ModelTree;
use super::{folds, logup};
use crate::air::{Air, Challenges, Chip as _, Shape, fixed_columns};
use crate::chips::AnyChip;
use crate::key::ModelKey;
use crate::layout::{Layout, LayoutError};
use crate::preset::Preset;
use crate::proof::{ChipClaim, Proof};
use crate::rows::table::Tables;
use crate::rows::{Column, PlacedChip};
use crate::security::{Counts, Security};
use crate::transcript::{Transcript, Trees, mix_claims, open_transcript};

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
    /// The trace violates a constraint: a defect of this library.
    #[error("the trace violates a constraint; this is a defect of Ciro, please report the model")]
    Unsatisfied,
}

/// A model that is laid out for proofs, before anything is committed: what they cost is known.
pub struct Plan {
    model: Arc<IntegerModel>,
    preset: Preset,
    batch: u32,
    layout: Layout,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("estimate", &self.estimate()).finish_non_exhaustive()
    }
}

impl Plan {
    /// Lays a model out for proofs of `batch` inputs at once.
    ///
    /// # Errors
    /// [`LayoutError`] if the model cannot be proven on this route.
    pub fn new(model: Arc<IntegerModel>, preset: Preset, batch: u32) -> Result<Self, LayoutError> {
        let layout = info_span!("layout").in_scope(|| Layout::new(&model, batch))?;
        Ok(Self { model, preset, batch, layout })
    }

    /// What a proof will cost.
    pub fn estimate(&self) -> Estimate {
        Estimate::of_layout(&self.layout, self.preset)
    }

    #[cfg(test)]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The security of the proofs.
    pub fn security(&self) -> Security {
        let parameters = self.layout.parameters(self.preset);
        Security::of_counts(&Counts::of(&self.layout.shapes()), parameters)
    }

    /// Commits the model's columns.
    pub fn commit(self) -> TensorProver {
        let Self { model, preset, batch, layout } = self;
        let parameters = layout.parameters(preset);
        let tree = info_span!("commit_model").in_scope(|| ModelTree::new(&layout, parameters));
        let key = ModelKey::new(&model, (preset, batch), tree.root(), layout.shapes());
        let prover = TensorProver { model, layout, tree, key };
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

    /// Runs the model on one input for each sample of the batch and proves the results.
    ///
    /// # Errors
    /// [`StarkProveError`] if the number of inputs is not the batch's, or the model does not take
    /// one of them.
    pub fn prove(
        &self,
        inputs: &[Vec<Tensor<i32>>],
    ) -> Result<(Statement, Proof), StarkProveError> {
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
        let statement = Statement { claims: inputs.iter().zip(&traces).map(claim).collect() };
        let witness = self.witness(&self.layout.values(&traces));
        let proof = self.prove_witness(&statement, &witness)?;
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
    fn prove_witness(
        &self,
        statement: &Statement,
        witness: &[Vec<Column>],
    ) -> Result<Proof, StarkProveError> {
        let committed = self.commit(statement, witness);
        let _span = info_span!("stark").entered();
        let components = components(&self.key.chips, &committed.challenges, &committed.claims);
        let provers: Vec<_> = components
            .iter()
            .map(|component| component as &dyn ComponentProver<SimdBackend>)
            .collect();
        let Committed { mut channel, scheme, claims, .. } = committed;
        let stark = stwo::prover::prove(&provers, &mut channel, scheme)
            .map_err(|_| StarkProveError::Unsatisfied)?;
        Ok(Proof { claims, nonces: channel.into_nonces(), stark })
    }

    /// Commits the model's tree, the witness, and what follows from the challenges.
    fn commit(&self, statement: &Statement, witness: &[Vec<Column>]) -> Committed<'_> {
        let parameters = self.layout.parameters(self.key.preset);
        let config = parameters.pcs_config(self.layout.max_log_size());
        let ModelTree { tree, twiddles, pool } = &self.tree;
        let mut channel = Transcript::searching();
        open_transcript(&mut channel, &self.key, statement);
        config.mix_into(&mut channel);
        let mut scheme = Scheme::with_memory_pool(config, twiddles, pool);
        // Coefficients cost memory, but evaluating them out of domain is several times as fast as
        // evaluating values there.
        scheme.set_store_polynomials_coefficients();
        scheme.commit_tree(MaybeOwned::Borrowed(tree), &mut channel);
        commit(&mut scheme, witness.iter().flatten(), &mut channel);

        let span = info_span!("interaction").entered();
        channel.ask_for_work(parameters.challenge_pow_bits);
        let challenges = Challenges::draw(&mut channel);
        let filled: Vec<(Vec<Column>, ChipClaim)> = self
            .layout
            .chips
            .par_iter()
            .zip(witness)
            .map(|(placed, witness)| {
                let sources = [&placed.fixed[..], witness];
                interaction((&placed.chip, &placed.shape), sources, &challenges)
            })
            .collect();
        drop(span);
        let claims: Vec<ChipClaim> = filled.iter().map(|(_, claim)| *claim).collect();
        mix_claims(&mut channel, &claims);
        commit(&mut scheme, filled.iter().flat_map(|(columns, _)| columns), &mut channel);
        channel.ask_for_work(parameters.round_pow_bits);
        Committed { channel, scheme, challenges, claims }
    }

    /// As [`Self::prove_witness`], but proves false statements too, as a cheating prover would:
    /// stwo's own check before the end is left out.
    #[cfg(test)]
    pub(crate) fn prove_unchecked(&self, statement: &Statement, witness: &[Vec<Column>]) -> Proof {
        use stwo::core::channel::Channel as _;
        use stwo::core::circle::CirclePoint;

        let committed = self.commit(statement, witness);
        let components = components(&self.key.chips, &committed.challenges, &committed.claims);
        let Committed { mut channel, mut scheme, claims, .. } = committed;
        let provers = stwo::prover::ComponentProvers {
            components: components
                .iter()
                .map(|component| component as &dyn ComponentProver<SimdBackend>)
                .collect(),
            n_preprocessed_columns: scheme.trees[0].polynomials.len(),
        };
        let composition = provers.compute_composition_polynomial(
            channel.draw_secure_felt(),
            &scheme.trace(),
            scheme.twiddles,
            scheme.config.fri_config.log_blowup_factor,
        );
        let (left, right) = composition.split_at_mid();
        let mut builder = scheme.tree_builder();
        builder.extend_polys(left.into_coordinate_polys());
        builder.extend_polys(right.into_coordinate_polys());
        builder.commit(&mut channel);
        let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
        let mut samples =
            provers.components().mask_points(point, self.layout.max_log_size(), false);
        samples.push(vec![vec![point]; 8]);
        let stark = StarkProof(scheme.prove_values(samples, &mut channel).proof);
        Proof { claims, nonces: channel.into_nonces(), stark }
    }
}

type Scheme<'a> = CommitmentSchemeProver<'a, SimdBackend, Trees>;

/// A proof on the way: trees 0 to 2 are committed.
struct Committed<'a> {
    channel: Transcript,
    scheme: Scheme<'a>,
    challenges: Challenges,
    claims: Vec<ChipClaim>,
}

fn chip_log(placed: &PlacedChip) -> u32 {
    placed.chip.log_size()
}

/// The columns of tree 2 of one chip: folds, then LogUp; from its fixed columns and its witness.
pub(super) fn interaction(
    (chip, shape): (&AnyChip, &Shape),
    sources: [&[Column]; 2],
    challenges: &Challenges,
) -> (Vec<Column>, ChipClaim) {
    let (folds, logup) = rayon::join(
        || folds::fill(chip, shape, sources, challenges),
        || logup::fill(chip, shape, sources, challenges),
    );
    let claim = ChipClaim { logup: logup.sum, total: folds.total };
    (folds.columns.into_iter().chain(logup.columns).collect(), claim)
}

/// Builds one component for each chip, in the order of the key.
pub(super) fn components(
    chips: &[AnyChip],
    challenges: &Challenges,
    claims: &[ChipClaim],
) -> Vec<FrameworkComponent<Air>> {
    let ids = fixed_columns(chips).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let mut allocator = TraceLocationAllocator::new_with_preprocessed_columns(&ids);
    chips
        .iter()
        .zip(claims)
        .enumerate()
        .map(|(index, (&chip, &claim))| {
            let air = Air::new(chip, index, challenges.clone(), claim);
            let none = SecureField::from(0u32);
            let component = FrameworkComponent::new(&mut allocator, air, none);
            component.finish_naming();
            component
        })
        .collect()
}

pub(super) fn commit<'c>(
    scheme: &mut Scheme<'_>,
    columns: impl Iterator<Item = &'c Column>,
    channel: &mut Transcript,
) {
    let _span = info_span!("commit").entered();
    let columns: Vec<_> = columns.map(Vec::as_slice).collect();
    let mut builder = scheme.tree_builder();
    builder.extend_evals(evaluations(&columns));
    builder.commit(channel);
}
