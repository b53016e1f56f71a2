//! Batching and proposing (PBFT §4.2 and §6.2).

use std::sync::Arc;

use super::{Phase, Replica};
use crate::block::Proposal;
use crate::crypto::Scheme;
use crate::evidence::Evidence;
use crate::io::Effect;
use crate::message::{Body, PrePrepare};
use crate::types::{ClientId, Nonce, Seq};

impl<S: Scheme> Replica<S> {
    /// Proposes blocks while it is this replica's turn and there is something to propose.
    ///
    /// The first block in flight takes whatever waits. Further ones wait until they are full: under
    /// load, batches grow by themselves and the pipeline stays busy.
    pub(crate) fn propose(&mut self) {
        while let Some(seq) = self.next_seq() {
            let in_flight = seq.0 - self.tip.seq().0 - 1;
            let mine = self.proposer(seq) == Some(self.identity.id);
            let room = in_flight < self.params().pipeline_depth && seq <= self.high_watermark();
            if !mine || !room || !self.is_validator() {
                return;
            }
            let Some(proposal) = self.next_proposal(in_flight > 0) else { return };
            if !self.pre_prepare(seq, proposal) {
                return;
            }
        }
    }

    /// Takes the next batch; with `only_full`, nothing unless the block would be full.
    fn next_proposal(&self, only_full: bool) -> Option<Proposal> {
        let max = self.params().operations_per_block;
        if only_full && self.pending.len() < max {
            return None;
        }
        let operations = self.pending.batch(max, |client| self.last_proposed(client));
        if only_full && operations.len() < max {
            return None;
        }
        let evidence = self.next_evidence();
        let empty = operations.is_empty() && evidence.is_empty();
        (!empty).then_some(Proposal { view: self.view, operations, evidence })
    }

    /// Hands the proposer what waits here and is not proposed.
    pub(crate) fn relay_operations(&mut self) {
        let proposer = self.next_seq().and_then(|seq| self.proposer(seq));
        let Some(to) = proposer.filter(|proposer| *proposer != self.identity.id) else { return };
        let max = self.params().operations_per_block;
        let operations = self.pending.batch(max, |client| self.last_proposed(client));
        if !operations.is_empty() {
            self.effects.push(Effect::Relay { to, operations });
        }
    }

    fn next_evidence(&self) -> Vec<Evidence> {
        let proposed = |key: &_| {
            self.slots.range(self.tip.seq().next()..).any(|(_, slot)| {
                let assigned = slot.assigned_in(self.view);
                let content = assigned.and_then(|assigned| slot.contents.get(&assigned.digest));
                content.is_some_and(|proposal| {
                    proposal.evidence.iter().any(|e| e.fault() == Some(*key))
                })
            })
        };
        let waiting = self.evidence.iter().filter(|(key, _)| !proposed(key));
        waiting.map(|(_, e)| e.clone()).take(self.params().evidence_per_block).collect()
    }

    /// Sends a PrePrepare and agrees to it; false if it could not be signed.
    fn pre_prepare(&mut self, seq: Seq, proposal: Proposal) -> bool {
        let proposal = Arc::new(proposal);
        let content = proposal.content::<S>();
        let digest = content.digest::<S>();
        let view = self.view;
        let body = PrePrepare { view, seq, digest, proposal: Arc::clone(&proposal) };
        let Some(message) = self.say(Body::PrePrepare(body)) else { return false };
        self.slot(seq).own.insert(message.body.kind(), Arc::clone(&message));
        self.assign_proposed(&message, seq, (digest, content), &proposal);
        true
    }

    /// Notes what a proposal takes from each client, so that the next one starts behind it.
    ///
    /// An operation that execution will skip takes nothing: a gap must not keep its client waiting.
    pub(crate) fn note_in_flight(&mut self, proposal: &Proposal) {
        for operation in &proposal.operations {
            let last = self.last_proposed(operation.client);
            if operation.nonce == last.next() {
                self.in_flight.insert(operation.client, operation.nonce);
            }
        }
    }

    /// Returns the client's last operation that is executed or proposed.
    fn last_proposed(&self, client: ClientId) -> Nonce {
        let executed = self.tip.clients.get(&client).copied().unwrap_or_default();
        self.in_flight.get(&client).map_or(executed, |proposed| executed.max(*proposed))
    }

    /// Recounts what is proposed but not executed, after execution and when another view begins.
    pub(crate) fn recount_in_flight(&mut self) {
        self.in_flight.clear();
        if !matches!(self.phase, Phase::Active(_)) {
            return;
        }
        let view = self.view;
        let open = self.slots.range(self.tip.seq().next()..).filter_map(|(_, slot)| {
            let digest = slot
                .committed
                .as_ref()
                .map(|(digest, _)| *digest)
                .or_else(|| slot.assigned_in(view).map(|assigned| assigned.digest))?;
            slot.contents.get(&digest).cloned()
        });
        let open: Vec<Arc<Proposal>> = open.collect();
        for proposal in open {
            self.note_in_flight(&proposal);
        }
    }
}
