//! Votes for the state after a block (PBFT §4.3).

use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::evidence::Rule;
use crate::message::{Body, CheckpointVote, Message};
use crate::replica::Replica;
use crate::slot::Ballot;
use crate::types::{ReplicaId, View};

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_checkpoint(&mut self, message: &Message) -> Result<(), Dropped> {
        let Body::Checkpoint(vote) = message.body else { return Err(Dropped::Shape) };
        let params = &self.genesis.params;
        // Further ahead than that, this replica lags and catches up by certificates.
        let last = self.stable.seq.plus(params.window());
        let last = last.min(params.epoch_end(self.epoch()));
        if vote.seq <= self.stable.seq || vote.seq > last || !params.is_checkpoint(vote.seq) {
            return Err(Dropped::Outside);
        }
        let votes = self.checkpoints.entry(vote.seq).or_default();
        match votes.votes.get(&message.sender).copied() {
            None => {
                let signature = message.signature;
                let ballot = Ballot { view: View::ZERO, digest: vote.digest, signature };
                votes.votes.insert(message.sender, ballot);
                self.count_checkpoint(vote.seq);
            }
            Some(known) if known.digest != vote.digest => {
                self.accuse_double_sign(message, known.digest, known.signature);
            }
            Some(_) => return Err(Dropped::Known),
        }
        Ok(())
    }

    pub(super) fn is_useful_checkpoint(
        &self,
        sender: ReplicaId,
        vote: &CheckpointVote,
    ) -> Result<(), Dropped> {
        let known = self.checkpoints.get(&vote.seq).and_then(|votes| votes.votes.get(&sender));
        match known {
            None => Ok(()),
            Some(known) if known.digest == vote.digest => Err(Dropped::Known),
            Some(_) => self.is_news(sender, Rule::E5),
        }
    }
}
