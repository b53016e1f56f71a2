//! Operations that wait for a block.

use std::collections::BTreeMap;

use crate::block::Operation;
use crate::types::{ClientId, Nonce};

/// Operations that one client may keep waiting.
const PER_CLIENT_MAX: u64 = 1024;

/// Valid operations not yet executed, with the order in which clients became ready.
///
/// A client is ready while its next operation is here. Only ready operations can be executed, so
/// only they may blame a primary; the oldest of them is what the progress timer watches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    waiting: BTreeMap<ClientId, Waiting>,
    ready: BTreeMap<u64, ClientId>,
    tickets: u64,
    len: usize,
}

#[derive(Clone, Debug, Default)]
struct Waiting {
    operations: BTreeMap<Nonce, Operation>,
    /// Executed so far.
    last: Nonce,
    /// The client's place among the ready.
    ticket: Option<u64>,
}

impl Pending {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds an operation of a client that executed up to `last`; refuses old, distant and
    /// superfluous ones.
    pub(crate) fn insert(&mut self, operation: Operation, last: Nonce, max: usize) -> bool {
        let Operation { client, nonce, .. } = operation;
        if nonce <= last || nonce > last.plus(PER_CLIENT_MAX) || self.holds(client, nonce) {
            return false;
        }
        let done = self.waiting.get(&client).map_or(last, |waiting| waiting.last.max(last));
        if self.len >= max && !(nonce == done.next() && self.make_room()) {
            return false;
        }
        let waiting = self.waiting.entry(client).or_default();
        waiting.last = waiting.last.max(last);
        waiting.operations.insert(nonce, operation);
        self.len += 1;
        self.refresh(client);
        true
    }

    fn holds(&self, client: ClientId, nonce: Nonce) -> bool {
        self.waiting.get(&client).is_some_and(|waiting| waiting.operations.contains_key(&nonce))
    }

    /// Drops the most distant operation of the client that holds most; false if nobody holds more
    /// than one.
    ///
    /// A client's next operation always finds room this way: clients with long queues, or with gaps
    /// that nothing can execute, cannot shut others out.
    fn make_room(&mut self) -> bool {
        let heaviest = self.waiting.values_mut().max_by_key(|waiting| waiting.operations.len());
        let Some(heaviest) = heaviest.filter(|waiting| waiting.operations.len() > 1) else {
            return false;
        };
        heaviest.operations.pop_last();
        self.len -= 1;
        true
    }

    /// Whether exactly this operation waits.
    pub(crate) fn contains(&self, operation: &Operation) -> bool {
        self.waiting
            .get(&operation.client)
            .and_then(|waiting| waiting.operations.get(&operation.nonce))
            .is_some_and(|known| known == operation)
    }

    /// Drops what a client has executed up to `last`; its next operation queues up anew.
    pub(crate) fn executed(&mut self, client: ClientId, last: Nonce) {
        let Some(waiting) = self.waiting.get_mut(&client) else { return };
        waiting.last = waiting.last.max(last);
        let rest = waiting.operations.split_off(&waiting.last.next());
        self.len -= waiting.operations.len();
        waiting.operations = rest;
        if let Some(ticket) = waiting.ticket.take() {
            self.ready.remove(&ticket);
        }
        self.refresh(client);
    }

    /// Drops the operations of clients that `keep` refuses.
    pub(crate) fn retain_clients(&mut self, keep: impl Fn(ClientId) -> bool) {
        let dropped: Vec<ClientId> =
            self.waiting.keys().copied().filter(|client| !keep(*client)).collect();
        for client in dropped {
            if let Some(waiting) = self.waiting.remove(&client) {
                self.len -= waiting.operations.len();
                if let Some(ticket) = waiting.ticket {
                    self.ready.remove(&ticket);
                }
            }
        }
    }

    /// Returns the place of the operation that has been executable for longest.
    pub(crate) fn oldest(&self) -> Option<(u64, &Operation)> {
        let (ticket, client) = self.ready.first_key_value()?;
        let waiting = self.waiting.get(client)?;
        Some((*ticket, waiting.operations.get(&waiting.last.next())?))
    }

    /// Returns up to `max` operations that can be executed after `last(client)`, one client after
    /// the other in turns.
    pub(crate) fn batch(&self, max: usize, last: impl Fn(ClientId) -> Nonce) -> Vec<Operation> {
        let mut batch = Vec::new();
        let mut clients: Vec<(&Waiting, Nonce)> = self
            .ready
            .values()
            .filter_map(|client| Some((self.waiting.get(client)?, last(*client))))
            .collect();
        while batch.len() < max && !clients.is_empty() {
            clients.retain_mut(|(waiting, nonce)| {
                *nonce = waiting.last.max(*nonce).next();
                let operation = waiting.operations.get(nonce).filter(|_| batch.len() < max);
                batch.extend(operation);
                operation.is_some()
            });
        }
        batch
    }

    fn refresh(&mut self, client: ClientId) {
        let Some(waiting) = self.waiting.get_mut(&client) else { return };
        if waiting.operations.is_empty() {
            self.waiting.remove(&client);
        } else if waiting.ticket.is_none() && waiting.operations.contains_key(&waiting.last.next())
        {
            waiting.ticket = Some(self.tickets);
            self.ready.insert(self.tickets, client);
            self.tickets += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Digest;

    fn operation(client: u64, nonce: u64) -> Operation {
        Operation { client: ClientId(client), nonce: Nonce(nonce), payload: Digest::ZERO }
    }

    fn positions(batch: &[Operation]) -> Vec<(u64, u64)> {
        batch.iter().map(|operation| (operation.client.0, operation.nonce.0)).collect()
    }

    #[test]
    fn batches_take_turns_and_respect_gaps() {
        let mut pending = Pending::default();
        for (client, nonce) in [(1, 1), (1, 2), (2, 1), (3, 2), (1, 3)] {
            assert!(pending.insert(operation(client, nonce), Nonce::ZERO, 100));
        }
        assert!(!pending.insert(operation(1, 1), Nonce::ZERO, 100), "known already");
        let all = pending.batch(10, |_| Nonce::ZERO);
        assert_eq!(positions(&all), [(1, 1), (2, 1), (1, 2), (1, 3)], "client 3 lacks its first");
        assert_eq!(positions(&pending.batch(2, |_| Nonce::ZERO)), [(1, 1), (2, 1)]);
        assert_eq!(positions(&pending.batch(9, |_| Nonce(1))), [(1, 2), (1, 3)]);
    }

    #[test]
    fn the_oldest_executable_operation_changes_only_by_execution() {
        let mut pending = Pending::default();
        pending.insert(operation(1, 2), Nonce::ZERO, 100);
        assert_eq!(pending.oldest(), None, "its predecessor is missing");
        pending.insert(operation(2, 1), Nonce::ZERO, 100);
        pending.insert(operation(1, 1), Nonce::ZERO, 100);
        let (ticket, oldest) = pending.oldest().unwrap();
        assert_eq!((ticket, oldest.client), (0, ClientId(2)));
        pending.executed(ClientId(1), Nonce(1));
        assert_eq!(pending.oldest().unwrap().0, 0, "others' execution does not reset it");
        pending.executed(ClientId(2), Nonce(1));
        assert_eq!(pending.oldest().unwrap().1.nonce, Nonce(2));
        pending.executed(ClientId(1), Nonce(2));
        assert_eq!((pending.len(), pending.oldest()), (0, None));
    }

    #[test]
    fn a_full_pool_admits_what_can_be_executed_next() {
        let mut pending = Pending::default();
        for client in 0..4 {
            for nonce in 2..6 {
                assert!(pending.insert(operation(client, nonce), Nonce::ZERO, 16), "behind a gap");
            }
        }
        assert!(!pending.insert(operation(9, 2), Nonce::ZERO, 16), "full, and not its next");
        assert!(pending.insert(operation(9, 1), Nonce::ZERO, 16));
        assert_eq!(pending.len(), 16);
        assert_eq!(pending.oldest().unwrap().1.client, ClientId(9));
        assert!(!pending.contains(&operation(3, 5)), "the most distant of a longest queue");
    }

    #[test]
    fn limits_hold() {
        let mut pending = Pending::default();
        assert!(!pending.insert(operation(1, 5), Nonce(5), 100), "executed already");
        assert!(!pending.insert(operation(1, 2000), Nonce(5), 100), "too far ahead");
        assert!(pending.insert(operation(1, 6), Nonce(5), 1));
        assert!(!pending.insert(operation(2, 1), Nonce(0), 1), "full");
        pending.retain_clients(|_| false);
        assert_eq!((pending.len(), pending.oldest()), (0, None));
    }
}
