//! Replicas that break the protocol.
//!
//! A misbehaving node runs the honest replica and tampers with what it sends: it drops, delays,
//! alters and re-signs, or says different things to different replicas. What it cannot do is sign
//! for others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};

use ciro_consensus::crypto::{Scheme, Signature};
use ciro_consensus::message::{
    Body, CheckpointVote, Claim, MESSAGE_BYTES_MAX, Message, MessageDomain, NewView, PrePrepare,
    ViewChange, Vote,
};
use ciro_consensus::{
    Certificate, ChainId, ClientId, Digest, Epoch, Proposal, ReplicaId, Seq, View,
};

use crate::coalition::Known;
use crate::flood::Flooder;
use crate::plan::{Micros, key_of};
use crate::rng::Rng;
use crate::scheme::Keyed;
use crate::strategist::Strategist;
use crate::withholder::Withholder;

/// How a replica misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// Never says anything.
    Mute,
    /// Runs twice with one key.
    Twins,
    /// Proposes different blocks to different replicas, and votes for each.
    Equivocate,
    /// Votes, but never proposes or starts a view.
    SilentPrimary,
    /// Proposes just before patience runs out.
    SlowPrimary,
    /// Leaves one client's operations out of its proposals.
    Censor,
    /// Forgets, invents or overstates what it saw when the view changes.
    LyingViewChange,
    /// Starts views with too few ViewChanges, other proposals than they demand, or an old NewView.
    StaleNewView,
    /// Signs wrong states at checkpoints.
    WrongCheckpoint,
    /// Sends old messages again, also as if they belonged to another epoch or chain.
    Replay,
    /// Sends bytes that are no messages, and messages that are too long.
    Garbage,
    /// Sends floods of messages with wrong signatures under all names.
    Spam,
    /// Votes for different digests towards different replicas.
    DoubleVote,
    /// Collects Prepares for blocks that only some see, hides the certificate from one view change
    /// and shows it in another, and never hands out what it is for; its messages come before all
    /// others.
    Withhold,
    /// Lies consistently, where one check alone stands between it and harm.
    Strategist,
    /// Floods the others with what is dear to look at: signed, well formed, and of no use.
    Flood,
}

impl Behaviour {
    /// All behaviours.
    pub const ALL: [Self; 16] = [
        Self::Mute,
        Self::Twins,
        Self::Equivocate,
        Self::SilentPrimary,
        Self::SlowPrimary,
        Self::Censor,
        Self::LyingViewChange,
        Self::StaleNewView,
        Self::WrongCheckpoint,
        Self::Replay,
        Self::Garbage,
        Self::Spam,
        Self::DoubleVote,
        Self::Withhold,
        Self::Strategist,
        Self::Flood,
    ];
}

/// To whom something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everyone.
    All,
    /// One replica.
    One(ReplicaId),
    /// Every second replica, the even or the odd ones.
    Half(bool),
}

impl Target {
    /// Whether a replica is meant.
    #[must_use]
    pub fn includes(self, id: ReplicaId) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == id,
            Self::Half(odd) => (id.0 % 2 == 1) == odd,
        }
    }
}

/// What travels.
#[derive(Clone, Debug)]
pub enum Cargo {
    /// An encodable message.
    Message(Arc<Message>),
    /// Bytes of any kind.
    Bytes(Arc<Vec<u8>>),
}

/// Something to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// To whom.
    pub to: Target,
    /// What.
    pub cargo: Cargo,
    /// How long the sender holds it back.
    pub delay: Micros,
}

impl Outgoing {
    /// Sends a message at once.
    #[must_use]
    pub const fn now(to: Target, message: Arc<Message>) -> Self {
        Self { to, cargo: Cargo::Message(message), delay: 0 }
    }
}

/// A misbehaving node.
#[derive(Clone, Debug)]
pub struct Byzantine {
    behaviour: Behaviour,
    id: ReplicaId,
    domain: MessageDomain,
    patience: Micros,
    rng: Rng,
    /// Messages of others and its own, for replay.
    captured: VecDeque<Arc<Message>>,
    strategist: Strategist,
    withholder: Withholder,
    flooder: Flooder,
    /// What it proposed in place of what its replica believes.
    replaced: BTreeMap<(Epoch, View, Seq), Digest>,
}

impl Byzantine {
    /// Makes a node misbehave.
    #[must_use]
    pub fn new(
        behaviour: Behaviour,
        id: ReplicaId,
        domain: MessageDomain,
        patience: Micros,
        rng: Rng,
    ) -> Self {
        let (captured, replaced) = (VecDeque::new(), BTreeMap::new());
        let strategist = Strategist::new(id, domain, rng.fork(1));
        let withholder = Withholder::new(id, patience, rng.fork(2));
        let flooder = Flooder::new(id, domain, rng.fork(3));
        Self {
            behaviour,
            id,
            domain,
            patience,
            rng,
            captured,
            strategist,
            withholder,
            flooder,
            replaced,
        }
    }

    /// Notes a message that comes in.
    pub fn observe(&mut self, message: &Arc<Message>) {
        match self.behaviour {
            Behaviour::Replay => self.capture(message),
            Behaviour::Strategist => self.strategist.observe(message),
            _ => {}
        }
    }

    /// Turns what the honest replica would send into what is sent.
    pub(crate) fn tamper(
        &mut self,
        known: Known<'_>,
        to: Target,
        message: Arc<Message>,
    ) -> Vec<Outgoing> {
        let honest = vec![Outgoing::now(to, Arc::clone(&message))];
        match (self.behaviour, &message.body) {
            (Behaviour::Mute, _) => Vec::new(),
            (Behaviour::SilentPrimary, Body::PrePrepare(_) | Body::NewView(_)) => Vec::new(),
            (Behaviour::SlowPrimary, Body::PrePrepare(_)) => {
                let delay = self.patience * self.rng.between(50, 95) / 100;
                vec![Outgoing { to, cargo: Cargo::Message(message), delay }]
            }
            (Behaviour::Equivocate, Body::PrePrepare(body)) => self
                .equivocate(message.epoch, body)
                .map_or(honest, |other| vec![Outgoing::now(Target::Half(false), message), other]),
            (Behaviour::Censor, Body::PrePrepare(body)) => {
                let kept = |client: ClientId| client.0 != 1;
                self.propose_less(message.epoch, body, kept)
                    .map_or(honest, |other| vec![Outgoing { to: Target::All, ..other }])
            }
            (
                Behaviour::Equivocate | Behaviour::Censor,
                Body::Prepare(vote) | Body::Commit(vote),
            ) => self.vote_for_replaced(&message, vote, honest),
            (Behaviour::DoubleVote, Body::Prepare(vote) | Body::Commit(vote)) => {
                let digest = self.some_digest();
                let other = self.vote(&message, vote, digest);
                self.both_ways(message, other)
            }
            (Behaviour::WrongCheckpoint, Body::Checkpoint(vote)) => {
                let digest = self.some_digest();
                let body = Body::Checkpoint(CheckpointVote { digest, ..*vote });
                let other = self.sign(message.epoch, body);
                self.both_ways(message, other)
            }
            (Behaviour::LyingViewChange, Body::ViewChange(body)) => {
                let lie = self.lie(body);
                self.resign(to, message.epoch, Body::ViewChange(Arc::new(lie)))
            }
            (Behaviour::StaleNewView, Body::NewView(body)) => {
                let stale = self.stale(body);
                self.resign(to, message.epoch, Body::NewView(Arc::new(stale)))
            }
            (Behaviour::Withhold, _) => self.withholder.tamper(known, to, &message),
            (Behaviour::Strategist, _) => self.strategist.tamper(known, to, &message),
            (Behaviour::Replay, _) => {
                self.capture(&message);
                honest
            }
            _ => honest,
        }
    }

    /// Whether its messages come before all others.
    #[must_use]
    pub fn hurries(&self) -> bool {
        matches!(self.behaviour, Behaviour::Withhold | Behaviour::Strategist)
    }

    /// Whether it hands out nothing that others lack.
    #[must_use]
    pub fn withholds(&self) -> bool {
        matches!(self.behaviour, Behaviour::Withhold | Behaviour::Mute)
    }

    /// Does something out of turn.
    pub(crate) fn mischief(
        &mut self,
        mut known: Known<'_>,
        position: (Epoch, View, Seq),
    ) -> Vec<Outgoing> {
        match self.behaviour {
            Behaviour::Replay => self.replay().into_iter().collect(),
            Behaviour::Garbage => vec![self.garbage()],
            Behaviour::Spam => (0..8).map(|_| self.spam()).collect(),
            Behaviour::Strategist => {
                let mut sent = self.strategist.answer();
                sent.extend(self.strategist.out_of_turn(&mut known, position));
                sent
            }
            Behaviour::Flood => self.flooder.burst(position),
            _ => Vec::new(),
        }
    }

    /// Whether the node does something out of turn at all.
    #[must_use]
    pub const fn is_mischievous(&self) -> bool {
        matches!(
            self.behaviour,
            Behaviour::Replay
                | Behaviour::Garbage
                | Behaviour::Spam
                | Behaviour::Strategist
                | Behaviour::Flood
        )
    }

    fn sign(&self, epoch: Epoch, body: Body) -> Arc<Message> {
        let signed = Message::sign::<Keyed>((self.id, &key_of(self.id)), &self.domain, epoch, body);
        Arc::new(signed.expect("a keyed hash signs everything"))
    }

    fn resign(&self, to: Target, epoch: Epoch, body: Body) -> Vec<Outgoing> {
        vec![Outgoing::now(to, self.sign(epoch, body))]
    }

    fn some_digest(&mut self) -> Digest {
        Keyed::hash(&[Digest::from_u64(self.rng.bits())])
    }

    fn both_ways(&mut self, message: Arc<Message>, other: Arc<Message>) -> Vec<Outgoing> {
        let odd = self.rng.chance(500);
        vec![Outgoing::now(Target::Half(odd), message), Outgoing::now(Target::Half(!odd), other)]
    }

    fn vote(&self, message: &Message, vote: &Vote, digest: Digest) -> Arc<Message> {
        let vote = Vote { digest, ..*vote };
        let body = match message.body {
            Body::Commit(_) => Body::Commit(vote),
            _ => Body::Prepare(vote),
        };
        self.sign(message.epoch, body)
    }

    /// Proposes another block to the odd replicas: one operation less, or the operations in another
    /// order.
    fn equivocate(&mut self, epoch: Epoch, body: &PrePrepare) -> Option<Outgoing> {
        let mut operations = body.proposal.operations.clone();
        if operations.len() < 2 {
            return None;
        }
        if self.rng.chance(500) {
            operations.pop();
        } else {
            operations.reverse();
        }
        let proposal = Proposal { operations, ..(*body.proposal).clone() };
        Some(self.propose(epoch, body, proposal))
    }

    fn propose_less(
        &mut self,
        epoch: Epoch,
        body: &PrePrepare,
        kept: impl Fn(ClientId) -> bool,
    ) -> Option<Outgoing> {
        let operations = body.proposal.operations.iter().filter(|operation| kept(operation.client));
        let operations: Vec<_> = operations.copied().collect();
        let nothing = operations.is_empty() && body.proposal.evidence.is_empty();
        if nothing || operations.len() == body.proposal.operations.len() {
            return None;
        }
        let proposal = Proposal { operations, ..(*body.proposal).clone() };
        Some(self.propose(epoch, body, proposal))
    }

    fn propose(&mut self, epoch: Epoch, body: &PrePrepare, proposal: Proposal) -> Outgoing {
        let digest = proposal.digest::<Keyed>();
        self.replaced.insert((epoch, body.view, body.seq), digest);
        let (view, seq, proposal) = (body.view, body.seq, Arc::new(proposal));
        let body = Body::PrePrepare(PrePrepare { view, seq, digest, proposal });
        Outgoing::now(Target::Half(true), self.sign(epoch, body))
    }

    /// Votes for what it proposed: everywhere if it replaced the proposal, both ways if it proposed
    /// two.
    fn vote_for_replaced(
        &self,
        message: &Arc<Message>,
        vote: &Vote,
        honest: Vec<Outgoing>,
    ) -> Vec<Outgoing> {
        let Some(digest) = self.replaced.get(&(message.epoch, vote.view, vote.seq)) else {
            return honest;
        };
        let other = self.vote(message, vote, *digest);
        if self.behaviour == Behaviour::Censor {
            return vec![Outgoing::now(Target::All, other)];
        }
        vec![
            Outgoing::now(Target::Half(false), Arc::clone(message)),
            Outgoing::now(Target::Half(true), other),
        ]
    }

    fn lie(&mut self, truth: &ViewChange) -> ViewChange {
        let mut lie = truth.clone();
        match self.rng.below(4) {
            0 => {
                lie.summary.claims.clear();
                lie.prepared.clear();
            }
            1 => {
                let seq =
                    lie.summary.claims.last().map_or(lie.summary.stable_seq, |c| c.seq).next();
                let view = View(lie.summary.view.0.saturating_sub(1));
                lie.summary.claims.push(Claim { seq, view, digest: self.some_digest() });
                lie.prepared.push(lie.prepared.first().cloned().unwrap_or_default());
            }
            2 => {
                let ahead = 1 << self.domain.claims_depth;
                lie.summary.stable_seq = lie.summary.stable_seq.plus(ahead);
                lie.summary.stable_digest = self.some_digest();
                lie.summary.claims.clear();
                lie.prepared.clear();
                lie.checkpoint = Some(Certificate::default());
            }
            _ => {
                for claim in &mut lie.summary.claims {
                    claim.digest = Keyed::compress(&claim.digest, &Digest::ZERO);
                }
            }
        }
        lie
    }

    fn stale(&mut self, truth: &NewView) -> NewView {
        let mut stale = truth.clone();
        match self.rng.below(4) {
            0 => {
                stale.view_changes.pop();
            }
            1 => {
                stale.pre_prepares.pop();
            }
            2 => {
                let digest = self.some_digest();
                for (proposed, _) in &mut stale.pre_prepares {
                    *proposed = digest;
                }
            }
            _ => stale.view = stale.view.next(),
        }
        stale
    }

    fn capture(&mut self, message: &Arc<Message>) {
        if self.captured.len() >= 64 {
            self.captured.pop_front();
        }
        self.captured.push_back(Arc::clone(message));
    }

    fn replay(&mut self) -> Option<Outgoing> {
        if self.captured.is_empty() {
            return None;
        }
        let message = Arc::clone(&self.captured[self.rng.index(self.captured.len())]);
        let message = match self.rng.below(3) {
            0 => message,
            1 => Arc::new(Message { epoch: message.epoch.next(), ..(*message).clone() }),
            _ => {
                let domain = MessageDomain { chain: ChainId::new("other-chain"), ..self.domain };
                let key = key_of(self.id);
                let body = message.body.clone();
                let foreign = Message::sign::<Keyed>((self.id, &key), &domain, message.epoch, body);
                Arc::new(foreign.expect("a keyed hash signs everything"))
            }
        };
        Some(Outgoing::now(Target::All, message))
    }

    fn garbage(&mut self) -> Outgoing {
        static OVERSIZE: LazyLock<Arc<Vec<u8>>> =
            LazyLock::new(|| Arc::new(vec![1; MESSAGE_BYTES_MAX + 1]));
        let mut bytes: Vec<u8> =
            (0..self.rng.index(200)).map(|_| self.rng.bits().to_le_bytes()[0]).collect();
        match self.rng.below(4) {
            0 => {}
            1 => {
                let cargo = Cargo::Bytes(Arc::clone(&OVERSIZE));
                return Outgoing { to: Target::All, cargo, delay: 0 };
            }
            _ => {
                let vote = Vote { view: View(0), seq: Seq(1), digest: self.some_digest() };
                bytes = self.sign(Epoch(0), Body::Prepare(vote)).to_bytes();
                let at = self.rng.index(bytes.len());
                bytes[at] ^= 1 << self.rng.below(8);
                bytes.truncate(bytes.len() - self.rng.index(3));
            }
        }
        Outgoing { to: Target::All, cargo: Cargo::Bytes(Arc::new(bytes)), delay: 0 }
    }

    fn spam(&mut self) -> Outgoing {
        let vote = Vote {
            view: View(self.rng.below(3)),
            seq: Seq(self.rng.below(30)),
            digest: self.some_digest(),
        };
        let body = match self.rng.below(3) {
            0 => Body::Prepare(vote),
            1 => Body::Commit(vote),
            _ => Body::Checkpoint(CheckpointVote { seq: vote.seq, digest: vote.digest }),
        };
        let signature = Signature { r: [self.rng.bits().to_le_bytes()[0]; 32], s: [1; 32] };
        let sender = ReplicaId(u32::try_from(self.rng.below(8)).unwrap_or(0));
        let epoch = Epoch(self.rng.below(3));
        Outgoing::now(Target::All, Arc::new(Message { sender, epoch, signature, body }))
    }
}
