//! What happens at its time.

use ciro_protocol::wire::encode;

use super::{Ledger, Stop};
use crate::job::Act;
use crate::state::{SEEN, StateError, TIMERS, Timer, TimerKey, TimerKind};

/// Transactions that are forgotten after a block at most.
const FORGOTTEN_PER_BLOCK: usize = 4096;

impl Ledger<'_> {
    /// Sets a timer and returns its place.
    pub(crate) fn set_timer(
        &mut self,
        at_ms: u64,
        kind: TimerKind,
    ) -> Result<TimerKey, StateError> {
        let key = TimerKey { at_ms, number: self.chain.next_timer };
        let next = self.chain.next_timer.checked_add(1);
        self.chain.next_timer = next.ok_or(StateError::Sum("timers"))?;
        self.state.put(TIMERS, &key, &Timer { kind });
        Ok(key)
    }

    pub(crate) fn cancel_timer(&mut self, key: TimerKey) {
        self.state.remove(TIMERS, &key);
    }

    /// Fires timers that are due, the earliest first, up to the network's limit; the others follow
    /// in the next block.
    pub(crate) fn fire_timers(&mut self) -> Result<(), StateError> {
        let to = TimerKey { at_ms: self.chain.time_ms.saturating_add(1), number: 0 };
        let limit = usize::try_from(self.spec.limits.timers_per_block).unwrap_or(usize::MAX);
        let due = self.state.range(&[TIMERS.prefix], &TIMERS.key(&to), limit);
        for (key, value) in due {
            let place: TimerKey = TIMERS.name_of(&key)?;
            // One that fired may have cancelled another.
            if self.state.get(TIMERS, &place)?.is_none() {
                continue;
            }
            let timer = TIMERS.decode(&key, &value)?;
            self.cancel_timer(place);
            self.fire(place.at_ms, timer.kind).map_err(|stop| match stop {
                Stop::Broken(error) => error,
                Stop::Refused(refusal) => StateError::Timer(refusal),
            })?;
            self.state.keep();
        }
        Ok(())
    }

    fn fire(&mut self, at_ms: u64, kind: TimerKind) -> Result<(), Stop> {
        match kind {
            TimerKind::Lease(job) => self.act(job, Act::LeaseEnded),
            TimerKind::Deadline(job) => self.act(job, Act::DeadlinePassed),
            TimerKind::Unbonded { provider, amount } => self.unbonded(provider, amount),
            TimerKind::Emission => self.emission(at_ms),
            TimerKind::AirdropEnds => self.airdrop_ends(),
            TimerKind::Departure(number) => self.departed(number),
            TimerKind::VoteEnds(proposal) => self.vote_ends(proposal),
            TimerKind::Enact(proposal) => self.enact(proposal),
            TimerKind::LaunchEnds(launch) => self.launch_expires(launch),
        }
    }

    /// Forgets transactions that are no longer valid: they are refused for that from now on.
    pub(crate) fn forget_transactions(&mut self) -> Result<(), StateError> {
        let mut to = vec![SEEN.prefix];
        to.extend(self.chain.time_ms.to_be_bytes());
        for (key, _) in self.state.range(&[SEEN.prefix], &to, FORGOTTEN_PER_BLOCK) {
            let name = SEEN.name_of(&key)?;
            debug_assert_eq!(encode(&name), key[1..], "a key is its name's encoding");
            self.state.remove(SEEN, &name);
        }
        self.state.keep();
        Ok(())
    }
}
