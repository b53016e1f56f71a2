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
use super::columns::evaluations;
use super::conclude::{Committed, Scheme};
use super::masks::{Entropy, extend};
use super::prove::{commit, interaction};
use super::tree::selectors;
use crate::air::{Balance, Challenges, Chip as _, Shape};
use crate::chips::{AnyChip, IoChip};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::rows::Column;
use crate::secrecy::Secrecy;
use crate::statement::{empty, public_values};
use crate::transcript::{Transcript, open_transcript};
use crate::verify::{Policy, VerificationError, verify};

/// Chips, and what a prover puts into their columns.
#[derive(Clone, Debug)]
pub(super) struct Lab {
    /// Whether its proofs hide.
    pub(super) secrecy: Secrecy,
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

/// Commits the columns of tree 0.
fn commit_model<'c>(
    scheme: &mut Scheme<'_>,
    columns: impl Iterator<Item = &'c Column>,
    excess: u32,
    channel: &mut Transcript,
) {
    let columns: Vec<_> = columns.map(Vec::as_slice).collect();
    let mut polynomials = SimdBackend::interpolate_columns(evaluations(&columns), scheme.twiddles);
    if excess > 0 {
        polynomials = polynomials.iter().map(|column| extend(&column.coeffs, &[])).collect();
    }
    let mut builder = scheme.tree_builder();
    builder.extend_polys(polynomials);
    builder.commit(channel);
}

/// The rows of short and tall chips of plain and of hiding keys, as binary logarithms.
pub(super) const fn heights(secrecy: Secrecy) -> [u32; 2] {
    match secrecy {
        Secrecy::Plain => [5, 6],
        // Enough for the masks of every preset.
        Secrecy::Hiding => [9, 10],
    }
}

impl Lab {
    /// Proves the empty statement; `cheat` may change tree 2.
    pub(super) fn prove(
        &self,
        preset: Preset,
        cheat: impl Fn(&Balance, &mut [Column]),
    ) -> (ModelKey, Statement, Proof) {
        let key = |root| {
            let key = ModelKey::of_chips(preset, self.chips.clone(), root);
            ModelKey { secrecy: self.secrecy, ..key }
        };
        let draft = key([0; 32]);
        let (parameters, excess) = (draft.parameters(), self.secrecy.excess());
        let log_degree = draft.max_log_size() + excess;
        let config = parameters.pcs_config(log_degree);
        let domain = CanonicCoset::new(log_degree + parameters.log_blowup).circle_domain();
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
        commit_model(&mut draft, tree(), excess, &mut Transcript::searching());
        let key = key(draft.roots()[0].0);
        let statement = empty();

        let mut channel = Transcript::searching();
        open_transcript(&mut channel, &key, &statement);
        config.mix_into(&mut channel);
        let mut scheme = scheme();
        commit_model(&mut scheme, tree(), excess, &mut channel);
        let entropy = Entropy::new(&[8; 32], key.digest(), [0; 32]);
        let masks = self.secrecy.hides().then(|| entropy.masks(0, parameters.mask()));
        commit(&mut scheme, self.witness.iter().flatten(), masks.as_ref(), &mut channel);
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
        commit(&mut scheme, columns.iter(), masks.as_ref(), &mut channel);
        channel.ask_for_work(parameters.round_pow_bits);
        let public = IoChip::public_total(public_values(&statement), &challenges);
        let committed = Committed { channel, scheme, challenges, public, balance, masks };
        let proof = committed.conclude(&self.taken, &ProofShape::of(&key)).proof;
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
