//! Knowledge that a quorum agreed (PBFT §4.2, commit).

use std::sync::Arc;

use super::prepare::ballot;
use crate::block::CommittedBlock;
use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::io::Fault;
use crate::message::{Body, Message, Vote};
use crate::record::Record;
use crate::replica::{Place, Replica};
use crate::slot::Cast;
use crate::types::{Digest, ReplicaId, Seq};

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_commit(&mut self, message: Arc<Message>) {
        let Body::Commit(vote) = message.body else { return };
        let place = self.place(vote.view, vote.seq);
        match place {
            Place::Later => self.stash.put(message),
            Place::Here | Place::OldView => {
                let ballot = ballot(&message, &vote);
                match self.slot(vote.seq).commits.cast(message.sender, ballot) {
                    Cast::New => {
                        self.accuse_amnesia(message.sender);
                        if place == Place::Here {
                            self.commit(vote.seq);
                        }
                    }
                    Cast::Known => {}
                    Cast::Conflict(known) => {
                        self.accuse_double_sign(&message, known.digest, known.signature);
                    }
                }
            }
            Place::Outside => {}
        }
    }

    /// Whether a Commit tells nothing: it is known, or its block is committed, or its view has passed and it accuses
    /// nobody.
    pub(crate) fn is_useless_commit(&self, sender: ReplicaId, vote: &Vote) -> bool {
        let place = self.place(vote.view, vote.seq);
        let slot = self.slots.get(&vote.seq);
        let done = slot
            .and_then(|slot| slot.committed.as_ref())
            .is_some_and(|(digest, block)| (*digest, block.view) == (vote.digest, vote.view));
        let known = slot.map(|slot| slot.commits.probe(sender, vote.view, vote.digest));
        match place {
            Place::Outside => true,
            Place::OldView => known == Some(Cast::Known) || !self.would_accuse(sender, vote),
            Place::Here | Place::Later => done || known == Some(Cast::Known),
        }
    }

    /// Notes that a block is committed once a quorum says so in the active view.
    pub(crate) fn commit(&mut self, seq: Seq) {
        let view = self.view();
        let Some(slot) = self.slots.get(&seq) else { return };
        if slot.committed.is_some() {
            return;
        }
        let Some(digest) = slot.commits.decided(self.validators(), view) else { return };
        let Some(proposal) = slot.contents.get(&digest).cloned() else { return };
        let signatures = slot.commits.signatures(view, digest);
        let Some(certificate) = Certificate::collect(self.validators(), signatures) else { return };
        self.commit_block(digest, CommittedBlock { seq, view, proposal, certificate });
    }

    /// Adopts a block that a certificate proves.
    pub(crate) fn commit_block(&mut self, digest: Digest, block: CommittedBlock) {
        let seq = block.seq;
        let slot = self.slot(seq);
        if let Some((ours, _)) = &slot.committed {
            let ours = *ours;
            if ours != digest {
                self.halt(Fault::Fork { seq, ours, theirs: digest });
            }
            return;
        }
        slot.contents.insert(digest, Arc::clone(&block.proposal));
        slot.committed = Some((digest, block.clone()));
        self.append(Record::Committed(block));
    }
}
