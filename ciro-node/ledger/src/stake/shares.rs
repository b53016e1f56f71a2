//! Shares of a pool of money: exact to the last unit, and rounded so that nobody gets what is
//! another's.

use ciro_protocol::amount::Amount;
use num_bigint::BigUint;

use crate::mutation::Rule;
use crate::state::StateError;

/// One, in the units of a reward index.
pub(crate) const INDEX_ONE: u128 = 1 << 64;

/// How many shares a unit of money may stand for at most, before a pool takes no more.
const WORN: u128 = 1 << 16;

/// Returns `a * b / c` rounded down, or `None` if it leaves 128 bits or `c` is zero.
pub(crate) fn mul_div(a: u128, b: u128, c: u128) -> Option<u128> {
    if c == 0 {
        return None;
    }
    match a.checked_mul(b) {
        Some(product) => Some(product / c),
        None => u128::try_from(BigUint::from(a) * BigUint::from(b) / BigUint::from(c)).ok(),
    }
}

/// Returns `a * b / c` rounded up, as [`mul_div`].
pub(crate) fn mul_div_up(a: u128, b: u128, c: u128) -> Option<u128> {
    let down = mul_div(a, b, c)?;
    let exact = BigUint::from(a) * BigUint::from(b) == BigUint::from(down) * BigUint::from(c);
    if exact { Some(down) } else { down.checked_add(1) }
}

/// Returns the part of an amount that belongs to `part` of `whole`, rounded down.
pub(crate) fn portion(amount: Amount, part: u128, whole: u128) -> Result<Amount, StateError> {
    let units = mul_div(amount.units(), part.min(whole), whole);
    units.and_then(Amount::from_units).ok_or(StateError::Sum("shares"))
}

/// A pool of money and its shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    pub(crate) money: Amount,
    pub(crate) shares: u128,
}

impl Pool {
    /// Returns what shares are worth, rounded down.
    pub(crate) fn worth(&self, shares: u128) -> Result<Amount, StateError> {
        if self.shares == 0 { Ok(Amount::ZERO) } else { portion(self.money, shares, self.shares) }
    }

    /// Returns the shares that money buys, rounded down; `None` if that is none, or if the pool has
    /// lost nearly everything, so that its shares could not be counted much longer.
    pub(crate) fn bought(&self, amount: Amount) -> Option<u128> {
        if self.shares == 0 {
            return Some(amount.units());
        }
        if self.is_worn() {
            return None;
        }
        mul_div(amount.units(), self.shares, self.money.units()).filter(|shares| *shares > 0)
    }

    /// Whether the pool has lost so much that it takes no more.
    pub(crate) fn is_worn(&self) -> bool {
        self.money.units().saturating_mul(WORN) < self.shares
    }

    /// Returns the shares that must go for an amount, rounded up: all of `held` for all that they
    /// are worth. `None` if they are worth less.
    pub(crate) fn sold(&self, amount: Amount, held: u128) -> Result<Option<u128>, StateError> {
        let worth = self.worth(held)?;
        if amount >= worth {
            return Ok((amount == worth).then_some(held));
        }
        let round = if Rule::SoldTooCheap.chosen() { mul_div } else { mul_div_up };
        let shares = round(amount.units(), self.shares, self.money.units());
        Ok(Some(shares.ok_or(StateError::Sum("shares"))?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(units: u128) -> Amount {
        Amount::from_units(units).unwrap()
    }

    #[test]
    fn products_beyond_128_bits_are_exact() {
        assert_eq!(mul_div(u128::MAX, 7, 7), Some(u128::MAX));
        assert_eq!(mul_div(1 << 100, 1 << 100, 1 << 90), Some(1 << 110));
        assert_eq!(mul_div(u128::MAX, 2, 1), None, "it does not fit");
        assert_eq!(mul_div(1, 1, 0), None);
        assert_eq!(
            (mul_div(7, 3, 2), mul_div_up(7, 3, 2), mul_div_up(6, 3, 2)),
            (Some(10), Some(11), Some(9))
        );
    }

    #[test]
    fn a_pool_that_has_lost_nearly_everything_takes_no_more() {
        let worn = Pool { money: units(1), shares: (1 << 16) + 1 };
        assert!(worn.is_worn());
        assert_eq!(worn.bought(units(5)), None);
        let nearly = Pool { money: units(1), shares: 1 << 16 };
        assert_eq!(nearly.bought(units(5)), Some(5 << 16));
        let empty = Pool { money: Amount::ZERO, shares: 0 };
        assert_eq!(empty.bought(units(5)), Some(5));
    }

    proptest! {
        /// Coming in and going out again gains nothing, for nobody: neither the one who does it nor
        /// those who are there.
        #[test]
        fn nobody_gains_by_rounding(
            money in 1..=1_u128 << 80,
            shares in 1..=1_u128 << 88,
            amount in 1..=1_u128 << 80,
        ) {
            let shares = shares.max(money);
            let pool = Pool { money: units(money), shares };
            let Some(bought) = pool.bought(units(amount)) else { return Ok(()) };
            let after = Pool { money: units(money + amount), shares: shares + bought };
            prop_assert!(after.money.units() <= after.shares, "a share is a unit at most");
            prop_assert!(after.worth(bought).unwrap() <= units(amount));
            prop_assert!(after.worth(shares).unwrap() >= units(money));
            let out = units(amount / 3);
            if let Some(sold) = after.sold(out, bought).unwrap() {
                prop_assert!(sold <= bought);
                let left = Pool {
                    money: after.money.saturating_sub(out),
                    shares: after.shares - sold,
                };
                prop_assert!(left.worth(shares).unwrap() >= units(money));
            }
        }
    }
}
