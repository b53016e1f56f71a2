//! Messages that came too early.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drops::Dropped;
use crate::message::{Body, Message};
use crate::statement::Kind;
use crate::types::{Epoch, ReplicaId, Seq, View};

/// Bytes of early messages kept for each sender. What finds no room comes back by re-sending.
pub(crate) const STASH_BYTES: usize = 8 << 20;

/// Verified messages of views, epochs and blocks that this replica has not reached.
///
/// Bounded for each sender, so that none can crowd out another: one message for each (kind, view,
/// seq), one ViewChange and one NewView for an epoch, at most `per_sender` messages and
/// [`STASH_BYTES`] of them.
#[derive(Clone, Debug)]
pub(crate) struct Stash {
    by_sender: BTreeMap<ReplicaId, Kept>,
    per_sender: usize,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    messages: BTreeMap<Key, Arc<Message>>,
    bytes: usize,
}

type Key = (Epoch, Kind, View, Seq);

impl Stash {
    pub(crate) const fn new(per_sender: usize) -> Self {
        Self { by_sender: BTreeMap::new(), per_sender }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_sender.values().map(|kept| kept.messages.len()).sum()
    }

    /// Returns the bytes of all messages kept.
    pub(crate) fn bytes(&self) -> usize {
        self.by_sender.values().map(|kept| kept.bytes).sum()
    }

    /// Keeps a message for later.
    pub(crate) fn put(&mut self, message: Arc<Message>) -> Result<(), Dropped> {
        self.has_room(&message)?;
        let Some(key) = key(&message) else { return Err(Dropped::OldEpoch) };
        let kept = self.by_sender.entry(message.sender).or_default();
        kept.bytes += message.weight();
        kept.messages.insert(key, message);
        Ok(())
    }

    /// Whether a message of this size at this place would be kept.
    pub(crate) fn has_room(&self, message: &Message) -> Result<(), Dropped> {
        let Some(key) = key(message) else { return Err(Dropped::OldEpoch) };
        let Some(kept) = self.by_sender.get(&message.sender) else {
            return if message.weight() <= STASH_BYTES { Ok(()) } else { Err(Dropped::NoRoom) };
        };
        if kept.messages.contains_key(&key) {
            return Err(Dropped::Known);
        }
        let room =
            kept.messages.len() < self.per_sender && kept.bytes + message.weight() <= STASH_BYTES;
        if room { Ok(()) } else { Err(Dropped::NoRoom) }
    }

    /// Takes everything out, in order.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Message>> {
        let kept = std::mem::take(&mut self.by_sender).into_values();
        kept.flat_map(|kept| kept.messages.into_values()).collect()
    }
}

/// Returns where a message belongs, for kinds that may be too early.
fn key(message: &Message) -> Option<Key> {
    let (view, seq) = match &message.body {
        Body::PrePrepare(body) => (body.view, body.seq),
        Body::Prepare(vote) | Body::Commit(vote) => (vote.view, vote.seq),
        Body::Checkpoint(vote) => (View::ZERO, vote.seq),
        Body::ViewChange(_) | Body::NewView(_) => (View::ZERO, Seq::ZERO),
        Body::Fetch(_) | Body::State(_) | Body::Status(_) => return None,
    };
    Some((message.epoch, message.body.kind(), view, seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Operation, Proposal};
    use crate::crypto::Signature;
    use crate::message::PrePrepare;
    use crate::types::{ClientId, Digest, Nonce};

    fn proposal(view: u64, operations: usize) -> Arc<Message> {
        let operation = Operation { client: ClientId(1), nonce: Nonce(1), payload: Digest::ZERO };
        let content = Proposal { operations: vec![operation; operations], ..Proposal::null() };
        let body = PrePrepare {
            view: View(view),
            seq: Seq(1),
            digest: Digest::ZERO,
            proposal: Arc::new(content),
        };
        let signature = Signature { r: [1; 32], s: [1; 32] };
        let (sender, epoch) = (ReplicaId(1), Epoch(0));
        Arc::new(Message { sender, epoch, signature, body: Body::PrePrepare(body) })
    }

    #[test]
    fn a_sender_fills_its_own_share_and_no_more() {
        let mut stash = Stash::new(1000);
        let kept = (0..1000).filter(|view| stash.put(proposal(*view, 4000)).is_ok()).count();
        assert!((30..60).contains(&kept), "{kept} messages of 192 kB");
        assert!(stash.bytes() <= STASH_BYTES);
        assert_eq!(stash.put(proposal(0, 1)), Err(Dropped::Known));
        assert_eq!(stash.drain().len(), kept);
        assert_eq!((stash.len(), stash.bytes()), (0, 0));
    }
}
