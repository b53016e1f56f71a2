//! Client operations.

use crate::block::Operation;
use crate::crypto::Scheme;
use crate::replica::Replica;

impl<S: Scheme> Replica<S> {
    /// Queues a valid operation (PBFT §4.1). Known, executed and superfluous ones are dropped.
    pub(crate) fn on_operation(&mut self, operation: Operation) {
        let last = self.tip.clients.get(&operation.client).copied();
        let admitted = last.is_some() || self.tip.clients.len() < self.genesis.params.clients;
        if admitted {
            let max = self.genesis.params.pending;
            self.pending.insert(operation, last.unwrap_or_default(), max);
        }
    }
}
