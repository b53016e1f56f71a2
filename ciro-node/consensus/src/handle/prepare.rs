//! Agreement to proposals (PBFT §4.2, prepare), and how a block moves through its phases.

use std::sync::Arc;

use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::message::{Body, Claim, Message, Vote};
use crate::mutation::Mutation;
use crate::record::Record;
use crate::replica::{Place, Replica};
use crate::slot::{Ballot, Cast, Validity};
use crate::statement::Kind;
use crate::types::Seq;

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_prepare(&mut self, message: Arc<Message>) -> Result<(), Dropped> {
        let Body::Prepare(vote) = message.body else { return Err(Dropped::Shape) };
        match self.place(vote.view, vote.seq) {
            Place::Later => self.stash.put(message),
            Place::Here => {
                let ballot = ballot(&message, &vote);
                match self.slot(vote.seq).prepares.cast(message.sender, ballot) {
                    Cast::New => self.advance(vote.seq),
                    Cast::Known => return Err(Dropped::Known),
                    Cast::Conflict(known) => {
                        self.accuse_double_sign(&message, known.digest, known.signature);
                    }
                }
                Ok(())
            }
            Place::OldView => Err(Dropped::OldView),
            Place::Outside => Err(Dropped::Outside),
        }
    }

    /// Takes every step that a block's votes now allow: Prepare, Commit, committed.
    ///
    /// Behind the stable checkpoint everything is settled: this replica learns, but votes no more.
    pub(crate) fn advance(&mut self, seq: Seq) {
        if seq > self.stable.seq {
            self.agree(seq);
            self.prepare(seq);
        }
        self.commit(seq);
    }

    /// Sends the Prepare for the assigned proposal once its content is here and valid.
    ///
    /// The primary prepares too, so that one uniform list of signatures over one hash makes a
    /// certificate.
    fn agree(&mut self, seq: Seq) {
        let view = self.view();
        let Some(slot) = self.slots.get(&seq) else { return };
        let Some(assigned) = slot.assigned_in(view) else { return };
        // Whoever knows a block committed agrees to nothing else in its place.
        let settled = slot.committed.as_ref().is_some_and(|(digest, _)| *digest != assigned.digest);
        let ready = assigned.validity == Validity::Valid
            && slot.contents.contains_key(&assigned.digest)
            && !settled;
        if !ready || slot.has_sent(Kind::Prepare, view) || !self.votes() {
            return;
        }
        let vote = Vote { view, seq, digest: assigned.digest };
        let Some(message) = self.say(Body::Prepare(vote)) else { return };
        let keeps_nothing = self.genesis.mutations.has(Mutation::UnfilledClaims);
        let id = self.id();
        let slot = self.slot(seq);
        slot.prepares.cast(id, ballot(&message, &vote));
        slot.own.insert(Kind::Prepare, message);
        if !keeps_nothing {
            slot.vote(vote.digest);
        }
    }

    /// Whether this replica takes part in its view.
    fn votes(&self) -> bool {
        self.is_active() || self.genesis.mutations.has(Mutation::VotesWhileChanging)
    }

    /// Notes that a quorum agreed, and says so (PBFT §4.2, the predicate `prepared`).
    fn prepare(&mut self, seq: Seq) {
        let view = self.view();
        let Some(slot) = self.slots.get(&seq) else { return };
        let Some(assigned) = slot.assigned_in(view) else { return };
        let digest = assigned.digest;
        let known = slot.prepared.as_ref().is_some_and(|(claim, _)| claim.view == view);
        // The content must be here: a prepared block is one that this replica can pass on.
        if known || !slot.contents.contains_key(&digest) || !self.votes() {
            return;
        }
        let signatures = slot.prepares.signatures(view, digest);
        let Some(certificate) = Certificate::collect(self.validators(), signatures) else { return };
        let claim = Claim { seq, view, digest };
        self.append(Record::Prepared { claim, certificate: certificate.clone() });
        self.slot(seq).prepared = Some((claim, certificate));
        let vote = Vote { view, seq, digest };
        let Some(message) = self.say(Body::Commit(vote)) else { return };
        let id = self.id();
        let slot = self.slot(seq);
        slot.commits.cast(id, ballot(&message, &vote));
        slot.own.insert(Kind::Commit, message);
    }
}

/// Returns a vote as it is counted.
pub(crate) const fn ballot(message: &Message, vote: &Vote) -> Ballot {
    Ballot { view: vote.view, digest: vote.digest, signature: message.signature }
}
