//! Finding and keeping evidence.

use std::cmp::Ordering;

use super::{ActiveView, KnownViewChange, Phase, Replica};
use crate::crypto::{Scheme, Signature};
use crate::evidence::{
    Amnesia, ClaimChange, DoubleSign, DoubleView, Evidence, OpenedViewChange, Rule, SignedDigest,
    SignedStart, may_follow, verify_evidence,
};
use crate::io::Effect;
use crate::message::{Message, Summary, Vote};
use crate::mutation::Mutation;
use crate::slot::Ballot;
use crate::statement::{Kind, Statement};
use crate::types::{Digest, Epoch, ReplicaId, Seq, View};

/// Pieces of evidence kept until a block punishes them: each offender once an epoch and rule, and
/// only two epochs count.
pub(crate) const EVIDENCE_MAX: usize = 4096;

impl<S: Scheme> Replica<S> {
    /// Accuses the sender of a verified message of having signed another digest for the same
    /// position.
    pub(crate) fn accuse_double_sign(
        &mut self,
        message: &Message,
        digest: Digest,
        signature: Signature,
    ) {
        let statement = message.statement::<S>(&self.genesis.message_domain());
        let other = SignedDigest { digest, signature };
        let evidence = DoubleSign::new(message.sender, &statement, message.signature, other);
        self.keep_evidence(Evidence::DoubleSign(evidence));
    }

    /// Accuses a replica whose ViewChange hides one of its Commits known here (rule E4).
    pub(crate) fn accuse_amnesia(&mut self, sender: ReplicaId) {
        let Some(view_change) = self.view_changes.get(&sender) else { return };
        let stable_seq = view_change.summary.stable_seq;
        let hidden = self.slots.range(stable_seq.next()..).find_map(|(seq, slot)| {
            let commit = slot.commits.get(sender)?;
            self.hides(view_change, *seq, commit.view).then_some((*seq, *commit))
        });
        if let Some((seq, commit)) = hidden {
            let evidence = self.amnesia(sender, view_change, seq, &commit);
            self.keep_evidence(Evidence::Amnesia(evidence));
        }
    }

    /// Whether a Commit, if its signature holds, accuses its sender of amnesia.
    pub(crate) fn would_accuse(&self, sender: ReplicaId, vote: &Vote) -> bool {
        let view_change = self.view_changes.get(&sender);
        view_change.is_some_and(|view_change| self.hides(view_change, vote.seq, vote.view))
    }

    /// Whether a ViewChange has no entry for a block at the Commit's view or later, though it
    /// should.
    fn hides(&self, view_change: &KnownViewChange, seq: Seq, committed_in: View) -> bool {
        let summary = &view_change.summary;
        let late = self.genesis.mutations.has(Mutation::LateClaim);
        let least = if late { committed_in.next() } else { committed_in };
        let remembered = summary.claim(seq).is_some_and(|claim| claim.view >= least);
        summary.view > committed_in && summary.stable_seq < seq && !remembered
    }

    fn amnesia(
        &self,
        offender: ReplicaId,
        view_change: &KnownViewChange,
        commit_seq: Seq,
        commit: &Ballot,
    ) -> Amnesia {
        let depth = self.params().claims_depth();
        let summary = &view_change.summary;
        Amnesia {
            offender,
            epoch: self.epoch,
            commit_view: commit.view,
            commit_seq,
            commit: SignedDigest { digest: commit.digest, signature: commit.signature },
            view: summary.view,
            stable_seq: summary.stable_seq,
            stable_digest: summary.stable_digest,
            claims_root: summary.claims_root::<S>(depth),
            signature: view_change.signature,
            opening: summary.open::<S>(depth, commit_seq),
        }
    }

    /// Compares what a replica says in a ViewChange with what it said before, and remembers the
    /// latest (rules E6, E7).
    ///
    /// The signature is verified; NewViews bring ViewChanges that their authors sent to others
    /// alone.
    pub(crate) fn compare_view_changes(
        &mut self,
        sender: ReplicaId,
        summary: &Summary,
        signature: Signature,
    ) {
        if sender == self.identity.id {
            return;
        }
        let known = self.heard.get(&sender).cloned();
        if known.as_ref().is_none_or(|(known, _)| known.view < summary.view) {
            self.heard.insert(sender, (summary.clone(), signature));
        }
        let Some((known, known_signature)) = known else { return };
        let (known, new) = ((&known, known_signature), (summary, signature));
        let evidence = match known.0.view.cmp(&new.0.view) {
            Ordering::Equal => self.double_view_change(sender, known, new),
            Ordering::Less => self.claim_change(sender, known, new),
            Ordering::Greater => self.claim_change(sender, new, known),
        };
        if let Some(evidence) = evidence {
            self.keep_evidence(evidence);
        }
    }

    fn double_view_change(
        &self,
        offender: ReplicaId,
        (one, signature): (&Summary, Signature),
        (other, other_signature): (&Summary, Signature),
    ) -> Option<Evidence> {
        if one == other {
            return None;
        }
        let depth = self.params().claims_depth();
        let statement = Statement {
            epoch: self.epoch,
            kind: Kind::ViewChange,
            view: one.view,
            seq: one.stable_seq,
            digest: one.digest::<S>(depth),
        };
        let (seq, digest) = (other.stable_seq, other.digest::<S>(depth));
        let other = SignedStart { seq, digest, signature: other_signature };
        Some(Evidence::DoubleView(DoubleView::new(offender, &statement, signature, other)))
    }

    fn claim_change(
        &self,
        offender: ReplicaId,
        (earlier, signature): (&Summary, Signature),
        (later, later_signature): (&Summary, Signature),
    ) -> Option<Evidence> {
        let floor = earlier.stable_seq.max(later.stable_seq);
        let claim = |summary: &Summary, seq| summary.claim(seq).map(|it| (it.view, it.digest));
        let seqs = earlier.claims.iter().chain(&later.claims).map(|claim| claim.seq);
        let seq = seqs
            .filter(|seq| *seq > floor)
            .find(|seq| !may_follow(earlier.view, claim(earlier, *seq), claim(later, *seq)))?;
        let depth = self.params().claims_depth();
        let open = |summary: &Summary, signature| OpenedViewChange {
            view: summary.view,
            stable_seq: summary.stable_seq,
            stable_digest: summary.stable_digest,
            claims_root: summary.claims_root::<S>(depth),
            signature,
            opening: summary.open::<S>(depth, seq),
        };
        let (earlier, later) = (open(earlier, signature), open(later, later_signature));
        let epoch = self.epoch;
        Some(Evidence::ClaimChange(ClaimChange { offender, epoch, seq, earlier, later }))
    }

    /// Accuses the leader of the active view of having started it twice (rule E8).
    pub(crate) fn accuse_double_new_view(&mut self, message: &Message) {
        let Phase::Active(ActiveView { new_view: Some(known), .. }) = &self.phase else { return };
        let domain = self.genesis.message_domain();
        let statement = message.statement::<S>(&domain);
        let known = known.clone().into_message();
        let other = known.statement::<S>(&domain);
        if statement != other && statement.view == other.view {
            let Statement { seq, digest, .. } = other;
            let other = SignedStart { seq, digest, signature: known.signature };
            let (offender, signature) = (message.sender, message.signature);
            let evidence = DoubleView::new(offender, &statement, signature, other);
            self.keep_evidence(Evidence::DoubleView(evidence));
        }
    }

    /// Takes evidence that someone else found.
    pub(crate) fn on_evidence(&mut self, evidence: Evidence) {
        let news = evidence.fault().is_some_and(|fault| self.is_new_fault(fault));
        if news && self.proves_fault(&evidence) {
            self.keep_evidence(evidence);
        }
    }

    /// Checks evidence against the validators of its epoch; only this epoch and the one before
    /// count.
    pub(crate) fn proves_fault(&self, evidence: &Evidence) -> bool {
        let committee = if evidence.epoch() == self.epoch {
            Some(&self.committees.current)
        } else if evidence.epoch().next() == self.epoch {
            self.committees.previous.as_ref()
        } else {
            None
        };
        let key = committee.and_then(|committee| committee.key(evidence.offender()));
        let domain = self.genesis.evidence_domain();
        key.is_some_and(|key| verify_evidence::<S>(&domain, key, evidence).is_ok())
    }

    /// Whether nobody is accused or punished for this fault yet, and room is left for evidence of
    /// it.
    pub(crate) fn is_new_fault(&self, fault: (Epoch, ReplicaId, Rule)) -> bool {
        self.evidence.len() < EVIDENCE_MAX
            && !self.evidence.contains_key(&fault)
            && !self.tip.punished.contains(&fault)
    }

    /// Reports evidence and keeps it for a block, unless its offender is accused or punished
    /// already.
    fn keep_evidence(&mut self, evidence: Evidence) {
        let Some(fault) = evidence.fault() else { return };
        if self.is_new_fault(fault) {
            self.evidence.insert(fault, evidence.clone());
            self.effects.push(Effect::Report(Box::new(evidence)));
        }
    }
}
