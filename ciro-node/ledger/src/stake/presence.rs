//! Who was there. A validator submits a batch at least every tick, so the blocks themselves say who
//! was away, and nobody has to be believed.
//!
//! Ledger time is cut into slots. A slot counts if there was a block in it, so that an outage of
//! the network is nobody's fault; a validator was there if a batch of its own was executed in it.
//! While ledger time is behind the validators' clocks by more than a slot, after an outage, no slot
//! counts: in it are those who came back first.

use std::collections::BTreeSet;

use ciro_protocol::economy::EconomyParams;
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::ValidatorId;

use crate::block::{Block, Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{ECONOMY, POOLS, PRESENCE, Presence, StateError, VALIDATORS, ValidatorRecord};

/// Slots that an epoch must have for anybody to be judged: fewer say little.
const SLOTS_MIN: u64 = 4;

impl Ledger<'_> {
    /// Counts whose batches are in a block. The clock is behind by so much.
    pub(crate) fn note_presence(
        &mut self,
        block: &Block<'_>,
        behind_ms: u64,
    ) -> Result<(), StateError> {
        let slot_ms = match self.params() {
            Ok(params) => params.penalty.slot_ms,
            Err(Stop::Refused(_)) => return Ok(()),
            Err(Stop::Broken(error)) => return Err(error),
        };
        if behind_ms > slot_ms {
            return Ok(());
        }
        let slot = self.chain.time_ms / slot_ms;
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

    /// Jails who was away too often in the epoch of rewards that ends, and begins the next one.
    /// Whoever joined in the course of it is judged by what was left of it. Returns who was a
    /// member for all of it; those of them who were there have run.
    pub(crate) fn judge_presence(
        &mut self,
        params: &EconomyParams,
    ) -> Result<BTreeSet<ValidatorId>, Stop> {
        let mut economy = self.state.expect(ECONOMY, &())?;
        let slots = std::mem::take(&mut economy.slots).count;
        self.state.put(ECONOMY, &(), &economy);
        let mut whole = BTreeSet::new();
        for (id, member) in self.members()? {
            let validator = ValidatorId(id);
            let there = self.state.get(PRESENCE, &id)?.unwrap_or_default().count;
            self.state.remove(PRESENCE, &id);
            let due = slots.saturating_sub(member.joined_slots);
            let least = u128::from(due) * u128::from(params.penalty.presence_bps);
            let (judged, present) = (due >= SLOTS_MIN, u128::from(there) * 10_000 >= least);
            if member.joined_slots == 0 {
                whole.insert(validator);
                // Even where nothing is demanded of it.
                if judged && present && there > 0 {
                    self.has_run(validator)?;
                }
            } else {
                self.state.put(VALIDATORS, &id, &ValidatorRecord { joined_slots: 0, ..member });
            }
            if judged && !present {
                self.absent(validator, params)?;
            }
        }
        Ok(whole)
    }

    fn has_run(&mut self, validator: ValidatorId) -> Result<(), StateError> {
        let mut pool = self.state.expect(POOLS, &validator)?;
        if !pool.proven {
            pool.proven = true;
            self.state.put(POOLS, &validator, &pool);
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
