//! Starting a view (PBFT §4.4, new-view).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::block::Proposal;
use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::fork::Contradiction;
use crate::io::Timer;
use crate::message::{Body, Claim, Fetch, Message, NewView, SignedNewView, SignedSummary};
use crate::mutation::Mutation;
use crate::new_view::{Proves, Selection, select_with};
use crate::record::Record;
use crate::replica::{ActiveView, KnownViewChange, Phase, Replica};
use crate::slot::{Assigned, Origin, Slot, Validity};
use crate::snapshot::StableCheckpoint;
use crate::statement::{Kind, Statement};
use crate::types::{Digest, ReplicaId, Seq, View};

impl<S: Scheme> Replica<S> {
    /// Builds and sends the NewView from the ViewChanges of a quorum.
    pub(crate) fn send_new_view(&mut self) {
        let view = self.view();
        let quorum: BTreeMap<ReplicaId, KnownViewChange> = self
            .view_changes
            .iter()
            .filter(|(_, known)| self.counts(known))
            .map(|(sender, known)| (*sender, known.clone()))
            .collect();
        let Some(selection) =
            select_with(self.genesis.mutations, quorum.values().map(|known| &known.summary))
        else {
            return;
        };
        // Only certificates that were verified here may stand behind the leader's word.
        let checkpoint = if selection.stable_seq == self.stable.seq {
            let start = self.params().epoch_start(self.epoch());
            (self.stable.seq > start).then(|| self.stable.certificate.clone())
        } else {
            let suits = |it: &&KnownViewChange| it.summary.stable_seq == selection.stable_seq;
            quorum.values().find(suits).and_then(|known| known.checkpoint.clone())
        };
        let prepared = selection.chosen.iter().flatten().map(|claim| self.certificate_of(claim));
        let Some(prepared) = prepared.collect() else { return };
        let view_changes: Vec<SignedSummary> = quorum
            .into_iter()
            .map(|(sender, KnownViewChange { summary, signature, .. })| SignedSummary {
                sender,
                summary,
                signature,
            })
            .collect();
        if !self.with_proofs(|_, proofs| proofs.support(&view_changes)) {
            return;
        }
        let Some(pre_prepares) = self.first_proposals(view, &selection) else { return };
        let body = NewView { view, view_changes, checkpoint, prepared, pre_prepares };
        if let Some(message) = self.say(Body::NewView(Arc::new(body))) {
            self.enter_view(&message);
        }
    }

    /// Returns a verified certificate of a prepared entry: the own one, now or when this replica
    /// asked, or another's.
    fn certificate_of(&self, claim: &Claim) -> Option<Certificate> {
        let own = self.slots.get(&claim.seq).and_then(|slot| slot.prepared.as_ref());
        let own = own.filter(|(other, _)| other == claim).map(|(_, certificate)| certificate);
        let asked = || {
            let body = self.own_view_change()?;
            let mut entries = body.summary.claims.iter().zip(&body.prepared);
            entries.find(|(other, _)| *other == claim).map(|(_, certificate)| certificate)
        };
        let proven = || self.proven.get(&(claim.seq, claim.view, claim.digest));
        own.or_else(asked).or_else(proven).cloned()
    }

    /// Signs a PrePrepare for everything the selection settles (PBFT §4.4, set O).
    fn first_proposals(
        &self,
        view: View,
        selection: &Selection,
    ) -> Option<Vec<(Digest, crate::crypto::Signature)>> {
        let null = Proposal::null().digest::<S>();
        let signed = selection.iter().map(|(seq, claim)| {
            let digest = claim.map_or(null, |claim| claim.digest);
            let hash = self.pre_prepare_hash(view, seq, digest);
            S::sign(&self.identity.key, &hash).ok().map(|signature| (digest, signature))
        });
        signed.collect()
    }

    fn pre_prepare_hash(&self, view: View, seq: Seq, digest: Digest) -> Digest {
        let epoch = self.epoch();
        let statement = Statement { epoch, kind: Kind::PrePrepare, view, seq, digest };
        statement.hash::<S>(self.genesis.chain)
    }

    pub(crate) fn on_new_view(&mut self, message: &Arc<Message>) -> Result<(), Dropped> {
        let Body::NewView(body) = &message.body else { return Err(Dropped::Shape) };
        let leader = message.sender;
        if body.view < self.view() {
            return Err(Dropped::OldView);
        }
        if body.view == self.view() && self.is_active() {
            // Another one for a view that has begun: rule E8.
            self.accuse_double_new_view(message);
            return Ok(());
        }
        if !self.with_proofs(|rules, proofs| rules.is_justified(leader, body, proofs)) {
            return Err(Dropped::Unproven);
        }
        for signed in &body.view_changes {
            self.compare_view_changes(signed.sender, &signed.summary, signed.signature);
        }
        let message = self.with_own_certificates(message, body);
        self.append(Record::NewView(Arc::clone(&message)));
        self.enter_view(&message);
        Ok(())
    }

    /// Puts the own certificates in place of those that were not looked at because the own ones
    /// prove the same.
    ///
    /// The leader does not sign certificates. Whoever passes the NewView on must not pass on
    /// others' false ones.
    fn with_own_certificates(&self, message: &Arc<Message>, body: &NewView) -> Arc<Message> {
        let summaries = body.view_changes.iter().map(|signed| &signed.summary);
        let Some(selection) = select_with(self.genesis.mutations, summaries) else {
            return Arc::clone(message);
        };
        let mut body = body.clone();
        if selection.stable_seq == self.stable.seq && body.checkpoint.is_some() {
            body.checkpoint = Some(self.stable.certificate.clone());
        }
        for (claim, certificate) in selection.chosen.iter().flatten().zip(&mut body.prepared) {
            if let Some(own) = self.certificate_of(claim) {
                *certificate = own;
            }
        }
        Arc::new(Message { body: Body::NewView(Arc::new(body)), ..(**message).clone() })
    }

    /// Begins a view as its NewView says, and goes on in it.
    pub(crate) fn enter_view(&mut self, message: &Message) {
        let Body::NewView(body) = &message.body else { return };
        // The view comes first: its checkpoint may shorten the log, which must not lose the
        // NewView, or begin an epoch.
        self.begin_view(message);
        if let Some(checkpoint) = self.start_of(body)
            && checkpoint.seq > self.stable.seq
        {
            if self.genesis.mutations.has(Mutation::ClaimedCheckpoint) {
                self.claim_checkpoint(checkpoint.seq);
            }
            self.make_stable(checkpoint);
        }
        self.cancel_timer(Timer::NewView);
        self.stop_watching();
        let open: Vec<Seq> = self.slots.keys().copied().collect();
        for seq in &open {
            self.advance(*seq);
        }
        // The leader counted only what it holds: it is the first to ask.
        for seq in open {
            for digest in self.missing(seq) {
                self.fetch(message.sender, Fetch::Proposal { seq, digest });
            }
        }
        self.unstash();
    }

    /// Takes over what a NewView says, without saying anything.
    pub(crate) fn begin_view(&mut self, message: &Message) {
        let Body::NewView(body) = &message.body else { return };
        let start = body.stable_seq();
        let view = body.view;
        self.view = view;
        let signed = SignedNewView {
            leader: message.sender,
            epoch: message.epoch,
            signature: message.signature,
            new_view: Arc::clone(body),
        };
        self.phase = Phase::Active(ActiveView {
            first_interval: self.params().interval_of(start.next()),
            settled: start.plus(u64::try_from(body.pre_prepares.len()).unwrap_or(0)),
            new_view: Some(signed.clone()),
        });
        self.view_changes.retain(|_, known| known.summary.view >= view);
        self.keep_claimed_proofs();
        for (offset, (digest, _)) in (1..).zip(&body.pre_prepares) {
            self.take_over(start.plus(offset), *digest, &signed);
        }
        self.claimed.clear();
        self.recount_in_flight();
    }

    /// Drops certificates that no known ViewChange rests on. The others may be needed to start a
    /// later view.
    fn keep_claimed_proofs(&mut self) {
        let known = self.view_changes.values();
        let claims = known.flat_map(|known| &known.summary.claims);
        let claimed: BTreeSet<_> = claims.map(|it| (it.seq, it.view, it.digest)).collect();
        self.proven.retain(|entry, _| claimed.contains(entry));
    }

    /// Returns the checkpoint that a NewView starts from, with its certificate; none at an epoch's
    /// start.
    fn start_of(&self, body: &NewView) -> Option<StableCheckpoint> {
        let certificate = body.checkpoint.clone()?;
        let summaries = body.view_changes.iter().map(|signed| &signed.summary);
        let selection = select_with(self.genesis.mutations, summaries)?;
        let (seq, digest) = (selection.stable_seq, selection.stable_digest);
        Some(StableCheckpoint { epoch: self.epoch(), seq, digest, certificate })
    }

    /// Assigns what a NewView settles for one block.
    fn take_over(&mut self, seq: Seq, digest: Digest, signed: &SignedNewView) {
        if seq <= self.stable.seq {
            return;
        }
        let view = self.view();
        let claimed = self.claimed.get(&(seq, digest)).cloned().flatten();
        let slot: &mut Slot = self.slot(seq);
        // Validity needs no second look: a quorum prepared it, and a null block has nothing to
        // judge.
        let (origin, validity) = (Origin::NewView, Validity::Valid);
        slot.assigned = Some(Assigned { view, digest, origin, validity });
        if digest == Proposal::null().digest::<S>() {
            slot.contents.insert(digest, Arc::new(Proposal::null()));
        }
        if let Some(proposal) = claimed
            && !slot.contents.contains_key(&digest)
        {
            slot.contents.insert(digest, Arc::clone(&proposal));
            self.append(Record::Content { seq, proposal });
        }
        let slot = self.slot(seq);
        slot.prune();
        // A later view must begin with what is committed in an earlier one. A block committed in
        // this view or a later one, learnt while this NewView was late, contradicts nothing: the
        // quorum that committed it came afterwards.
        if let Some((ours, block)) = &slot.committed
            && *ours != digest
            && block.view < view
        {
            let (ours, block) = (*ours, block.clone());
            self.halt_forked(ours, block, digest, Contradiction::NewView(signed.clone()));
        }
    }

    /// The bug of Plenum 1359: takes a checkpoint seen in a NewView for executed.
    fn claim_checkpoint(&mut self, seq: Seq) {
        if let Some(header) = &mut self.tip.header
            && header.height < seq
        {
            header.height = seq;
            self.executing = None;
        }
    }
}
