//! Floods: what is dear to receive and cheap to send.

use std::sync::Arc;

use ciro_consensus::crypto::{Scheme, Signature};
use ciro_consensus::message::{
    Body, Claim, Fetch, Message, MessageDomain, PrePrepare, State, Status, Summary, ViewChange,
    Vote,
};
use ciro_consensus::{
    Certificate, ClientId, Digest, Epoch, Nonce, Operation, Proposal, ReplicaId, Seq, View,
};

use crate::byzantine::{Outgoing, Target};
use crate::plan::key_of;
use crate::rng::Rng;
use crate::scheme::Keyed;

/// Messages of one burst.
const BURST: usize = 24;

/// Who floods the others.
#[derive(Clone, Debug)]
pub(crate) struct Flooder {
    id: ReplicaId,
    domain: MessageDomain,
    rng: Rng,
}

impl Flooder {
    pub(crate) const fn new(id: ReplicaId, domain: MessageDomain, rng: Rng) -> Self {
        Self { id, domain, rng }
    }

    /// Returns a burst of messages, each signed and well formed, none of use.
    pub(crate) fn burst(&mut self, (epoch, view, executed): (Epoch, View, Seq)) -> Vec<Outgoing> {
        let kind = self.rng.below(7);
        (0..BURST).map(|_| self.one(kind, epoch, view, executed)).collect()
    }

    fn one(&mut self, kind: u64, epoch: Epoch, view: View, executed: Seq) -> Outgoing {
        let digest = Keyed::hash(&[Digest::from_u64(self.rng.bits())]);
        let seq = executed.plus(1 + self.rng.below(8));
        let far = View(view.0.saturating_add(1 + self.rng.below(12)));
        let body = match kind {
            0 => Body::ViewChange(Arc::new(Self::view_change(far, executed, digest))),
            1 => Body::PrePrepare(self.proposal(far, seq)),
            2 => Body::Fetch(Fetch::Blocks { from: Seq(1 + self.rng.below(executed.0 + 1)) }),
            3 => Body::Fetch(Fetch::Snapshot { epoch: Epoch::ZERO, from: Seq(1) }),
            4 => {
                let proposal = Arc::clone(&self.proposal(view, seq).proposal);
                Body::State(Arc::new(State::Proposal { seq, proposal }))
            }
            5 => Body::Status(Status { view: far, active: true, executed, stable: Seq::ZERO }),
            _ => Body::Prepare(Vote { view: far, seq, digest }),
        };
        // Half of it comes in others' names.
        let message = if self.rng.chance(500) {
            let key = key_of(self.id);
            let signed = Message::sign::<Keyed>((self.id, &key), &self.domain, epoch, body);
            signed.expect("a keyed hash signs everything")
        } else {
            let sender = ReplicaId(u32::try_from(self.rng.below(8)).unwrap_or(0));
            Message { sender, epoch, signature: Signature { r: [2; 32], s: [1; 32] }, body }
        };
        Outgoing::now(Target::All, Arc::new(message))
    }

    /// As many claims as a window holds, each with a certificate that proves nothing.
    fn view_change(view: View, stable_seq: Seq, digest: Digest) -> ViewChange {
        let claims: Vec<Claim> =
            (1..=4).map(|n| Claim { seq: stable_seq.plus(n), view: View::ZERO, digest }).collect();
        let prepared = vec![Certificate::default(); claims.len()];
        let summary = Summary { view, stable_seq, stable_digest: digest, claims };
        ViewChange { summary, checkpoint: Some(Certificate::default()), prepared }
    }

    fn proposal(&mut self, view: View, seq: Seq) -> PrePrepare {
        let operation = |rng: &mut Rng| Operation {
            client: ClientId(rng.below(20)),
            nonce: Nonce(1 + rng.below(1000)),
            payload: Digest::from_u64(rng.bits()),
        };
        let operations = vec![operation(&mut self.rng)];
        let proposal = Proposal { view, operations, ..Proposal::null() };
        let digest = proposal.digest::<Keyed>();
        PrePrepare { view, seq, digest, proposal: Arc::new(proposal) }
    }
}
