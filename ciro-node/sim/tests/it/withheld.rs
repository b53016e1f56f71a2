//! Certificates that are collected in silence and shown late must not stop the chain, and cost who
//! shows them.

use std::time::Duration;

use ciro_consensus::{Params, ReplicaId};
use ciro_sim::{Behaviour, Network, Plan, Profile, Report, SECOND, World};

/// Equal replicas, of which the leaders of the first views withhold, in a network that loses
/// nothing and is never late.
fn plan(seed: u64, nodes: usize, withholding: u32) -> Plan {
    let mut plan = Plan::new(seed, nodes, 20, Profile::Calm);
    plan.profile = Profile::Byzantine;
    plan.stakes = vec![100; nodes];
    plan.network = Network::CALM;
    plan.params = Params {
        checkpoint_interval: 64,
        epoch_length: 128,
        operations_per_block: 4,
        pipeline_depth: 4,
        clients: 16,
        pending: 256,
        progress_timeout: Duration::from_secs(1),
        timeout_doublings: 4,
        resend_interval: Duration::from_millis(300),
        ..Params::default()
    };
    plan.behaviours = (0..withholding).map(|id| (ReplicaId(id), Behaviour::Withhold)).collect();
    plan.clients.think = 200_000;
    plan.patience = 30 * SECOND;
    plan
}

fn run(seed: u64, nodes: usize, withholding: u32) -> Report {
    World::new(plan(seed, nodes, withholding)).run()
}

/// Asserts that no operation waits for longer than ten seconds, although nobody who withholds is
/// ever removed: two views in vain, then one that finishes what was hidden.
fn assert_prompt(seed: u64, report: &Report) {
    assert_eq!(report.violation, None, "seed {seed}");
    let slowest = report.stats.finality_ms(1000).expect("operations were answered");
    assert!(slowest <= 10_000, "seed {seed}: an operation waited for {slowest} ms");
}

#[test]
fn two_of_seven_who_withhold_delay_a_fully_synchronous_chain_by_seconds() {
    for seed in 0..60 {
        assert_prompt(seed, &run(seed, 7, 2));
    }
}

#[test]
fn one_of_four_who_withholds_delays_by_seconds() {
    for seed in 0..60 {
        assert_prompt(seed, &run(seed, 4, 1));
    }
}
