//! Finding and keeping evidence.

use super::{KnownViewChange, Replica};
use crate::crypto::{Scheme, Signature};
use crate::evidence::{Amnesia, DoubleSign, Evidence, SignedDigest, verify_evidence};
use crate::io::Effect;
use crate::message::{Message, Vote};
use crate::slot::Ballot;
use crate::types::{Digest, ReplicaId, Seq, View};

/// Pieces of evidence kept until a block punishes them: each offender once an epoch, and only two epochs count.
const EVIDENCE_MAX: usize = 512;

impl<S: Scheme> Replica<S> {
    /// Accuses the sender of a verified message of having signed another digest for the same position.
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
        let stable_seq = view_change.message.summary.stable_seq;
        let hidden = self.slots.range(stable_seq.next()..).find_map(|(seq, slot)| {
            let commit = slot.commits.get(sender)?;
            hides(view_change, *seq, commit.view).then_some((*seq, *commit))
        });
        if let Some((seq, commit)) = hidden {
            let evidence = self.amnesia(sender, view_change, seq, &commit);
            self.keep_evidence(Evidence::Amnesia(evidence));
        }
    }

    /// Whether a Commit, if its signature holds, accuses its sender of amnesia.
    pub(crate) fn would_accuse(&self, sender: ReplicaId, vote: &Vote) -> bool {
        let view_change = self.view_changes.get(&sender);
        view_change.is_some_and(|view_change| hides(view_change, vote.seq, vote.view))
    }

    fn amnesia(
        &self,
        offender: ReplicaId,
        view_change: &KnownViewChange,
        commit_seq: Seq,
        commit: &Ballot,
    ) -> Amnesia {
        let depth = self.params().claims_depth();
        let summary = &view_change.message.summary;
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

    /// Takes evidence that someone else found.
    pub(crate) fn on_evidence(&mut self, evidence: Evidence) {
        if self.is_new_evidence(&evidence) && self.proves_fault(&evidence) {
            self.keep_evidence(evidence);
        }
    }

    /// Checks evidence against the validators of its epoch; only this epoch and the one before count.
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

    fn is_new_evidence(&self, evidence: &Evidence) -> bool {
        let key = (evidence.epoch(), evidence.offender());
        self.evidence.len() < EVIDENCE_MAX
            && !self.evidence.contains_key(&key)
            && !self.tip.punished.contains(&key)
    }

    /// Reports evidence and keeps it for a block, unless its offender is accused or punished already.
    fn keep_evidence(&mut self, evidence: Evidence) {
        if self.is_new_evidence(&evidence) {
            self.evidence.insert((evidence.epoch(), evidence.offender()), evidence.clone());
            self.effects.push(Effect::Report(Box::new(evidence)));
        }
    }
}

/// Whether a ViewChange has no entry for a block at the Commit's view or later, though it should.
fn hides(view_change: &KnownViewChange, seq: Seq, committed_in: View) -> bool {
    let summary = &view_change.message.summary;
    let remembered = summary.claim(seq).is_some_and(|claim| claim.view >= committed_in);
    summary.view > committed_in && summary.stable_seq < seq && !remembered
}
