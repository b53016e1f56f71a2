//! A prover that does not repeat the rows of a short chip: what the argument for lifted columns in
//! `docs/soundness.md` rests on.
//!
//! All columns are lifted to the height of the tallest. A short chip's columns that are opened in
//! one row need not repeat; those that are opened in two must, because stwo opens them a third
//! time, one period further on. Here a table's count is `+1` in the first copy of its rows and `-1`
//! in the second, and the LogUp column runs over both copies: every constraint holds, every sum is
//! the claimed one.

use ciro_model::integer::Statement;
use num_traits::Zero;
use stwo::core::fields::m31::BaseField;
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::{CommitmentSchemeProver, ComponentProver};

use super::prove::{commit, components, interaction};
use crate::air::{Challenges, FIRST, Shape, fixed_columns, named_column_id};
use crate::chips::{AnyChip, Book, IoChip, TableChip};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::{ChipClaim, Proof};
use crate::rows::Column;
use crate::statement::empty;
use crate::transcript::{Transcript, Trees, mix_claims, open_transcript};
use crate::verify::{Policy, VerificationError, verify};

/// Rows of the short chips and of the tall one, as binary logarithms.
const SHORT: u32 = 5;
const TALL: u32 = 6;

/// A table of so many rows, with one entry in each.
fn table(log_size: u32) -> AnyChip {
    AnyChip::Table(TableChip { log_size, lanes: 1, book: Book::Functions })
}

/// The chips of the key: a short table and the public values, the tallest chip.
fn chips() -> Vec<AnyChip> {
    vec![table(SHORT), AnyChip::Io(IoChip { log_size: TALL, lanes: 1 })]
}

/// Tree 0 without selectors: entries of the table that all differ, and public values that are none.
fn fixed() -> Vec<Vec<Column>> {
    let entries = |column: u32| (0..1 << SHORT).map(|row| (100 * column + row).into()).collect();
    let shape = Shape::of(&chips()[1]);
    vec![(0..3).map(entries).collect(), vec![zeros(TALL); shape.fixed]]
}

fn zeros(log_size: u32) -> Column {
    vec![BaseField::zero(); 1 << log_size]
}

/// The columns of tree 0 that stand behind the chips' own.
fn selectors(chips: &[AnyChip], own: usize) -> Vec<Column> {
    let selector = |(id, log_size): &(_, u32)| {
        let mut column = zeros(*log_size);
        let row = if *id == named_column_id(FIRST, *log_size) { 0 } else { column.len() - 1 };
        column[row] = BaseField::from(1u32);
        column
    };
    fixed_columns(chips)[own..].iter().map(selector).collect()
}

/// Proves the empty statement with the short table's counts as given for all rows of the tall one,
/// and a total for the table, which has none.
fn prove(preset: Preset, counts: &[i32], total: u32) -> (ModelKey, Statement, Proof) {
    let honest = chips();
    // For the prover, the short table has as many rows as the tall one: its own, twice.
    let mut taken = honest.clone();
    taken[0] = table(TALL);
    let mut own = fixed();
    for column in &mut own[0] {
        column.extend_from_within(..);
    }
    let counts: Column = counts.iter().map(|&count| crate::field::embed(count)).collect();
    let witness = [vec![counts], vec![zeros(TALL)]];

    let key = |root| ModelKey::of_chips(preset, honest.clone(), root);
    let parameters = key([0; 32]).parameters();
    let config = parameters.pcs_config(TALL);
    let domain = CanonicCoset::new(TALL + parameters.log_blowup).circle_domain().half_coset;
    let twiddles = SimdBackend::precompute_twiddles(domain);
    let selectors = selectors(&honest, own.iter().map(Vec::len).sum());
    let tree = || own.iter().flatten().chain(&selectors);

    // The root first, then the transcript that begins with a key of that root.
    let pool = BaseColumnPool::new();
    let scheme = || {
        let mut scheme = CommitmentSchemeProver::<SimdBackend, Trees>::with_memory_pool(
            config, &twiddles, &pool,
        );
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
    commit(&mut scheme, witness.iter().flatten(), &mut channel);
    let challenges = Challenges::draw(&mut channel);
    let filled: Vec<(Vec<Column>, ChipClaim)> = (0..taken.len())
        .map(|at| {
            let chip = (&taken[at], &Shape::of(&taken[at]));
            interaction(chip, [&own[at], &witness[at]], &challenges)
        })
        .collect();
    let mut claims: Vec<ChipClaim> = filled.iter().map(|(_, claim)| *claim).collect();
    claims[0].total = total.into();
    mix_claims(&mut channel, &claims);
    commit(&mut scheme, filled.iter().flat_map(|(columns, _)| columns), &mut channel);
    let components = components(&taken, &challenges, &claims);
    let components: Vec<_> =
        components.iter().map(|component| component as &dyn ComponentProver<SimdBackend>).collect();
    let stark = stwo::prover::prove(&components, &mut channel, scheme).unwrap();
    (key, statement, Proof { claims, nonces: channel.into_nonces(), stark })
}

/// What a verifier says at every preset.
fn verdicts(counts: &[i32], total: u32) -> [Result<(), VerificationError>; 4] {
    Preset::ALL.map(|preset| {
        let (key, statement, proof) = prove(preset, counts, total);
        verify(&key, &statement, &proof, &Policy { min_security_bits: 0, min_proven_bits: 0 })
    })
}

#[test]
fn rows_that_repeat_are_accepted() {
    assert_eq!(verdicts(&[0; 1 << TALL], 0), [const { Ok(()) }; 4]);
}

#[test]
fn a_logup_column_that_does_not_repeat_is_refused() {
    let mut counts = [0; 1 << TALL];
    counts[3] = 1;
    counts[3 + (1 << SHORT)] = -1;
    for verdict in verdicts(&counts, 0) {
        assert!(matches!(verdict, Err(VerificationError::Opening(_))), "{verdict:?}");
    }
}

#[test]
fn chips_without_a_total_claim_none() {
    for verdict in verdicts(&[0; 1 << TALL], 1) {
        assert_eq!(verdict, Err(VerificationError::Structure("a total of a chip without one")));
    }
}
