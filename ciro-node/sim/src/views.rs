//! Properties of view changes, seen from above.

use std::collections::{BTreeMap, BTreeSet};

use ciro_consensus::crypto::Scheme;
use ciro_consensus::{Epoch, Replica, ReplicaId, ValidatorSet, View};

/// Who asked for which view of each epoch, latest views only.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewWatch {
    asked: BTreeMap<(Epoch, ReplicaId), View>,
    /// The latest view that some honest replica took part in: its NewView proves that a quorum
    /// asked for it.
    begun: BTreeMap<Epoch, View>,
}

impl ViewWatch {
    /// Notes that an honest replica takes part in a view.
    pub(crate) fn begins(&mut self, epoch: Epoch, view: View) {
        let latest = self.begun.entry(epoch).or_default();
        *latest = view.max(*latest);
    }

    /// Notes that an honest replica asks for a view; false if it races ahead.
    ///
    /// It may ask once a quorum has asked for the view before, so that all had the chance to begin
    /// it, or once a weak quorum asks for this one. Whoever misbehaves counts as asking for
    /// everything.
    pub(crate) fn asks(
        &mut self,
        validators: &ValidatorSet,
        misbehaving: &BTreeSet<ReplicaId>,
        (epoch, view): (Epoch, View),
        id: ReplicaId,
    ) -> bool {
        let asking = |least: View| {
            let asked = |id: &ReplicaId| self.asked.get(&(epoch, *id)).copied().unwrap_or_default();
            let members = validators.iter().map(|validator| validator.id);
            validators.tally(members.filter(|id| misbehaving.contains(id) || asked(id) >= least))
        };
        let before = View(view.0.saturating_sub(1));
        let fair = self.begun.get(&epoch).copied().unwrap_or_default() >= before
            || validators.is_quorum(&asking(before))
            || validators.is_weak_quorum(&asking(view));
        let latest = self.asked.entry((epoch, id)).or_default();
        *latest = view.max(*latest);
        fair
    }
}

/// Whether a replica leads the view it waits for and knows ViewChanges of a quorum, so that its
/// NewView is overdue.
pub(crate) fn is_new_view_overdue<S: Scheme>(replica: &Replica<S>) -> bool {
    let validators = replica.validators();
    let leads = || validators.leader(replica.epoch(), replica.view()) == replica.id();
    !replica.is_active() && leads() && validators.is_quorum(&validators.tally(replica.asking()))
}

#[cfg(test)]
mod tests {
    use ciro_consensus::Validator;

    use super::*;
    use crate::plan::key_of;

    #[test]
    fn a_replica_alone_may_leave_view_0_but_not_view_1() {
        let validators =
            (0..4).map(ReplicaId).map(|id| Validator { id, key: key_of(id), stake: 1 });
        let validators = ValidatorSet::new(validators).unwrap();
        let mut watch = ViewWatch::default();
        let misbehaving = BTreeSet::from([ReplicaId(3)]);
        let mut asks =
            |view, id| watch.asks(&validators, &misbehaving, (Epoch(0), View(view)), ReplicaId(id));
        assert!(asks(1, 0));
        assert!(!asks(2, 0), "two of four asked for view 1");
        assert!(asks(1, 1));
        assert!(asks(2, 1), "three of four asked for view 1");
        assert!(asks(3, 2), "three of four asked for view 2");
        assert!(!asks(5, 2), "nobody but the misbehaving one asked for view 4");
        watch.begins(Epoch(0), View(4));
        let mut asks =
            |view, id| watch.asks(&validators, &misbehaving, (Epoch(0), View(view)), ReplicaId(id));
        assert!(asks(5, 0), "view 4 began");
    }
}
