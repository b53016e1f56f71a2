//! The pool of rewards: in each epoch a fixed part of what is left is released, to validators and
//! whoever has stake with them, in proportion to stake.
//!
//! A part of what is left can never be more than what is left, and is less each time: the pool is
//! never overdrawn and emission falls, whatever the parameters become.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::PPB;
use ciro_protocol::event::{Movement, Purse, Why};
use ciro_protocol::id::ValidatorId;

use crate::block::{Ledger, Stop};
use crate::stake::shares::{INDEX_ONE, mul_div, portion};
use crate::state::{POOLS, PoolRecord, StateError, TimerKind};

impl Ledger<'_> {
    /// Ends an epoch of rewards: who was away is jailed, then the others are paid. Nothing is
    /// released if nobody can be paid.
    pub(crate) fn emission(&mut self, at_ms: u64) -> Result<(), Stop> {
        let params = self.params()?;
        self.set_timer(at_ms.saturating_add(params.epoch_ms), TimerKind::Emission)?;
        self.with_economy(|economy| {
            economy.spent = Amount::ZERO;
            Some(())
        })?;
        let members = self.judge_presence(&params)?;
        let paid = self.paid(&members, params.stake.self_bond_min)?;
        let total: u128 = paid.iter().map(|(_, _, stake)| stake).sum();
        if total == 0 {
            return Ok(());
        }
        let pool = self.balance(Purse::Rewards)?;
        let released = pool.fraction(params.emission_ppb.into(), PPB);
        let treasury = released.share(params.treasury_bps);
        let (from, to) = (Purse::Rewards, Purse::Treasury);
        self.pay(Movement { from, to, amount: treasury, why: Why::Emission })?;
        let rest = released.saturating_sub(treasury);
        for (id, pool, stake) in paid {
            self.reward(id, pool, portion(rest, stake, total)?)?;
        }
        Ok(())
    }

    /// Pays a validator its commission, and counts what every share of its stake has earned.
    fn reward(&mut self, id: ValidatorId, mut pool: PoolRecord, part: Amount) -> Result<(), Stop> {
        let commission = part.share(pool.commission.bps);
        let (from, to) = (Purse::Rewards, Purse::Account(pool.operator));
        self.pay(Movement { from, to, amount: commission, why: Why::Commission })?;
        let rest = part.saturating_sub(commission);
        let (from, to) = (Purse::Rewards, Purse::Earned(id));
        self.pay(Movement { from, to, amount: rest, why: Why::Emission })?;
        let more = mul_div(rest.units(), INDEX_ONE, pool.shares);
        let index = more.and_then(|more| pool.index.checked_add(more));
        pool.index = index.ok_or(StateError::Sum("rewards"))?;
        self.state.put(POOLS, &id, &pool);
        Ok(())
    }
}
