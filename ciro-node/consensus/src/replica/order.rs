//! Windows, primaries and what belongs where (PBFT §4.2 and §4.3).

use super::{Phase, Replica};
use crate::crypto::Scheme;
use crate::mutation::Mutation;
use crate::slot::Slot;
use crate::types::{ReplicaId, Seq, View};

/// Where a message for one (view, seq) stands relative to this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its view is active and its block inside the window.
    Here,
    /// Its view or window may still come.
    Later,
    /// Its view has passed.
    OldView,
    /// Its block is executed and behind the stable checkpoint, or too far ahead to keep.
    Outside,
}

impl<S: Scheme> Replica<S> {
    /// Returns the high watermark: two intervals above the stable checkpoint, but not beyond the
    /// epoch.
    ///
    /// An epoch's blocks are all ordered by one validator set, and the next epoch's validators only
    /// start from a stable checkpoint. So no message ever mixes two sets.
    pub(crate) fn high_watermark(&self) -> Seq {
        let window = self.stable.seq.plus(self.params().window());
        window.min(self.params().epoch_end(self.epoch))
    }

    /// Says where a message for this view and block belongs.
    pub(crate) fn place(&self, view: View, seq: Seq) -> Place {
        let high = self.high_watermark();
        // One interval beyond the window is buffered: others may already have moved on, see Fabric
        // 1119.
        let buffered = high.plus(self.params().checkpoint_interval);
        // Behind a checkpoint that this replica has not reached, Commits still on their way save it
        // from fetching.
        let settled = self.stable.seq.min(self.tip.seq());
        if seq <= settled || seq > buffered {
            Place::Outside
        } else if view < self.view {
            Place::OldView
        } else if view > self.view || matches!(self.phase, Phase::Changing(_)) {
            Place::Later
        } else if seq > high && self.genesis.mutations.has(Mutation::DropAtWindowEdge) {
            Place::Outside
        } else if seq > high {
            Place::Later
        } else {
            Place::Here
        }
    }

    /// Returns who proposes `seq` in the active view; `None` for blocks that the NewView settled.
    pub(crate) fn proposer(&self, seq: Seq) -> Option<ReplicaId> {
        let Phase::Active(active) = &self.phase else { return None };
        if seq <= active.settled {
            return None;
        }
        let rotation = self.params().interval_of(seq).checked_sub(active.first_interval)?;
        Some(self.validators().proposer::<S>(self.epoch, self.view, rotation))
    }

    /// Returns the first block that the active view has not assigned, with all before it assigned.
    pub(crate) fn next_seq(&self) -> Option<Seq> {
        let Phase::Active(active) = &self.phase else { return None };
        let mut next = active.settled.max(self.stable.seq).max(self.tip.seq()).next();
        while self.slots.get(&next).is_some_and(|slot| slot.is_taken(self.view)) {
            next = next.next();
        }
        Some(next)
    }

    /// Returns the slot of a block inside the window, touching it.
    pub(crate) fn slot(&mut self, seq: Seq) -> &mut Slot {
        let now = self.now;
        let slot = self.slots.entry(seq).or_insert_with(|| Slot::new(now));
        slot.touched = now;
        slot
    }

    /// Whether this replica votes in the current epoch.
    pub(crate) fn is_validator(&self) -> bool {
        self.validators().contains(self.identity.id) && self.epoch >= self.identity.votes_from
    }
}
