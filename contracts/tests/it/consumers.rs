//! Contracts that rely on facts, each driven from a model to what it does with the proof, in Cairo:
//! `tests/scenarios/consumers`.

use std::sync::{Arc, LazyLock};

use ciro_contracts::{CONSUMERS, Package, Scenarios, TOKEN, VERIFIER};
use ciro_model::integer::ops::{ArgMax, Linear};
use ciro_model::integer::{Committing, Decoding, Encoding, ModelBuilder};
use ciro_model::{IntegerModel, Tensor};
use starknet_types_core::felt::Felt as Felt252;

use crate::inference::{Inference, felts};
use crate::models::Stream;
use crate::scenarios::{PROPS, played};

pub(crate) const STORIES: Package = Package {
    name: "stories",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/consumers/lib.cairo")),
        ("diagnosis.cairo", include_str!("../scenarios/consumers/diagnosis.cairo")),
        ("game.cairo", include_str!("../scenarios/consumers/game.cairo")),
        ("loan.cairo", include_str!("../scenarios/consumers/loan.cairo")),
        ("oracle.cairo", include_str!("../scenarios/consumers/oracle.cairo")),
    ],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[VERIFIER, TOKEN, CONSUMERS, PROPS, STORIES]).unwrap());

#[track_caller]
fn plays(name: &str, arguments: &[&[Felt252]]) -> Vec<Felt252> {
    played(&STAGE, &format!("stories::{name}"), arguments)
}

/// What follows the linear layer of a model.
#[derive(Clone, Copy)]
enum End {
    Scores,
    Label,
}

/// A linear model of integers up to 100 in absolute value.
fn linear(weight: Tensor<i32>, bias: Vec<i32>, end: End) -> Arc<IntegerModel> {
    let mut b = ModelBuilder::new();
    let input = b.input("x", vec![1, weight.shape()[0]]);
    let x = b.view(input, Encoding::Affine { scale: 1.0, lo: -100, hi: 100 }).unwrap();
    let (weight, bias) = (b.constant(weight), Some(b.constant(Tensor::vector(bias))));
    let mut y = b.push("scores", Linear { weight, bias }, &[x], 1.0).unwrap();
    if matches!(end, End::Label) {
        y = b.push("label", ArgMax, &[y], 1.0).unwrap();
    }
    b.output("y", y, Decoding::Integer);
    Arc::new(b.finish().unwrap())
}

fn tensor(shape: [usize; 2], data: &[i32]) -> Tensor<i32> {
    Tensor::new(shape.to_vec(), data.to_vec()).unwrap()
}

/// A score of four numbers, three in favour.
fn credit() -> Arc<IntegerModel> {
    linear(tensor([4, 1], &[3, 2, -5, 4]), vec![500], End::Scores)
}

/// A forecast of five readings.
fn forecast() -> Arc<IntegerModel> {
    linear(tensor([5, 1], &[-3, 1, -2, 4, 1]), vec![10], End::Scores)
}

/// A player of noughts who likes the centre, then corners, and heeds the board a little.
fn player() -> Arc<IntegerModel> {
    let weight: Vec<i32> = (0..81).map(|at| (at / 9 * 2 + at % 9) % 5 - 2).collect();
    let bias = vec![5, 1, 10, 1, 40, 1, 30, 1, 20];
    linear(tensor([9, 9], &weight), bias, End::Scores)
}

/// One of three findings in six numbers.
fn finder() -> Arc<IntegerModel> {
    let mut stream = Stream::new(9);
    linear(stream.tensor(&[6, 3], 50), vec![0, 10, 20], End::Label)
}

fn shown(model: Arc<IntegerModel>, input: &[i32]) -> Inference {
    Inference::new(model, tensor([1, input.len()], input), Committing::Nothing)
}

/// The arguments of a history, about an inference that is proven in a context, or not at all.
fn told(
    inference: &Inference,
    more: &[Vec<Felt252>],
    context: Option<Felt252>,
) -> Vec<Vec<Felt252>> {
    let shown = context.map(|context| inference.prove(context));
    let fact = shown.as_ref().map_or(Felt252::ZERO, |shown| shown.fact);
    let about = [inference.about(), vec![fact]].concat();
    let proof = shown.map_or(vec![], |shown| shown.felts);
    [vec![about], more.to_vec(), vec![proof]].concat()
}

/// A history with its arguments.
pub(crate) type Told = (&'static str, Vec<Vec<Felt252>>);

/// Whether proofs are made, or a judge is told what they would show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proofs {
    Real,
    Told,
}

/// The context that the first play of a history names, if there is to be a proof.
fn context(proofs: Proofs, name: &str, inference: &Inference) -> Option<Felt252> {
    (proofs == Proofs::Real).then(|| plays(name, &[&inference.about()])[0])
}

/// A context that names nothing, if there is to be a proof.
fn none(proofs: Proofs) -> Option<Felt252> {
    (proofs == Proofs::Real).then_some(Felt252::ZERO)
}

pub(crate) fn loan(proofs: Proofs) -> Told {
    let inference = shown(credit(), &[40, 20, 6, 13]);
    let context = context(proofs, "loan::context", &inference);
    let arguments = told(&inference, &[inference.output()], context);
    ("loan::a_proven_score_has_one_loan", arguments)
}

pub(crate) fn oracle(proofs: Proofs) -> Told {
    let readings = [12, -7, 30, 5, 9];
    let inference = shown(forecast(), &readings);
    let more = [felts(&readings), inference.output()];
    let arguments = told(&inference, &more, none(proofs));
    ("oracle::a_round_has_the_answer_that_is_proven", arguments)
}

pub(crate) fn game(proofs: Proofs) -> Told {
    let boards = [[-1, 0, 0, 0, 0, 0, 0, 0, 0], [-1, -1, 0, 0, 1, 0, 0, 0, 0]];
    let moves = boards.map(|board| {
        let inference = shown(player(), &board);
        let told = told(&inference, &[], none(proofs));
        [told[0].clone(), inference.output(), told[1].clone()]
    });
    // What histories are about, then scores, then proofs.
    let arguments = (0..3).flat_map(|part| moves.each_ref().map(|it| it[part].clone())).collect();
    ("game::every_reply_is_proven", arguments)
}

pub(crate) fn diagnosis(proofs: Proofs) -> Told {
    let input = Stream::new(10).tensor(&[1, 6], 100);
    let inference = Inference::new(finder(), input, Committing::All);
    let context = context(proofs, "diagnosis::context", &inference);
    let more = [inference.commitment(), inference.output()];
    let arguments = told(&inference, &more, context);
    ("diagnosis::a_finding_is_of_what_was_committed_to", arguments)
}

/// Plays a history with real proofs.
#[track_caller]
fn plays_with_proofs(history: fn(Proofs) -> Told) {
    let (name, arguments) = history(Proofs::Real);
    let arguments: Vec<&[Felt252]> = arguments.iter().map(Vec::as_slice).collect();
    plays(name, &arguments);
}

#[test]
fn a_proven_score_has_one_loan() {
    plays_with_proofs(loan);
}

#[test]
fn a_low_score_has_no_loan() {
    plays("loan::a_low_score_has_no_loan", &[]);
}

#[test]
fn a_round_has_the_answer_that_is_proven() {
    plays_with_proofs(oracle);
}

#[test]
fn every_reply_is_proven() {
    plays_with_proofs(game);
}

#[test]
fn a_game_ends_by_the_rules() {
    plays("game::a_game_ends_by_the_rules", &[]);
}

#[test]
fn a_finding_is_of_what_was_committed_to() {
    plays_with_proofs(diagnosis);
}
