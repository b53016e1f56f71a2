//! Asking for another primary (PBFT §4.4, view-change).

use std::sync::Arc;

use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::io::Timer;
use crate::message::{Body, Message, Summary, ViewChange};
use crate::mutation::Mutation;
use crate::replica::{KnownViewChange, Phase, Replica};
use crate::statement::{Kind, Statement};
use crate::types::{Digest, ReplicaId, Seq, View};

impl<S: Scheme> Replica<S> {
    /// Stops taking part in the current view and asks for `view`.
    pub(crate) fn start_view_change(&mut self, view: View) {
        let locked = self.genesis.mutations.has(Mutation::CommitLock)
            && self
                .slots
                .values()
                .any(|slot| slot.has_sent(Kind::Commit, self.view()) && slot.committed.is_none());
        if view <= self.view() || locked {
            return;
        }
        self.view = view;
        self.phase = Phase::Changing(None);
        self.lose_patience();
        self.stop_watching();
        self.cancel_timer(Timer::NewView);
        self.in_flight.clear();
        let body = Arc::new(self.view_change());
        // Without a vote in this epoch the replica only waits for the NewView.
        if let Some(message) = self.say(Body::ViewChange(Arc::clone(&body))) {
            self.phase = Phase::Changing(Some(Arc::clone(&message)));
            let known = KnownViewChange { message: body, signature: message.signature };
            self.view_changes.insert(self.id(), known);
        }
        if self.genesis.mutations.has(Mutation::EarlyViewTimer) {
            self.set_timer(Timer::NewView, self.patience());
        }
        self.count_view_changes();
    }

    /// Builds the ViewChange for the current view: stable checkpoint and all that prepared above it (set P).
    fn view_change(&self) -> ViewChange {
        let start = self.params().epoch_start(self.epoch());
        let prepared = self.slots.range(self.stable.seq.next()..);
        let prepared: Vec<_> =
            prepared.filter_map(|(_, slot)| slot.prepared.as_ref()).cloned().collect();
        let (claims, prepared) = prepared.into_iter().unzip();
        ViewChange {
            summary: Summary {
                view: self.view(),
                stable_seq: self.stable.seq,
                stable_digest: self.stable.digest,
                claims,
            },
            checkpoint: (self.stable.seq > start).then(|| self.stable.certificate.clone()),
            prepared,
        }
    }

    pub(crate) fn on_view_change(&mut self, message: &Message) {
        let Body::ViewChange(body) = &message.body else { return };
        if self.knows_view_change(message.sender, body.summary.view) || !self.is_valid(body) {
            return;
        }
        let known = KnownViewChange { message: Arc::clone(body), signature: message.signature };
        self.view_changes.insert(message.sender, known);
        self.accuse_amnesia(message.sender);
        self.join_view_change();
        self.count_view_changes();
    }

    /// Whether a ViewChange of this sender for this view or a later one is known.
    pub(crate) fn knows_view_change(&self, sender: ReplicaId, view: View) -> bool {
        let known = self.view_changes.get(&sender);
        known.is_some_and(|known| known.message.summary.view >= view)
    }

    /// Checks a ViewChange: a certified checkpoint, and a certificate for each prepared entry above it.
    fn is_valid(&mut self, view_change: &ViewChange) -> bool {
        let ViewChange { summary, checkpoint, prepared } = view_change;
        if !self.is_plausible(summary)
            || prepared.len() != summary.claims.len()
            || !self.proves_stable(summary.stable_seq, summary.stable_digest, checkpoint.as_ref())
        {
            return false;
        }
        let start = self.asked_from();
        summary.claims.iter().zip(prepared).filter(|(claim, _)| claim.seq > start).all(
            |(claim, certificate)| {
                self.proves_prepared((claim.seq, claim.view, claim.digest), certificate)
            },
        )
    }

    /// Returns the checkpoint of this replica's own ViewChange, which may lie behind the one that is stable by now.
    ///
    /// What lies behind it cannot be chosen in a view that counts this replica; everything above may be, and a leader
    /// that has no certificate for it could not start its view.
    pub(crate) fn asked_from(&self) -> Seq {
        self.own_view_change().map_or(self.stable.seq, |own| own.summary.stable_seq)
    }

    /// Returns the ViewChange with which this replica waits for a NewView.
    pub(crate) fn own_view_change(&self) -> Option<&ViewChange> {
        match &self.phase {
            Phase::Changing(Some(own)) => match &own.body {
                Body::ViewChange(body) => Some(body),
                _ => None,
            },
            _ => None,
        }
    }

    /// Checks the shape of a summary: a checkpoint of this epoch, and claims of earlier views inside its own window.
    pub(crate) fn is_plausible(&self, summary: &Summary) -> bool {
        let params = self.params();
        let (start, end) = (params.epoch_start(self.epoch()), params.epoch_end(self.epoch()));
        summary.is_well_formed(params.claims_depth())
            && params.is_checkpoint(summary.stable_seq)
            && (start..=end).contains(&summary.stable_seq)
            && summary.claims.iter().all(|claim| claim.seq <= end && claim.view < summary.view)
    }

    /// Checks the certificate of a stable checkpoint; an epoch's first one is known to everyone in the epoch.
    pub(crate) fn proves_stable(
        &self,
        seq: Seq,
        digest: Digest,
        certificate: Option<&Certificate>,
    ) -> bool {
        if seq == self.params().epoch_start(self.epoch()) {
            return certificate.is_none() && self.epoch_start == digest;
        }
        if seq == self.stable.seq {
            return digest == self.stable.digest && certificate.is_some();
        }
        let hash = self.checkpoint_hash(self.epoch(), seq, digest);
        certificate.is_some_and(|certificate| {
            self.committees.current.verify_certificate(&hash, certificate).is_ok()
        })
    }

    /// Checks a prepared certificate, once for all who show it.
    pub(crate) fn proves_prepared(
        &mut self,
        entry: (Seq, View, Digest),
        certificate: &Certificate,
    ) -> bool {
        let (seq, view, digest) = entry;
        let own = self.slots.get(&seq).and_then(|slot| slot.prepared.as_ref());
        let own = own.is_some_and(|(claim, _)| (claim.view, claim.digest) == (view, digest));
        if own || self.proven.contains_key(&entry) {
            return true;
        }
        let statement = Statement { epoch: self.epoch(), kind: Kind::Prepare, view, seq, digest };
        let hash = statement.hash::<S>(self.genesis.chain);
        let proven = self.committees.current.verify_certificate(&hash, certificate).is_ok();
        if proven {
            self.proven.insert(entry, certificate.clone());
        }
        proven
    }

    /// Follows others to a later view once a weak quorum, hence an honest replica, asks for it (PBFT §4.5.2).
    fn join_view_change(&mut self) {
        let set = self.validators();
        let mut views: Vec<(View, ReplicaId)> = self
            .view_changes
            .iter()
            .map(|(sender, known)| (known.message.summary.view, *sender))
            .filter(|(view, sender)| *view > self.view() && *sender != self.id())
            .collect();
        views.sort_unstable_by(|a, b| b.cmp(a));
        let mut tally = crate::stake::Tally::default();
        let joined = views.into_iter().find(|(_, sender)| {
            set.add(&mut tally, *sender);
            set.is_weak_quorum(&tally)
        });
        if let Some((view, _)) = joined {
            self.start_view_change(view);
        }
    }

    /// Acts on the ViewChanges for the current view: the leader starts it, the others begin to wait for the leader.
    pub(crate) fn count_view_changes(&mut self) {
        if self.is_active() {
            return;
        }
        let view = self.view();
        // PBFT §4.5.2: the timer starts with a quorum of ViewChanges, so that nobody races ahead alone. Those who ask for
        // a later view count: they have left this one as well, and a restarted replica may never hear that they asked.
        if !self.is_quorum_asking(|asked| asked >= view) {
            return;
        }
        if !self.is_timing(Timer::NewView) {
            self.set_timer(Timer::NewView, self.patience());
        }
        if !self.is_quorum_asking(|asked| asked == view) {
            return;
        }
        if self.validators().leader(self.epoch(), view) == self.id() && self.is_validator() {
            self.send_new_view();
        }
    }

    fn is_quorum_asking(&self, suits: impl Fn(View) -> bool) -> bool {
        let asking =
            self.view_changes.iter().filter(|(_, known)| suits(known.message.summary.view));
        let tally = self.validators().tally(asking.map(|(sender, _)| *sender));
        self.validators().is_quorum(&tally)
    }
}
