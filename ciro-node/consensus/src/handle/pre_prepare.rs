//! Proposals (PBFT §4.2, pre-prepare).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::block::{Content, Operation, Proposal};
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::io::Effect;
use crate::message::{Body, Message, PrePrepare};
use crate::mutation::Mutation;
use crate::record::{Accepted, Record};
use crate::replica::{Place, Replica};
use crate::slot::{Assigned, Origin, Validity};
use crate::types::{Digest, Seq};

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_pre_prepare(&mut self, message: Arc<Message>) -> Result<(), Dropped> {
        let Body::PrePrepare(body) = &message.body else { return Err(Dropped::Shape) };
        match self.place(body.view, body.seq) {
            Place::Later => self.stash.put(message),
            Place::Here => self.consider(&message, body),
            Place::OldView => Err(Dropped::OldView),
            Place::Outside => Err(Dropped::Outside),
        }
    }

    /// Accepts a proposal of the active view if it is its sender's turn and nothing else was
    /// accepted.
    fn consider(&mut self, message: &Message, body: &PrePrepare) -> Result<(), Dropped> {
        let slot = self.slots.get(&body.seq);
        if let Some(assigned) = slot.and_then(|slot| slot.assigned_in(body.view)) {
            // PBFT §4.2: a backup accepts one proposal for each view and number. A second one is
            // rule E1.
            if let Origin::Proposed { proposer, signature } = assigned.origin
                && proposer == message.sender
                && assigned.digest != body.digest
            {
                self.accuse_double_sign(message, assigned.digest, signature);
                return Ok(());
            }
            return Err(Dropped::Known);
        }
        let due = self.proposer(body.seq);
        let anyone = due.is_some() && self.genesis.mutations.has(Mutation::AnyProposer);
        if due != Some(message.sender) && !anyone {
            return Err(Dropped::NotItsTurn);
        }
        let content = self.accepted_content(body).ok_or(Dropped::Unproven)?;
        self.append(Record::Accepted(Accepted {
            seq: body.seq,
            view: body.view,
            digest: body.digest,
            proposer: message.sender,
            signature: message.signature,
            proposal: Arc::clone(&body.proposal),
        }));
        self.assign_proposed(message, body.seq, (body.digest, content), &body.proposal);
        Ok(())
    }

    /// Returns the roots of a proposal if it is what an honest primary could have sent, apart from
    /// what only the application can judge.
    fn accepted_content(&self, body: &PrePrepare) -> Option<Content> {
        let Proposal { view, operations, evidence } = &*body.proposal;
        let params = &self.genesis.params;
        let distinct: BTreeSet<_> = operations.iter().map(|o| (o.client, o.nonce)).collect();
        // Only a NewView may propose nothing.
        let sized = !(operations.is_empty() && evidence.is_empty())
            && operations.len() <= params.operations_per_block
            && evidence.len() <= params.evidence_per_block;
        if *view != body.view || !sized || distinct.len() != operations.len() {
            return None;
        }
        let content = body.proposal.content::<S>();
        let mutations = self.genesis.mutations;
        let sound = (content.digest::<S>() == body.digest
            || mutations.has(Mutation::UncomparedContent))
            && (evidence.iter().all(|evidence| self.proves_fault(evidence))
                || mutations.has(Mutation::UnverifiedEvidence));
        sound.then_some(content)
    }

    /// Assigns a proposal to its number and agrees to it once its operations are known to be valid.
    pub(crate) fn assign_proposed(
        &mut self,
        message: &Message,
        seq: Seq,
        roots: (Digest, Content),
        proposal: &Arc<Proposal>,
    ) {
        let (digest, _) = roots;
        let unknown: Vec<Operation> = proposal
            .operations
            .iter()
            .filter(|operation| !self.pending.is_brought(operation))
            .copied()
            .collect();
        let validity = if unknown.is_empty() { Validity::Valid } else { Validity::Unknown };
        let (proposer, signature) = (message.sender, message.signature);
        let origin = Origin::Proposed { proposer, signature };
        let view = self.view();
        let slot = self.slot(seq);
        slot.assigned = Some(Assigned { view, digest, origin, validity });
        slot.roots = Some(roots);
        slot.contents.insert(digest, Arc::clone(proposal));
        slot.prune();
        self.note_in_flight(proposal);
        if !unknown.is_empty() {
            self.effects.push(Effect::Validate { seq, digest, operations: unknown });
        }
        self.advance(seq);
    }

    /// Takes the application's verdict on a proposal.
    pub(crate) fn on_verdict(&mut self, seq: Seq, digest: Digest, valid: bool) {
        let Some(slot) = self.slots.get_mut(&seq) else { return };
        let Some(assigned) = slot.assigned.as_mut().filter(|assigned| assigned.digest == digest)
        else {
            return;
        };
        if assigned.validity != Validity::Unknown {
            return;
        }
        if !valid && !self.genesis.mutations.has(Mutation::InvalidOperations) {
            // No vote follows; if operations wait, the progress timer replaces the primary.
            assigned.validity = Validity::Invalid;
            return;
        }
        assigned.validity = Validity::Valid;
        let Some(proposal) = slot.contents.get(&digest).cloned() else { return };
        // Its operations now wait here too: a primary that starts a block and never finishes it is
        // replaced. They wait for no more than that: once another block is executed in its place,
        // nobody has to keep what is behind them.
        if seq > self.tip.seq() {
            for operation in &proposal.operations {
                self.queue(*operation, Some(seq));
            }
        }
        self.advance(seq);
    }
}
