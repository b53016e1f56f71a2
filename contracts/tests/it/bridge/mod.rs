//! The bridge takes what consensus certifies and nothing else, and pays what an outbox says:
//! `tests/scenarios/bridge`.

mod chain;
mod histories;
mod script;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use ciro_consensus::crypto::Stark;
use ciro_consensus::{
    ClientId, Digest, Effect, Epoch, Identity, Input, LightClient, Nonce, Operation, Replica,
    ReplicaId, Seq,
};
use ciro_contracts::{BOND, BRIDGE, Cost, Package, Scenarios, TOKEN};
use ciro_protocol::bridge::bridged_root;
use ciro_protocol::light::{StateWords, TreeRoot};
use starknet_types_core::felt::Felt as Felt252;

use crate::scenarios::PROPS;
use chain::{Block, LENGTH, genesis, opened, places, secret, set, shown, word};
use histories::{HISTORIES, History, World};
use script::Comes::{Done, Returned};
use script::Script;

/// What a transaction may take, as of Starknet 0.14.
const STEPS_MAX: usize = 10_000_000;
const GAS_MAX: u64 = 1_110_000_000;
const FELTS_MAX: usize = 5_000;

pub(crate) const BORDER: Package = Package {
    name: "border",
    sources: &[("lib.cairo", include_str!("../../scenarios/bridge/lib.cairo"))],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[TOKEN, BOND, BRIDGE, PROPS, BORDER]).unwrap());

/// Plays calls from the beginning.
fn told(stage: &Scenarios, world: &World, script: &Script) -> Result<(), String> {
    let [about, steps] = world.arguments(script);
    stage.play("border::told", &[&about, &steps]).unwrap().map(drop)
}

fn plays(stage: &Scenarios, world: &World, (_, history): &History) -> Result<(), String> {
    let mut script = Script::default();
    history(world, &mut script);
    told(stage, world, &script)
}

/// What one call costs, behind others: the play with it less the play in which it is not made.
fn cost(world: &World, function: &str, calldata: &[Felt252], before: impl Fn(&mut Script)) -> Cost {
    let [made, left_out] = ["bridge", "nothing"].map(|contract| {
        let mut script = Script::default();
        before(&mut script);
        script.calls("anyone", (contract, function), calldata, Done);
        let [about, steps] = world.arguments(&script);
        STAGE.cost("border::told", &[&about, &steps]).unwrap().unwrap()
    });
    Cost { steps: made.steps - left_out.steps, gas: made.gas - left_out.gas }
}

#[test]
fn histories_of_the_bridge_come_to_their_ends() {
    let world = World::of_four(&STAGE);
    for history in &HISTORIES {
        assert_eq!(plays(&STAGE, &world, history), Ok(()), "{}", history.0);
    }
    STAGE.play("border::a_bridge_without_epochs_is_refused", &[]).unwrap().unwrap();
}

/// Light clients follow what the history of epochs follows.
#[test]
fn light_clients_take_what_the_bridge_takes() {
    let world = World::of_four(&STAGE);
    let [first, second, third] = &world.sets;
    let mut client = LightClient::<Stark>::new(&genesis(first));
    let ends = [
        (Block::ending(0, [first, second]), [first, second]),
        (Block::ending(1, [second, third]), [second, third]),
    ];
    for (end, sets) in ends {
        client.follow(&end.proof(world.chain, first, sets)).unwrap();
    }
    let inside = Block::inside(2, Digest::from_u64(8), [second, third]);
    let header = client.verify(&inside.finality(world.chain, second)).unwrap();
    assert_eq!(header.height, Seq(2 * LENGTH + 4));
    // Where the bridge refuses, so do they.
    let other = Block { epoch: 1, ..inside };
    client.verify(&other.finality(world.chain, first)).unwrap_err();
    client.verify(&inside.finality(world.chain, third)).unwrap_err();
}

/// A replica that is a quorum alone, after its first checkpoint.
fn run_alone(root: Digest) -> Replica<Stark> {
    let genesis = genesis(&set([(0, 1)]));
    let identity = Identity { id: ReplicaId(0), key: secret(0), votes_from: Epoch(0) };
    let (mut replica, _) = Replica::open(&genesis, identity, Duration::ZERO, vec![]).unwrap();
    let operation = |nonce| Operation {
        client: ClientId(1),
        nonce: Nonce(nonce),
        payload: Digest::from_u64(nonce),
    };
    let mut inputs: VecDeque<Input> = (1..=4).map(|it| Input::Operation(operation(it))).collect();
    while let Some(input) = inputs.pop_front() {
        for effect in replica.step(Duration::from_millis(1), input) {
            match effect {
                Effect::Validate { seq, digest, .. } => {
                    inputs.push_front(Input::Verdict { seq, digest, valid: true });
                }
                Effect::Execute(block) => {
                    let (seq, changes) = (block.seq, vec![]);
                    inputs.push_front(Input::Executed { seq, state_root: root, changes });
                }
                _ => {}
            }
        }
    }
    replica
}

#[test]
fn the_bridge_takes_what_a_replica_certifies() {
    let words = StateWords { tree: TreeRoot([7; 32]), time_ms: 5_000 };
    let outbox = Digest::from_u64(9);
    let replica = run_alone(bridged_root(&words, outbox));
    let (stable, snapshot) = (replica.stable(), replica.snapshot());
    let header = snapshot.header.unwrap();
    assert_eq!((stable.seq, header.height), (Seq(4), Seq(4)));
    let set = set([(0, 1)]);
    let world = World::new(&STAGE, set.clone());
    let checkpoint = opened(&header, &words, outbox, &snapshot.roots::<Stark>());
    let certificate = shown(&set, &places(&set, &stable.certificate));
    let mut script = Script::default();
    script.at(2_000);
    script.does("anyone", "certify", &[checkpoint, certificate].concat(), Done);
    let comes = Returned(vec![word(&outbox), 2_000.into()]);
    script.does("anyone", "outbox_of", &[4.into()], comes);
    assert_eq!(told(&STAGE, &world, &script), Ok(()));
}

#[test]
fn certificates_of_the_largest_sets_fit_into_a_transaction() {
    let mut table = String::new();
    for (validators, signatures) in [(1, 1), (14, 10), (50, 34), (100, 67), (256, 171)] {
        let set = set((0..validators).map(|id| (id, 1)));
        let world = World::new(&STAGE, set.clone());
        let block = Block::ending(0, [&set, &set]);
        assert_eq!(block.certificate(world.chain, &set).signers().len(), signatures);
        let calldata = block.calldata(world.chain, &set);
        let Cost { steps, gas } = cost(&world, "certify", &calldata, |script| script.at(2_000));
        let felts = calldata.len();
        assert!(steps < STEPS_MAX && gas < GAS_MAX && felts < FELTS_MAX, "{steps} {gas} {felts}");
        let line = format!("{felts} felts, {steps} steps, {gas} gas");
        writeln!(table, "{signatures} of {validators}: {line}").unwrap();
    }
    let world = World::of_four(&STAGE);
    let (block, exit) = world.first_exit();
    let Cost { steps, gas } = cost(&world, "exit", &exit, |script| {
        world.with_money(script);
        let calldata = block.calldata(world.chain, &world.sets[0]);
        script.does("anyone", "certify", &calldata, Done);
        World::later(script);
    });
    writeln!(table, "exit: {} felts, {steps} steps, {gas} gas", exit.len()).unwrap();
    insta::assert_snapshot!("costs", table);
}

/// Whether every history of these packages comes to its end.
pub(crate) fn all_is_well(stage: &Scenarios) -> bool {
    let world = World::of_four(stage);
    let refused = stage.play("border::a_bridge_without_epochs_is_refused", &[]).unwrap();
    refused.is_ok() && HISTORIES.iter().all(|history| plays(stage, &world, history).is_ok())
}
