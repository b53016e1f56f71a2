//! Client operations.

use crate::block::Operation;
use crate::crypto::Scheme;
use crate::replica::Replica;
use crate::types::Seq;

impl<S: Scheme> Replica<S> {
    /// Queues a valid operation (PBFT §4.1) that the application brings.
    pub(crate) fn on_operation(&mut self, operation: Operation) {
        self.queue(operation, None);
    }

    /// Queues a valid operation, until its place is executed or until a block that was to hold it
    /// is. Known, executed and superfluous ones are dropped.
    pub(crate) fn queue(&mut self, operation: Operation, until: Option<Seq>) {
        let last = self.tip.clients.get(&operation.client).copied();
        let admitted = last.is_some() || self.tip.clients.len() < self.genesis.params.clients;
        if admitted {
            let max = self.genesis.params.pending;
            self.pending.insert(operation, until, last.unwrap_or_default(), max);
        }
    }
}
