//! What all who misbehave know together.
//!
//! They share their keys and everything that any of them ever got. From it they make certificates
//! that nobody else has seen, and views that begin as *some* quorum of true ViewChanges demands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ciro_consensus::crypto::{Scheme, Signature};
use ciro_consensus::message::{
    Body, Claim, Message, MessageDomain, NewView, SignedSummary, Summary, ViewChange,
};
use ciro_consensus::new_view::select;
use ciro_consensus::{
    Certificate, Digest, Epoch, Kind, Params, Proposal, ReplicaId, Seq, Statement, ValidatorSet,
    View,
};

use crate::plan::key_of;
use crate::rng::Rng;
use crate::scheme::Keyed;

/// Epochs that are remembered.
const EPOCHS: u64 = 2;

/// A block of an epoch, and a view in which it was proposed.
type Entry = (Epoch, Seq, View, Digest);

/// Those who misbehave in a run, and what they know.
#[derive(Clone, Debug)]
pub(crate) struct Coalition {
    members: BTreeSet<ReplicaId>,
    domain: MessageDomain,
    rng: Rng,
    /// Prepares of others, from which certificates are made in silence.
    prepares: BTreeMap<Entry, BTreeMap<ReplicaId, Signature>>,
    /// Certificates that others have shown.
    certificates: BTreeMap<Entry, Certificate>,
    /// True ViewChanges, of members several for one view.
    view_changes: BTreeMap<(Epoch, View), Vec<SignedSummary>>,
    /// Certificates of checkpoints.
    checkpoints: BTreeMap<(Epoch, Seq), Certificate>,
    contents: BTreeMap<(Seq, Digest), Arc<Proposal>>,
    /// The certificate that is shown for a block from now on.
    shown: BTreeMap<(Epoch, Seq), Claim>,
}

/// What a misbehaving node can look up.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// What its fellows know.
    pub(crate) coalition: &'a mut Coalition,
    /// The validators of its epoch.
    pub(crate) set: &'a ValidatorSet,
    /// The protocol's parameters.
    pub(crate) params: &'a Params,
}

impl Coalition {
    pub(crate) fn new(
        members: impl Iterator<Item = ReplicaId>,
        domain: MessageDomain,
        rng: Rng,
    ) -> Self {
        Self {
            members: members.collect(),
            domain,
            rng,
            prepares: BTreeMap::new(),
            certificates: BTreeMap::new(),
            view_changes: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            contents: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    pub(crate) const fn members(&self) -> &BTreeSet<ReplicaId> {
        &self.members
    }

    /// Remembers what a member got or would say, if it is signed.
    pub(crate) fn observe(&mut self, message: &Message) {
        let epoch = message.epoch;
        let useful = matches!(
            message.body,
            Body::Prepare(_) | Body::PrePrepare(_) | Body::ViewChange(_) | Body::NewView(_)
        );
        if !useful || !self.is_signed(message) {
            return;
        }
        match &message.body {
            Body::Prepare(vote) => {
                let entry = (epoch, vote.seq, vote.view, vote.digest);
                self.prepares.entry(entry).or_default().insert(message.sender, message.signature);
            }
            Body::PrePrepare(body) => {
                self.contents.insert((body.seq, body.digest), Arc::clone(&body.proposal));
            }
            Body::ViewChange(body) => self.learn_view_change(message, body),
            Body::NewView(body) => {
                if let Some(certificate) = &body.checkpoint {
                    self.checkpoints.insert((epoch, body.stable_seq()), certificate.clone());
                }
            }
            _ => {}
        }
        self.forget(epoch);
    }

    fn learn_view_change(&mut self, message: &Message, body: &ViewChange) {
        let ViewChange { summary, checkpoint, prepared } = body;
        let epoch = message.epoch;
        for (claim, certificate) in summary.claims.iter().zip(prepared) {
            let entry = (epoch, claim.seq, claim.view, claim.digest);
            self.certificates.entry(entry).or_insert_with(|| certificate.clone());
        }
        if let Some(certificate) = checkpoint {
            let entry = self.checkpoints.entry((epoch, summary.stable_seq));
            entry.or_insert_with(|| certificate.clone());
        }
        let known = self.view_changes.entry((epoch, summary.view)).or_default();
        let (sender, signature) = (message.sender, message.signature);
        if known.len() < 256 && known.iter().all(|it| it.signature != signature) {
            known.push(SignedSummary { sender, summary: summary.clone(), signature });
        }
    }

    fn forget(&mut self, epoch: Epoch) {
        let oldest = Epoch(epoch.0.saturating_sub(EPOCHS));
        self.prepares.retain(|(epoch, ..), _| *epoch >= oldest);
        self.certificates.retain(|(epoch, ..), _| *epoch >= oldest);
        self.view_changes.retain(|(epoch, _), _| *epoch >= oldest);
        while self.contents.len() > 512 {
            self.contents.pop_first();
        }
    }

    fn is_signed(&self, message: &Message) -> bool {
        let hash = message.statement::<Keyed>(&self.domain).hash::<Keyed>(self.domain.chain);
        Keyed::verify(&key_of(message.sender), &hash, &message.signature).is_ok()
    }

    fn sign(&self, member: ReplicaId, statement: &Statement) -> Signature {
        let signed = Keyed::sign(&key_of(member), &statement.hash::<Keyed>(self.domain.chain));
        signed.expect("a keyed hash signs everything")
    }

    /// Returns the content of a block that a member has seen.
    pub(crate) fn content(&self, seq: Seq, digest: Digest) -> Option<&Arc<Proposal>> {
        self.contents.get(&(seq, digest))
    }

    /// Returns those to whom a proposal goes that must gather Prepares of a quorum here and of
    /// nobody else: as few honest replicas as make a quorum with the members, the same ones each
    /// time.
    pub(crate) fn victims(&self, set: &ValidatorSet) -> Vec<ReplicaId> {
        let mut tally = set.tally(self.members.iter().copied());
        let mut victims = Vec::new();
        for id in set.iter().map(|it| it.id).filter(|id| !self.members.contains(id)) {
            if set.is_quorum(&tally) {
                break;
            }
            set.add(&mut tally, id);
            victims.push(id);
        }
        victims
    }

    /// Returns the signatures under an entry: those that were collected, and the members' own.
    fn signatures(&self, set: &ValidatorSet, entry: Entry) -> BTreeMap<ReplicaId, Signature> {
        let (epoch, seq, view, digest) = entry;
        let statement = Statement { epoch, kind: Kind::Prepare, view, seq, digest };
        let mut signatures = self.prepares.get(&entry).cloned().unwrap_or_default();
        signatures.retain(|id, _| set.contains(*id));
        for member in self.members.iter().filter(|id| set.contains(**id)) {
            signatures.insert(*member, self.sign(*member, &statement));
        }
        signatures
    }

    /// Returns a true certificate of an entry, if the members can make one.
    fn certificate(&self, set: &ValidatorSet, entry: Entry) -> Option<Certificate> {
        let known = self.certificates.get(&entry).cloned();
        known.or_else(|| {
            let signatures = self.signatures(set, entry);
            Certificate::collect(set, signatures.iter().map(|(id, it)| (*id, it)))
        })
    }

    /// Returns a claim whose certificate holds too little stake, but all that there is.
    pub(crate) fn thin_claim(
        &mut self,
        set: &ValidatorSet,
        (epoch, view, above): (Epoch, View, Seq),
    ) -> Option<(Claim, Certificate)> {
        let mut entries = self
            .prepares
            .keys()
            .filter(|(of, seq, in_view, _)| *of == epoch && *seq > above && *in_view < view);
        let entry = *entries.next_back()?;
        let signatures = self.signatures(set, entry);
        let signers = set.iter().filter(|it| signatures.contains_key(&it.id)).copied();
        let signers = ValidatorSet::new(signers).ok()?;
        let pairs = signatures.iter().map(|(id, it)| (*id, it));
        let (_, seq, view, digest) = entry;
        Some((Claim { seq, view, digest }, Certificate::collect(&signers, pairs)?))
    }

    /// Returns the claims to show in a ViewChange: for each block one true certificate, of the
    /// oldest or the latest view, and the same one from then on.
    pub(crate) fn claims(
        &mut self,
        set: &ValidatorSet,
        (epoch, view, above): (Epoch, View, Seq),
        window: u64,
    ) -> Vec<(Claim, Certificate)> {
        let oldest = self.rng.chance(500);
        let mut claims: BTreeMap<Seq, (Claim, Certificate)> = BTreeMap::new();
        let entries = self.prepares.keys().chain(self.certificates.keys());
        let entries: BTreeSet<Entry> = entries
            .filter(|(of, seq, in_view, _)| {
                *of == epoch && *seq > above && seq.0 <= above.0 + window && *in_view < view
            })
            .copied()
            .collect();
        for entry @ (_, seq, view, digest) in entries {
            let Some(certificate) = self.certificate(set, entry) else { continue };
            let claim = Claim { seq, view, digest };
            let sticks = self.shown.get(&(epoch, seq)) == Some(&claim);
            let better = claims.get(&seq).is_none_or(|(known, _)| {
                sticks
                    || (self.shown.get(&(epoch, seq)) != Some(known)
                        && (known.view > view) == oldest)
            });
            if better {
                claims.insert(seq, (claim, certificate));
            }
        }
        for (seq, (claim, _)) in &claims {
            self.shown.insert((epoch, *seq), *claim);
        }
        claims.into_values().collect()
    }

    /// Signs a ViewChange of a member and remembers it.
    pub(crate) fn view_change(
        &mut self,
        member: ReplicaId,
        epoch: Epoch,
        body: ViewChange,
    ) -> Message {
        let body = Body::ViewChange(Arc::new(body));
        let signed = Message::sign::<Keyed>((member, &key_of(member)), &self.domain, epoch, body);
        let message = signed.expect("a keyed hash signs everything");
        self.observe(&message);
        message
    }

    /// Returns a NewView that some quorum of the known ViewChanges justifies.
    pub(crate) fn new_view(
        &mut self,
        set: &ValidatorSet,
        leader: ReplicaId,
        (epoch, view): (Epoch, View),
        start: Seq,
    ) -> Option<NewView> {
        let mut known = self.view_changes.get(&(epoch, view))?.clone();
        self.rng.shuffle(&mut known);
        let mut quorum: BTreeMap<ReplicaId, SignedSummary> = BTreeMap::new();
        for signed in known {
            let tally = set.tally(quorum.keys().copied());
            if set.is_quorum(&tally) {
                break;
            }
            if set.contains(signed.sender) {
                quorum.entry(signed.sender).or_insert(signed);
            }
        }
        if !set.is_quorum(&set.tally(quorum.keys().copied())) {
            return None;
        }
        let selection = select(quorum.values().map(|it| &it.summary))?;
        let prepared = selection
            .chosen
            .iter()
            .flatten()
            .map(|claim| self.certificate(set, (epoch, claim.seq, claim.view, claim.digest)));
        let prepared: Option<Vec<Certificate>> = prepared.collect();
        let checkpoint = if selection.stable_seq > start {
            Some(self.checkpoints.get(&(epoch, selection.stable_seq))?.clone())
        } else {
            None
        };
        let null = Proposal::null().digest::<Keyed>();
        let pre_prepares = selection.iter().map(|(seq, claim)| {
            let digest = claim.map_or(null, |claim| claim.digest);
            let kind = Kind::PrePrepare;
            (digest, self.sign(leader, &Statement { epoch, kind, view, seq, digest }))
        });
        let pre_prepares = pre_prepares.collect();
        let view_changes = quorum.into_values().collect();
        Some(NewView { view, view_changes, checkpoint, prepared: prepared?, pre_prepares })
    }

    /// Returns a ViewChange with other claims than the truth, sorted and each certified.
    pub(crate) fn with_claims(truth: &ViewChange, claims: Vec<(Claim, Certificate)>) -> ViewChange {
        let (claims, prepared) = claims.into_iter().unzip();
        let summary = Summary { claims, ..truth.summary.clone() };
        ViewChange { summary, checkpoint: truth.checkpoint.clone(), prepared }
    }
}
