//! Measurements of a run, and of many.

use std::collections::{BTreeMap, BTreeSet};

use ciro_consensus::{Epoch, Seq, View};

use crate::plan::{MILLISECOND, Micros};

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
    /// The longest wait for an answer after the network healed, in thousandths of its bound.
    pub slowest: u64,
    /// How many operations were answered after how many milliseconds.
    finality: BTreeMap<u64, u64>,
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
        *self.finality.entry(after / MILLISECOND).or_default() += 1;
    }

    pub(crate) fn waited_after_healing(&mut self, waited: Micros, bound: Micros) {
        self.slowest = self.slowest.max(1000 * waited / bound.max(1));
    }

    pub(crate) const fn accused(&mut self) {
        self.accusations += 1;
    }

    pub(crate) fn finish(&mut self, now: Micros) {
        self.runs = 1;
        self.virtual_time = now;
        self.views.clear();
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
        self.slowest = self.slowest.max(other.slowest);
        for (after, count) in &other.finality {
            *self.finality.entry(*after).or_default() += count;
        }
    }

    /// Returns the milliseconds from submission to answer that this share of operations, in parts
    /// per thousand, stays within; `None` without any operation.
    #[must_use]
    pub fn finality_ms(&self, per_mille: u64) -> Option<u64> {
        let all: u64 = self.finality.values().sum();
        let mut left = all.checked_sub(1)? * per_mille.min(1000) / 1000;
        let found = self.finality.iter().find(|(_, count)| {
            let beyond = left.checked_sub(**count);
            left = beyond.unwrap_or(left);
            beyond.is_none()
        });
        found.map(|(after, _)| *after)
    }

    /// Returns messages and bytes for each committed block.
    #[must_use]
    pub const fn per_block(&self) -> (u64, u64) {
        let blocks = if self.blocks == 0 { 1 } else { self.blocks };
        (self.messages / blocks, self.bytes / blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_count_every_operation_of_all_runs() {
        let mut all = Stats::default();
        assert_eq!(all.finality_ms(500), None);
        for run in 0..10 {
            let mut stats = Stats::default();
            (0..10).for_each(|i| stats.answered((10 * run + i) * MILLISECOND));
            all.merge(&stats);
        }
        let percentiles = [0, 500, 950, 990, 1000].map(|share| all.finality_ms(share));
        assert_eq!(percentiles, [0, 49, 94, 98, 99].map(Some));
    }
}
