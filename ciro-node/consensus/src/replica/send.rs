//! Signing, logging and sending.

use std::sync::Arc;

use super::{Phase, Replica};
use crate::crypto::Scheme;
use crate::io::Effect;
use crate::message::{Body, Message};
use crate::record::{Accepted, Base, Record};
use crate::slot::Origin;
use crate::types::{Epoch, ReplicaId, Seq};

impl<S: Scheme> Replica<S> {
    /// Signs a protocol message, logs it, sends it to all and returns it; `None` without a vote in
    /// this epoch.
    ///
    /// The record comes first: the message leaves only once it is durable, so that a restarted
    /// replica knows everything it ever said and never contradicts it.
    pub(crate) fn say(&mut self, body: Body) -> Option<Arc<Message>> {
        if !self.is_validator() {
            return None;
        }
        let message = self.sign(body)?;
        self.append(Record::Signed(Arc::clone(&message)));
        self.effects.push(Effect::Broadcast { message: Arc::clone(&message) });
        Some(message)
    }

    /// Signs and sends a message that binds nobody: Fetch, State or Status.
    pub(crate) fn tell(&mut self, to: ReplicaId, body: Body) {
        if let Some(message) = self.sign(body) {
            self.effects.push(Effect::Send { to, message });
        }
    }

    /// Signs a message. A hash that the scheme cannot sign, one in 2^54, is not said.
    pub(crate) fn sign(&self, body: Body) -> Option<Arc<Message>> {
        let identity = (self.identity.id, &self.identity.key);
        let domain = self.genesis.message_domain();
        Message::sign::<S>(identity, &domain, self.epoch, body).ok().map(Arc::new)
    }

    pub(crate) fn append(&mut self, record: Record) {
        self.effects.push(Effect::Append(Box::new(record)));
    }

    /// Replaces the log by what still matters. Only called while the state behind the stable
    /// checkpoint is held.
    pub(crate) fn compact(&mut self) {
        let Some(snapshot) = &self.stable_snapshot else { return };
        let base = Base {
            checkpoint: self.stable.clone(),
            snapshot: Arc::clone(snapshot),
            previous: self.committees.previous.as_ref().map(|set| Arc::clone(set.set())),
            proofs: self
                .proofs
                .last_key_value()
                .map(|(_, proof)| Arc::clone(proof))
                .into_iter()
                .collect(),
        };
        let mut records = vec![Record::Base(Box::new(base))];
        match &self.phase {
            Phase::Changing(own) => records.extend(own.iter().cloned().map(Record::Signed)),
            Phase::Active(active) => records.extend(active.new_view.iter().map(|signed| {
                let message = Arc::new(signed.clone().into_message());
                let own = message.sender == self.identity.id;
                if own { Record::Signed(message) } else { Record::NewView(message) }
            })),
        }
        for (seq, _) in self.slots.range(self.stable.seq.next()..) {
            self.compact_slot(*seq, &mut records);
        }
        let votes = self.checkpoints.values().filter_map(|votes| votes.own.clone());
        records.extend(votes.map(Record::Signed));
        self.effects.push(Effect::Compact(records));
        let keep_from = self.params().epoch_start(Epoch(self.epoch.0.saturating_sub(1)));
        self.effects.push(Effect::Stable { seq: self.stable.seq, keep_from });
    }

    fn compact_slot(&self, seq: Seq, records: &mut Vec<Record>) {
        let Some(slot) = self.slots.get(&seq) else { return };
        if let Some(assigned) = slot.assigned
            && let Origin::Proposed { proposer, signature } = assigned.origin
            && proposer != self.identity.id
            && let Some(proposal) = slot.contents.get(&assigned.digest)
        {
            let (view, digest, proposal) = (assigned.view, assigned.digest, Arc::clone(proposal));
            records.push(Record::Accepted(Accepted {
                seq,
                view,
                digest,
                proposer,
                signature,
                proposal,
            }));
        }
        for (digest, proposal) in &slot.contents {
            if slot.assigned.is_none_or(|assigned| {
                assigned.digest != *digest || assigned.origin == Origin::NewView
            }) {
                records.push(Record::Content { seq, proposal: Arc::clone(proposal) });
            }
        }
        if let Some((claim, certificate)) = &slot.prepared {
            records.push(Record::Prepared { claim: *claim, certificate: certificate.clone() });
        }
        records.extend(slot.committed.iter().map(|(_, block)| Record::Committed(block.clone())));
        records.extend(slot.own.values().cloned().map(Record::Signed));
    }
}
