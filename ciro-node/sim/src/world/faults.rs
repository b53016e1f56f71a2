//! Faults striking and healing.

use ciro_consensus::Input;
use ciro_store::Keep;

use super::perform::error_chain;
use super::{Event, World};
use crate::fault::Fault;
use crate::node::Power;
use crate::oracle::Violation;
use crate::plan::{Micros, Network};
use crate::trace::MomentKind;

impl World {
    pub(super) fn strike(&mut self, index: usize) {
        let fault = self.plan.faults[index].fault.clone();
        self.tell(None, MomentKind::Fault, || describe(&fault));
        match fault {
            Fault::Cut { cut, lasts } => {
                self.cuts.insert(index, cut);
                self.push(self.now + lasts, Event::Mend { index });
            }
            Fault::Crash { node, lasts } => {
                // Half of all crashes strike in the middle of a step, between two effects.
                if self.rng.chance(500) {
                    self.cut_power(node, lasts);
                } else if self.nodes[node].is_honest() {
                    self.nodes[node].dies_after = Some(self.rng.index(4));
                }
            }
            Fault::Pause { node, lasts } => {
                let until = self.now + lasts;
                let node = &mut self.nodes[node];
                node.paused_until = node.paused_until.max(until);
            }
            Fault::Disk { node, fault } => {
                let entropy = self.rng.bits();
                if let Some(store) =
                    self.nodes[node].running_mut().and_then(|running| running.store.as_mut())
                {
                    store.disk_mut().arm(fault, entropy);
                }
            }
        }
    }

    /// Takes a node's power for a while. Misbehaving nodes have no durable log and stay up.
    pub(super) fn cut_power(&mut self, node: usize, lasts: Micros) {
        if !self.nodes[node].is_honest() || self.nodes[node].running().is_none() {
            return;
        }
        self.note(&[5, node as u64]);
        self.tell(Some(node), MomentKind::Fault, || "loses power".to_owned());
        self.nodes[node].crash(&mut self.rng);
        let at = self.now + lasts;
        // Everything comes back when the network heals.
        let latest = self.plan.heal_at.max(self.now);
        self.push(at.min(latest), Event::Restart { node });
    }

    pub(super) fn restart(&mut self, node: usize) {
        if matches!(self.nodes[node].power, Power::On(_)) {
            return;
        }
        let keep = if self.plan.expects_fork { Keep::Everything } else { Keep::EvidenceWindow };
        match self.nodes[node].start(&self.genesis, self.now, keep) {
            Ok(effects) => {
                self.note(&[6, node as u64]);
                self.tell(Some(node), MomentKind::Fault, || "starts".to_owned());
                self.perform(node, effects);
                let observers = self.plan.announced_observers();
                if !observers.is_empty() {
                    self.step(node, Input::Observers(observers));
                }
            }
            Err(error) => {
                let reason = error_chain(&error);
                self.oracle.violated(Violation::Store { node, reason });
            }
        }
    }

    /// Ends all faults of machines and links; from now on the network is partially synchronous.
    pub(super) fn heal(&mut self) {
        self.tell(None, MomentKind::Fault, || "the network heals".to_owned());
        self.cuts.clear();
        self.plan.network = Network::CALM;
        for node in 0..self.nodes.len() {
            self.nodes[node].dies_after = None;
            self.nodes[node].paused_until = 0;
            if let Some(store) =
                self.nodes[node].running_mut().and_then(|running| running.store.as_mut())
            {
                store.disk_mut().disarm();
            }
        }
        self.check_done();
    }
}

fn describe(fault: &Fault) -> String {
    match fault {
        Fault::Cut { cut, lasts } => format!("cuts {} links for {lasts} µs", cut.links().count()),
        Fault::Crash { node, lasts } => format!("node {node} crashes for {lasts} µs"),
        Fault::Pause { node, lasts } => format!("node {node} pauses for {lasts} µs"),
        Fault::Disk { node, fault } => format!("the disk of node {node} will fail: {fault:?}"),
    }
}
