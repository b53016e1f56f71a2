//! The search for forgeries: random models at the bounds, and provers that lie consistently.
//!
//! For every model that is laid out,
//! - an honest proof verifies, and the layout passes a static audit ([`audit`]);
//! - no row has another witness for the same operands ([`rows`]): another rank, position, maximum,
//!   quotient, root, rounding or branch. If one had, it would be tried as a forgery at once;
//! - no result of a product can be moved to another product;
//! - some tensors of every third model are committed, and lies are told about committed inputs too;
//! - lies about up to three values at once, with everything behind them computed from the lie and
//!   every multiplicity chosen anew ([`forge`]), leave a constraint or a balance violated; one such
//!   proof for each model goes through the real verifier.
//!
//! `CIRO_HUNT_MODELS=50000 cargo test -p ciro-stark --lib hunt` looks at 50,000 models instead of
//! 2,000; `CIRO_HUNT_SEED` sets the first. With each of the defects that this library has had put
//! back, the search finds a forgery: see the last tests.

mod audit;
mod bounds;
mod exploits;
mod forge;
mod joined;
mod record;
mod rows;
mod sketch;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ciro_model::integer::{Encoding, NodeId, Op, Statement, Visibilities, Visibility};
use ciro_model::{IntegerModel, Interface, Interval};

use self::forge::{Forge, Lie};
pub(super) use self::record::rebalance;
use super::tests::models::{Stream, all, inputs};
use crate::air::Chip as _;
use crate::chips::defects::Defect;
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;

/// How many models are looked at, all tests together.
const MODELS: u64 = 2_000;

/// The tests that share them.
const PARTS: u64 = 4;

/// What a search found.
#[derive(Debug, Default)]
struct Found {
    /// Models whose proofs commit to some tensors, whether or not they were laid out.
    committing: usize,
    proven: usize,
    lies: usize,
    /// Why layouts were refused, and how often.
    refused: BTreeMap<String, usize>,
    problems: Vec<String>,
    forgeries: Vec<String>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Looks at one model; lies of every kind if `lies` is not 0, of the kinds that are solved for
/// otherwise.
fn hunt(seed: u64, lies: usize, found: &mut Found) {
    let model = bounds::model(seed);
    let mut random = Stream::new(seed ^ 0xab_cdef);
    let batch = random.within(1, 2);
    let samples = (0..batch).map(|_| bounds::inputs(&model, &mut random)).collect();
    let visibilities = visibilities(&model, &mut random);
    found.committing += usize::from(!visibilities.is_public());
    let honest = match Forge::showing(Preset::FastTest, &model, samples, visibilities) {
        Ok(honest) => honest,
        Err(error) => {
            let kind = error.split("): ").last().unwrap_or_default();
            let kind = kind.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
            *found.refused.entry(kind.to_owned()).or_default() += 1;
            return;
        }
    };
    found.proven += 1;
    let mut problem = |what: String| found.problems.push(format!("model {seed}: {what}"));
    if let Err(error) = model.check() {
        problem(format!("laid out, but no model: {error}"));
    }
    let faults = honest.faults();
    let verdict = honest.verdict();
    if !faults.is_empty() || verdict.is_err() {
        problem(format!("the honest proof is refused: {verdict:?} {faults:?}"));
    }
    audit::audit(&honest).into_iter().for_each(&mut problem);
    let others = rows::others(honest.prover.layout(), &honest.witness, &honest.memory());
    for other in others {
        let chip = honest.prover.layout().chips[other.chip].chip.name();
        problem(format!("{chip}: address {} can be {}", other.address, other.value));
        if let Some(forged) = substituted(&honest, &other)
            && forged.is_forgery()
        {
            found.forgeries.push(format!("model {seed}: {chip}: {}", other.value));
            return;
        }
    }
    for (from, to) in products(&honest) {
        if let Some(forged) = moved(&honest, from, to)
            && forged.is_forgery()
        {
            found.forgeries.push(format!("model {seed}: product {} moved to {}", from.0, to.0));
            return;
        }
    }
    for round in 0..lies {
        let Some(lie) = random_lies(&honest, &mut random) else { continue };
        let Some(mut forged) = honest.lying(&lie) else { continue };
        forged.settle();
        forged.rebalance();
        if !forged.lies() {
            continue;
        }
        found.lies += 1;
        if forged.faults().is_empty() || (round == 0 && forged.verdict().is_ok()) {
            found.forgeries.push(format!("model {seed}: {lie:?}"));
        }
    }
}

/// Proofs of `count` lies about models at the bounds, each consistent but for what it breaks, with
/// the seed of its model. The models are such as the verifier in `contracts/` takes.
pub(super) fn false_proofs(count: usize) -> Vec<(u64, (ModelKey, Statement, Proof))> {
    let forged = (0..).filter_map(|seed: u64| {
        let model = bounds::model(seed);
        if Interface::of(&model).first_with_several_views().is_some() {
            return None;
        }
        let mut random = Stream::new(seed ^ 0xfa_15e);
        let samples = vec![bounds::inputs(&model, &mut random)];
        let visibilities = visibilities(&model, &mut random);
        let honest = Forge::showing(Preset::FastTest, &model, samples, visibilities).ok()?;
        let mut forged = honest.lying(&random_lies(&honest, &mut random)?)?;
        forged.settle();
        forged.rebalance();
        forged.lies().then(|| (seed, forged.proof()))
    });
    forged.take(count).collect()
}

/// How proofs of a model show its inputs and outputs: some tensors are committed in every third
/// model, of the inputs those that can be.
fn visibilities(model: &IntegerModel, random: &mut Stream) -> Visibilities {
    let interface = Interface::of(model);
    let mut visibilities = Visibilities::public(&interface);
    if random.within(0, 2) > 0 {
        return visibilities;
    }
    for (port, visibility) in interface.inputs.iter().zip(&mut visibilities.inputs) {
        let can_be = matches!(&port.views[..], [view] if *view != Encoding::OrderedOrMissing);
        if can_be && random.within(0, 1) == 0 {
            *visibility = Visibility::Committed;
        }
    }
    for visibility in &mut visibilities.outputs {
        if random.within(0, 1) == 0 {
            *visibility = Visibility::Committed;
        }
    }
    visibilities
}

/// A prover that takes the other result of a row, and computes everything behind it.
fn substituted(honest: &Forge, other: &rows::Other) -> Option<Forge> {
    let (sample, node, element) = honest.element(other.address)?;
    let mut forged = honest.lying(&[Lie { sample, node, element, value: other.value }])?;
    for &(column, row, value) in &other.cells {
        forged.witness[other.chip][column][row] = value;
    }
    forged.rebalance();
    Some(forged)
}

/// Pairs of products with as many results.
fn products(honest: &Forge) -> Vec<(NodeId, NodeId)> {
    let is_product = |op: &Op| matches!(op, Op::MatMul(_) | Op::Linear(_) | Op::ReduceSum(_));
    let nodes: Vec<(NodeId, usize)> = honest
        .model
        .iter()
        .filter(|(_, node)| is_product(&node.op) && !node.is_empty())
        .map(|(id, node)| (id, node.len()))
        .collect();
    let pairs = nodes.iter().flat_map(|a| nodes.iter().map(move |b| (a, b)));
    let alike = pairs.filter(|(a, b)| a.0 != b.0 && a.1 == b.1);
    alike.map(|(a, b)| (a.0, b.0)).take(12).collect()
}

/// A prover that says that one product is 0 and adds its results to another.
fn moved(honest: &Forge, from: NodeId, to: NodeId) -> Option<Forge> {
    let mut lies = vec![];
    for (sample, nodes) in honest.nodes.iter().enumerate() {
        let results = nodes[from.index()].data().iter().zip(nodes[to.index()].data());
        for (element, (&moved, &there)) in results.enumerate() {
            lies.push(Lie { sample, node: from, element, value: 0 });
            lies.push(Lie { sample, node: to, element, value: there + moved });
        }
    }
    let mut forged = honest.lying(&lies)?;
    forged.settle();
    forged.rebalance();
    Some(forged)
}

/// Up to three values that nodes could have by their intervals, but do not have.
fn random_lies(honest: &Forge, random: &mut Stream) -> Option<Vec<Lie>> {
    let computed = |op: &Op| !matches!(op, Op::Input(_) | Op::Constant(_) | Op::Move(_));
    let committed = honest.committed_inputs();
    let nodes: Vec<NodeId> = honest
        .model
        .iter()
        .filter(|(id, node)| computed(&node.op) || committed.contains(id))
        .filter(|(_, node)| !node.is_empty())
        .map(|(id, _)| id)
        .collect();
    let mut upto =
        |most: usize| usize::try_from(random.within(0, i64::try_from(most).unwrap())).unwrap();
    let mut lies = vec![];
    for _ in 0..=upto(2) {
        let node = *nodes.get(upto(nodes.len().checked_sub(1)?))?;
        let sample = upto(honest.nodes.len() - 1);
        let values = honest.nodes[sample][node.index()].data();
        let element = upto(values.len() - 1);
        let (Interval { lo, hi }, value) = (honest.model.node(node).interval, values[element]);
        let value = i64::from(value);
        let candidates = [value + 1, value - 1, lo, hi, -value, value + 300, value - 100_000];
        let value = candidates[upto(candidates.len() - 1)].clamp(lo, hi);
        lies.push(Lie { sample, node, element, value: i32::try_from(value).unwrap() });
    }
    Some(lies)
}

/// Part `part` of all models: nothing is found, and most are proven.
fn no_forgery(part: u64) {
    let (first, models) = (number("CIRO_HUNT_SEED", 0), number("CIRO_HUNT_MODELS", MODELS));
    let mut found = Found::default();
    for seed in (0..models / PARTS).map(|at| first + at * PARTS + part) {
        hunt(seed, 3, &mut found);
    }
    let Found { committing, proven, lies, refused, .. } = &found;
    println!("{proven} proven, {committing} committing, {lies} lies, refused: {refused:#?}");
    assert!(found.forgeries.is_empty(), "{:#?}", found.forgeries);
    assert!(found.problems.is_empty(), "{:#?}", found.problems);
    let tried = usize::try_from(models / PARTS).unwrap();
    assert!(2 * found.proven > tried, "{} of {tried} models were proven", found.proven);
    assert!(8 * found.committing > tried, "{} of {tried} models commit", found.committing);
    assert!(found.lies > tried / 2, "{} lies about {tried} models", found.lies);
}

#[test]
fn no_lie_about_a_model_at_the_bounds_is_accepted_1() {
    no_forgery(0);
}

#[test]
fn no_lie_about_a_model_at_the_bounds_is_accepted_2() {
    no_forgery(1);
}

#[test]
fn no_lie_about_a_model_at_the_bounds_is_accepted_3() {
    no_forgery(2);
}

#[test]
fn no_lie_about_a_model_at_the_bounds_is_accepted_4() {
    no_forgery(3);
}

#[test]
fn layouts_of_all_models_pass_the_audit() {
    for batch in [1, 3] {
        for (name, model) in all() {
            let samples = (0..batch).map(|seed| inputs(&model, seed)).collect();
            let honest = Forge::honest(&model, samples).unwrap();
            assert!(audit::audit(&honest).is_empty(), "{name}: {:?}", audit::audit(&honest));
            let others = rows::others(honest.prover.layout(), &honest.witness, &honest.memory());
            assert!(others.is_empty(), "{name}: {others:?}");
        }
    }
}

/// With a defect put back, the search finds a forgery that the real verifier accepts.
fn finds(defect: Defect) {
    let _back = defect.put_back();
    let mut found = Found::default();
    let forged = (0..MODELS).find(|&seed| {
        // A prover with a defect may also fail.
        let _ = catch_unwind(AssertUnwindSafe(|| hunt(seed, 0, &mut found)));
        !found.forgeries.is_empty()
    });
    assert!(forged.is_some(), "{defect:?} lets no forgery through in {MODELS} models");
    println!("{defect:?}: {:?}", found.forgeries);
}

#[test]
fn the_search_finds_ranks_without_a_range_check() {
    finds(Defect::WideRanks);
}

#[test]
fn the_search_finds_positions_that_are_off_by_one() {
    finds(Defect::LooseArgMax);
}

#[test]
fn the_search_finds_dividends_that_are_two_integers() {
    finds(Defect::LastDividend);
}

#[test]
fn the_search_finds_tables_with_two_quotients_for_one_value() {
    finds(Defect::FarOffsets);
}

#[test]
fn the_search_finds_limbs_of_no_image() {
    finds(Defect::AnyLimbs);
}

#[test]
fn the_search_finds_products_without_terms() {
    finds(Defect::NoTerms);
}
