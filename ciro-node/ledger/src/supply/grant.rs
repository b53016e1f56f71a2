//! Grants: what has vested is its owner's to take.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::Tranche;
use ciro_protocol::event::{Failure, Movement, Purse, Why};
use ciro_protocol::id::GrantId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::ClaimGrant;

use crate::block::{Ledger, Stop};
use crate::governance::Enacted;
use crate::mutation::Rule;
use crate::state::{GRANTS, GrantRecord, StateError};

impl Ledger<'_> {
    pub(crate) fn claim_grant(&mut self, by: Address, body: &ClaimGrant) -> Result<(), Stop> {
        let economy = self.spec.economy.as_ref().ok_or(Refusal::EconomyClosed)?;
        let grant = self.state.get(GRANTS, &body.grant)?.ok_or(Refusal::GrantUnknown)?;
        if grant.to != by {
            return Err(Refusal::NotGrantee.into());
        }
        let from = Purse::Vesting(body.grant);
        let elapsed = self.chain.time_ms.saturating_sub(grant.start_ms);
        let mut vesting = economy.vesting;
        if Rule::NoCliff.chosen() {
            vesting.cliff_ms = 0;
        }
        let bound = grant.amount.saturating_sub(vesting.vested(grant.amount, elapsed));
        let amount = self.balance(from)?.saturating_sub(bound);
        if amount.is_zero() {
            return Err(Refusal::NothingVested.into());
        }
        self.pay(Movement { from, to: Purse::Account(by), amount, why: Why::Vesting })
    }

    /// Grants what nobody has been granted yet.
    pub(crate) fn grant(&mut self, tranche: Tranche, to: Address, amount: Amount) -> Enacted {
        let from = Purse::Reserve(tranche);
        if self.balance(from)? < amount {
            return Ok(Err(Failure::ReserveShort));
        }
        let number = self.with_economy(|record| {
            let number = record.next_grant;
            record.next_grant = number.checked_add(1)?;
            Some(number)
        });
        let id = GrantId(number.map_err(|_| StateError::Sum("grants"))?);
        self.pay(Movement { from, to: Purse::Vesting(id), amount, why: Why::Vesting })?;
        let start_ms = self.chain.time_ms;
        self.state.put(GRANTS, &id, &GrantRecord { tranche, to, amount, start_ms });
        Ok(Ok(()))
    }
}
