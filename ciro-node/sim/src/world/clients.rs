//! Clients: they submit, wait, and submit again until something is executed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ciro_consensus::{Block, ClientId, Nonce, Operation, Tally};

use super::{Event, World};
use crate::app::payload;
use crate::node::Node;
use crate::oracle::Violation;
use crate::plan::{MILLISECOND, Micros};

/// What one client has going.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    /// Its last operation.
    pub(super) submitted: Nonce,
    /// When each open operation was first submitted, and who executed it.
    open: BTreeMap<Nonce, Open>,
}

#[derive(Clone, Debug)]
struct Open {
    since: Micros,
    executed_by: Tally,
}

impl World {
    /// Submits a client's next operation, or its open ones again.
    pub(super) fn client(&mut self, index: usize) {
        let limit = usize::try_from(self.plan.clients.open).unwrap_or(usize::MAX);
        self.forget_answered(index);
        let nonces: Vec<Nonce> = self.clients[index].open.keys().copied().collect();
        for nonce in nonces {
            self.submit(index, nonce);
        }
        if self.is_submitting() && self.clients[index].open.len() < limit {
            let client = &mut self.clients[index];
            client.submitted = client.submitted.next();
            let nonce = client.submitted;
            let open = Open { since: self.now, executed_by: Tally::default() };
            client.open.insert(nonce, open);
            self.submit(index, nonce);
        }
        if self.is_submitting() || !self.clients[index].open.is_empty() {
            let think = self.rng.between(MILLISECOND, self.plan.clients.think);
            self.push(self.now + think, Event::Client { client: index });
        }
        self.check_done();
    }

    /// Forgets operations that replicas know from a state they fetched, so that none of them will
    /// ever answer.
    fn forget_answered(&mut self, index: usize) {
        let client = ClientId(u64::try_from(index).unwrap_or(u64::MAX));
        let set = self.genesis.committee.set();
        let nodes = &self.nodes;
        self.clients[index].open.retain(|nonce, _| {
            let knows = |node: &&Node| {
                node.is_honest() && node.app.state().clients.get(&client) >= Some(nonce)
            };
            let knowing = set.tally(nodes.iter().filter(knows).map(|node| node.id));
            !set.is_weak_quorum(&knowing)
        });
    }

    /// Sends an operation to all replicas; some may not get it.
    fn submit(&mut self, index: usize, nonce: Nonce) {
        let client = ClientId(u64::try_from(index).unwrap_or(u64::MAX));
        let last = client.0 + 1 == self.plan.clients.count;
        for to in 0..self.nodes.len() {
            if self.rng.chance(self.plan.network.loss) {
                continue;
            }
            let variant = u64::from(last && self.plan.clients.equivocates && self.rng.chance(300));
            let operation = Operation { client, nonce, payload: payload(client, nonce, variant) };
            let network = self.plan.network;
            let at = self.now + self.rng.between(network.delay_min, network.delay_max);
            self.push(at, Event::Operation { to, operation });
        }
    }

    /// Whether new operations are wanted: until every replica has its blocks and the network is
    /// whole.
    pub(super) fn is_submitting(&self) -> bool {
        self.now < self.plan.heal_at || !self.blocks_reached()
    }

    /// Whether every operation is executed.
    pub(super) fn all_answered(&self) -> bool {
        self.clients.iter().all(|client| client.open.is_empty())
    }

    /// Checks that an answer came in time: see
    /// [`Plan::progress_bound`](crate::Plan::progress_bound).
    fn answered(&mut self, (client, nonce): (ClientId, Nonce), since: Micros, now: Micros) {
        self.stats.answered(now - since);
        let waited = now - since.max(self.plan.heal_at).min(now);
        let bound = self.plan.progress_bound();
        self.stats.waited_after_healing(waited, bound);
        if waited > bound && !self.plan.expects_fork {
            self.oracle.violated(Violation::Slow { client, nonce, waited, bound });
        }
    }

    /// Notes what an honest node executed. An operation is answered once a weak quorum executed it
    /// (PBFT §4.1).
    pub(super) fn count_executed(&mut self, node: usize, block: &Block) {
        self.stats.executed(block.seq);
        let id = self.nodes[node].id;
        let committee = Arc::clone(&self.genesis.committee);
        let set = committee.set();
        for operation in &block.operations {
            let index = usize::try_from(operation.client.0).unwrap_or(usize::MAX);
            let Some(client) = self.clients.get_mut(index) else { continue };
            let Some(open) = client.open.get_mut(&operation.nonce) else { continue };
            set.add(&mut open.executed_by, id);
            if set.is_weak_quorum(&open.executed_by) {
                let (now, since) = (self.now, open.since);
                client.open.remove(&operation.nonce);
                self.answered((operation.client, operation.nonce), since, now);
            }
        }
    }
}
