//! One file for each kind of message and event.

mod admission;
mod checkpoint;
mod commit;
mod fetch;
mod new_view;
mod operation;
mod pre_prepare;
mod prepare;
mod state;
mod status;
mod timeout;
mod view_change;

use std::sync::Arc;

use admission::Keys;
pub(crate) use prepare::ballot;

use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::message::{Body, Message};
use crate::replica::Replica;
use crate::types::ReplicaId;

impl<S: Scheme> Replica<S> {
    /// Takes a message that `peer` brought: drops what is useless, checks the signature, keeps what
    /// is early.
    pub(crate) fn on_message(&mut self, peer: ReplicaId, message: Arc<Message>) {
        if let Err(reason) = self.receive(peer, message) {
            self.drops.count(reason);
        }
    }

    /// Everything that costs nothing comes before the first hash, and the first hash before the
    /// first signature.
    fn receive(&mut self, peer: ReplicaId, message: Arc<Message>) -> Result<(), Dropped> {
        if message.sender == self.id() {
            return Err(Dropped::Own);
        }
        self.admit(peer, &message)?;
        let keys = self.keys_of(&message)?;
        self.is_useful(&message)?;
        if let Keys::Committee(committee) = &keys {
            self.is_shaped(&message, committee.set())?;
        }
        self.charge(peer, &message);
        if !self.is_signed(&message, &keys) {
            self.waste(peer, &message);
            return Err(Dropped::Signature);
        }
        if message.epoch > self.epoch() && !message.body.kind().is_personal() {
            return self.stash.put(message);
        }
        let dispatched = self.dispatch(peer, Arc::clone(&message));
        if dispatched == Err(Dropped::Unproven) {
            self.waste(peer, &message);
        }
        dispatched
    }

    /// Hands a verified message of this epoch to its handler.
    pub(crate) fn dispatch(
        &mut self,
        peer: ReplicaId,
        message: Arc<Message>,
    ) -> Result<(), Dropped> {
        match &message.body {
            Body::PrePrepare(_) => self.on_pre_prepare(message),
            Body::Prepare(_) => self.on_prepare(message),
            Body::Commit(_) => self.on_commit(message),
            Body::Checkpoint(_) => self.on_checkpoint(&message),
            Body::ViewChange(_) => self.on_view_change(&message),
            Body::NewView(_) => self.on_new_view(&message),
            Body::Fetch(fetch) => self.on_fetch(peer, *fetch),
            Body::State(state) => self.on_state(peer, &Arc::clone(state)),
            Body::Status(status) => {
                self.on_status(peer, message.epoch, *status);
                Ok(())
            }
        }
    }

    /// Handles messages that were too early, now that the view, window or epoch moved.
    pub(crate) fn unstash(&mut self) {
        for message in self.stash.drain() {
            let sender = message.sender;
            let handled = if message.epoch > self.epoch() {
                self.stash.put(message)
            } else if message.epoch == self.epoch() {
                self.is_useful(&message).and_then(|()| self.dispatch(sender, message))
            } else {
                Err(Dropped::OldEpoch)
            };
            if let Err(reason) = handled {
                self.drops.count(reason);
            }
        }
    }
}
