//! One file for each kind of message and event.

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

pub(crate) use prepare::ballot;

use crate::crypto::Scheme;
use crate::message::{Body, Message};
use crate::replica::{Place, Replica};
use crate::slot::Cast;

impl<S: Scheme> Replica<S> {
    /// Takes a message from the network: drops what is useless, checks the signature, keeps what is early.
    pub(crate) fn on_message(&mut self, message: Arc<Message>) {
        if message.sender == self.id() || self.is_useless(&message) || !self.is_signed(&message) {
            return;
        }
        let early = message.epoch > self.epoch()
            && !matches!(message.body, Body::Fetch(_) | Body::State(_) | Body::Status(_));
        if early {
            self.stash.put(message);
        } else {
            self.dispatch(message);
        }
    }

    /// Hands a verified message of this epoch to its handler.
    pub(crate) fn dispatch(&mut self, message: Arc<Message>) {
        match &message.body {
            Body::PrePrepare(_) => self.on_pre_prepare(message),
            Body::Prepare(_) => self.on_prepare(message),
            Body::Commit(_) => self.on_commit(message),
            Body::Checkpoint(_) => self.on_checkpoint(&message),
            Body::ViewChange(_) => self.on_view_change(&message),
            Body::NewView(_) => self.on_new_view(&message),
            Body::Fetch(fetch) => self.on_fetch(message.sender, *fetch),
            Body::State(state) => self.on_state(message.sender, &Arc::clone(state)),
            Body::Status(status) => self.on_status(message.sender, message.epoch, *status),
        }
    }

    /// Handles messages that were too early, now that the view, window or epoch moved.
    pub(crate) fn unstash(&mut self) {
        for message in self.stash.drain() {
            if message.epoch > self.epoch() {
                self.stash.put(message);
            } else if message.epoch == self.epoch() && !self.is_useless(&message) {
                self.dispatch(message);
            }
        }
    }

    /// Whether a message can be dropped without checking its signature: known, outdated, or of no use any more.
    fn is_useless(&self, message: &Message) -> bool {
        let known_epochs = self.epoch()..=self.epoch().next();
        match &message.body {
            Body::Fetch(_) | Body::State(_) | Body::Status(_) => return false,
            _ if !known_epochs.contains(&message.epoch) || self.stash.contains(message) => {
                return true;
            }
            _ if message.epoch > self.epoch() => return false,
            _ => {}
        }
        match &message.body {
            Body::PrePrepare(body) => {
                let same = |digest| digest == body.digest;
                !matches!(self.place(body.view, body.seq), Place::Here | Place::Later)
                    || self
                        .slots
                        .get(&body.seq)
                        .and_then(|slot| slot.assigned_in(body.view))
                        .is_some_and(|assigned| same(assigned.digest))
            }
            Body::Prepare(vote) => {
                let slot = self.slots.get(&vote.seq);
                let done =
                    slot.and_then(|slot| slot.prepared.as_ref()).is_some_and(|(claim, _)| {
                        (claim.view, claim.digest) == (vote.view, vote.digest)
                    });
                let cast =
                    slot.map(|slot| slot.prepares.probe(message.sender, vote.view, vote.digest));
                let here = matches!(self.place(vote.view, vote.seq), Place::Here | Place::Later);
                !here || done || cast == Some(Cast::Known)
            }
            Body::Commit(vote) => self.is_useless_commit(message.sender, vote),
            Body::Checkpoint(vote) => {
                vote.seq <= self.stable.seq || self.knows_checkpoint(message.sender, vote)
            }
            Body::ViewChange(body) => self.knows_view_change(message.sender, body.summary.view),
            Body::NewView(body) => {
                body.view < self.view() || (body.view == self.view() && self.is_active())
            }
            Body::Fetch(_) | Body::State(_) | Body::Status(_) => false,
        }
    }

    /// Checks the signature against the validators of the message's epoch.
    ///
    /// Fetch, State and Status may come from validators of any known epoch: who joins or left must be able to follow.
    fn is_signed(&mut self, message: &Message) -> bool {
        let statement = message.statement::<S>(&self.genesis.message_domain());
        let hash = self.hashes.of::<S>(self.genesis.chain, &statement);
        let verified = |committee: &crate::certificate::Committee<S>| {
            committee.verify(message.sender, &hash, &message.signature).is_ok()
        };
        let committees = &self.committees;
        match &message.body {
            Body::Fetch(_) | Body::State(_) | Body::Status(_) => {
                [Some(&committees.current), Some(&committees.next), committees.previous.as_ref()]
                    .into_iter()
                    .flatten()
                    .find(|committee| committee.key(message.sender).is_some())
                    .is_some_and(|committee| verified(committee))
            }
            _ if message.epoch == self.epoch() => verified(&committees.current),
            _ if message.epoch == self.epoch().next() => verified(&committees.next),
            _ => false,
        }
    }
}
