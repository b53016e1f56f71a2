//! Messages that came too early.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::message::{Body, Message};
use crate::statement::Kind;
use crate::types::{Epoch, ReplicaId, Seq, View};

/// Verified messages of views, epochs and blocks that this replica has not reached.
///
/// Bounded for each sender, so that none can crowd out another: one message for each (kind, view, seq), and at most
/// `per_sender` of them; further ones are dropped and come back by re-sending.
#[derive(Clone, Debug)]
pub(crate) struct Stash {
    by_sender: BTreeMap<ReplicaId, BTreeMap<Key, Arc<Message>>>,
    per_sender: usize,
}

type Key = (Epoch, Kind, View, Seq);

impl Stash {
    pub(crate) const fn new(per_sender: usize) -> Self {
        Self { by_sender: BTreeMap::new(), per_sender }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_sender.values().map(BTreeMap::len).sum()
    }

    /// Keeps a message for later.
    pub(crate) fn put(&mut self, message: Arc<Message>) {
        let Some((view, seq)) = position(&message.body) else { return };
        let key = (message.epoch, message.body.kind(), view, seq);
        let messages = self.by_sender.entry(message.sender).or_default();
        if messages.len() < self.per_sender {
            messages.entry(key).or_insert(message);
        }
    }

    /// Whether an equal message is kept.
    pub(crate) fn contains(&self, message: &Message) -> bool {
        position(&message.body).is_some_and(|(view, seq)| {
            let key = (message.epoch, message.body.kind(), view, seq);
            let kept = self.by_sender.get(&message.sender).and_then(|kept| kept.get(&key));
            kept.is_some_and(|kept| **kept == *message)
        })
    }

    /// Takes everything out, in order.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Message>> {
        std::mem::take(&mut self.by_sender).into_values().flat_map(BTreeMap::into_values).collect()
    }
}

/// Returns where a message belongs, for kinds that may be too early.
fn position(body: &Body) -> Option<(View, Seq)> {
    match body {
        Body::PrePrepare(body) => Some((body.view, body.seq)),
        Body::Prepare(vote) | Body::Commit(vote) => Some((vote.view, vote.seq)),
        Body::Checkpoint(vote) => Some((View::ZERO, vote.seq)),
        Body::ViewChange(body) => Some((body.summary.view, Seq::ZERO)),
        Body::NewView(body) => Some((body.view, Seq::ZERO)),
        Body::Fetch(_) | Body::State(_) | Body::Status(_) => None,
    }
}
