//! Money: every change goes through [`Ledger::pay`], so that the supply cannot change.

mod account;

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::refusal::Refusal;

use crate::block::{Ledger, Stop};
use crate::state::{PURSES, StateError, TOTALS};

impl Ledger<'_> {
    /// Returns what a purse holds.
    pub(crate) fn balance(&self, purse: Purse) -> Result<Amount, StateError> {
        Ok(self.state.get(PURSES, &purse)?.unwrap_or_default())
    }

    /// Moves money. Only accounts may lack it; any other purse that does is a broken state.
    pub(crate) fn pay(&mut self, movement: Movement) -> Result<(), Stop> {
        let Movement { from, to, amount, .. } = movement;
        if amount.is_zero() {
            return Ok(());
        }
        let left = self.balance(from)?.checked_sub(amount).ok_or(match from {
            Purse::Account(_) => Stop::Refused(Refusal::InsufficientFunds),
            _ => Stop::Broken(StateError::Sum("purses")),
        })?;
        self.set_purse(from, left);
        let more = self.balance(to)?.checked_add(amount).ok_or(StateError::Sum("purses"))?;
        self.set_purse(to, more);
        self.count(from, to, amount)?;
        self.events.push(Event::Moved(movement));
        Ok(())
    }

    /// Pays a fee out of a purse: a part is burned, the rest is the treasury's.
    pub(crate) fn pay_fee(&mut self, from: Purse, fee: Amount, why: Why) -> Result<(), Stop> {
        let burned = fee.share(self.spec.fees.burn_bps);
        let kept = fee.saturating_sub(burned);
        self.pay(Movement { from, to: Purse::Burned, amount: burned, why })?;
        self.pay(Movement { from, to: Purse::Treasury, amount: kept, why })
    }

    fn set_purse(&mut self, purse: Purse, amount: Amount) {
        if amount.is_zero() {
            self.state.remove(PURSES, &purse);
        } else {
            self.state.put(PURSES, &purse, &amount);
        }
    }

    /// Keeps the sums over purses.
    fn count(&mut self, from: Purse, to: Purse, amount: Amount) -> Result<(), StateError> {
        let (from, to) = (from.bucket(), to.bucket());
        if from == to {
            return Ok(());
        }
        let sum = |total: Option<Amount>| total.ok_or(StateError::Sum("totals"));
        let left = self.state.get(TOTALS, &from)?.unwrap_or_default();
        self.state.put(TOTALS, &from, &sum(left.checked_sub(amount))?);
        let more = self.state.get(TOTALS, &to)?.unwrap_or_default();
        self.state.put(TOTALS, &to, &sum(more.checked_add(amount))?);
        Ok(())
    }
}
