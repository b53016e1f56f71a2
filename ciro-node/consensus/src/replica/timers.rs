//! Timers: when a replica asks for another primary (PBFT §4.4 and §4.5.2).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Phase, Replica};
use crate::crypto::Scheme;
use crate::io::{Effect, Timer};
use crate::mutation::Mutation;

/// The part of the patience after which the proposer is handed what waits: a client that never sent
/// it there must not depose it.
const RELAY_SHARE: u32 = 4;

/// Running timers and the patience left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    deadlines: BTreeMap<Timer, Duration>,
    /// The place in the queue of the operation that the progress timer watches.
    watched: Option<u64>,
    /// View changes since the last progress; each doubles the timeout.
    attempts: u32,
    /// Resend intervals so far; it rotates whom to ask.
    pub(crate) ticks: u64,
}

impl<S: Scheme> Replica<S> {
    pub(crate) fn set_timer(&mut self, timer: Timer, after: Duration) {
        self.timers.deadlines.insert(timer, self.now + after);
        self.effects.push(Effect::SetTimeout { timer, after });
    }

    pub(crate) fn cancel_timer(&mut self, timer: Timer) {
        if self.timers.deadlines.remove(&timer).is_some() {
            self.effects.push(Effect::CancelTimeout { timer });
        }
    }

    pub(crate) fn is_timing(&self, timer: Timer) -> bool {
        self.timers.deadlines.contains_key(&timer)
    }

    /// Takes a passed timer; false if it was cancelled, or set anew meanwhile and is early now.
    ///
    /// A driver that rounds delivers early. The rest of the time is asked for again, or the timer
    /// would never fire.
    pub(crate) fn take_timer(&mut self, timer: Timer) -> bool {
        let Some(deadline) = self.timers.deadlines.get(&timer).copied() else { return false };
        if let Some(rest) = deadline.checked_sub(self.now).filter(|rest| !rest.is_zero()) {
            self.effects.push(Effect::SetTimeout { timer, after: rest });
            return false;
        }
        self.timers.deadlines.remove(&timer);
        true
    }

    /// Returns a timer whose timeout should have come a resend interval ago: the driver has lost
    /// it.
    pub(crate) fn lost_timer(&self) -> Option<Timer> {
        let patience = self.params().resend_interval;
        let overdue = |deadline: &Duration| *deadline + patience <= self.now;
        self.timers.deadlines.iter().find(|(_, it)| overdue(it)).map(|(timer, _)| *timer)
    }

    /// Returns the current timeout: doubled by every view change since the last progress, up to the
    /// cap.
    pub(crate) fn patience(&self) -> Duration {
        let doublings = self.timers.attempts.min(self.params().timeout_doublings);
        self.params().progress_timeout * (1 << doublings)
    }

    pub(crate) fn lose_patience(&mut self) {
        self.timers.attempts = self.timers.attempts.saturating_add(1);
    }

    pub(crate) const fn reset_backoff(&mut self) {
        self.timers.attempts = 0;
    }

    /// Forgets which operation is watched, so that the timer starts afresh.
    pub(crate) fn stop_watching(&mut self) {
        self.timers.watched = None;
        self.cancel_timer(Timer::Progress);
        self.cancel_timer(Timer::Relay);
    }

    /// Keeps the progress timer on the operation that has been executable for longest.
    ///
    /// Others' execution does not restart it: a primary that censors one operation is found out
    /// however busy it is.
    pub(crate) fn watch_progress(&mut self) {
        let oldest = self.pending.oldest();
        let oldest = if self.genesis.mutations.has(Mutation::IdleTimerOnly) {
            oldest.filter(|(_, operation)| {
                let proposed = |slot: &crate::slot::Slot| {
                    slot.assigned_in(self.view)
                        .and_then(|assigned| slot.contents.get(&assigned.digest))
                        .is_some_and(|proposal| proposal.operations.contains(operation))
                };
                !self.slots.values().any(proposed)
            })
        } else {
            oldest
        };
        let watched = oldest.map(|(ticket, _)| ticket);
        let active = matches!(self.phase, Phase::Active(_)) && self.is_validator();
        match watched.filter(|_| active) {
            None => self.stop_watching(),
            Some(ticket) if self.timers.watched != Some(ticket) => {
                self.timers.watched = Some(ticket);
                self.set_timer(Timer::Progress, self.patience());
                self.set_timer(Timer::Relay, self.patience() / RELAY_SHARE);
            }
            Some(_) => {}
        }
    }
}
