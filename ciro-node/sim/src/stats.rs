//! Measurements of a run, and of many.

use std::collections::BTreeSet;

use ciro_consensus::{Epoch, Seq, View};

use crate::plan::Micros;

/// Measurements.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Runs summed up.
    pub runs: u64,
    /// Blocks committed.
    pub blocks: u64,
    /// Messages put on the wire, one for each receiver.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Views other than an epoch's first that began.
    pub view_changes: u64,
    /// Times a replica accused another.
    pub accusations: u64,
    /// Virtual time of all runs.
    pub virtual_time: Micros,
    finality: Vec<Micros>,
    views: BTreeSet<(Epoch, View)>,
}

impl Stats {
    pub(crate) const fn sent(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    pub(crate) fn view(&mut self, epoch: Epoch, view: View, active: bool) {
        if active && view > View::ZERO && self.views.insert((epoch, view)) {
            self.view_changes += 1;
        }
    }

    pub(crate) fn executed(&mut self, seq: Seq) {
        self.blocks = self.blocks.max(seq.0);
    }

    pub(crate) fn answered(&mut self, after: Micros) {
        self.finality.push(after);
    }

    pub(crate) const fn accused(&mut self) {
        self.accusations += 1;
    }

    pub(crate) fn finish(&mut self, now: Micros) {
        self.runs = 1;
        self.virtual_time = now;
        self.views.clear();
        self.finality.sort_unstable();
    }

    /// Adds the measurements of another run.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.blocks += other.blocks;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.view_changes += other.view_changes;
        self.accusations += other.accusations;
        self.virtual_time += other.virtual_time;
        self.finality.extend_from_slice(&other.finality);
        self.finality.sort_unstable();
    }

    /// Returns the time from submission to answer that this share of operations, in parts per thousand, stays within.
    #[must_use]
    pub fn finality(&self, per_mille: usize) -> Option<Micros> {
        let last = self.finality.len().checked_sub(1)?;
        self.finality.get(last * per_mille / 1000).copied()
    }

    /// Returns messages and bytes for each committed block.
    #[must_use]
    pub const fn per_block(&self) -> (u64, u64) {
        let blocks = if self.blocks == 0 { 1 } else { self.blocks };
        (self.messages / blocks, self.bytes / blocks)
    }
}
