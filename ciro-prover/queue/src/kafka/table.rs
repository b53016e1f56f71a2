//! Which records a consumer was given and has not taken care of, and how far a group has come.

use std::collections::BTreeMap;

/// A partition: the topic's place among those of the reader, and the number in the topic.
pub(super) type Part = (u16, i32);

/// All partitions of one consumer.
#[derive(Debug, Default)]
pub(super) struct Table {
    parts: BTreeMap<Part, Progress>,
    waiting: usize,
}

/// One partition.
#[derive(Debug, Default)]
struct Progress {
    /// Records that were delivered and not taken care of, with their times in ms since 1970.
    waiting: BTreeMap<i64, i64>,
    /// The offset after the last record that was delivered.
    next: Option<i64>,
    /// What the group is known to have committed.
    committed: Option<i64>,
    /// The offset that the partition's next record will have, as of a second ago.
    high: i64,
    /// The first record that the partition still holds, or the group has not committed.
    base: i64,
}

impl Progress {
    /// The offset before which everything is taken care of.
    fn done(&self) -> Option<i64> {
        self.waiting.keys().next().copied().or(self.next)
    }
}

impl Table {
    /// Takes a record that was delivered. One that is here already counts once.
    pub(super) fn deliver(&mut self, part: Part, (offset, time_ms): (i64, i64)) {
        let progress = self.parts.entry(part).or_default();
        if progress.waiting.insert(offset, time_ms).is_none() {
            self.waiting += 1;
        }
        progress.next = Some(progress.next.unwrap_or(0).max(offset + 1));
    }

    /// Says that a record is taken care of. `false` if it was not delivered, or was before.
    pub(super) fn finish(&mut self, part: Part, offset: i64) -> bool {
        let Some(progress) = self.parts.get_mut(&part) else { return false };
        let was = progress.waiting.remove(&offset).is_some();
        self.waiting -= usize::from(was);
        was
    }

    /// Forgets a partition, which is another consumer's now.
    pub(super) fn revoke(&mut self, part: Part) {
        if let Some(progress) = self.parts.remove(&part) {
            self.waiting -= progress.waiting.len();
        }
    }

    /// Takes what the cluster says of a partition.
    pub(super) fn observe(&mut self, part: Part, high: i64, base: i64) {
        let progress = self.parts.entry(part).or_default();
        (progress.high, progress.base) = (high, base);
    }

    /// Returns the offsets that have moved since they were committed.
    pub(super) fn moved(&self) -> Vec<(Part, i64)> {
        let moved = self.parts.iter().filter_map(|(part, progress)| {
            let done = progress.done()?;
            (progress.committed != Some(done)).then_some((*part, done))
        });
        moved.collect()
    }

    /// Remembers what was committed.
    pub(super) fn committed(&mut self, offsets: &[(Part, i64)]) {
        for (part, offset) in offsets {
            if let Some(progress) = self.parts.get_mut(part) {
                progress.committed = Some(*offset);
            }
        }
    }

    /// Takes back that something was committed: it was sent, and the cluster did not take it.
    pub(super) fn not_committed(&mut self, parts: &[Part]) {
        for part in parts {
            if let Some(progress) = self.parts.get_mut(part) {
                progress.committed = None;
            }
        }
    }

    /// Records that wait here.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Records that nobody has taken care of, in the cluster too, and when the oldest that was
    /// delivered was written.
    pub(super) fn lag(&self) -> (u64, Option<i64>) {
        let records = self.parts.values().map(|progress| {
            let end = progress.high.max(progress.next.unwrap_or(0));
            // What was taken care of out of order is not waiting, though not committed either.
            let unread = end - progress.next.unwrap_or(progress.base);
            let waiting = u64::try_from(progress.waiting.len()).unwrap_or(u64::MAX);
            u64::try_from(unread).unwrap_or(0).saturating_add(waiting)
        });
        let oldest = self.parts.values().flat_map(|it| it.waiting.values().copied()).min();
        (records.fold(0, u64::saturating_add), oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = (0, 7);

    #[test]
    fn what_is_committed_never_passes_a_record_that_waits() {
        let mut table = Table::default();
        for offset in 10..14 {
            table.deliver(PART, (offset, 100 + offset));
        }
        assert!(table.finish(PART, 12) && table.finish(PART, 11));
        assert_eq!(table.moved(), [(PART, 10)]);
        assert!(table.finish(PART, 10));
        assert_eq!(table.moved(), [(PART, 13)]);
        table.committed(&[(PART, 13)]);
        assert!(table.moved().is_empty());
        table.not_committed(&[PART, (0, 8)]);
        assert_eq!(table.moved(), [(PART, 13)], "an outage swallowed it: it is said again");
        assert!(!table.finish(PART, 12), "twice");
        assert!(!table.finish((1, 7), 13), "of another topic");
        assert_eq!((table.waiting(), table.lag()), (1, (1, Some(113))));
    }

    #[test]
    fn a_partition_that_went_away_takes_its_records_with_it() {
        let mut table = Table::default();
        table.deliver(PART, (1, 0));
        table.deliver((0, 8), (5, 0));
        table.revoke(PART);
        assert_eq!(table.waiting(), 1);
        assert!(!table.finish(PART, 1));
        assert_eq!(table.moved(), [((0, 8), 5)]);
    }

    #[test]
    fn records_that_were_not_fetched_yet_count_as_lag() {
        let mut table = Table::default();
        table.observe(PART, 50, 20);
        assert_eq!(table.lag(), (30, None));
        table.deliver(PART, (20, 1));
        assert_eq!(table.lag(), (30, Some(1)));
        table.finish(PART, 20);
        assert_eq!(table.lag(), (29, None));
    }
}
