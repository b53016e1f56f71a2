//! The end of a run: is it over, and was it right?

use std::collections::BTreeSet;

use ciro_consensus::{Forensics, ReplicaId, Seq};
use ciro_store::{LOG_FILE, read_log};

use super::{Report, World};
use crate::node::{Node, Power};
use crate::oracle::Violation;
use crate::scheme::Keyed;
use crate::trace::MomentKind;

impl World {
    /// Ends the run once the network is whole, all blocks are there and every operation is
    /// answered.
    pub(super) fn check_done(&mut self) {
        if self.now < self.plan.heal_at || self.plan.expects_fork || !self.all_answered() {
            return;
        }
        let level = {
            let mut heights = self.required().map(height);
            let first = heights.next();
            heights.all(|height| Some(height) == first)
        };
        let running = self.nodes.iter().all(|node| node.running().is_some());
        self.done = level && running && self.blocks_reached();
    }

    /// Whether every replica that must has executed the blocks asked for.
    pub(super) fn blocks_reached(&self) -> bool {
        let blocks = Seq(self.plan.blocks);
        self.required().all(|node| height(node) >= blocks)
    }

    /// Returns the honest nodes that the others know: validators of the newest honest node's epoch
    /// or the next, and observers that were announced.
    ///
    /// Who left, or has yet to join unannounced, is not answered by others and need not keep up.
    fn required(&self) -> impl Iterator<Item = &Node> {
        let honest = || self.nodes.iter().filter(|node| node.is_honest());
        let newest = honest().filter_map(Node::running).max_by_key(|it| it.replica.executed());
        let snapshot = newest.map(|running| running.replica.snapshot());
        honest().filter(move |node| {
            let announced = self.plan.announced && self.plan.is_observer(node.id);
            announced
                || snapshot.is_none_or(|snapshot| {
                    snapshot.current.contains(node.id) && snapshot.next.contains(node.id)
                })
        })
    }

    pub(super) fn time_out(&mut self) {
        if self.plan.expects_fork {
            return;
        }
        let positions = self.nodes.iter().enumerate().map(|(address, node)| match node.running() {
            Some(running) => {
                let replica = &running.replica;
                let phase = if replica.is_active() { "in" } else { "to" };
                format!(
                    "{address}: n{} h{} {phase} v{} e{} pending {}",
                    replica.executed(),
                    replica.stable().seq,
                    replica.view(),
                    replica.epoch(),
                    replica.footprint().pending,
                )
            }
            None => format!("{address}: off"),
        });
        let positions = positions.collect::<Vec<_>>().join("; ");
        self.oracle.violated(Violation::Stalled { positions });
    }

    /// Convicts after a fork, and sums the run up.
    pub(super) fn finish(mut self) -> Report {
        let culprits = if self.oracle.is_forked() { self.convict() } else { BTreeSet::new() };
        if let Some(violation) = self.oracle.violation().cloned() {
            self.tell(None, MomentKind::Violation, || violation.to_string());
        }
        self.stats.finish(self.now);
        Report {
            seed: self.plan.seed,
            violation: self.oracle.violation().cloned(),
            trace: self.trace.value(),
            forked: self.oracle.is_forked(),
            culprits,
            stats: self.stats,
            moments: self.moments.unwrap_or_default(),
        }
    }

    /// Reads the logs of all honest nodes and demands that they convict a third of the stake,
    /// nobody honest among it.
    fn convict(&mut self) -> BTreeSet<ReplicaId> {
        let domain = self.genesis.evidence_domain();
        let mut forensics = Forensics::<Keyed>::new(domain, &self.genesis.committee);
        let message_domain = self.genesis.message_domain();
        for node in self.nodes.iter_mut().filter(|node| node.is_honest()) {
            let disk = match &mut node.power {
                Power::On(running) => match &mut running.store {
                    Some(store) => store.disk_mut(),
                    None => continue,
                },
                Power::Off(disk) => disk,
            };
            let logs: Vec<String> =
                disk.files().filter(|name| name.starts_with(LOG_FILE)).map(str::to_owned).collect();
            for name in logs {
                if let Ok(records) = read_log(disk, &name, message_domain) {
                    forensics.read(&records);
                }
            }
        }
        let report = forensics.report();
        let set = self.genesis.committee.set();
        let convicted = set.tally(report.culprits.iter().copied());
        let honest = report.culprits.iter().find(|id| !self.plan.behaviours.contains_key(id));
        if let Some(accused) = honest.copied() {
            let rule = "forensics".to_owned();
            self.oracle.violated(Violation::HonestAccused { accused, rule });
        }
        if 3 * convicted.stake() < set.total() {
            self.oracle.violated(Violation::Unaccountable {
                convicted: u64::try_from(convicted.stake()).unwrap_or(u64::MAX),
                total: u64::try_from(set.total()).unwrap_or(u64::MAX),
            });
        }
        report.culprits
    }
}

fn height(node: &Node) -> Seq {
    node.running().map_or(Seq::ZERO, |running| running.replica.executed())
}
