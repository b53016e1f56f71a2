//! Asking for another primary (PBFT §4.4, view-change).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::block::Proposal;
use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::io::Timer;
use crate::message::{Body, Claim, Fetch, Message, SignedSummary, Summary, ViewChange};
use crate::mutation::Mutation;
use crate::new_view::{Proves, Rules};
use crate::replica::{KnownViewChange, Phase, Replica};
use crate::slot::Slot;
use crate::snapshot::StableCheckpoint;
use crate::statement::Kind;
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
        self.claimed.clear();
        let body = Arc::new(self.view_change());
        // Without a vote in this epoch the replica only waits for the NewView.
        if let Some(message) = self.say(Body::ViewChange(Arc::clone(&body))) {
            self.phase = Phase::Changing(Some(Arc::clone(&message)));
            let (summary, checkpoint) = (body.summary.clone(), body.checkpoint.clone());
            let known = KnownViewChange { summary, signature: message.signature, checkpoint };
            self.view_changes.insert(self.id(), known);
        }
        if self.genesis.mutations.has(Mutation::EarlyViewTimer) {
            self.set_timer(Timer::NewView, self.patience());
        }
        self.count_view_changes();
    }

    /// Builds the ViewChange for the current view: stable checkpoint and all that prepared above it
    /// (set P).
    fn view_change(&self) -> ViewChange {
        let start = self.params().epoch_start(self.epoch());
        let prepared = self.slots.range(self.stable.seq.next()..);
        let prepared: Vec<_> =
            prepared.filter_map(|(_, slot)| slot.prepared.as_ref()).cloned().collect();
        let forgets = self.genesis.mutations.has(Mutation::ForgottenClaims);
        let prepared = if forgets { Vec::new() } else { prepared };
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

    pub(crate) fn on_view_change(&mut self, message: &Message) -> Result<(), Dropped> {
        let Body::ViewChange(body) = &message.body else { return Err(Dropped::Shape) };
        let view = body.summary.view;
        if self.view_changes.get(&message.sender).is_some_and(|it| it.summary.view >= view) {
            // Another one for a view that its sender asked for already: rule E6.
            self.compare_view_changes(message.sender, &body.summary, message.signature);
            return Ok(());
        }
        if !self.is_valid(body) {
            return Err(Dropped::Unproven);
        }
        self.compare_view_changes(message.sender, &body.summary, message.signature);
        let summary = body.summary.clone();
        // The certificate beside an own checkpoint was not looked at: only the own one may be
        // quoted.
        let own = summary.stable_seq == self.stable.seq;
        let certificate = if own { Some(&self.stable.certificate) } else { None };
        let checkpoint = body.checkpoint.as_ref().map(|given| certificate.unwrap_or(given).clone());
        let known = KnownViewChange { summary, signature: message.signature, checkpoint };
        self.view_changes.insert(message.sender, known);
        self.accuse_amnesia(message.sender);
        self.join_view_change();
        self.count_view_changes();
        Ok(())
    }

    /// Checks a ViewChange: a certified checkpoint, and a certificate for each prepared entry above
    /// it.
    fn is_valid(&mut self, view_change: &ViewChange) -> bool {
        let ViewChange { summary, checkpoint, prepared } = view_change;
        if prepared.len() != summary.claims.len() || !self.rules().is_plausible(summary) {
            return false;
        }
        let start = self.asked_from();
        let claims = summary.claims.iter().zip(prepared).filter(|(claim, _)| claim.seq > start);
        self.with_proofs(|_, proofs| {
            proofs.stable(summary.stable_seq, summary.stable_digest, checkpoint.as_ref())
                && claims.clone().all(|(claim, it)| proofs.certified(claim, it))
        })
    }

    /// Judges by the rules of the epoch and by what was proven before.
    pub(super) fn with_proofs<T>(
        &mut self,
        judge: impl FnOnce(&Rules<'_, S>, &mut Proofs<'_, S>) -> T,
    ) -> T {
        let committee = Arc::clone(&self.committees.current);
        let rules = Rules {
            chain: self.genesis.chain,
            params: &self.genesis.params,
            epoch: self.epoch,
            epoch_start: self.epoch_start,
            committee: &committee,
            mutations: self.genesis.mutations,
        };
        let wrong_set = self.genesis.mutations.has(Mutation::WatermarkOnWrongSet);
        let (stable, slots, proven) = (&self.stable, &self.slots, &mut self.proven);
        judge(&rules, &mut Proofs { rules: &rules, stable, slots, proven, wrong_set })
    }

    /// Returns the checkpoint of this replica's own ViewChange, which may lie behind the one that
    /// is stable by now.
    ///
    /// What lies behind it cannot be chosen in a view that counts this replica; everything above
    /// may be, and a leader that has no certificate for it could not start its view.
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

    /// Follows others to a later view once a weak quorum, hence an honest replica, asks for it
    /// (PBFT §4.5.2).
    fn join_view_change(&mut self) {
        let set = self.validators();
        let mut views: Vec<(View, ReplicaId)> = self
            .view_changes
            .iter()
            .map(|(sender, known)| (known.summary.view, *sender))
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

    /// Acts on the ViewChanges for the current view: the leader starts it, the others begin to wait
    /// for the leader.
    pub(crate) fn count_view_changes(&mut self) {
        if self.is_active() {
            return;
        }
        let view = self.view();
        let leads =
            self.validators().leader(self.epoch(), view) == self.id() && self.is_validator();
        if leads {
            self.want_claimed();
        }
        // PBFT §4.5.2: the timer starts with a quorum of ViewChanges, so that nobody races ahead
        // alone. Those who ask for a later view count: they have left this one as well, and a
        // restarted replica may never hear that they asked.
        if !self.is_quorum_asking(|known| known.summary.view >= view) {
            return;
        }
        if !self.is_timing(Timer::NewView) {
            self.set_timer(Timer::NewView, self.patience());
        }
        if leads && self.is_quorum_asking(|known| self.counts(known)) {
            self.send_new_view();
        }
    }

    /// Starts the view that this replica leads and waits for, if what was missing has come in
    /// whatever way: as an answer, with a block, or settled by a checkpoint.
    pub(crate) fn start_due_view(&mut self) {
        let leads = || self.validators().leader(self.epoch(), self.view()) == self.id();
        if !self.is_active() && leads() && self.is_validator() {
            self.count_view_changes();
        }
    }

    /// Whether a leader may build its NewView on a ViewChange: the content of every claim must be
    /// here.
    ///
    /// A certificate proves that a quorum agreed, not that anyone honest can still supply what it
    /// agreed to. A view that begins with a block nobody can supply decides nothing, and so would
    /// every view after it. An honest replica claims only what it holds and hands it out, so that
    /// ViewChanges of a quorum count in the end.
    pub(crate) fn counts(&self, known: &KnownViewChange) -> bool {
        known.summary.view == self.view()
            && (self.genesis.mutations.has(Mutation::UnfilledClaims)
                || known.summary.claims.iter().all(|claim| self.holds(claim)))
    }

    fn holds(&self, claim: &Claim) -> bool {
        let entry = (claim.seq, claim.digest);
        let slot = self.slots.get(&claim.seq);
        claim.seq <= self.stable.seq
            || slot.is_some_and(|slot| slot.contents.contains_key(&claim.digest))
            || self.claimed.get(&entry).is_some_and(Option::is_some)
            || claim.digest == Proposal::null().digest::<S>()
    }

    /// Asks each claimant for the contents of its claims that are missing here.
    fn want_claimed(&mut self) {
        let view = self.view();
        let mut wanted: BTreeMap<(Seq, Digest), ReplicaId> = BTreeMap::new();
        let known = self.view_changes.iter().filter(|(_, known)| known.summary.view == view);
        for (sender, known) in known {
            for claim in known.summary.claims.iter().filter(|claim| !self.holds(claim)) {
                wanted.entry((claim.seq, claim.digest)).or_insert(*sender);
            }
        }
        for ((seq, digest), claimant) in wanted {
            if let Entry::Vacant(entry) = self.claimed.entry((seq, digest)) {
                entry.insert(None);
                self.fetch(claimant, Fetch::Proposal { seq, digest });
            }
        }
    }

    /// Asks for contents that did not come: any claimant has them, in turns.
    pub(super) fn ask_claimants(&mut self) {
        let missing: Vec<(Seq, Digest)> =
            self.claimed.iter().filter(|(_, it)| it.is_none()).map(|(entry, _)| *entry).collect();
        for (seq, digest) in missing {
            let claims = |known: &KnownViewChange| {
                known.summary.claim(seq).is_some_and(|claim| claim.digest == digest)
            };
            let own = self.id();
            let claimants = self.view_changes.iter().filter(|(_, known)| claims(known));
            let claimants: Vec<ReplicaId> =
                claimants.map(|(id, _)| *id).filter(|id| *id != own).collect();
            let turn = usize::try_from(self.timers.ticks).unwrap_or(0);
            if let Some(to) = claimants.get(turn % claimants.len().max(1)) {
                self.fetch(*to, Fetch::Proposal { seq, digest });
            }
        }
    }

    fn is_quorum_asking(&self, suits: impl Fn(&KnownViewChange) -> bool) -> bool {
        let asking = self.view_changes.iter().filter(|(_, known)| suits(known));
        let tally = self.validators().tally(asking.map(|(sender, _)| *sender));
        self.validators().is_quorum(&tally)
    }
}

/// What a replica has proven already, so that equal claims of many others cost one check.
pub(super) struct Proofs<'a, S: Scheme> {
    rules: &'a Rules<'a, S>,
    stable: &'a StableCheckpoint,
    slots: &'a BTreeMap<Seq, Slot>,
    proven: &'a mut BTreeMap<(Seq, View, Digest), Certificate>,
    wrong_set: bool,
}

impl<S: Scheme> Proofs<'_, S> {
    /// Checks a prepared certificate, once for all who show it.
    fn certified(&mut self, claim: &Claim, certificate: &Certificate) -> bool {
        let own = self.slots.get(&claim.seq).and_then(|slot| slot.prepared.as_ref());
        let entry = (claim.seq, claim.view, claim.digest);
        if own.is_some_and(|(own, _)| own == claim) || self.proven.contains_key(&entry) {
            return true;
        }
        let proven = self.rules.proves_prepared(claim, certificate)
            || self.rules.mutations.has(Mutation::UnprovenClaims);
        if proven {
            self.proven.insert(entry, certificate.clone());
        }
        proven
    }
}

impl<S: Scheme> Proves for Proofs<'_, S> {
    /// Every ViewChange counts, whatever its checkpoint: see Fabric 1111.
    fn support(&self, view_changes: &[SignedSummary]) -> bool {
        let highest = view_changes.iter().map(|signed| signed.summary.stable_seq).max();
        let counted = view_changes
            .iter()
            .filter(|signed| !self.wrong_set || Some(signed.summary.stable_seq) == highest);
        let set = self.rules.committee.set();
        let tally = set.tally(counted.map(|signed| signed.sender));
        let weak = self.rules.mutations.has(Mutation::WeakNewView);
        set.is_quorum(&tally) || (weak && set.is_weak_quorum(&tally))
    }

    fn stable(&mut self, seq: Seq, digest: Digest, certificate: Option<&Certificate>) -> bool {
        let start = self.rules.params.epoch_start(self.rules.epoch);
        if seq == self.stable.seq && seq > start {
            return digest == self.stable.digest && certificate.is_some();
        }
        self.rules.proves_stable(seq, digest, certificate)
    }

    /// What lies behind the own checkpoint is settled here, whatever a view begins with.
    fn prepared(&mut self, claim: &Claim, certificate: &Certificate) -> bool {
        claim.seq <= self.stable.seq || self.certified(claim, certificate)
    }
}
