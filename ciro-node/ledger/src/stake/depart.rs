//! Stake that leaves. It stays bound as long as evidence against it counts, and for the unbonding
//! period at least.
//!
//! The set of an epoch is elected at the end of the epoch before the last. So stake that leaves in
//! an epoch still stands behind votes of that epoch and of the next one, whose faults are proven
//! until the end of the one after.
//!
//! What leaves a validator in one consensus epoch is one pool of its own, so that a fault costs all
//! of it in one step. Stake that goes to another validator goes the same way: it answers for the
//! one that it leaves, and arrives when it no longer does.
//!
//! Where stake does not change who votes, the bond behind a weight in consensus does not leave.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::EconomySpec;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Delegate, Redelegate, Undelegate};

use super::shares::Pool;
use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{
    DEPARTURES, DepartureRecord, LEAVING, LeavingRecord, Overlay, POOLS, PURSES, SETS, StateError,
    TimerKind, View,
};

/// Epochs of consensus for which stake that left stays bound: see above.
const ANSWERS_EPOCHS: u64 = 3;

/// Returns what stake that leaves is worth, in a state.
///
/// # Errors
///
/// [`StateError`] if the state is damaged.
pub fn departing(view: &dyn View, departure: &DepartureRecord) -> Result<Amount, StateError> {
    let state = Overlay::new(view);
    let (validator, epoch) = (departure.validator, departure.epoch);
    let leaving = state.expect(LEAVING, &(validator, epoch))?;
    let money = state.get(PURSES, &Purse::Leaving(validator, epoch))?.unwrap_or_default();
    Pool { money, shares: leaving.shares }.worth(departure.shares)
}

/// Where stake goes.
#[derive(Clone, Copy)]
struct Move {
    from: ValidatorId,
    to: Option<ValidatorId>,
    amount: Amount,
}

impl Ledger<'_> {
    pub(crate) fn undelegate(&mut self, by: Address, body: &Undelegate) -> Result<(), Stop> {
        let Undelegate { validator, amount } = *body;
        self.depart(by, Move { from: validator, to: None, amount })
    }

    pub(crate) fn redelegate(&mut self, by: Address, body: &Redelegate) -> Result<(), Stop> {
        let Redelegate { from, to, amount } = *body;
        if from == to {
            return Err(Refusal::SameValidator.into());
        }
        if self.pool(to)?.tombstoned {
            return Err(Refusal::ValidatorTombstoned.into());
        }
        self.depart(by, Move { from, to: Some(to), amount })
    }

    fn depart(&mut self, by: Address, moved: Move) -> Result<(), Stop> {
        let Move { from: validator, to, amount } = moved;
        let mut pool = self.pool(validator)?;
        if amount.is_zero() {
            return Err(Refusal::ZeroAmount.into());
        }
        let mut delegation = self.settle(validator, &pool, by)?;
        let sold = self.stake(validator, &pool)?.sold(amount, delegation.shares)?;
        let sold = sold.ok_or(Refusal::NotDelegated)?;
        let less = |shares: u128| shares.checked_sub(sold).ok_or(StateError::Sum("shares"));
        let shares = less(delegation.shares)?;
        if by == pool.operator && shares < self.bonded(validator)? {
            return Err(Refusal::BondHeld.into());
        }
        pool.shares = less(pool.shares)?;
        self.state.put(POOLS, &validator, &pool);
        self.set_shares((validator, by), &mut delegation, shares)?;
        self.set_delegation(validator, by, &delegation);

        let epoch = self.consensus_epoch();
        let shares = self.join_leaving(validator, epoch, (amount, pool.lost_ppb))?;
        let (from, into) = (Purse::Stake(validator), Purse::Leaving(validator, epoch));
        self.pay(Movement { from, to: into, amount, why: Why::Stake })?;
        if pool.shares == 0 {
            // What rounding left over belongs to nobody.
            let rest = self.balance(from)?;
            self.burn_stake(from, rest)?;
        }
        let departure = DepartureRecord { validator, epoch, account: by, shares, to };
        let number = self.with_economy(|record| {
            let number = record.next_departure;
            record.next_departure = number.checked_add(1)?;
            Some(number)
        })?;
        self.state.put(DEPARTURES, &number, &departure);
        let wait = self.params()?.stake.unbonding_ms;
        let at_ms = self.chain.time_ms.saturating_add(wait);
        self.set_timer(at_ms, TimerKind::Departure(number))?;
        self.events.push(Event::ValidatorChanged { validator });
        Ok(())
    }

    /// Returns the shares of its operator that stand behind a validator's weight in consensus,
    /// where the set stays as it is: as many as its weight buys at first, whatever slashes have
    /// left of what they are worth. Consensus counts such a weight as long as the set stays, so a
    /// fault must always cost something. Where stake is elected, the weight falls with it.
    fn bonded(&self, validator: ValidatorId) -> Result<u128, Stop> {
        if self.params()?.stake.seats > 0 || Rule::BondLeaves.chosen() {
            return Ok(0);
        }
        let (mut weight, now) = (0, self.consensus_epoch());
        for epoch in [now, now.saturating_add(1)] {
            let seats = self.state.expect(SETS, &epoch)?;
            let seat = seats.iter().find(|seat| seat.id == validator.0);
            weight = weight.max(seat.map_or(0, |seat| seat.weight));
        }
        let bond = EconomySpec::bond(weight).map_err(|_| StateError::Sum("bonds"))?;
        Ok(bond.units())
    }

    /// Adds to what leaves a validator in an epoch and returns the shares of it. Before money
    /// comes, as its shares are bought at what others' are worth.
    fn join_leaving(
        &mut self,
        validator: ValidatorId,
        epoch: u64,
        (amount, lost_ppb): (Amount, u64),
    ) -> Result<u128, Stop> {
        let name = (validator, epoch);
        let known = self.state.get(LEAVING, &name)?;
        let mut leaving = known.unwrap_or(LeavingRecord { shares: 0, lost_ppb });
        let money = self.balance(Purse::Leaving(validator, epoch))?;
        let bought = Pool { money, shares: leaving.shares }.bought(amount);
        let shares = bought.ok_or(Refusal::ValidatorWorn)?;
        let sum = leaving.shares.checked_add(shares);
        leaving.shares = sum.ok_or(StateError::Sum("leaving"))?;
        self.state.put(LEAVING, &name, &leaving);
        Ok(shares)
    }

    /// Pays stake out that left, or lets it arrive; later if evidence against it may still come.
    pub(crate) fn departed(&mut self, number: u64) -> Result<(), Stop> {
        let DepartureRecord { validator, epoch, account, shares, to } =
            self.state.expect(DEPARTURES, &number)?;
        let bound = if Rule::LeavesAnEpochEarly.chosen() { 2 } else { ANSWERS_EPOCHS };
        let answers = self.consensus_epoch() < epoch.saturating_add(bound);
        if answers && !Rule::LeavesEarly.chosen() {
            let wait = self.params()?.stake.unbonding_ms / 16;
            let at_ms = self.chain.time_ms.saturating_add(wait).saturating_add(1);
            self.set_timer(at_ms, TimerKind::Departure(number))?;
            return Ok(());
        }
        let name = (validator, epoch);
        let mut leaving = self.state.expect(LEAVING, &name)?;
        let from = Purse::Leaving(validator, epoch);
        let money = self.balance(from)?;
        let amount = Pool { money, shares: leaving.shares }.worth(shares)?;
        let left = leaving.shares.checked_sub(shares);
        leaving.shares = left.ok_or(StateError::Sum("leaving"))?;
        self.pay(Movement { from, to: Purse::Account(account), amount, why: Why::Stake })?;
        self.state.remove(DEPARTURES, &number);
        if leaving.shares > 0 {
            self.state.put(LEAVING, &name, &leaving);
        } else {
            // What rounding left over belongs to nobody.
            let rest = self.balance(from)?;
            self.burn_stake(from, rest)?;
            self.state.remove(LEAVING, &name);
        }
        let Some(validator) = to.filter(|_| !amount.is_zero()) else { return Ok(()) };
        match self.delegate(account, &Delegate { validator, amount }) {
            // Whoever cannot take it any more does not: the money is the account's.
            Ok(()) | Err(Stop::Refused(_)) => Ok(()),
            broken => broken,
        }
    }

    /// Returns the epoch of consensus that the block at hand belongs to.
    pub(crate) fn consensus_epoch(&self) -> u64 {
        self.spec.epoch_of(self.chain.height)
    }
}
