//! What one peer may make this replica do: answer, hold and compute.
//!
//! Everything is charged to the peer that the transport authenticated, never to the name under a
//! message: whoever replays what others said spends a budget of its own.

use std::collections::BTreeMap;

use super::{Replica, audience};
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::message::{Body, Fetch, Message, Status};
use crate::types::{Epoch, ReplicaId};

/// Bytes of answers and pushes that one peer gets in a resend interval: 4 MiB a second by default.
const ANSWER_BYTES: i64 = 2 << 20;
/// Work that a peer may waste before it is silenced, in signature checks.
const CREDIT_MAX: i64 = 64;
/// What a resend interval gives back of it. A peer that wastes all it may costs about 1 % of one
/// CPU.
const CREDIT_REFILL: i64 = 16;
/// Bytes whose hashing costs about as much as one signature check.
const BYTES_PER_CHECK: usize = 1024;
/// Statuses of one peer that are looked at in a resend interval; an honest one sends one or two.
const STATUSES: u32 = 4;
/// ViewChanges of one peer that are looked at in a resend interval; an honest one sends one and
/// repeats it.
const VIEW_CHANGES: u32 = 4;
/// Resend intervals for which an answer may take its time.
const ANSWER_TICKS: u64 = 8;

/// What an observer may waste before it is silenced, and what a resend interval gives back: a
/// quarter of what a member may.
const OBSERVER_CREDIT_MAX: i64 = CREDIT_MAX / 4;
const OBSERVER_CREDIT_REFILL: i64 = CREDIT_REFILL / 4;

/// By which right a replica is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in the validator set of this epoch, of the one before or of the next.
    Member,
    /// It may ask and answer, and nothing else.
    Observer,
}

/// What is known of another replica, and what it may still ask for.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its latest Status.
    pub(crate) position: Option<Position>,
    /// What it was asked and has not answered, with the resend interval of the question.
    asked: BTreeMap<Fetch, u64>,
    /// Bytes it may still get before the next resend interval; what an answer takes too much counts
    /// for the next.
    answers: i64,
    /// Work it may still waste; it is silenced while nothing is left.
    credit: i64,
    /// Messages of an observer that were looked at.
    looks: u32,
    statuses: u32,
    view_changes: u32,
    /// Whether it was sent what it lacks in this resend interval.
    pushed: bool,
}

/// Where another replica says it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    pub(crate) status: Status,
}

impl Standing {
    /// Returns what a resend interval gives of answers, which is also the most, in bytes.
    const fn answers(self) -> i64 {
        match self {
            Self::Member => ANSWER_BYTES,
            Self::Observer => audience::ANSWER_BYTES,
        }
    }

    /// Returns the work that may be wasted at most, and what a resend interval gives back of it.
    const fn credit(self) -> (i64, i64) {
        match self {
            Self::Member => (CREDIT_MAX, CREDIT_REFILL),
            Self::Observer => (OBSERVER_CREDIT_MAX, OBSERVER_CREDIT_REFILL),
        }
    }
}

impl Peer {
    const fn new(standing: Standing) -> Self {
        Self {
            position: None,
            asked: BTreeMap::new(),
            answers: standing.answers(),
            credit: standing.credit().0,
            looks: 0,
            statuses: 0,
            view_changes: 0,
            pushed: false,
        }
    }

    /// Begins a resend interval.
    fn refill(&mut self, standing: Standing, turns: i64, tick: u64) {
        let (answers, (credit, refill)) = (standing.answers(), standing.credit());
        self.answers = (self.answers + turns * answers).min(answers);
        self.credit = (self.credit + refill).min(credit);
        (self.looks, self.statuses, self.view_changes, self.pushed) = (0, 0, 0, false);
        self.asked.retain(|_, asked| *asked + ANSWER_TICKS > tick);
    }
}

impl<S: Scheme> Replica<S> {
    /// Returns the account of a peer; only validators of the epoch, of the one before and of the
    /// next, and observers have one.
    pub(crate) fn account(&mut self, peer: ReplicaId) -> Result<&mut Peer, Dropped> {
        let standing = self.standing(peer).ok_or(Dropped::Stranger)?;
        Ok(self.peers.entry(peer).or_insert_with(|| Peer::new(standing)))
    }

    /// Returns by which right a replica is heard. A member is one whatever the observers' list says
    /// of it.
    pub(crate) fn standing(&self, peer: ReplicaId) -> Option<Standing> {
        if self.is_member(peer) {
            Some(Standing::Member)
        } else {
            self.audience.contains(peer).then_some(Standing::Observer)
        }
    }

    pub(crate) fn is_member(&self, peer: ReplicaId) -> bool {
        let committees = &self.committees;
        let known =
            [Some(&committees.current), Some(&committees.next), committees.previous.as_ref()];
        known.into_iter().flatten().any(|committee| committee.set().contains(peer))
    }

    /// Begins a resend interval for all peers, and forgets those that left.
    pub(crate) fn refill_peers(&mut self) {
        self.refill_audience();
        let mut peers = std::mem::take(&mut self.peers);
        peers.retain(|id, peer| {
            let Some(standing) = self.standing(*id) else { return false };
            // What an observer took too much it pays for in its own turns, so that those of a turn
            // take no more than their shares in the long run.
            let turns = standing == Standing::Member || self.audience.is_turn(*id);
            peer.refill(standing, i64::from(turns), self.timers.ticks);
            true
        });
        self.peers = peers;
    }

    /// Says, before anything is computed, whether a peer may make this replica look at a message.
    pub(crate) fn admit(&mut self, peer: ReplicaId, message: &Message) -> Result<(), Dropped> {
        let observes = self.standing(peer) == Some(Standing::Observer);
        // Whatever else observers bring, they do not speak for themselves, or bind somebody.
        if observes && !message.body.kind().is_personal() {
            return Err(Dropped::Stranger);
        }
        let account = self.account(peer)?;
        if account.credit <= 0 {
            return Err(Dropped::Silenced);
        }
        // These speak of their sender alone, and nobody passes them on.
        let personal = matches!(
            message.body,
            Body::ViewChange(_) | Body::Fetch(_) | Body::State(_) | Body::Status(_)
        );
        if personal && message.sender != peer {
            return Err(Dropped::NotItsOwn);
        }
        if observes {
            self.admit_observer(peer, message)?;
        }
        let account = self.account(peer)?;
        match &message.body {
            Body::Fetch(_) if account.answers <= 0 => Err(Dropped::Budget),
            Body::Status(_) if account.statuses >= STATUSES => Err(Dropped::Budget),
            Body::ViewChange(_) if account.view_changes >= VIEW_CHANGES => Err(Dropped::Budget),
            Body::State(state) => {
                let asked = account.asked.keys().any(|fetch| state.answers(fetch));
                if asked { Ok(()) } else { Err(Dropped::Unsolicited) }
            }
            _ => Ok(()),
        }
    }

    /// Says whether it is an observer's turn to ask or to tell its position. What it answers was
    /// asked for: that is bounded by the questions.
    fn admit_observer(&mut self, peer: ReplicaId, message: &Message) -> Result<(), Dropped> {
        let looks = self.account(peer)?.looks;
        let may = match &message.body {
            Body::State(_) => true,
            body => {
                let asks = matches!(body, Body::Fetch(_));
                looks < audience::LOOKS
                    && self.audience.may_look(peer)
                    && (!asks || self.audience.may_answer())
            }
        };
        if may { Ok(()) } else { Err(Dropped::Budget) }
    }

    /// Counts a message that is looked at.
    pub(crate) fn charge(&mut self, peer: ReplicaId, message: &Message) {
        let observes = self.standing(peer) == Some(Standing::Observer);
        let counts = observes && !matches!(message.body, Body::State(_));
        if counts {
            self.audience.look();
        }
        let Ok(account) = self.account(peer) else { return };
        account.looks += u32::from(counts);
        match &message.body {
            Body::Status(_) => account.statuses += 1,
            Body::ViewChange(_) => account.view_changes += 1,
            _ => {}
        }
    }

    /// Charges a peer for work that led to nothing. No honest peer sends or passes on what does not
    /// verify.
    pub(crate) fn waste(&mut self, peer: ReplicaId, message: &Message) {
        let checks = 1 + message.weight() / BYTES_PER_CHECK;
        if let Ok(account) = self.account(peer) {
            account.credit -= i64::try_from(checks).unwrap_or(i64::MAX / 2);
        }
    }

    /// Takes bytes off what a peer may get; false when nothing is left of it.
    pub(crate) fn afford(&mut self, peer: ReplicaId, bytes: usize) -> bool {
        let observes = self.standing(peer) == Some(Standing::Observer);
        let together = !observes || self.audience.may_answer();
        let Ok(account) = self.account(peer) else { return false };
        let left = together && account.answers > 0;
        if left {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 2);
            account.answers -= bytes;
            if observes {
                self.audience.answer(bytes);
            }
        }
        left
    }

    /// Whether a peer may be sent what it lacks: once in a resend interval.
    pub(crate) fn may_push(&mut self, peer: ReplicaId) -> bool {
        self.account(peer).is_ok_and(|account| !std::mem::replace(&mut account.pushed, true))
    }

    /// Asks a peer for something, and remembers that it did.
    pub(crate) fn fetch(&mut self, from: ReplicaId, fetch: Fetch) {
        let tick = self.timers.ticks;
        if let Ok(account) = self.account(from) {
            account.asked.insert(fetch, tick);
            self.tell(from, Body::Fetch(fetch));
        }
    }

    /// Takes note of an answer: each question is answered once.
    pub(crate) fn answered(&mut self, peer: ReplicaId, suits: impl Fn(&Fetch) -> bool) -> bool {
        let Ok(account) = self.account(peer) else { return false };
        let before = account.asked.len();
        account.asked.retain(|fetch, _| !suits(fetch));
        account.asked.len() < before
    }

    /// Returns where the members say they are.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (ReplicaId, Position)> {
        self.positions_of(Standing::Member)
    }

    /// Returns where the observers say they are. They hold no stake that would be lost: see
    /// `ask_one`.
    pub(crate) fn observer_positions(&self) -> impl Iterator<Item = (ReplicaId, Position)> {
        self.positions_of(Standing::Observer)
    }

    fn positions_of(&self, standing: Standing) -> impl Iterator<Item = (ReplicaId, Position)> {
        let peers = self.peers.iter().filter_map(|(id, peer)| Some((*id, peer.position?)));
        peers.filter(move |(id, _)| self.standing(*id) == Some(standing))
    }
}
