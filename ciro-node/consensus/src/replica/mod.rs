//! The replica: a state machine that a driver feeds and whose effects it performs.

mod accuse;
mod audience;
mod epoch;
mod execute;
mod footprint;
mod hashes;
mod order;
mod peers;
mod propose;
mod recover;
mod send;
mod timers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use footprint::Footprint;
pub(crate) use order::Place;
pub(crate) use peers::{Position, Standing};
pub use recover::OpenError;

use crate::block::{CommittedBlock, Proposal};
use crate::certificate::{Certificate, Committee};
use crate::crypto::{Scheme, Signature};
use crate::drops::{Dropped, Drops};
use crate::evidence::{Evidence, EvidenceDomain, Rule};
use crate::fork::{Contradiction, ForkProof};
use crate::io::{Effect, Fault, Input};
use crate::message::{Message, MessageDomain, SignedNewView, Summary};
use crate::mutation::Mutations;
use crate::new_view::Rules;
use crate::params::Params;
use crate::pending::Pending;
use crate::pin::Pin;
use crate::slot::{Ballot, Slot};
use crate::snapshot::{EpochProof, Snapshot, StableCheckpoint};
use crate::stake::ValidatorSet;
use crate::stash::Stash;
use crate::types::{ChainId, ClientId, Digest, Epoch, Nonce, ReplicaId, Seq, View};
use audience::Audience;
use execute::{Executing, Installing};
use hashes::Hashes;
use peers::Peer;
use timers::Timers;

/// What all replicas of a chain start from.
#[derive(Clone, Debug)]
pub struct Genesis<S: Scheme> {
    /// What names the chain in everything signed: the hash of its name and of all that it starts
    /// from.
    pub chain: ChainId,
    /// The chain's parameters.
    pub params: Params,
    /// The validators of the first two epochs.
    pub committee: Arc<Committee<S>>,
    /// The application's state before the first block.
    pub state_root: Digest,
    /// Who votes in an epoch, for whoever knows that from elsewhere. No part of the chain's
    /// identity.
    pub pin: Option<Pin>,
    pub(crate) mutations: Mutations,
}

impl<S: Scheme> Genesis<S> {
    /// Describes the chain named `name`.
    ///
    /// Everything the chain starts from enters its identity. A chain that is started anew under an
    /// old name, with other validators, parameters or state, is another chain: signatures of the
    /// one accuse nobody on the other.
    #[must_use]
    pub fn new(
        name: ChainId,
        params: Params,
        validators: ValidatorSet,
        state_root: Digest,
    ) -> Self {
        let mut words = vec![Digest::short_string("CIRO_CHAIN_V1"), name.word()];
        words.extend(params.shared());
        words.extend([validators.digest::<S>(), state_root]);
        let chain = ChainId::from_word(S::hash(&words));
        let committee = Arc::new(Committee::new(Arc::new(validators)));
        Self { chain, params, committee, state_root, pin: None, mutations: Mutations::NONE }
    }

    /// Puts a documented bug back into every replica of this chain.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn with_mutation(mut self, mutation: crate::mutation::Mutation) -> Self {
        self.mutations = Mutations::only(mutation);
        let set = ValidatorSet::clone(self.committee.set()).counting(self.mutations);
        self.committee = Arc::new(Committee::new(Arc::new(set)));
        self
    }

    /// Returns what evidence of this chain is checked against.
    #[must_use]
    pub const fn evidence_domain(&self) -> EvidenceDomain {
        EvidenceDomain::new(self.chain, &self.params)
    }

    /// Returns what enters the statements of this chain's messages.
    #[must_use]
    pub const fn message_domain(&self) -> MessageDomain {
        MessageDomain { chain: self.chain, claims_depth: self.params.claims_depth() }
    }
}

/// Who a replica is. Without stake in the current epoch it follows and serves, but does not vote.
#[derive(Debug)]
pub struct Identity<S: Scheme> {
    /// Its identity.
    pub id: ReplicaId,
    /// Its key.
    pub key: S::SigningKey,
    /// The first epoch in which it may vote: later than its stake begins after a log was lost or a
    /// key moved.
    pub votes_from: Epoch,
}

/// One replica of the consensus protocol.
///
/// It owns no clock, socket, disk or thread: [`Replica::step`] takes the time and an [`Input`] and
/// returns what must be done. Equal inputs give equal effects.
#[derive(Debug)]
pub struct Replica<S: Scheme> {
    pub(crate) genesis: Genesis<S>,
    pub(crate) identity: Identity<S>,
    pub(crate) now: Duration,
    pub(crate) effects: Vec<Effect>,
    pub(crate) fault: Option<Fault>,

    /// The epoch in which this replica votes.
    pub(crate) epoch: Epoch,
    /// The digest of the checkpoint that the epoch starts from.
    pub(crate) epoch_start: Digest,
    pub(crate) committees: Committees<S>,
    /// Proofs of the ends of all epochs before this one, as far as they are known.
    pub(crate) proofs: BTreeMap<Epoch, Arc<EpochProof>>,
    /// Checked proofs from this epoch's end on, without gaps, each with the validators that it
    /// leads to: the way to a state that this replica has not got yet.
    pub(crate) trail: Vec<(Arc<EpochProof>, Arc<Committee<S>>)>,

    /// The resend interval in which the trail has grown last.
    pub(crate) trail_grew: u64,

    pub(crate) view: View,
    pub(crate) phase: Phase,
    pub(crate) view_changes: BTreeMap<ReplicaId, KnownViewChange>,
    /// Prepared certificates of others, so that equal claims of many replicas cost one check.
    pub(crate) proven: BTreeMap<(Seq, View, Digest), Certificate>,

    /// The latest ViewChange heard of each replica in this epoch, its own apart: what it says next
    /// must fit.
    pub(crate) heard: BTreeMap<ReplicaId, (Summary, Signature)>,
    /// Contents of claims that this replica's own view may have to begin with; absent while they
    /// are being fetched.
    pub(crate) claimed: BTreeMap<(Seq, Digest), Option<Arc<Proposal>>>,

    pub(crate) stable: StableCheckpoint,
    /// The state behind `stable`, unless this replica lags behind it.
    pub(crate) stable_snapshot: Option<Arc<Snapshot>>,
    pub(crate) slots: BTreeMap<Seq, Slot>,
    pub(crate) checkpoints: BTreeMap<Seq, Checkpoints>,

    /// The state after the last executed block.
    pub(crate) tip: Snapshot,
    pub(crate) executing: Option<Executing>,
    pub(crate) installing: Option<Installing>,
    /// A checkpoint of a later epoch that this replica wants to jump to.
    pub(crate) target: Option<Target>,
    /// Resend intervals for which this replica has been behind the stable checkpoint.
    pub(crate) waited: u32,
    /// When this replica last asked others for what it lacks.
    pub(crate) asked_at: Duration,

    pub(crate) pending: Pending,
    /// The last operation of each client in blocks that are proposed but not executed.
    pub(crate) in_flight: BTreeMap<ClientId, Nonce>,
    pub(crate) evidence: BTreeMap<(Epoch, ReplicaId, Rule), Evidence>,

    pub(crate) stash: Stash,
    pub(crate) hashes: Hashes,
    pub(crate) peers: BTreeMap<ReplicaId, Peer>,
    /// Who may ask without a vote.
    pub(crate) audience: Audience<S>,
    pub(crate) drops: Drops,
    pub(crate) timers: Timers,
}

/// The validator sets that messages may refer to.
#[derive(Clone, Debug)]
pub(crate) struct Committees<S: Scheme> {
    pub(crate) previous: Option<Arc<Committee<S>>>,
    pub(crate) current: Arc<Committee<S>>,
    pub(crate) next: Arc<Committee<S>>,
}

/// Whether the replica takes part in its view (PBFT §4.4).
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The view has begun here.
    Active(ActiveView),
    /// A ViewChange was sent; the NewView is awaited. The message is absent for a replica without
    /// stake.
    Changing(Option<Arc<Message>>),
}

/// A view that has begun.
#[derive(Clone, Debug)]
pub(crate) struct ActiveView {
    /// The checkpoint interval in which it began; its leader proposes until that ends.
    pub(crate) first_interval: u64,
    /// The last block that the NewView settled.
    pub(crate) settled: Seq,
    /// The NewView; an epoch's first view has none.
    pub(crate) new_view: Option<SignedNewView>,
}

/// A ViewChange that proved itself: what was signed, and the checked certificate of its checkpoint.
///
/// The certificates of its claims are in `Replica::proven`, once for all who claim the same.
#[derive(Clone, Debug)]
pub(crate) struct KnownViewChange {
    pub(crate) summary: Summary,
    pub(crate) signature: Signature,
    pub(crate) checkpoint: Option<Certificate>,
}

/// Votes for the state after one block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoints {
    pub(crate) votes: BTreeMap<ReplicaId, Ballot>,
    /// This replica's own state there.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// This replica's own vote, for re-sending.
    pub(crate) own: Option<Arc<Message>>,
}

/// A certified checkpoint beyond the current epoch; the trail leads there.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) checkpoint: StableCheckpoint,
}

impl<S: Scheme> Replica<S> {
    /// Takes one event at time `now`, counted from any fixed instant, and returns what must be
    /// done, in order.
    ///
    /// A replica that asked to halt answers nothing any more.
    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Effect> {
        self.now = self.now.max(now);
        if self.fault.is_some() {
            return Vec::new();
        }
        match input {
            Input::Message { peer, message } => self.on_message(peer, message),
            Input::Operation(operation) => self.on_operation(operation),
            Input::Observers(observers) => self.on_observers(&observers),
            Input::Evidence(evidence) => self.on_evidence(*evidence),
            Input::Timeout(timer) => self.on_timeout(timer),
            Input::Verdict { seq, digest, valid } => self.on_verdict(seq, digest, valid),
            Input::Executed { seq, state_root, changes } => {
                self.on_executed(seq, state_root, &changes);
            }
            Input::StateFetched { seq } => self.on_state_fetched(seq),
            Input::StateUnavailable { seq } => self.on_state_unavailable(seq),
        }
        self.settle();
        // Each timer once at most: one that is set anew is not due.
        while let Some(timer) = self.lost_timer().filter(|_| self.fault.is_none()) {
            self.on_timeout(timer);
            self.settle();
        }
        std::mem::take(&mut self.effects)
    }

    /// Returns the replica's identity.
    #[must_use]
    pub const fn id(&self) -> ReplicaId {
        self.identity.id
    }

    /// Returns the epoch in which the replica votes.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the replica's view.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// Whether the replica takes part in its view, rather than waiting for the NewView.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active(_))
    }

    /// Returns whose ViewChanges for its view a replica can count, its own among them, while it
    /// waits for the NewView.
    pub fn asking(&self) -> impl Iterator<Item = ReplicaId> {
        let here = |known: &KnownViewChange| !self.is_active() && self.counts(known);
        self.view_changes.iter().filter(move |(_, known)| here(known)).map(|(id, _)| *id)
    }

    /// Returns the last executed block.
    #[must_use]
    pub fn executed(&self) -> Seq {
        self.tip.seq()
    }

    /// Returns the consensus state after the last executed block.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.tip
    }

    /// Returns the last stable checkpoint.
    #[must_use]
    pub const fn stable(&self) -> &StableCheckpoint {
        &self.stable
    }

    /// Returns how many messages were dropped for each reason since the replica was opened.
    pub fn dropped(&self) -> impl Iterator<Item = (Dropped, u64)> {
        self.drops.iter()
    }

    /// Returns the validators of the epoch in which the replica votes.
    #[must_use]
    pub fn validators(&self) -> &ValidatorSet {
        self.committees.current.set()
    }

    /// Returns why the replica halted.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Does what a step made possible: executes, proposes, watches the oldest operation.
    fn settle(&mut self) {
        if self.fault.is_none() {
            self.start_due_view();
            self.execute_next();
            self.propose();
            // Whoever is a quorum alone has just committed what it proposed.
            self.execute_next();
            self.watch_progress();
        }
    }

    pub(crate) fn halt(&mut self, fault: Fault) {
        if self.fault.is_none() {
            self.effects.push(Effect::Halt(fault.clone()));
            self.fault = Some(fault);
        }
    }

    /// Halts because something contradicts a block that this replica saw committed.
    pub(crate) fn halt_forked(
        &mut self,
        ours: Digest,
        block: CommittedBlock,
        theirs: Digest,
        against: Contradiction,
    ) {
        let seq = block.seq;
        let proof = Box::new(ForkProof { epoch: self.epoch, block, against });
        self.halt(Fault::Fork { seq, ours, theirs, proof });
    }

    /// Whether this replica holds a block's content, or is past the block.
    #[must_use]
    pub fn serves(&self, seq: Seq, digest: Digest) -> bool {
        let slot = self.slots.get(&seq);
        seq <= self.executed().max(self.stable.seq)
            || slot.is_some_and(|slot| slot.contents.contains_key(&digest))
    }

    /// Returns the rules by which the current epoch's ViewChanges, NewViews and proofs of forks are
    /// judged.
    #[must_use]
    pub fn rules(&self) -> Rules<'_, S> {
        Rules {
            chain: self.genesis.chain,
            params: &self.genesis.params,
            epoch: self.epoch,
            epoch_start: self.epoch_start,
            committee: &self.committees.current,
            mutations: self.genesis.mutations,
        }
    }

    /// Whether this replica knows of an epoch ahead who votes in it, and not yet whether its way
    /// leads there: until then it takes no block and no state of epochs before.
    pub(crate) fn awaits_pin(&self) -> bool {
        self.genesis.pin.is_some_and(|pin| pin.epoch > self.epoch.next())
    }

    pub(crate) const fn params(&self) -> &Params {
        &self.genesis.params
    }
}
