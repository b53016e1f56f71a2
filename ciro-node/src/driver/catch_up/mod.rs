//! Coming to a certified state after having been away: the blocks that others have executed are
//! executed again, from wherever this node was, be it the genesis.
//!
//! Nothing that a validator sends is believed. Consensus names certified headers on the way; what
//! is executed is what they prove ([`history`](super::history)), part by part, and each part stays:
//! whoever serves the next one, however badly, takes nothing back. One part is held at a time, and
//! the links to one certified header. History comes along: events, jobs and transactions are the
//! same at every node, which a copy of the state alone would not give.

use std::sync::Arc;

use ciro_consensus::{Digest, Input, Link, Seq, StateRequest};

use super::execution::{ExecutionError, Ordered, Worker};
use super::history::{History, Patience, Sources};
use crate::store::OrderedRow;

impl Worker {
    /// Comes to the state after a certified block and tells consensus whether it is there.
    pub(super) fn fetch(&mut self, request: &StateRequest) -> Result<(), ExecutionError> {
        let seq = request.seq;
        if self.head.height < seq.0
            && let Some(supply) = self.tools.supply.clone()
        {
            self.catch_up(request, &supply, Patience::default())?;
        }
        let input = if self.head.height >= seq.0 {
            self.restore(seq, request.state_root)?;
            Input::StateFetched { seq }
        } else {
            Input::StateUnavailable { seq }
        };
        // Consensus has left if nobody takes it: the thread ends with its last job.
        let _ = self.tools.answers.send(input);
        Ok(())
    }

    /// Executes blocks up to a certified one, as far as others hand them over in time.
    fn catch_up(
        &mut self,
        request: &StateRequest,
        history: &impl History,
        patience: Patience,
    ) -> Result<(), ExecutionError> {
        let from = self.head.height;
        let tools = (Arc::clone(&self.tools.shared), self.tools.metrics.clone());
        let mut doubted = std::mem::take(&mut self.doubted);
        let first = (&request.sources[..], &mut doubted);
        let mut sources = Sources::new(history, first, patience, tools);
        let followed = self.follow(&request.headers, &mut sources);
        self.doubted = doubted;
        let (height, to) = (self.head.height, request.seq.0);
        tracing::info!(from, height, to, "executed what others have");
        followed
    }

    /// Executes blocks up to the last of some certified headers, or until nobody has more.
    fn follow(
        &mut self,
        headers: &[(Seq, Digest)],
        sources: &mut Sources<'_, impl History>,
    ) -> Result<(), ExecutionError> {
        for (end, header) in headers {
            let known = (self.head.height, self.head.header()?);
            if end.0 <= known.0 {
                continue;
            }
            let Some(links) = sources.links(known, (*end, *header)) else { return Ok(()) };
            let mut left = &links[..];
            while !left.is_empty() {
                let rows = sources.rows(self.head.height + 1, left);
                let Some(rows) = rows else { return Ok(()) };
                let (part, later) = left.split_at(rows.len());
                self.replay(rows, part)?;
                left = later;
            }
        }
        Ok(())
    }

    /// Executes a proven part of history and makes it durable.
    fn replay(&mut self, rows: Vec<OrderedRow>, links: &[Link]) -> Result<(), ExecutionError> {
        let (last, mut done) = (rows.len(), Vec::new());
        for ((row, link), number) in rows.into_iter().zip(links).zip(1..) {
            let (batches, punish) = (row.batches.into_inner(), row.punish.into_inner());
            let Link { proposal, executed, state_root } = *link;
            let ordered = Ordered {
                height: Seq(row.height),
                proposal,
                executed,
                certified: Some(state_root),
                batches: &batches,
                punish: &punish,
            };
            let outcome = self.apply(&ordered, number == last)?;
            done.push((batches, outcome));
        }
        // Only now: what others do because of a block must not be ahead of what is durable.
        for (batches, outcome) in &done {
            self.announce(batches, outcome);
        }
        Ok(self.settle()?)
    }
}

#[cfg(test)]
mod tests;
