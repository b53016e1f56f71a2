//! Coming to a certified state after having been away: the blocks that others have executed are
//! executed again, from wherever this node was, be it the genesis.
//!
//! What a validator sends is not believed block by block. The root of the state after the last one
//! must be the root that a quorum certified; if it is not, everything that this validator's blocks
//! did is forgotten, and the next one is asked. History comes along: events, jobs and transactions
//! are the same at every node, which a copy of the state alone would not give.

use ciro_consensus::{Digest, Input, ReplicaId, Seq};
use ciro_ledger::Outcome;
use ciro_protocol::batch::Batch;

use super::execution::{ExecutionError, Worker};

/// Blocks that were executed again and are not announced yet.
type Replayed = Vec<(Vec<Batch>, Outcome)>;

impl Worker {
    /// Comes to the state after a certified block and tells consensus whether it is there.
    pub(super) fn fetch(
        &mut self,
        seq: Seq,
        root: Digest,
        sources: &[ReplicaId],
    ) -> Result<(), ExecutionError> {
        let fetched = self.catch_up(seq, root, sources)?;
        let input =
            if fetched { Input::StateFetched { seq } } else { Input::StateUnavailable { seq } };
        // Consensus has left if nobody takes it: the thread ends with its last job.
        let _ = self.tools.answers.send(input);
        Ok(())
    }

    fn catch_up(
        &mut self,
        seq: Seq,
        expected: Digest,
        sources: &[ReplicaId],
    ) -> Result<bool, ExecutionError> {
        if self.head.height >= seq.0 {
            return self.restore(seq, expected).map(|()| true);
        }
        let Some(supply) = self.tools.supply.clone() else { return Ok(false) };
        for source in supply.sources(sources) {
            let (from, before) = (self.head.height, self.head.clone());
            let (mark, unsettled) = (self.tools.store.mark()?, self.unsettled.len());
            let replayed = self.replay(seq, source)?;
            let got = self.head.words.root();
            if let Some(replayed) = replayed.filter(|_| self.head.height == seq.0)
                && got == expected
            {
                tracing::info!(from, to = seq.0, %source, "caught up");
                self.tools.bodies.settle(self.unsettled.drain(..))?;
                for (batches, outcome) in &replayed {
                    self.announce(batches, outcome);
                }
                return Ok(true);
            }
            if self.head.height > from {
                tracing::warn!(%source, %got, %expected, "blocks lead to another state");
                self.tools.metrics.net_refused("blocks_other_state");
            }
            self.tools.store.return_to(&mark)?;
            self.head = before;
            self.unsettled.truncate(unsettled);
        }
        Ok(false)
    }

    /// Executes what a validator says came next; `None` if it says nothing more, or nonsense.
    fn replay(&mut self, to: Seq, source: ReplicaId) -> Result<Option<Replayed>, ExecutionError> {
        let Some(supply) = self.tools.supply.clone() else { return Ok(None) };
        let mut replayed = Vec::new();
        while self.head.height < to.0 && !self.tools.shared.is_stopping() {
            let rows = supply.blocks(self.head.height + 1, source);
            if rows.is_empty() {
                return Ok(None);
            }
            for row in rows {
                if self.head.height == to.0 {
                    break;
                }
                let next = self.head.height + 1;
                let digest = Digest::from_bytes(row.digest).filter(|_| row.height == next);
                let Some(digest) = digest else { return Ok(None) };
                let batches = row.batches.into_inner();
                match self.apply((Seq(next), digest), &batches, next == to.0) {
                    Ok(outcome) => replayed.push((batches, outcome)),
                    // The ledger cannot do what no quorum ever ordered.
                    Err(ExecutionError::State(_)) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some(replayed))
    }
}
