//! Transfers and test money.

use ciro_protocol::event::{Movement, Purse, Why};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::Transfer;

use crate::block::{Ledger, Stop};
use crate::state::{Day, StateError, TAKEN};

impl Ledger<'_> {
    pub(crate) fn transfer(&mut self, account: Address, body: &Transfer) -> Result<(), Stop> {
        if body.amount.is_zero() {
            return Err(Refusal::ZeroAmount.into());
        }
        let (from, to) = (Purse::Account(account), Purse::Account(body.to));
        self.pay(Movement { from, to, amount: body.amount, why: Why::Transfer })
    }

    /// Gives test money: once to an account, and not more in a day than the network says.
    pub(crate) fn faucet(&mut self, account: Address) -> Result<(), Stop> {
        let faucet = self.spec.faucet.ok_or(Refusal::FaucetClosed)?;
        if self.state.get(TAKEN, &account)?.is_some() {
            return Err(Refusal::FaucetTaken.into());
        }
        let day = Day::of(self.chain.time_ms);
        let given = if self.chain.faucet.day == day {
            self.chain.faucet.given
        } else {
            ciro_protocol::Amount::ZERO
        };
        let given = given.checked_add(faucet.per_account).ok_or(StateError::Sum("faucet"))?;
        if given > faucet.per_day || self.balance(Purse::Faucet)? < faucet.per_account {
            return Err(Refusal::FaucetDry.into());
        }
        self.chain.faucet = Day { day, given };
        self.state.put(TAKEN, &account, &());
        let (from, to, amount) = (Purse::Faucet, Purse::Account(account), faucet.per_account);
        self.pay(Movement { from, to, amount, why: Why::Faucet })
    }
}
