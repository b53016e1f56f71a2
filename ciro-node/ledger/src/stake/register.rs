//! Validators: registration, commission, and the way out of jail.

use ciro_protocol::economy::Possession;
use ciro_protocol::event::Event;
use ciro_protocol::id::{Chain, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{Address, KeyCache, Signed};
use ciro_protocol::tx::{Delegate, RegisterValidator, SetCommission};

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{KEYS, OPERATORS, POOLS, PoolRecord};

impl Ledger<'_> {
    pub(crate) fn register_validator(
        &mut self,
        chain: Chain,
        by: Address,
        body: &RegisterValidator,
    ) -> Result<(), Stop> {
        let params = self.params()?;
        let RegisterValidator { key, possession, commission, bond } = *body;
        if self.state.get(OPERATORS, &by)?.is_some() {
            return Err(Refusal::ValidatorExists.into());
        }
        if self.state.get(KEYS, &key)?.is_some() {
            return Err(Refusal::KeyTaken.into());
        }
        if !commission.is_sound() {
            return Err(Refusal::CommissionRange.into());
        }
        if bond < params.stake.self_bond_min {
            return Err(Refusal::SelfBondTooSmall.into());
        }
        let signed =
            Signed { body: Possession { chain, key, operator: by }, signature: possession };
        if signed.verify(chain, &mut KeyCache::new(1)).is_err() {
            return Err(Refusal::NotPossessed.into());
        }
        // Consensus remembers each submitter as long as the chain lives.
        let max = params.stake.validators_max.min(self.spec.consensus.clients);
        let number = self.with_economy(|record| {
            let number = record.next_validator;
            // Numbers end, too: no one is used twice.
            let next = number.checked_add(1).filter(|_| record.validators < max);
            let Some(next) = next else { return Some(None) };
            record.next_validator = next;
            record.validators = record.validators.checked_add(1)?;
            Some(Some(number))
        })?;
        let validator = ValidatorId(number.ok_or(Refusal::ValidatorsFull)?);
        let pool = PoolRecord {
            operator: by,
            key,
            shares: 0,
            index: 0,
            commission,
            commission_ms: self.chain.time_ms,
            // Until its operator says that its node has caught up: whoever is elected must vote.
            jailed_until_ms: Some(self.chain.time_ms),
            tombstoned: false,
            lost_ppb: 0,
            proven: false,
        };
        self.state.put(POOLS, &validator, &pool);
        self.state.put(OPERATORS, &by, &validator);
        self.state.put(KEYS, &key, &validator);
        self.delegate(by, &Delegate { validator, amount: bond })
    }

    /// Changes a commission: by a step at most, once in a while, and never beyond what was promised
    /// at registration. So whoever delegates sees a change coming and can leave.
    pub(crate) fn set_commission(&mut self, by: Address, body: &SetCommission) -> Result<(), Stop> {
        let (validator, mut pool) = self.validator_of(by)?;
        let terms = pool.commission;
        let far = body.bps > terms.max_bps || body.bps.abs_diff(terms.bps) > terms.step_bps;
        if far && !Rule::AnyCommission.chosen() {
            return Err(Refusal::CommissionRange.into());
        }
        let next_ms = pool.commission_ms.saturating_add(self.params()?.stake.commission_ms);
        if self.chain.time_ms < next_ms {
            return Err(Refusal::CommissionTooSoon.into());
        }
        pool.commission.bps = body.bps;
        pool.commission_ms = self.chain.time_ms;
        self.state.put(POOLS, &validator, &pool);
        self.events.push(Event::ValidatorChanged { validator });
        Ok(())
    }

    pub(crate) fn unjail_validator(&mut self, by: Address) -> Result<(), Stop> {
        let (validator, mut pool) = self.validator_of(by)?;
        if pool.tombstoned {
            return Err(Refusal::ValidatorTombstoned.into());
        }
        let until = pool.jailed_until_ms.ok_or(Refusal::NotJailed)?;
        if self.chain.time_ms < until {
            return Err(Refusal::JailNotOver.into());
        }
        pool.jailed_until_ms = None;
        self.state.put(POOLS, &validator, &pool);
        self.events.push(Event::ValidatorChanged { validator });
        Ok(())
    }
}
