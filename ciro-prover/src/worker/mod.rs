//! The worker: a pure machine from inputs to effects.
//!
//! Nothing that a queue says is believed: an offer is a hint, and the ledger alone says who holds
//! what. Work is bound to a pair of job and attempt, so that what is said about an attempt that is
//! over changes nothing.

mod decide;
mod direct;
mod effect;
mod hear;
mod input;
mod mutation;
mod table;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::Mode;

pub use decide::{Denial, Served, Settings, Situation, Speed, able, decide, promising, rank};
pub use direct::Places;
pub use effect::{Deed, Effect, ProveTask, Reason, Row};
pub use input::{Answer, FetchError, Head, Input, Place, ProveError, Sighting, Standing};
pub use table::{Event, State, Step, TABLE, step};

use decide::ready_ms;
use mutation::Mutation;
use tally::{Tally, is_look};

use crate::queue::Position;

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
    tally: Tally,
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
    /// Whether its input could not be had.
    missed: bool,
    /// The ledger time from which it pays enough, in ms; `u64::MAX` if it never does.
    ready_ms: u64,
    /// Where the queue has it, if it came from there since the start.
    position: Option<Position>,
    /// Whether the disk has it. Whoever orders pays little for what is offered and never claimed.
    saved: bool,
    /// Until when the proof or the release that was sent last is valid, in ms of ledger time; zero
    /// before the first.
    sent_until_ms: u64,
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
            tally: Tally::default(),
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
            worker.insert(row, None);
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
            Input::Models(models) => self.served(models),
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
    pub const fn busy(&self) -> usize {
        self.tally.busy()
    }

    /// Adds a row and looks at it at once: one from the disk, or one that has a place in the queue.
    fn insert(&mut self, row: Row, position: Option<Position>) {
        let key = (row.job, row.attempt);
        if row.state.is_end() {
            self.over.push_back(key);
        } else {
            self.timers.insert((self.clock, key));
        }
        let entry = Entry {
            due: self.clock,
            not_before: 0,
            started: 0,
            heard: false,
            look: Look::Ahead,
            missed: false,
            ready_ms: ready_ms(&self.settings, &row.order).unwrap_or(u64::MAX),
            position,
            saved: position.is_none(),
            sent_until_ms: 0,
            row,
        };
        self.tally.add(key, &entry);
        let state = entry.row.state;
        self.entries.insert(key, entry);
        if position.is_some() && state.is_kept() {
            self.save(key);
        }
    }

    /// Makes an entry's row durable.
    fn save(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.saved = true;
            self.effects.push(Effect::Save(Box::new(entry.row.clone())));
        }
    }

    /// Takes an entry out, without a trace.
    fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else { return };
        self.timers.remove(&(entry.due, key));
        self.tally.remove(key, &entry);
        if entry.saved {
            self.effects.push(Effect::Forget(key.0, key.1));
        }
    }

    /// Changes an entry: the only way for whatever the tally counts.
    fn alter(&mut self, key: Key, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&key) {
            self.tally.remove(key, entry);
            change(entry);
            self.tally.add(key, entry);
        }
    }

    /// Lets an event happen to an attempt: the only way in which a state changes. Returns whether
    /// it did.
    fn turn(&mut self, key: Key, event: Event, change: impl FnOnce(&mut Row)) -> bool {
        let Some(entry) = self.entries.get(&key) else { return false };
        let (from, looked) = (entry.row.state, is_look(entry));
        let Some(to) = step(from, event) else { return false };
        self.alter(key, |entry| {
            change(&mut entry.row);
            entry.row.state = to;
            if to == State::Seen {
                entry.look = Look::Ahead;
            }
        });
        let kept = to.is_kept() || self.entries.get(&key).is_some_and(|entry| entry.saved);
        if kept && (to != State::Claiming || !Mutation::UnsavedClaim.chosen()) {
            self.save(key);
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
            self.wake_ready();
        }
        if matches!(from, State::Fetching | State::Proving) && to != State::Proving {
            self.wake(&[State::Held]);
        }
        true
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
                if let (Some(proven), Some(until)) = (row.proven, self.sent_until(key)) {
                    self.send(key, Deed::Submit(proven), until);
                }
            }
            State::Releasing => {
                let reason = row.reason.unwrap_or(Reason::Machine).release();
                if let Some(until) = self.sent_until(key) {
                    self.send(key, Deed::Release(reason), until);
                }
            }
            State::Done | State::GivenUp => {}
        }
    }

    fn send(&mut self, (job, attempt): Key, deed: Deed, until_ms: u64) {
        self.effects.push(Effect::Send { deed, job, attempt, until_ms });
    }

    /// Returns until when the proof or the release of an attempt is valid: it is one transaction
    /// until that is over. Another one would be refused after its fee, a proof's by the byte.
    fn sent_until(&mut self, key: Key) -> Option<u64> {
        let (next, now) = (self.until()?, self.head?.time_ms);
        let entry = self.entries.get_mut(&key)?;
        if entry.sent_until_ms < now {
            entry.sent_until_ms = next;
        }
        Some(entry.sent_until_ms)
    }

    /// Returns until when a transaction of now is valid.
    fn until(&self) -> Option<u64> {
        self.head.map(|head| head.time_ms.saturating_add(self.settings.validity_ms))
    }

    fn decide(&self, key: Key) -> Result<(), Denial> {
        let Some(entry) = self.entries.get(&key) else { return Ok(()) };
        let looks = self.tally.looks() - usize::from(is_look(entry));
        let (head, busy, draining) = (self.head, self.busy() + looks, self.draining);
        let claiming = self.tally.claiming();
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
            // Heads say when its price is reached.
            Err(Denial::PriceNow) => self.set_timer(key, u64::MAX),
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
        let Some(entry) = self.entries.get(&key) else { return false };
        let since = match entry.look {
            Look::Done => return true,
            Look::Begun(since) => since,
            Look::Ahead => self.clock,
        };
        if Mutation::UnseenClaim.chosen() {
            return true;
        }
        let order = entry.row.order.clone();
        self.alter(key, |entry| entry.look = Look::Begun(since));
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

    /// Gives held jobs to the children that are free, whatever lease ends first first. Ids say
    /// nothing of haste, and whoever orders can choose them.
    fn begin(&mut self, key: Key) {
        if let Some(reason) = self.unfit(key) {
            self.fail(key, reason);
        }
        while self.tally.children() < usize::from(self.settings.children)
            && let Some(first) = self.first_held()
        {
            match self.unfit(first) {
                Some(reason) => self.fail(first, reason),
                None => {
                    self.turn(first, Event::Started, |_| {});
                }
            }
        }
        if self.entries.get(&key).is_some_and(|entry| entry.row.state == State::Held) {
            // A direct order was looked at by nobody: a bad one makes room at once.
            self.look(key);
        }
    }

    /// The held job whose lease ends first, of those that the ledger spoke of since the start.
    fn first_held(&self) -> Option<Key> {
        let heard = |key: &Key| self.entries.get(key).is_some_and(|entry| entry.heard);
        self.tally.held().find(|key| heard(key) || Mutation::UnaskedRestart.chosen())
    }

    /// Why a held job is given back rather than begun.
    fn unfit(&self, key: Key) -> Option<Reason> {
        let row = &self.entries.get(&key)?.row;
        let served = match able(&self.settings, &row.order) {
            Ok(served) => served,
            Err(denial) => return Some(Reason::Denied(denial)),
        };
        let head = self.head?;
        let takes_ms = head.ledger_ms(self.settings.speed().proof_ms(served.cells));
        let ends_ms = head.time_ms.saturating_add(takes_ms);
        (ends_ms > row.lease_until_ms).then_some(Reason::Late)
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
