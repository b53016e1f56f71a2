//! A conspiracy of 40 % of the stake that forks the chain.
//!
//! Every conspirator runs twice with one key. The honest replicas are divided in two halves of 30 %
//! that hear nothing of each other, and each half sees one instance of every conspirator: both
//! sides have 70 %, a quorum, and go on by themselves. If the second instances start later, their
//! side has to change views and the conspirators' ViewChanges hide what they committed on the first
//! side.

use std::collections::BTreeSet;

use ciro_consensus::ReplicaId;

use crate::byzantine::Behaviour;
use crate::fault::{Cut, Fault, TimedFault};
use crate::plan::{Plan, SECOND};
use crate::rng::Rng;

/// Stake of the conspirators together, of 1,000.
const CONSPIRATORS: u64 = 400;
/// Stake of each honest half.
const HALF: u64 = 300;
/// Every validator's stake is a share of this, so that shares divide well.
const UNIT: u64 = 2520;

/// Sets a conspiracy up; the chain needs at least four validators.
pub(crate) fn conspire(plan: &mut Plan, rng: &mut Rng) {
    let nodes = plan.stakes.len();
    let mut order: Vec<usize> = (0..nodes).collect();
    rng.shuffle(&mut order);
    let conspirators = (nodes * 2 / 5).max(1);
    let (conspirators, honest) = order.split_at(conspirators);
    let (left, right) = honest.split_at(honest.len() / 2);
    for (group, share) in [(conspirators, CONSPIRATORS), (left, HALF), (right, HALF)] {
        let members = u64::try_from(group.len()).unwrap_or(1).max(1);
        for index in group {
            plan.stakes[*index] = UNIT * share / members;
        }
    }
    for index in conspirators {
        let id = ReplicaId(u32::try_from(*index).unwrap_or(u32::MAX));
        plan.behaviours.insert(id, Behaviour::Twins);
    }
    // Twins get the addresses after all replicas, in order of identity.
    let second: BTreeSet<usize> = (nodes..nodes + conspirators.len()).collect();
    let with = |honest: &[usize], twins: &mut dyn Iterator<Item = usize>| -> BTreeSet<usize> {
        honest.iter().copied().chain(twins).collect()
    };
    let left = with(left, &mut conspirators.iter().copied());
    let right = with(right, &mut second.iter().copied());
    plan.heal_at = rng.between(8 * SECOND, 14 * SECOND);
    let lasts = plan.heal_at + plan.patience;
    plan.faults =
        vec![TimedFault { at: 0, fault: Fault::Cut { cut: Cut::split(&left, &right), lasts } }];
    if rng.chance(500) {
        let delay = rng.between(SECOND, 3 * SECOND);
        for node in right {
            plan.faults.push(TimedFault { at: 0, fault: Fault::Pause { node, lasts: delay } });
        }
    }
    plan.clients.open = 4;
    plan.expects_fork = true;
}
