//! Who was there. A validator submits a batch at least every tick, so the blocks themselves say who
//! was away, and nobody has to be believed.
//!
//! Ledger time is cut into slots. A slot counts if there was a block in it, so that an outage of
//! the network is nobody's fault; a validator was there if a batch of its own was executed in it.

use ciro_protocol::economy::EconomyParams;
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::ValidatorId;

use crate::block::{Block, Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{ECONOMY, POOLS, PRESENCE, Presence, StateError, VALIDATORS};

/// Slots that an epoch must have for anybody to be judged: fewer say little.
const SLOTS_MIN: u64 = 4;

impl Ledger<'_> {
    /// Counts whose batches are in a block.
    pub(crate) fn note_presence(&mut self, block: &Block<'_>) -> Result<(), StateError> {
        let params = match self.params() {
            Ok(params) => params,
            Err(Stop::Refused(_)) => return Ok(()),
            Err(Stop::Broken(error)) => return Err(error),
        };
        let slot = self.chain.time_ms / params.penalty.slot_ms;
        let mut economy = self.state.expect(ECONOMY, &())?;
        if economy.slots.note(slot) {
            self.state.put(ECONOMY, &(), &economy);
        }
        for batch in block.batches {
            let Ok(id) = u32::try_from(batch.submitter.0) else { continue };
            if self.state.get(VALIDATORS, &id)?.is_none() {
                continue;
            }
            let mut presence = self.state.get(PRESENCE, &id)?.unwrap_or_default();
            if presence.note(slot) {
                self.state.put(PRESENCE, &id, &presence);
            }
        }
        self.state.keep();
        Ok(())
    }

    /// Jails who was away too often in the epoch that ends, and begins the next one.
    pub(crate) fn judge_presence(&mut self, params: &EconomyParams) -> Result<(), Stop> {
        let mut economy = self.state.expect(ECONOMY, &())?;
        let slots = std::mem::take(&mut economy.slots).count;
        self.state.put(ECONOMY, &(), &economy);
        let members: Vec<u32> = self.spec.validators.iter().map(|it| it.id).collect();
        for id in members {
            let there = self.state.get(PRESENCE, &id)?.unwrap_or_default().count;
            self.state.remove(PRESENCE, &id);
            let due = u128::from(slots) * u128::from(params.penalty.presence_bps);
            if slots >= SLOTS_MIN && u128::from(there) * 10_000 < due {
                self.absent(ValidatorId(id), params)?;
            }
        }
        Ok(())
    }

    fn absent(&mut self, validator: ValidatorId, params: &EconomyParams) -> Result<(), Stop> {
        let mut pool = self.state.expect(POOLS, &validator)?;
        if pool.tombstoned || pool.jailed_until_ms.is_some() || Rule::AbsenceIsFree.chosen() {
            return Ok(());
        }
        let until_ms = self.chain.time_ms.saturating_add(params.penalty.jail_ms);
        pool.jailed_until_ms = Some(until_ms);
        self.state.put(POOLS, &validator, &pool);
        self.events.push(Event::ValidatorJailed { validator, until_ms });
        let from = Purse::Stake(validator);
        let amount = self.balance(from)?.share(params.penalty.downtime_bps);
        self.burn_stake(from, amount)
    }
}

impl Presence {
    /// Counts a slot once.
    fn note(&mut self, slot: u64) -> bool {
        let new = self.last != Some(slot);
        if new {
            *self = Self { last: Some(slot), count: self.count.saturating_add(1) };
        }
        new
    }
}
