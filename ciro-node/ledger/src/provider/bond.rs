//! Bonds: more, less, and what becomes free later.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ProviderId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{AddBond, Unbond};

use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{PROVIDERS, TimerKind};

impl Ledger<'_> {
    pub(crate) fn add_bond(&mut self, account: Address, body: &AddBond) -> Result<(), Stop> {
        let (provider, _) = self.provider_of(account)?;
        if body.amount.is_zero() {
            return Err(Refusal::ZeroAmount.into());
        }
        let (from, to) = (Purse::Account(account), Purse::Bond(provider));
        self.pay(Movement { from, to, amount: body.amount, why: Why::Bond })?;
        self.events.push(Event::ProviderChanged { provider });
        Ok(())
    }

    /// Takes out of the bond of a provider that holds no job. It comes to the account when the
    /// unbonding period is over.
    pub(crate) fn unbond(&mut self, account: Address, body: &Unbond) -> Result<(), Stop> {
        let (provider, record) = self.provider_of(account)?;
        if body.amount.is_zero() {
            return Err(Refusal::ZeroAmount.into());
        }
        if record.jailed_until_ms.is_some() {
            return Err(Refusal::ProviderJailed.into());
        }
        // A fraud costs a part of the bond, and what unbonds is out of reach.
        if record.held > 0 && !Mutation::UnbondWhileHeld.chosen() {
            return Err(Refusal::ProviderHolds.into());
        }
        let (from, to) = (Purse::Bond(provider), Purse::Unbonding(provider));
        if self.balance(from)? < body.amount {
            return Err(Refusal::BondLocked.into());
        }
        self.pay(Movement { from, to, amount: body.amount, why: Why::Bond })?;
        let at_ms = self.chain.time_ms.saturating_add(self.spec.time.unbonding_ms);
        self.set_timer(at_ms, TimerKind::Unbonded { provider, amount: body.amount })?;
        self.events.push(Event::ProviderChanged { provider });
        Ok(())
    }

    pub(crate) fn unbonded(&mut self, provider: ProviderId, amount: Amount) -> Result<(), Stop> {
        let account = self.state.expect(PROVIDERS, &provider)?.account;
        let (from, to) = (Purse::Unbonding(provider), Purse::Account(account));
        self.pay(Movement { from, to, amount, why: Why::Bond })
    }
}
