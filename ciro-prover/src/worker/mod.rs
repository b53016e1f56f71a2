//! The worker: a pure machine from inputs to effects.
//!
//! Nothing that a queue says is believed: an offer is a hint, and the ledger alone says who holds
//! what. Work is bound to a pair of job and attempt, so that what is said about an attempt that is
//! over changes nothing.

mod decide;
mod effect;
mod hear;
mod input;
mod mutation;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ciro_protocol::amount::Amount;
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::Mode;

pub use decide::{Denial, Served, Settings, Situation, able, decide, rank};
pub use effect::{Deed, Effect, ProveTask, Reason, Row};
pub use input::{Answer, FetchError, Head, Input, Place, ProveError, Sighting, Standing};
pub use table::{Event, State, Step, TABLE, step};

use mutation::Mutation;

/// The local clock moves by so much between two inputs at most, in ms: a machine that slept, or
/// whose clock was set, does not kill its children at once. Ticks come more often than this.
pub const CLOCK_STEP_MAX_MS: u64 = 10_000;

type Key = (JobId, u8);

/// The worker of a provider.
#[derive(Debug)]
pub struct Worker {
    settings: Settings,
    entries: BTreeMap<Key, Entry>,
    /// When which entry is looked at, by the worker's own clock.
    timers: BTreeSet<(u64, Key)>,
    /// Entries that are over, each once, the oldest first: these make room.
    over: VecDeque<Key>,
    head: Option<Head>,
    peers: BTreeMap<ProviderId, u16>,
    draining: bool,
    /// Not asked to leave jail before, by the worker's own clock.
    jailed_before: u64,
    /// Milliseconds since the start; never goes back.
    clock: u64,
    /// The last time that came in.
    now: Option<u64>,
    effects: Vec<Effect>,
}

/// A row with what a restart forgets.
#[derive(Debug)]
struct Entry {
    row: Row,
    /// When it is looked at.
    due: u64,
    /// Not claimed before.
    not_before: u64,
    /// When its child began.
    started: u64,
    /// Whether the ledger spoke of it since the start.
    heard: bool,
    /// Whether its input was looked at for a claim.
    look: Look,
}

/// How far the look at an input is, before its job is claimed. What cannot be had or read is not
/// claimed: giving it back would cost as much as failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It is still to come.
    Ahead,
    /// It began at this time of the worker's own clock.
    Begun(u64),
    /// The input is here, and it is the order's.
    Done,
}

impl Worker {
    /// Begins, or goes on with the rows that were saved. The first [`step`](Self::step) asks the
    /// ledger about each of them.
    #[must_use]
    pub fn new(settings: Settings, rows: Vec<Row>) -> Self {
        let mut worker = Self {
            settings,
            entries: BTreeMap::new(),
            timers: BTreeSet::new(),
            over: VecDeque::new(),
            head: None,
            peers: BTreeMap::new(),
            draining: false,
            jailed_before: 0,
            clock: 0,
            now: None,
            effects: Vec::new(),
        };
        for mut row in rows {
            row.state = step(row.state, Event::Restarted).unwrap_or(row.state);
            worker.insert(row);
        }
        worker
    }

    /// Takes an input at a local time in ms and returns what is to be done, in order.
    pub fn step(&mut self, now: u64, input: Input) -> Vec<Effect> {
        let passed = self.now.map_or(0, |before| now.saturating_sub(before));
        self.clock += passed.min(CLOCK_STEP_MAX_MS);
        self.now = Some(now);
        match input {
            Input::Offer(offer, position) => self.offered(*offer, position),
            Input::Head(head) => self.moved(head),
            Input::Ledger(sighting) => self.sighted(&sighting),
            Input::Answered(answer) => self.answered(&answer),
            Input::Looked(job, attempt, result) => self.looked((job, attempt), result),
            Input::Blob(blob, result) => self.fetched(blob, result),
            Input::Proof(job, attempt, result) => self.proved((job, attempt), result),
            Input::Stored(blob) => self.stored(blob),
            Input::Peers(peers) => self.peers = peers,
            Input::Models(models) => {
                self.settings.models = models;
                self.wake(&[State::Seen, State::Held]);
            }
            Input::Tick => {}
            Input::Drain => {
                self.draining = true;
                self.wake(&[State::Seen, State::Waiting]);
            }
        }
        while let Some((due, key)) = self.timers.first().copied()
            && due <= self.clock
        {
            self.act(key);
        }
        std::mem::take(&mut self.effects)
    }

    /// Returns the rows, by job and attempt.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.entries.values().map(|entry| &entry.row)
    }

    /// Returns how many jobs are held, or may be by claims that are on their way. A worker that
    /// drains ends at zero.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.entries.values().filter(|entry| counts(entry.row.state)).count()
    }

    /// Adds a row and looks at it at once.
    fn insert(&mut self, row: Row) {
        let key = (row.job, row.attempt);
        if row.state.is_end() {
            self.over.push_back(key);
        } else {
            self.timers.insert((self.clock, key));
        }
        let (due, not_before) = (self.clock, 0);
        let entry = Entry { row, due, not_before, started: 0, heard: false, look: Look::Ahead };
        self.entries.insert(key, entry);
    }

    /// Lets an event happen to an attempt: the only way in which a state changes. Returns whether
    /// it did.
    fn turn(&mut self, key: Key, event: Event, change: impl FnOnce(&mut Row)) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let from = entry.row.state;
        let Some(to) = step(from, event) else { return false };
        let looked = from == State::Waiting && entry.look != Look::Ahead;
        change(&mut entry.row);
        entry.row.state = to;
        if to == State::Seen {
            entry.look = Look::Ahead;
        }
        if to != State::Claiming || !Mutation::UnsavedClaim.chosen() {
            self.effects.push(Effect::Save(Box::new(entry.row.clone())));
        }
        if from == State::Proving && to != State::Uploading {
            self.effects.push(Effect::Kill(key.0, key.1));
        }
        self.effects.push(Effect::Progress(key.0, key.1, to));
        let after = self.clock;
        self.set_timer(key, after);
        if from.is_end() {
            self.over.retain(|over| *over != key);
        }
        if to.is_end() {
            self.over.push_back(key);
        }
        if (from.is_busy() || looked) && !to.is_busy() {
            self.wake(&[State::Seen]);
        }
        if matches!(from, State::Fetching | State::Proving) && to != State::Proving {
            self.wake(&[State::Held]);
        }
        true
    }

    fn set_timer(&mut self, key: Key, due: u64) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        self.timers.remove(&(entry.due, key));
        entry.due = due;
        if !entry.row.state.is_end() {
            self.timers.insert((due, key));
        }
    }

    /// Looks at all attempts in these states at once.
    fn wake(&mut self, states: &[State]) {
        let entries = self.entries.iter();
        let asleep = entries.filter(|(_, entry)| states.contains(&entry.row.state));
        let keys: Vec<Key> = asleep.map(|(key, _)| *key).collect();
        for key in keys {
            let due = self.entries.get(&key).map_or(0, |entry| entry.not_before);
            self.set_timer(key, due.max(self.clock));
        }
    }

    /// Does what an attempt's state wants, for the first time or again.
    fn act(&mut self, key: Key) {
        let again =
            if Mutation::NoRepeats.chosen() { u64::MAX } else { self.settings.retry_ms.max(1) };
        let due = self.clock.saturating_add(again);
        self.set_timer(key, due);
        let Some(entry) = self.entries.get(&key) else { return };
        let (row, state) = (&entry.row, entry.row.state);
        if !entry.heard && state.is_busy() && !Mutation::UnaskedRestart.chosen() {
            self.effects.push(Effect::Ask(key.0));
            if state != State::Claiming {
                return;
            }
        } else if state.is_busy() {
            self.effects.push(Effect::Ask(key.0));
        }
        match state {
            State::Seen => self.consider(key),
            State::Waiting => self.claim(key),
            State::Claiming => {
                let until = row.claim_until_ms;
                let sent = matches!(row.order.offer.mode, Mode::Open);
                if sent && self.head.is_some_and(|head| head.time_ms <= until) {
                    self.send(key, Deed::Claim, until);
                }
            }
            State::Held => self.begin(key),
            State::Fetching => self.effects.push(Effect::Fetch(row.order.input.blob)),
            State::Proving => self.prove(key),
            State::Uploading => {
                let bundle = row.proven.map(|proven| Effect::Store(proven.bundle));
                self.effects.extend(bundle);
            }
            State::Submitting => {
                if let (Some(proven), Some(until)) = (row.proven, self.until()) {
                    self.send(key, Deed::Submit(proven), until);
                }
            }
            State::Releasing => {
                let reason = row.reason.unwrap_or(Reason::Machine).release();
                if let Some(until) = self.until() {
                    self.send(key, Deed::Release(reason), until);
                }
            }
            State::Done | State::GivenUp => {}
        }
    }

    fn send(&mut self, (job, attempt): Key, deed: Deed, until_ms: u64) {
        self.effects.push(Effect::Send { deed, job, attempt, until_ms });
    }

    /// Returns until when a transaction of now is valid.
    fn until(&self) -> Option<u64> {
        self.head.map(|head| head.time_ms.saturating_add(self.settings.validity_ms))
    }

    fn decide(&self, key: Key) -> Result<(), Denial> {
        let Some(entry) = self.entries.get(&key) else { return Ok(()) };
        let claims = self.entries.values().filter(|entry| entry.row.state == State::Claiming);
        let claiming = claims.fold(Amount::ZERO, |sum, entry| {
            sum.checked_add(entry.row.order.offer.collateral).unwrap_or(Amount::SUPPLY)
        });
        let others = self.entries.iter().filter(|(other, _)| **other != key);
        let looks = others
            .filter(|(_, entry)| entry.row.state == State::Waiting && entry.look != Look::Ahead);
        let (head, busy, draining) = (self.head, self.busy() + looks.count(), self.draining);
        decide(&self.settings, &entry.row.order, &Situation { head, busy, claiming, draining })
    }

    /// Decides about an attempt that is not claimed.
    fn consider(&mut self, key: Key) {
        match self.decide(key) {
            Ok(()) => {
                let before = rank(key.0, self.settings.provider, &self.peers);
                self.turn(key, Event::Chosen, |_| {});
                let delay = before.saturating_mul(self.settings.rank_ms);
                self.set_timer(key, self.clock.saturating_add(delay));
            }
            Err(denial) if denial.can_pass() => {}
            Err(denial) => self.deny(key, Reason::Denied(denial)),
        }
    }

    fn deny(&mut self, key: Key, reason: Reason) {
        self.turn(key, Event::Denied, |row| row.reason = Some(reason));
    }

    /// Claims an attempt that has waited, if it is still worth it, once its input was looked at.
    fn claim(&mut self, key: Key) {
        match (self.decide(key), self.until()) {
            (Ok(()), Some(until)) if self.look(key) => {
                // Each claim has an end of its own: the ledger executes equal transactions once.
                let next = |row: &Row| until.max(row.claim_until_ms.saturating_add(1));
                self.turn(key, Event::Waited, |row| row.claim_until_ms = next(row));
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.heard = true;
                }
            }
            (Ok(()), Some(_)) => {}
            (Err(denial), _) if !denial.can_pass() => self.deny(key, Reason::Denied(denial)),
            _ => self.postpone(key),
        }
    }

    /// Returns whether the input was looked at, and otherwise begins to, or asks again. An input
    /// that takes longer than a lease makes room for others.
    fn look(&mut self, key: Key) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let since = match entry.look {
            Look::Done => return true,
            Look::Begun(since) => since,
            Look::Ahead => self.clock,
        };
        if Mutation::UnseenClaim.chosen() {
            return true;
        }
        entry.look = Look::Begun(since);
        let order = entry.row.order.clone();
        if self.clock.saturating_sub(since) > order.offer.lease_ms {
            self.postpone(key);
        } else {
            let (job, attempt) = key;
            self.effects.push(Effect::Look(Box::new(ProveTask { job, attempt, order })));
        }
        false
    }

    fn postpone(&mut self, key: Key) {
        if self.turn(key, Event::Postponed, |_| {}) {
            let later = self.clock.saturating_add(self.settings.retry_ms);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.not_before = later;
            }
            self.set_timer(key, later);
        }
    }

    /// Gives a held job to a child, if one is free.
    fn begin(&mut self, key: Key) {
        let Some(entry) = self.entries.get(&key) else { return };
        if let Err(denial) = able(&self.settings, &entry.row.order) {
            self.fail(key, Reason::Denied(denial));
            return;
        }
        let at_work = |entry: &&Entry| matches!(entry.row.state, State::Fetching | State::Proving);
        let children = self.entries.values().filter(at_work).count();
        if children < usize::from(self.settings.children) {
            self.turn(key, Event::Started, |_| {});
        } else {
            // A direct order was looked at by nobody: a bad one makes room at once.
            self.look(key);
        }
    }

    fn prove(&mut self, key: Key) {
        let Some(entry) = self.entries.get(&key) else { return };
        let lease_ms = entry.row.order.offer.lease_ms;
        let limit = lease_ms.saturating_add(lease_ms / 5);
        let ends = entry.started.saturating_add(limit);
        if self.clock >= ends && !Mutation::EndlessChild.chosen() {
            self.fail(key, Reason::Killed);
            return;
        }
        let (job, attempt) = key;
        let order = entry.row.order.clone();
        self.effects.push(Effect::Prove(Box::new(ProveTask { job, attempt, order })));
        let next = entry.due.min(ends.max(self.clock + 1));
        self.set_timer(key, next);
    }

    fn fail(&mut self, key: Key, reason: Reason) {
        let event = if Mutation::KeptFailure.chosen() { Event::Lost } else { Event::Failed };
        self.turn(key, event, |row| row.reason = Some(reason));
    }
}

/// Whether an attempt in this state takes a place.
fn counts(state: State) -> bool {
    state.is_busy() && !(state == State::Claiming && Mutation::UncountedClaims.chosen())
}
