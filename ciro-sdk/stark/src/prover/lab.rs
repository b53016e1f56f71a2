//! A prover of any chips with any columns, for tests of what holds chips together.

use ciro_model::integer::Statement;
use num_traits::Zero;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;

use super::balance::close;
use super::conclude::{Committed, Scheme};
use super::prove::{commit, interaction};
use super::tree::selectors;
use crate::air::{Balance, Challenges, Chip as _, Shape};
use crate::chips::{AnyChip, IoChip};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::rows::Column;
use crate::statement::{empty, public_values};
use crate::transcript::{Transcript, open_transcript};
use crate::verify::{Policy, VerificationError, verify};

/// Chips, and what a prover puts into their columns.
#[derive(Clone, Debug)]
pub(super) struct Lab {
    /// The chips of the key.
    pub(super) chips: Vec<AnyChip>,
    /// The chips as the prover takes them: some with more rows than they have.
    pub(super) taken: Vec<AnyChip>,
    /// For each chip its columns of tree 0, with as many rows as the prover takes.
    pub(super) fixed: Vec<Vec<Column>>,
    pub(super) witness: Vec<Vec<Column>>,
}

/// Numbers as a column.
pub(super) fn column(values: impl IntoIterator<Item = i32>) -> Column {
    values.into_iter().map(crate::field::embed).collect()
}

/// A column of zeros but in one row.
pub(super) fn only(log_size: u32, row: usize, value: i32) -> Column {
    let mut column = vec![BaseField::zero(); 1 << log_size];
    column[row] = crate::field::embed(value);
    column
}

impl Lab {
    /// Proves the empty statement; `cheat` may change tree 2.
    pub(super) fn prove(
        &self,
        preset: Preset,
        cheat: impl Fn(&Balance, &mut [Column]),
    ) -> (ModelKey, Statement, Proof) {
        let key = |root| ModelKey::of_chips(preset, self.chips.clone(), root);
        let draft = key([0; 32]);
        let (parameters, log_rows) = (draft.parameters(), draft.max_log_size());
        let config = parameters.pcs_config(log_rows);
        let domain = CanonicCoset::new(log_rows + parameters.log_blowup).circle_domain();
        let twiddles = SimdBackend::precompute_twiddles(domain.half_coset);
        let selectors = selectors(&self.chips, self.fixed.iter().map(Vec::len).sum());
        let tree = || self.fixed.iter().flatten().chain(&selectors);

        // The root first, then the transcript that begins with a key of that root.
        let pool = BaseColumnPool::new();
        let scheme = || {
            let mut scheme = Scheme::with_memory_pool(config, &twiddles, &pool);
            scheme.set_store_polynomials_coefficients();
            scheme
        };
        let mut draft = scheme();
        commit(&mut draft, tree(), &mut Transcript::searching());
        let key = key(draft.roots()[0].0);
        let statement = empty();

        let mut channel = Transcript::searching();
        open_transcript(&mut channel, &key, &statement);
        config.mix_into(&mut channel);
        let mut scheme = scheme();
        commit(&mut scheme, tree(), &mut channel);
        commit(&mut scheme, self.witness.iter().flatten(), &mut channel);
        channel.ask_for_work(parameters.challenge_pow_bits);
        let challenges = Challenges::draw(&mut channel);
        let sources = self.fixed.iter().zip(&self.witness);
        let mut columns: Vec<Column> = self
            .taken
            .iter()
            .zip(sources)
            .flat_map(|(chip, (fixed, witness))| {
                interaction((chip, &Shape::of(chip)), [fixed, witness], &challenges)
            })
            .collect();
        let balance = self.balance();
        close(&balance, &mut columns);
        cheat(&balance, &mut columns);
        commit(&mut scheme, columns.iter(), &mut channel);
        channel.ask_for_work(parameters.round_pow_bits);
        let public = IoChip::public_total(public_values(&statement), &challenges);
        let committed = Committed { channel, scheme, challenges, public, balance };
        let (proof, _) = committed.conclude(&self.taken, &ProofShape::of(&key));
        (key, statement, proof)
    }

    /// The key's balance, over columns as tall as the prover takes them.
    fn balance(&self) -> Balance {
        let mut balance = Balance::of(&self.chips);
        let mut end = 0;
        let end_of = |chip: &AnyChip| {
            let shape = Shape::of(chip);
            end += SECURE_EXTENSION_DEGREE * (shape.folds + shape.logup_columns());
            (end, chip.log_size())
        };
        let ends: Vec<(usize, u32)> = self.taken.iter().map(end_of).collect();
        for term in balance.sums_mut().iter_mut().flat_map(|sum| &mut sum.terms) {
            term.log_size = ends.iter().find(|(end, _)| term.column < *end).unwrap().1;
        }
        balance
    }

    /// What a verifier says at every preset.
    pub(super) fn verdicts(
        &self,
        cheat: impl Fn(&Balance, &mut [Column]),
    ) -> [Result<(), VerificationError>; 4] {
        Preset::QUICK.map(|preset| said(self.prove(preset, &cheat)))
    }
}

/// What a verifier says of a proof.
pub(super) fn said(
    (key, statement, proof): (ModelKey, Statement, Proof),
) -> Result<(), VerificationError> {
    verify(&key, &statement, &proof, &Policy { min_security_bits: 0, min_proven_bits: 0 })
}
