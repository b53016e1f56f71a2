//! Starting a view (PBFT §4.4, new-view).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::block::Proposal;
use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::io::{Fault, Timer};
use crate::message::{Body, Claim, Message, NewView, SignedNewView, SignedSummary};
use crate::mutation::Mutation;
use crate::new_view::{Selection, select};
use crate::record::Record;
use crate::replica::{ActiveView, Phase, Replica};
use crate::slot::{Assigned, Origin, Slot, Validity};
use crate::snapshot::StableCheckpoint;
use crate::statement::{Kind, Statement};
use crate::types::{Digest, ReplicaId, Seq, View};

impl<S: Scheme> Replica<S> {
    /// Builds and sends the NewView from the ViewChanges of a quorum.
    pub(crate) fn send_new_view(&mut self) {
        let view = self.view();
        let quorum: BTreeMap<ReplicaId, _> = self
            .view_changes
            .iter()
            .filter(|(_, known)| known.message.summary.view == view)
            .map(|(sender, known)| (*sender, known.clone()))
            .collect();
        let summaries = quorum.values().map(|known| &known.message.summary);
        let Some(selection) = select(summaries) else { return };
        if !self.enough_support(quorum.iter().map(|(id, known)| (*id, &known.message.summary))) {
            return;
        }
        let checkpoint = if selection.stable_seq == self.stable.seq {
            let start = self.params().epoch_start(self.epoch());
            (self.stable.seq > start).then(|| self.stable.certificate.clone())
        } else {
            let mut known = quorum.values().map(|known| &known.message);
            known
                .find(|message| message.summary.stable_seq == selection.stable_seq)
                .and_then(|message| message.checkpoint.clone())
        };
        // Only certificates that were verified here may stand behind the leader's word.
        let prepared = selection.chosen.iter().flatten().map(|claim| self.certificate_of(claim));
        let Some(prepared) = prepared.collect() else { return };
        let Some(pre_prepares) = self.first_proposals(view, &selection) else { return };
        let view_changes = quorum.into_iter().map(|(sender, known)| {
            let (summary, signature) = (known.message.summary.clone(), known.signature);
            SignedSummary { sender, summary, signature }
        });
        let view_changes = view_changes.collect();
        let body = NewView { view, view_changes, checkpoint, prepared, pre_prepares };
        if let Some(message) = self.say(Body::NewView(Arc::new(body))) {
            self.enter_view(&message);
        }
    }

    /// Returns a verified certificate of a prepared entry: the own one, now or when this replica asked, or another's.
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

    pub(crate) fn on_new_view(&mut self, message: &Arc<Message>) {
        let Body::NewView(body) = &message.body else { return };
        let outdated = body.view < self.view() || (body.view == self.view() && self.is_active());
        if outdated || self.validators().leader(self.epoch(), body.view) != message.sender {
            return;
        }
        if self.is_justified(message.sender, body) {
            self.append(Record::NewView(Arc::clone(message)));
            self.enter_view(message);
        }
    }

    /// Recomputes a NewView from its ViewChanges and checks everything that its outcome rests on.
    fn is_justified(&mut self, leader: ReplicaId, body: &NewView) -> bool {
        let summaries = body.view_changes.iter().map(|signed| &signed.summary);
        let ordered = body.view_changes.windows(2).all(|pair| pair[0].sender < pair[1].sender);
        let plausible = summaries
            .clone()
            .all(|summary| summary.view == body.view && self.is_plausible(summary));
        let votes = body.view_changes.iter().map(|signed| (signed.sender, &signed.summary));
        if !ordered || !plausible || !self.enough_support(votes) {
            return false;
        }
        let Some(selection) = select(summaries) else { return false };
        let (seq, digest) = (selection.stable_seq, selection.stable_digest);
        let signed = body.view_changes.iter().all(|signed| self.is_signed_summary(signed));
        signed
            && self.proves_stable(seq, digest, body.checkpoint.as_ref())
            && self.starts_as_selected(leader, body, &selection)
    }

    /// Whether the ViewChanges come from a quorum.
    ///
    /// Every ViewChange counts, whatever its checkpoint: see Fabric 1111.
    fn enough_support<'a>(
        &self,
        votes: impl Iterator<Item = (ReplicaId, &'a crate::message::Summary)> + Clone,
    ) -> bool {
        let wrong_set = self.genesis.mutations.has(Mutation::WatermarkOnWrongSet);
        let highest = votes.clone().map(|(_, summary)| summary.stable_seq).max();
        let counted =
            votes.filter(|(_, summary)| !wrong_set || Some(summary.stable_seq) == highest);
        let tally = self.validators().tally(counted.map(|(sender, _)| sender));
        self.validators().is_quorum(&tally)
    }

    fn is_signed_summary(&self, signed: &SignedSummary) -> bool {
        let SignedSummary { sender, summary, signature } = signed;
        let statement = Statement {
            epoch: self.epoch(),
            kind: Kind::ViewChange,
            view: summary.view,
            seq: summary.stable_seq,
            digest: summary.digest::<S>(self.params().claims_depth()),
        };
        let hash = statement.hash::<S>(self.genesis.chain);
        self.committees.current.verify(*sender, &hash, signature).is_ok()
    }

    /// Checks that the first proposals are exactly the selected ones, each chosen entry certified and each PrePrepare
    /// signed.
    fn starts_as_selected(
        &mut self,
        leader: ReplicaId,
        body: &NewView,
        selection: &Selection,
    ) -> bool {
        let chosen: Vec<_> = selection.chosen.iter().flatten().collect();
        let stable = self.stable.seq;
        if body.pre_prepares.len() != selection.chosen.len() || body.prepared.len() != chosen.len()
        {
            return false;
        }
        let null = Proposal::null().digest::<S>();
        let signed = selection.iter().zip(&body.pre_prepares).all(|((seq, claim), proposal)| {
            let (digest, signature) = proposal;
            let hash = self.pre_prepare_hash(body.view, seq, *digest);
            *digest == claim.map_or(null, |claim| claim.digest)
                && self.committees.current.verify(leader, &hash, signature).is_ok()
        });
        signed
            && chosen.iter().zip(&body.prepared).all(|(claim, certificate)| {
                claim.seq <= stable
                    || self.proves_prepared((claim.seq, claim.view, claim.digest), certificate)
            })
    }

    /// Begins a view as its NewView says, and goes on in it.
    pub(crate) fn enter_view(&mut self, message: &Message) {
        let Body::NewView(body) = &message.body else { return };
        // The view comes first: its checkpoint may shorten the log, which must not lose the NewView, or begin an epoch.
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
        for seq in open {
            self.advance(seq);
        }
        self.unstash();
    }

    /// Takes over what a NewView says, without saying anything.
    pub(crate) fn begin_view(&mut self, message: &Message) {
        let Body::NewView(body) = &message.body else { return };
        let start = body.stable_seq();
        let view = body.view;
        self.view = view;
        self.phase = Phase::Active(ActiveView {
            first_interval: self.params().interval_of(start.next()),
            settled: start.plus(u64::try_from(body.pre_prepares.len()).unwrap_or(0)),
            new_view: Some(SignedNewView {
                leader: message.sender,
                epoch: message.epoch,
                signature: message.signature,
                new_view: Arc::clone(body),
            }),
        });
        self.view_changes.retain(|_, known| known.message.summary.view >= view);
        self.keep_claimed_proofs();
        for (offset, (digest, _)) in (1..).zip(&body.pre_prepares) {
            self.take_over(start.plus(offset), *digest);
        }
        self.recount_in_flight();
    }

    /// Drops certificates that no known ViewChange rests on. The others may be needed to start a later view.
    fn keep_claimed_proofs(&mut self) {
        let known = self.view_changes.values();
        let claims = known.flat_map(|known| &known.message.summary.claims);
        let claimed: BTreeSet<_> = claims.map(|it| (it.seq, it.view, it.digest)).collect();
        self.proven.retain(|entry, _| claimed.contains(entry));
    }

    /// Returns the checkpoint that a NewView starts from, with its certificate; none at an epoch's start.
    fn start_of(&self, body: &NewView) -> Option<StableCheckpoint> {
        let certificate = body.checkpoint.clone()?;
        let summaries = body.view_changes.iter().map(|signed| &signed.summary);
        let selection = select(summaries)?;
        let (seq, digest) = (selection.stable_seq, selection.stable_digest);
        Some(StableCheckpoint { epoch: self.epoch(), seq, digest, certificate })
    }

    /// Assigns what a NewView settles for one block.
    fn take_over(&mut self, seq: Seq, digest: Digest) {
        if seq <= self.stable.seq {
            return;
        }
        let view = self.view();
        let slot: &mut Slot = self.slot(seq);
        let committed = slot.committed.as_ref().map(|(digest, _)| *digest);
        // Validity needs no second look: a quorum prepared it, and a null block has nothing to judge.
        let (origin, validity) = (Origin::NewView, Validity::Valid);
        slot.assigned = Some(Assigned { view, digest, origin, validity });
        if digest == Proposal::null().digest::<S>() {
            slot.contents.insert(digest, Arc::new(Proposal::null()));
        }
        slot.prune();
        if let Some(ours) = committed
            && ours != digest
        {
            self.halt(Fault::Fork { seq, ours, theirs: digest });
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
