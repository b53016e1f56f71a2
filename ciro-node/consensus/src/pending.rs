//! Operations that wait for a block.

use std::collections::{BTreeMap, BTreeSet};

use crate::block::Operation;
use crate::types::{ClientId, Nonce, Seq};

/// Operations that one client may keep waiting.
const PER_CLIENT_MAX: u64 = 1024;

/// Valid operations not yet executed, with the order in which clients became ready.
///
/// A client is ready while its next operation is here. Only ready operations can be executed, so
/// only they may blame a primary; the oldest of them is what the progress timer watches.
///
/// What the application brought stays until its place is executed, and the application keeps what
/// is behind it for as long. What is known from a proposal alone waits for that block: once another
/// one is executed in its place, nobody has to keep what is behind it, and it is forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    waiting: BTreeMap<ClientId, Waiting>,
    /// What waits for a block alone, by that block.
    bounded: BTreeSet<(Seq, ClientId, Nonce)>,
    ready: BTreeMap<u64, ClientId>,
    tickets: u64,
    len: usize,
}

#[derive(Clone, Debug, Default)]
struct Waiting {
    operations: BTreeMap<Nonce, Waits>,
    /// Executed so far.
    last: Nonce,
    /// The client's place among the ready.
    ticket: Option<u64>,
}

/// An operation that waits.
#[derive(Clone, Copy, Debug)]
struct Waits {
    operation: Operation,
    /// The last block that was to hold it; `None` for what the application brought.
    until: Option<Seq>,
}

impl Pending {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds an operation of a client that executed up to `last`; refuses old, distant and
    /// superfluous ones. One that is known from a proposal waits until that block, one that the
    /// application brought (`None`) until its place is executed; the longer time counts.
    pub(crate) fn insert(
        &mut self,
        operation: Operation,
        until: Option<Seq>,
        last: Nonce,
        max: usize,
    ) -> bool {
        let Operation { client, nonce, .. } = operation;
        if nonce <= last || nonce > last.plus(PER_CLIENT_MAX) {
            return false;
        }
        if let Some(known) = self.known(client, nonce) {
            if known.operation == operation {
                let longer = known.until.zip(until).map(|(known, until)| known.max(until));
                let before = std::mem::replace(&mut known.until, longer);
                self.unbind(client, nonce, before);
                self.bounded.extend(longer.map(|until| (until, client, nonce)));
            }
            return false;
        }
        let done = self.waiting.get(&client).map_or(last, |waiting| waiting.last.max(last));
        if self.len >= max && !(nonce == done.next() && self.make_room()) {
            return false;
        }
        let waiting = self.waiting.entry(client).or_default();
        waiting.last = waiting.last.max(last);
        waiting.operations.insert(nonce, Waits { operation, until });
        self.bounded.extend(until.map(|until| (until, client, nonce)));
        self.len += 1;
        self.refresh(client);
        true
    }

    fn known(&mut self, client: ClientId, nonce: Nonce) -> Option<&mut Waits> {
        self.waiting.get_mut(&client)?.operations.get_mut(&nonce)
    }

    /// Returns how many wait for a block alone.
    pub(crate) fn bounded(&self) -> usize {
        self.bounded.len()
    }

    /// Forgets until which block a place's operation waited.
    fn unbind(&mut self, client: ClientId, nonce: Nonce, until: Option<Seq>) {
        if let Some(until) = until {
            self.bounded.remove(&(until, client, nonce));
        }
    }

    /// Drops the most distant operation of the client that holds most; false if nobody holds more
    /// than one.
    ///
    /// A client's next operation always finds room this way: clients with long queues, or with gaps
    /// that nothing can execute, cannot shut others out.
    fn make_room(&mut self) -> bool {
        let heaviest = self.waiting.iter_mut().max_by_key(|(_, waiting)| waiting.operations.len());
        let heaviest = heaviest.filter(|(_, waiting)| waiting.operations.len() > 1);
        let Some((client, dropped)) =
            heaviest.and_then(|(client, waiting)| Some((*client, waiting.operations.pop_last()?)))
        else {
            return false;
        };
        self.unbind(client, dropped.0, dropped.1.until);
        self.len -= 1;
        true
    }

    /// Whether exactly this operation waits because the application brought it, so that it needs no
    /// verdict. One that is known from a proposal needs another for the next: the application keeps
    /// what is behind it for one block.
    pub(crate) fn is_brought(&self, operation: &Operation) -> bool {
        self.waiting
            .get(&operation.client)
            .and_then(|waiting| waiting.operations.get(&operation.nonce))
            .is_some_and(|known| known.operation == *operation && known.until.is_none())
    }

    /// Drops what a client has executed up to `last`; its next operation queues up anew.
    pub(crate) fn executed(&mut self, client: ClientId, last: Nonce) {
        let Some(waiting) = self.waiting.get_mut(&client) else { return };
        waiting.last = waiting.last.max(last);
        let rest = waiting.operations.split_off(&waiting.last.next());
        let done = std::mem::replace(&mut waiting.operations, rest);
        if let Some(ticket) = waiting.ticket.take() {
            self.ready.remove(&ticket);
        }
        self.len -= done.len();
        for (nonce, waits) in done {
            self.unbind(client, nonce, waits.until);
        }
        self.refresh(client);
    }

    /// Drops what waited for blocks up to `executed` alone.
    pub(crate) fn expire(&mut self, executed: Seq) {
        let later = self.bounded.split_off(&(executed.next(), ClientId(0), Nonce::ZERO));
        for (_, client, nonce) in std::mem::replace(&mut self.bounded, later) {
            let Some(waiting) = self.waiting.get_mut(&client) else { continue };
            let known = waiting.operations.get(&nonce).and_then(|known| known.until);
            if known.is_none_or(|until| until > executed) {
                continue;
            }
            waiting.operations.remove(&nonce);
            self.len -= 1;
            if nonce == waiting.last.next()
                && let Some(ticket) = waiting.ticket.take()
            {
                self.ready.remove(&ticket);
            }
            self.refresh(client);
        }
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
                for (nonce, waits) in waiting.operations {
                    self.unbind(client, nonce, waits.until);
                }
            }
        }
    }

    /// Returns the place of the operation that has been executable for longest.
    pub(crate) fn oldest(&self) -> Option<(u64, &Operation)> {
        let (ticket, client) = self.ready.first_key_value()?;
        let waiting = self.waiting.get(client)?;
        Some((*ticket, &waiting.operations.get(&waiting.last.next())?.operation))
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
                let next = waiting.operations.get(nonce).filter(|_| batch.len() < max);
                batch.extend(next.map(|next| next.operation));
                next.is_some()
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
            assert!(pending.insert(operation(client, nonce), None, Nonce::ZERO, 100));
        }
        assert!(!pending.insert(operation(1, 1), None, Nonce::ZERO, 100), "known already");
        let all = pending.batch(10, |_| Nonce::ZERO);
        assert_eq!(positions(&all), [(1, 1), (2, 1), (1, 2), (1, 3)], "client 3 lacks its first");
        assert_eq!(positions(&pending.batch(2, |_| Nonce::ZERO)), [(1, 1), (2, 1)]);
        assert_eq!(positions(&pending.batch(9, |_| Nonce(1))), [(1, 2), (1, 3)]);
    }

    #[test]
    fn the_oldest_executable_operation_changes_only_by_execution() {
        let mut pending = Pending::default();
        pending.insert(operation(1, 2), None, Nonce::ZERO, 100);
        assert_eq!(pending.oldest(), None, "its predecessor is missing");
        pending.insert(operation(2, 1), None, Nonce::ZERO, 100);
        pending.insert(operation(1, 1), None, Nonce::ZERO, 100);
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
                let behind_a_gap = operation(client, nonce);
                assert!(pending.insert(behind_a_gap, None, Nonce::ZERO, 16));
            }
        }
        assert!(!pending.insert(operation(9, 2), None, Nonce::ZERO, 16), "full, and not its next");
        assert!(pending.insert(operation(9, 1), None, Nonce::ZERO, 16));
        assert_eq!(pending.len(), 16);
        assert_eq!(pending.oldest().unwrap().1.client, ClientId(9));
        assert!(!pending.is_brought(&operation(3, 5)), "the most distant of a longest queue");
    }

    #[test]
    fn limits_hold() {
        let mut pending = Pending::default();
        assert!(!pending.insert(operation(1, 5), None, Nonce(5), 100), "executed already");
        assert!(!pending.insert(operation(1, 2000), None, Nonce(5), 100), "too far ahead");
        assert!(pending.insert(operation(1, 6), None, Nonce(5), 1));
        assert!(!pending.insert(operation(2, 1), None, Nonce(0), 1), "full");
        pending.retain_clients(|_| false);
        assert_eq!((pending.len(), pending.oldest()), (0, None));
    }

    #[test]
    fn what_is_known_from_a_proposal_waits_for_its_block_alone() {
        let mut pending = Pending::default();
        let proposed = |nonce| operation(1, nonce);
        assert!(pending.insert(proposed(1), Some(Seq(3)), Nonce::ZERO, 100));
        assert!(pending.insert(proposed(3), Some(Seq(3)), Nonce::ZERO, 100), "behind a gap");
        assert!(!pending.is_brought(&proposed(1)), "every proposal asks for a verdict on it");
        pending.insert(proposed(3), Some(Seq(5)), Nonce::ZERO, 100);
        pending.expire(Seq(2));
        assert_eq!((pending.len(), pending.oldest()), (2, Some((0, &proposed(1)))));
        pending.expire(Seq(3));
        assert_eq!((pending.len(), pending.oldest()), (1, None), "3 was proposed for block 5 too");
        pending.expire(Seq(9));
        assert_eq!((pending.len(), pending.bounded.len()), (0, 0));
        assert!(pending.insert(proposed(1), None, Nonce::ZERO, 100), "its place is free again");
        assert_eq!(pending.oldest(), Some((1, &proposed(1))));
    }

    #[test]
    fn of_what_waits_for_blocks_nothing_is_remembered_that_does_not_wait_any_more() {
        let mut pending = Pending::default();
        for until in 1..=9 {
            pending.insert(operation(1, 1), Some(Seq(until)), Nonce::ZERO, 8);
            pending.insert(operation(2, until), Some(Seq(90)), Nonce::ZERO, 8);
        }
        assert_eq!((pending.len(), pending.bounded()), (8, 8), "full");
        assert!(pending.insert(operation(3, 1), Some(Seq(90)), Nonce::ZERO, 8), "in place of one");
        assert_eq!((pending.len(), pending.bounded()), (8, 8));
        pending.insert(operation(1, 1), None, Nonce::ZERO, 8);
        assert_eq!((pending.len(), pending.bounded()), (8, 7));
        pending.executed(ClientId(2), Nonce(4));
        assert_eq!((pending.len(), pending.bounded()), (4, 3));
        pending.retain_clients(|client| client == ClientId(1));
        assert_eq!((pending.len(), pending.bounded()), (1, 0));
    }

    #[test]
    fn what_the_application_brings_outlasts_every_block() {
        let mut pending = Pending::default();
        let (first, second) = (operation(1, 1), operation(1, 2));
        pending.insert(first, Some(Seq(1)), Nonce::ZERO, 100);
        pending.insert(first, None, Nonce::ZERO, 100);
        pending.insert(second, None, Nonce::ZERO, 100);
        pending.insert(second, Some(Seq(1)), Nonce::ZERO, 100);
        let other = Operation { payload: Digest::from_u64(1), ..first };
        pending.insert(other, Some(Seq(9)), Nonce::ZERO, 100);
        pending.expire(Seq(9));
        assert!(pending.is_brought(&first) && pending.is_brought(&second));
        assert!(!pending.is_brought(&other), "its place is taken");
        assert_eq!(pending.len(), 2);
    }
}
