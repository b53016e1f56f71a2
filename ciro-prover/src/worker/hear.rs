//! What each input changes.

use std::collections::BTreeMap;

use ciro_protocol::blob::BlobId;
use ciro_protocol::id::KeyDigest;
use ciro_protocol::order::{JobOrder, Mode};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::Proven;

use super::decide::{Served, Settings, ready_ms};
use super::effect::{Deed, Effect, Reason, Row};
use super::input::{Answer, FetchError, Head, Place, ProveError, Sighting, Standing};
use super::mutation::Mutation;
use super::table::{Event, State};
use super::{Key, Look, Worker};
use crate::queue::{JobOffer, Position};

impl Worker {
    /// Takes an offer into the table, once. One that finds no room is let go, and the queue is
    /// asked to bring it again while it is open.
    pub(super) fn offered(&mut self, offer: JobOffer, position: Position) {
        let JobOffer { job, attempt, order } = offer;
        let direct = order.offer.mode == Mode::Direct(self.settings.provider);
        let known = self.entries.range((job, attempt)..=(job, u8::MAX)).next().is_some();
        let room = known || self.make_room(direct, &order);
        if !room {
            self.effects.push(Effect::Again(Some(position)));
        }
        if !known && room {
            let before = self.entries.range((job, 0)..(job, attempt));
            let held = |row: &Row| row.lease_until_ms > 0;
            let failed = before.into_iter().any(|(_, entry)| held(&entry.row));
            // A direct order is held from the start, whatever this worker thinks of it.
            let state = if direct { State::Claiming } else { State::Seen };
            let claim_until_ms = if direct { order.offer.deadline_ms } else { 0 };
            let row = Row {
                job,
                attempt,
                order,
                state,
                reason: None,
                claim_until_ms,
                lease_until_ms: 0,
                proven: None,
                heard: Place::default(),
            };
            self.insert(row, Some(position));
            if failed {
                self.deny((job, attempt), Reason::Refused(Refusal::FailedBefore));
            }
        }
        self.effects.push(Effect::Ack(position));
    }

    /// Forgets the oldest attempt that is over, or else one that is not claimed and is worth less
    /// than an order that comes.
    fn make_room(&mut self, direct: bool, order: &JobOrder) -> bool {
        while self.entries.len() >= self.settings.rows_max {
            if let Some(over) = self.over.pop_front() {
                self.remove(over);
            } else if let Some(loose) = self.loose(direct, order) {
                self.let_go(loose);
            } else {
                return false;
            }
        }
        true
    }

    /// Forgets an attempt that could still be claimed, and asks the queue to bring it again.
    fn let_go(&mut self, key: Key) {
        let position = self.entries.get(&key).and_then(|entry| entry.position);
        self.effects.push(Effect::Again(position));
        self.remove(key);
    }

    /// Takes the keys that are proven from now on. What waits for one that is not among them any
    /// more comes again, and the key with it.
    pub(super) fn served(&mut self, models: BTreeMap<KeyDigest, Served>) {
        self.settings.models = models;
        let served = &self.settings.models;
        let gone = self.among(State::Seen, |row| !served.contains_key(&row.order.key));
        for key in gone {
            self.let_go(key);
        }
        self.wake(&[State::Seen, State::Held]);
    }

    /// An attempt that is not claimed and makes room for an order: one whose input could not be
    /// had, or that pays enough later than the order does. Whoever fills the table with what pays
    /// only tomorrow keeps nobody out. A job that is held already takes the place of any.
    fn loose(&self, direct: bool, order: &JobOrder) -> Option<Key> {
        let seen = self.tally.loosest();
        if direct {
            let waits = |(_, entry): &(&Key, &super::Entry)| entry.row.state == State::Waiting;
            let waiting = || self.entries.iter().find(waits).map(|(key, _)| *key);
            return seen.map(|(_, _, key)| key).or_else(waiting);
        }
        let (missed, later_ms, key) = seen?;
        let now_ms = self.head.map_or(0, |head| head.time_ms);
        let ready_ms = ready_ms(&self.settings, order).ok()?;
        (missed || later_ms > ready_ms.max(now_ms)).then_some(key)
    }

    pub(super) fn moved(&mut self, head: Head) {
        if self.head.is_none_or(|known| known.height < head.height) {
            let first = self.head.is_none();
            self.head = Some(head);
            if first {
                let waiting = [State::Seen, State::Claiming, State::Submitting, State::Releasing];
                self.wake(&waiting);
            } else {
                self.wake_ready();
            }
            self.leave_jail(head);
        }
    }

    /// Asks to leave jail where its time is over and there is work to come back for.
    fn leave_jail(&mut self, head: Head) {
        let Settings { unjail, listen_only, retry_ms, validity_ms, .. } = self.settings;
        let wanted = unjail && !listen_only && !self.draining && head.jail_over;
        if wanted && self.jailed_before <= self.clock && !Mutation::EndlessJail.chosen() {
            self.jailed_before = self.clock.saturating_add(retry_ms);
            let until_ms = head.time_ms.saturating_add(validity_ms);
            self.effects.push(Effect::Unjail { until_ms });
        }
    }

    /// Takes the ledger's word on a job, unless later word was heard before.
    pub(super) fn sighted(&mut self, sighting: &Sighting) {
        let job = sighting.job;
        let keys: Vec<Key> =
            self.entries.range((job, 0)..=(job, u8::MAX)).map(|it| *it.0).collect();
        for key in keys {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if sighting.place < entry.row.heard && !Mutation::StaleSightings.chosen() {
                continue;
            }
            entry.row.heard = sighting.place;
            let first = !std::mem::replace(&mut entry.heard, true);
            let Some((event, reason)) = self.meaning(key, sighting) else {
                if first {
                    self.set_timer(key, self.clock);
                }
                continue;
            };
            let state = self.entries.get(&key).map(|entry| entry.row.state);
            if event == Event::Lost
                && state == Some(State::Submitting)
                && Mutation::SubmittedInVain.chosen()
            {
                continue;
            }
            if event == Event::Postponed {
                self.postpone(key);
                continue;
            }
            let lease = match sighting.standing {
                Standing::Claimed { lease_until_ms, .. } => Some(lease_until_ms),
                _ => None,
            };
            let turned = self.turn(key, event, |row| {
                row.reason = reason.or(row.reason);
                if event == Event::Won {
                    row.lease_until_ms = lease.unwrap_or(row.lease_until_ms);
                }
            });
            if !turned && first {
                self.set_timer(key, self.clock);
            }
        }
    }

    /// Returns what a job's standing means for an attempt at it.
    fn meaning(&self, key: Key, sighting: &Sighting) -> Option<(Event, Option<Reason>)> {
        let row = &self.entries.get(&key)?.row;
        let (own, me) = (row.attempt, self.settings.provider);
        // A claim that can no longer be executed, and was not.
        let stuck = row.state == State::Claiming
            && (sighting.time_ms > row.claim_until_ms || Mutation::ForgottenClaim.chosen());
        let over = Some((Event::Lost, Some(Reason::Over)));
        match sighting.standing {
            Standing::Unknown if stuck => Some((Event::Lost, Some(Reason::Unknown))),
            Standing::Open { attempt } if attempt == own && stuck => Some((Event::Postponed, None)),
            Standing::Open { attempt } | Standing::Claimed { attempt, .. } if attempt > own => over,
            Standing::Over { attempt } if attempt >= own => over,
            Standing::Claimed { attempt, provider, .. } if attempt == own => {
                let taken = Some((Event::Lost, Some(Reason::Taken)));
                if provider == me { Some((Event::Won, None)) } else { taken }
            }
            Standing::Ended { by } if by == Some(me) => Some((Event::Settled, None)),
            Standing::Ended { .. } => Some((Event::Lost, Some(Reason::Ended))),
            Standing::Unknown
            | Standing::Open { .. }
            | Standing::Claimed { .. }
            | Standing::Over { .. } => None,
        }
    }

    /// Takes what became of a transaction. That one was executed is the ledger's to say.
    pub(super) fn answered(&mut self, answer: &Answer) {
        let key = (answer.job, answer.attempt);
        let Some(entry) = self.entries.get(&key) else { return };
        let row = &entry.row;
        let Some(refusal) = answer.refused else {
            self.effects.push(Effect::Ask(key.0));
            return;
        };
        match (answer.deed, row.state) {
            (Deed::Claim, State::Claiming) if answer.until_ms == row.claim_until_ms => {
                if leaves_no_trace(refusal) && !Mutation::HastyRefusal.chosen() {
                    return;
                }
                if can_pass(refusal) || leaves_no_trace(refusal) {
                    self.postpone(key);
                } else {
                    self.deny(key, Reason::Refused(refusal));
                }
            }
            (Deed::Submit(proven), State::Submitting) if row.proven == Some(proven) => {
                let flawed = matches!(
                    refusal,
                    Refusal::WrongKey | Refusal::WrongInput | Refusal::VerifierInactive
                );
                if flawed {
                    self.fail(key, Reason::Refused(refusal));
                } else {
                    self.effects.push(Effect::Ask(key.0));
                }
            }
            (Deed::Release(_), State::Releasing) => self.effects.push(Effect::Ask(key.0)),
            (Deed::Claim | Deed::Submit(_) | Deed::Release(_), _) => {}
        }
    }

    /// Takes what came of a look at an input: what is not the order's is not claimed, and a direct
    /// order for it goes back.
    pub(super) fn looked(&mut self, key: Key, result: Result<(), FetchError>) {
        let Some(entry) = self.entries.get(&key) else { return };
        let held = match entry.row.state {
            State::Waiting => false,
            State::Held => true,
            _ => return,
        };
        if !matches!(entry.look, Look::Begun(_)) {
            return;
        }
        match result {
            Ok(()) => {
                self.alter(key, |entry| (entry.look, entry.missed) = (Look::Done, false));
                self.set_timer(key, self.clock);
            }
            Err(FetchError::Local) if held => self.alter(key, |entry| entry.look = Look::Ahead),
            Err(_) if held => self.fail(key, Reason::Input),
            Err(FetchError::Unreadable) => self.deny(key, Reason::Input),
            // It may be there later, and there is room for it until another one needs it.
            Err(FetchError::Unavailable) => {
                self.postpone(key);
                self.alter(key, |entry| entry.missed = true);
            }
            Err(FetchError::Local) => self.postpone(key),
        }
    }

    pub(super) fn fetched(&mut self, blob: BlobId, result: Result<(), FetchError>) {
        for key in self.among(State::Fetching, |row| row.order.input.blob == blob) {
            match result {
                Ok(()) => {
                    let now = self.clock;
                    self.turn(key, Event::Fetched, |_| {});
                    if let Some(entry) = self.entries.get_mut(&key) {
                        entry.started = now;
                    }
                }
                Err(FetchError::Unavailable | FetchError::Unreadable) => {
                    self.fail(key, Reason::Input);
                }
                Err(FetchError::Local) => self.fail(key, Reason::Machine),
            }
        }
    }

    /// Takes a child's result: a proof that answers another question than the order's is none.
    pub(super) fn proved(&mut self, key: Key, result: Result<Proven, ProveError>) {
        let Some(entry) = self.entries.get(&key) else { return };
        if entry.row.state != State::Proving {
            return;
        }
        let (wanted, input) = (entry.row.order.key, entry.row.order.input.statement);
        match result {
            Ok(proven) if proven.key != wanted => self.fail(key, Reason::Machine),
            Ok(proven) if proven.input != input => self.fail(key, Reason::Input),
            Ok(proven) => {
                self.turn(key, Event::Proved, |row| row.proven = Some(proven));
            }
            Err(ProveError::Input) => self.fail(key, Reason::Input),
            Err(ProveError::Child | ProveError::Unverified) => self.fail(key, Reason::Machine),
        }
    }

    pub(super) fn stored(&mut self, blob: BlobId) {
        let bundle = |row: &Row| row.proven.is_some_and(|proven| proven.bundle == blob);
        for key in self.among(State::Uploading, bundle) {
            self.turn(key, Event::Stored, |_| {});
        }
    }

    fn among(&self, state: State, wanted: impl Fn(&Row) -> bool) -> Vec<Key> {
        let entries = self.entries.iter();
        let found = entries.filter(|(_, entry)| entry.row.state == state && wanted(&entry.row));
        found.map(|(key, _)| *key).collect()
    }
}

/// Whether the ledger forgets that it refused a transaction: it may still be executed.
const fn leaves_no_trace(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Expired
            | Refusal::ValidityTooLong
            | Refusal::Duplicate
            | Refusal::FeeAboveMax
            | Refusal::FeeUnaffordable
    )
}

/// Whether another claim of the same attempt may be accepted.
const fn can_pass(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::CapacityFull
            | Refusal::CollateralUnaffordable
            | Refusal::ProviderJailed
            | Refusal::ProviderInactive
    )
}
