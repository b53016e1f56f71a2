//! What is looked at before anything is hashed: membership, turns, use, sizes.

use std::sync::Arc;

use crate::certificate::{Certificate, Committee};
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::evidence::Rule;
use crate::message::{Body, Message, NewView, PrePrepare, ViewChange, Vote};
use crate::mutation::Mutation;
use crate::replica::{Phase, Place, Replica, Standing};
use crate::slot::{Cast, Origin};
use crate::stake::ValidatorSet;
use crate::types::{ReplicaId, Seq, View};

/// Views ahead of the own one whose votes and proposals are kept; a replica further behind asks for
/// the NewView first.
const VIEWS_AHEAD: u64 = 8;

/// What the signature of a message is checked under.
#[derive(Clone, Debug)]
pub(super) enum Keys<S: Scheme> {
    /// Those of a validator set that the sender belongs to.
    Committee(Arc<Committee<S>>),
    /// That of an observer.
    Observer(S::VerifyingKey),
}

impl<S: Scheme> Replica<S> {
    /// Returns what a message is checked under.
    ///
    /// Fetch, State and Status may come from validators of any known epoch, and from observers: who
    /// joins or left must be able to follow.
    pub(super) fn keys_of(&self, message: &Message) -> Result<Keys<S>, Dropped> {
        let sender = message.sender;
        if message.body.kind().is_personal() && self.standing(sender) == Some(Standing::Observer) {
            let key = self.audience.key(sender).cloned();
            return key.map(Keys::Observer).ok_or(Dropped::Stranger);
        }
        self.committee_of(message).map(Keys::Committee)
    }

    fn committee_of(&self, message: &Message) -> Result<Arc<Committee<S>>, Dropped> {
        let committees = &self.committees;
        let member = |committee: &&Arc<Committee<S>>| committee.key(message.sender).is_some();
        let (current, next) = (&committees.current, &committees.next);
        let found = if message.body.kind().is_personal() {
            let known = [Some(current), Some(next), committees.previous.as_ref()];
            known.into_iter().flatten().find(member)
        } else if message.epoch == self.epoch() {
            Some(current).filter(member)
        } else if message.epoch == self.epoch().next() {
            Some(next).filter(member)
        } else if message.epoch < self.epoch() {
            return Err(Dropped::OldEpoch);
        } else {
            return Err(Dropped::FarAhead);
        };
        found.map(Arc::clone).ok_or(Dropped::Stranger)
    }

    /// Whether a message can still change anything.
    pub(super) fn is_useful(&self, message: &Message) -> Result<(), Dropped> {
        if message.body.kind().is_personal() {
            return Ok(());
        }
        if message.epoch > self.epoch() {
            let leads = match &message.body {
                Body::NewView(body) => {
                    self.committees.next.set().leader(message.epoch, body.view) == message.sender
                }
                _ => true,
            };
            return if leads { self.stash.has_room(message) } else { Err(Dropped::NotItsTurn) };
        }
        match &message.body {
            Body::PrePrepare(body) => self.is_useful_proposal(message, body),
            Body::Prepare(vote) => self.is_useful_prepare(message, vote),
            Body::Commit(vote) => self.is_useful_commit(message, vote),
            Body::Checkpoint(vote) if vote.seq <= self.stable.seq => Err(Dropped::Outside),
            Body::Checkpoint(vote) => self.is_useful_checkpoint(message.sender, vote),
            Body::ViewChange(body) => self.is_useful_view_change(message, body.summary.view),
            Body::NewView(body) => self.is_useful_new_view(message, body),
            Body::Fetch(_) | Body::State(_) | Body::Status(_) => Ok(()),
        }
    }

    fn is_useful_proposal(&self, message: &Message, body: &PrePrepare) -> Result<(), Dropped> {
        self.has_place(message, body.view, body.seq)?;
        let assigned = self.slots.get(&body.seq).and_then(|slot| slot.assigned_in(body.view));
        match assigned.map(|assigned| (assigned.digest, assigned.origin)) {
            Some((digest, _)) if digest == body.digest => Err(Dropped::Known),
            // A second proposal is rule E1, noticed once.
            Some((_, Origin::Proposed { proposer, .. })) if proposer == message.sender => {
                self.is_news(message.sender, Rule::E1)
            }
            Some(_) => Err(Dropped::Known),
            None if body.view == self.view()
                && self.proposer(body.seq).is_some_and(|due| due != message.sender)
                && !self.genesis.mutations.has(Mutation::AnyProposer) =>
            {
                Err(Dropped::NotItsTurn)
            }
            None => Ok(()),
        }
    }

    fn is_useful_prepare(&self, message: &Message, vote: &Vote) -> Result<(), Dropped> {
        self.has_place(message, vote.view, vote.seq)?;
        let Some(slot) = self.slots.get(&vote.seq) else { return Ok(()) };
        let done = slot
            .prepared
            .as_ref()
            .is_some_and(|(claim, _)| (claim.view, claim.digest) == (vote.view, vote.digest));
        match slot.prepares.probe(message.sender, vote.view, vote.digest) {
            _ if done => Err(Dropped::Known),
            Cast::Known => Err(Dropped::Known),
            Cast::Conflict(_) => self.is_news(message.sender, Rule::E2),
            Cast::New => Ok(()),
        }
    }

    /// A Commit of a passed view only counts if it accuses its sender.
    fn is_useful_commit(&self, message: &Message, vote: &Vote) -> Result<(), Dropped> {
        let (sender, slot) = (message.sender, self.slots.get(&vote.seq));
        let old = self.place(vote.view, vote.seq) == Place::OldView;
        if !old {
            self.has_place(message, vote.view, vote.seq)?;
        }
        let done = slot
            .and_then(|slot| slot.committed.as_ref())
            .is_some_and(|(digest, block)| (*digest, block.view) == (vote.digest, vote.view));
        match slot.map(|slot| slot.commits.probe(sender, vote.view, vote.digest)) {
            Some(Cast::Known) => Err(Dropped::Known),
            _ if done && !old => Err(Dropped::Known),
            Some(Cast::Conflict(_)) => self.is_news(sender, Rule::E3),
            _ if old && !self.would_accuse(sender, vote) => Err(Dropped::OldView),
            _ if old => self.is_news(sender, Rule::E4),
            _ => Ok(()),
        }
    }

    fn is_useful_view_change(&self, message: &Message, view: View) -> Result<(), Dropped> {
        match self.view_changes.get(&message.sender) {
            Some(known) if known.summary.view > view => Err(Dropped::OldView),
            // The same again, or rule E6, noticed once.
            Some(known) if known.summary.view == view && known.signature == message.signature => {
                Err(Dropped::Known)
            }
            Some(known) if known.summary.view == view => self.is_news(message.sender, Rule::E6),
            _ if view < self.view() => Err(Dropped::OldView),
            _ => Ok(()),
        }
    }

    fn is_useful_new_view(&self, message: &Message, body: &NewView) -> Result<(), Dropped> {
        if self.validators().leader(self.epoch(), body.view) != message.sender
            && !self.genesis.mutations.has(Mutation::AnyLeader)
        {
            return Err(Dropped::NotItsTurn);
        }
        match &self.phase {
            _ if body.view < self.view() => Err(Dropped::OldView),
            Phase::Active(active) if body.view == self.view() => match &active.new_view {
                // The same again, or rule E8, noticed once.
                Some(known) if known.signature != message.signature => {
                    self.is_news(message.sender, Rule::E8)
                }
                _ => Err(Dropped::Known),
            },
            _ => Ok(()),
        }
    }

    /// Whether a vote or proposal belongs to a view and block that are here or may still come.
    fn has_place(&self, message: &Message, view: View, seq: Seq) -> Result<(), Dropped> {
        match self.place(view, seq) {
            Place::Here => Ok(()),
            Place::Later if view.0 > self.view().0.saturating_add(VIEWS_AHEAD) => {
                Err(Dropped::FarAhead)
            }
            Place::Later => self.stash.has_room(message),
            Place::OldView => Err(Dropped::OldView),
            Place::Outside => Err(Dropped::Outside),
        }
    }

    /// Whether a broken rule is news: its offender is neither accused nor punished for it in this
    /// epoch.
    pub(super) fn is_news(&self, offender: ReplicaId, rule: Rule) -> Result<(), Dropped> {
        let news = self.is_new_fault((self.epoch(), offender, rule));
        if news { Ok(()) } else { Err(Dropped::Known) }
    }

    /// Refuses lists that are longer than an honest message's can be.
    pub(super) fn is_shaped(&self, message: &Message, set: &ValidatorSet) -> Result<(), Dropped> {
        let window = usize::try_from(self.params().window()).unwrap_or(usize::MAX);
        let fits = |it: &Certificate| it.signatures().len() <= set.len();
        let shaped = match &message.body {
            Body::PrePrepare(body) => {
                body.proposal.operations.len() <= self.params().operations_per_block
                    && body.proposal.evidence.len() <= self.params().evidence_per_block
            }
            Body::ViewChange(body) => {
                let ViewChange { summary, checkpoint, prepared } = &**body;
                summary.claims.len() <= window
                    && prepared.len() == summary.claims.len()
                    && checkpoint.iter().chain(prepared).all(fits)
            }
            Body::NewView(body) => {
                body.view_changes.len() <= set.len()
                    && body.pre_prepares.len() <= window
                    && body.prepared.len() <= body.pre_prepares.len()
                    && body.view_changes.iter().all(|it| it.summary.claims.len() <= window)
                    && body.checkpoint.iter().chain(&body.prepared).all(fits)
            }
            _ => true,
        };
        if shaped { Ok(()) } else { Err(Dropped::Shape) }
    }

    /// Checks the signature under the sender's key.
    pub(super) fn is_signed(&mut self, message: &Message, keys: &Keys<S>) -> bool {
        let statement = message.statement::<S>(&self.genesis.message_domain());
        let hash = self.hashes.of::<S>(self.genesis.chain, &statement);
        let signature = &message.signature;
        let signed = match keys {
            Keys::Committee(committee) => {
                committee.verify(message.sender, &hash, signature).is_ok()
            }
            Keys::Observer(key) => S::verify(key, &hash, signature).is_ok(),
        };
        signed || self.genesis.mutations.has(Mutation::UnsignedMessages)
    }
}
