//! Who stakes, leaves, claims and sells, and by what rule.
//!
//! A holder looks at its stake once a month. If stake yields what it asks for, it stakes half of
//! what it has at hand; if stake yields less than four fifths of that, it takes a third of its
//! stake out; and of what it has claimed it sells a part. What holders ask for is drawn once.

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{GrantId, ValidatorId};
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, ClaimGrant, ClaimRewards, Delegate, Transfer, Undelegate};

use crate::dice::Dice;
use crate::network::People;
use crate::scenario::Day;
use crate::world::World;

/// Days between two looks of a holder.
const MONTH: Day = 30;
/// The part of claimed rewards that is sold, in basis points.
pub const SOLD_BPS: u16 = 3_000;

/// One who may stake.
#[derive(Clone, Copy, Debug)]
struct Holder {
    address: Address,
    /// The validator that it stakes with.
    validator: u32,
    /// The yield that it asks for, in basis points a year.
    asks_bps: u64,
    /// The day of the month on which it looks.
    day: Day,
    /// Its grant, if it has one.
    grant: Option<GrantId>,
}

/// All who may stake.
#[derive(Clone, Debug)]
pub struct Agents {
    holders: Vec<Holder>,
    exchange: Address,
}

impl Agents {
    /// Draws what people ask for: from 2 to 22 percent a year, 7 in the middle.
    #[must_use]
    pub fn new(people: &People, seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x6167_656e_7473);
        let operators = u64::try_from(people.operators.len()).unwrap_or(1).max(1);
        let grantees = (0..).map(GrantId).zip(&people.grantees);
        let grantees = grantees.map(|(grant, address)| (*address, Some(grant)));
        let plain = people.holders.iter().map(|address| (*address, None));
        let holders = plain.chain(grantees).map(|(address, grant)| {
            // The smaller of two draws: most ask for little, some for much.
            let asks_bps = 200 + dice.below(2_000).min(dice.below(2_000));
            // Large validators find more delegators: the smaller of two again.
            let chosen = dice.below(operators).min(dice.below(operators));
            let validator = u32::try_from(chosen).unwrap_or(0);
            let day = Day::try_from(dice.below(MONTH.into())).unwrap_or(0);
            Holder { address, validator, asks_bps, day, grant }
        });
        Self { holders: holders.collect(), exchange: people.exchange }
    }

    /// Returns what people do on a day, at a yield in basis points a year.
    ///
    /// # Errors
    ///
    /// If the state is damaged.
    pub fn act(
        &self,
        world: &World,
        day: Day,
        (yield_bps, fear): (u64, u64),
    ) -> Result<Vec<(Address, Body)>> {
        let mut deeds = Vec::new();
        for holder in self.holders.iter().filter(|it| it.day == day % MONTH) {
            let mut deed = |body| deeds.push((holder.address, body));
            let validator = ValidatorId(holder.validator);
            let held = world.holding(holder.validator, holder.address)?;
            if let Some(grant) = holder.grant.filter(|_| day > 370) {
                deed(Body::ClaimGrant(ClaimGrant { grant }));
            }
            if let Some(held) = held.filter(|held| !held.earned.is_zero()) {
                deed(Body::ClaimRewards(ClaimRewards { validator }));
                let (to, amount) = (self.exchange, held.earned.share(SOLD_BPS));
                if !amount.is_zero() {
                    deed(Body::Transfer(Transfer { to, amount }));
                }
            }
            let asks = holder.asks_bps * fear;
            let free = world.has(Purse::Account(holder.address))?.saturating_sub(Amount::ciro(10));
            let amount = free.share(5_000);
            if yield_bps >= asks && !amount.is_zero() {
                deed(Body::Delegate(Delegate { validator, amount }));
            }
            let staked = held.map_or(Amount::ZERO, |held| held.amount);
            let amount = staked.share(3_333);
            if yield_bps * 5 < asks * 4 && !amount.is_zero() {
                deed(Body::Undelegate(Undelegate { validator, amount }));
            }
        }
        Ok(deeds)
    }
}
