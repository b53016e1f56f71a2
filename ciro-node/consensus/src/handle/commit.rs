//! Knowledge that a quorum agreed (PBFT §4.2, commit).

use std::sync::Arc;

use super::prepare::ballot;
use crate::block::CommittedBlock;
use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::fork::Contradiction;
use crate::message::{Body, Message};
use crate::mutation::Mutation;
use crate::record::Record;
use crate::replica::{Place, Replica};
use crate::slot::Cast;
use crate::types::{Digest, Seq};

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_commit(&mut self, message: Arc<Message>) -> Result<(), Dropped> {
        let Body::Commit(vote) = message.body else { return Err(Dropped::Shape) };
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
                    Cast::Known => return Err(Dropped::Known),
                    Cast::Conflict(known) => {
                        self.accuse_double_sign(&message, known.digest, known.signature);
                    }
                }
                Ok(())
            }
            Place::Outside => Err(Dropped::Outside),
        }
    }

    /// Notes that a block is committed once a quorum says so in the active view.
    pub(crate) fn commit(&mut self, seq: Seq) {
        let view = self.view();
        let Some(slot) = self.slots.get(&seq) else { return };
        if slot.committed.is_some() {
            return;
        }
        let mixed = self.genesis.mutations.has(Mutation::MixedCommits);
        let mixed = mixed.then(|| slot.commits.as_if_in(view));
        let commits = mixed.as_ref().unwrap_or(&slot.commits);
        let Some(digest) = commits.decided(self.validators(), view) else { return };
        let Some(proposal) = slot.contents.get(&digest).cloned() else { return };
        let signatures = commits.signatures(view, digest);
        let Some(certificate) = Certificate::collect(self.validators(), signatures) else { return };
        self.commit_block(digest, CommittedBlock { seq, view, proposal, certificate });
    }

    /// Adopts a block that a certificate proves.
    pub(crate) fn commit_block(&mut self, digest: Digest, block: CommittedBlock) {
        let seq = block.seq;
        let slot = self.slot(seq);
        if let Some((ours, known)) = &slot.committed {
            if *ours != digest {
                let (ours, known) = (*ours, known.clone());
                self.halt_forked(ours, known, digest, Contradiction::Block(block));
            }
            return;
        }
        slot.contents.insert(digest, Arc::clone(&block.proposal));
        slot.committed = Some((digest, block.clone()));
        self.append(Record::Committed(block));
    }
}
