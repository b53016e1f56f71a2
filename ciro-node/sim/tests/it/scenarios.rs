//! Eight incidents of other implementations, each as one story.
//!
//! Every story is told twenty times with other delays. Told to this protocol it ends well every
//! time; with the bug of that implementation put back it ends badly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ciro_consensus::{Mutation, Params, ReplicaId};
use ciro_sim::{
    Behaviour, Cut, Fault, MILLISECOND, Micros, Network, Plan, Profile, SECOND, TimedFault, World,
};

/// A quiet cluster of equal replicas, in which view `v` is led by replica `v` and nothing has gone
/// wrong yet.
fn quiet(seed: u64, nodes: usize) -> Plan {
    let mut plan = Plan::new(seed, nodes, 20, Profile::Calm);
    plan.profile = Profile::Mixed;
    plan.stakes = vec![100; nodes];
    plan.network = Network::CALM;
    plan.params = Params {
        checkpoint_interval: 4,
        epoch_length: 64,
        operations_per_block: 4,
        pipeline_depth: 2,
        clients: 16,
        pending: 256,
        progress_timeout: Duration::from_secs(1),
        timeout_doublings: 4,
        resend_interval: Duration::from_millis(300),
        ..Params::default()
    };
    plan.clients.think = 100 * MILLISECOND;
    plan.heal_at = 12 * SECOND;
    plan.patience = 60 * SECOND;
    plan
}

fn at(plan: &mut Plan, at: Micros, fault: Fault) {
    plan.faults.push(TimedFault { at, fault });
}

fn set(nodes: &[usize]) -> BTreeSet<usize> {
    nodes.iter().copied().collect()
}

/// Cuts all links between two groups from one instant to another.
fn separate(plan: &mut Plan, groups: [&[usize]; 2], from: Micros, to: Micros) {
    let cut = Cut::split(&set(groups[0]), &set(groups[1]));
    at(plan, from, Fault::Cut { cut, lasts: to - from });
}

/// Silences one node towards another.
fn silence(plan: &mut Plan, from: usize, towards: usize, until: Micros) {
    let cut = Cut::one_way(&set(&[from]), &set(&[towards]));
    at(plan, 0, Fault::Cut { cut, lasts: until });
}

/// Tells a story with and without a bug; with it, one of the named properties must break.
fn check(mutation: Mutation, properties: &[&str], story: impl Fn(u64) -> Plan) {
    let mut broken: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..20 {
        let plan = story(seed);
        let genesis = plan.genesis().unwrap();
        let report = World::new(plan.clone()).run();
        assert_eq!(report.violation, None, "telling {seed} without the bug");
        let report = World::with_genesis(plan, genesis.with_mutation(mutation)).run();
        if let Some(violation) = report.violation {
            *broken.entry(violation.name()).or_default() += 1;
        }
    }
    assert!(!broken.is_empty(), "the bug does no harm");
    assert!(broken.keys().all(|name| properties.contains(name)), "{broken:?}");
}

/// The primary stands still, and every ViewChange that follows is lost once (Hyperledger Fabric,
/// issue 1917).
#[test]
fn a_lost_view_change_is_sent_again() {
    check(Mutation::LostViewChange, &["liveness"], |seed| {
        let mut plan = quiet(seed, 4);
        at(&mut plan, 0, Fault::Pause { node: 0, lasts: 8 * SECOND });
        separate(&mut plan, [&[1], &[2, 3]], SECOND / 2, 3 * SECOND);
        separate(&mut plan, [&[2], &[3]], SECOND / 2, 3 * SECOND);
        plan
    });
}

/// The leader of the next view missed a checkpoint that the other two have (Hyperledger Fabric,
/// pull request 1111).
#[test]
fn view_changes_with_an_earlier_checkpoint_count() {
    check(Mutation::WatermarkOnWrongSet, &["prompt views"], |seed| {
        let mut plan = quiet(seed, 4);
        separate(&mut plan, [&[1], &[0, 2, 3]], SECOND / 2, 4 * SECOND);
        at(&mut plan, 1800 * MILLISECOND, Fault::Pause { node: 0, lasts: 8 * SECOND });
        plan
    });
}

/// Proposals overtake the checkpoint that would admit them (Hyperledger Fabric, issue 1119).
#[test]
fn a_proposal_beyond_the_window_is_kept() {
    let broken = ["no needless wait", "no needless view change"];
    check(Mutation::DropAtWindowEdge, &broken, |seed| {
        let mut plan = Plan::new(seed, 4, 20, Profile::Jitter);
        plan.params.checkpoint_interval = 4;
        plan.params.epoch_length = 64;
        plan.params.pipeline_depth = 4;
        plan
    });
}

/// One replica hears nobody for a while and times out alone (Sawtooth PBFT, pull request 133).
#[test]
fn a_lonely_replica_asks_for_one_view_only() {
    check(Mutation::EarlyViewTimer, &["no replica races ahead"], |seed| {
        let mut plan = quiet(seed, 4);
        // No turn of the lonely one, for which the others would have to change views.
        plan.params.checkpoint_interval = 64;
        separate(&mut plan, [&[3], &[0, 1, 2]], SECOND / 2, 9 * SECOND);
        plan
    });
}

/// A primary proposes blocks that can never be committed (Sawtooth PBFT, pull request 68).
#[test]
fn a_proposal_alone_does_not_calm_the_progress_timer() {
    check(Mutation::IdleTimerOnly, &["liveness"], |seed| {
        let mut plan = quiet(seed, 4);
        plan.behaviours.insert(ReplicaId(0), Behaviour::Equivocate);
        plan
    });
}

/// Two replicas send a Commit that the others never see, then the primary stands still (NEO dBFT,
/// issue 792).
#[test]
fn a_commit_does_not_forbid_another_view() {
    check(Mutation::CommitLock, &["liveness"], |seed| {
        let mut plan = quiet(seed, 4);
        for (from, towards) in [(2, 1), (3, 1), (1, 2), (3, 2)] {
            silence(&mut plan, from, towards, 3 * SECOND);
        }
        at(&mut plan, 250 * MILLISECOND, Fault::Pause { node: 0, lasts: 11 * SECOND });
        plan
    });
}

/// Six replicas fall apart into halves (Indy Plenum, pull request 673).
#[test]
fn half_of_six_replicas_decide_nothing() {
    check(Mutation::CountedQuorum, &["agreement", "equal state", "certificates"], |seed| {
        let mut plan = quiet(seed, 6);
        separate(&mut plan, [&[0, 1, 2], &[3, 4, 5]], 0, 12 * SECOND);
        plan
    });
}

/// A replica that lags learns of a checkpoint from the NewView (Indy Plenum, pull request 1359).
#[test]
fn a_checkpoint_in_a_new_view_is_not_yet_the_own_state() {
    let broken = ["total order", "equal state", "no halt"];
    check(Mutation::ClaimedCheckpoint, &broken, |seed| {
        let mut plan = quiet(seed, 4);
        separate(&mut plan, [&[3], &[0, 1, 2]], SECOND / 2, 4 * SECOND);
        at(&mut plan, 1800 * MILLISECOND, Fault::Pause { node: 0, lasts: 8 * SECOND });
        plan
    });
}
