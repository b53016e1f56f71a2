//! Amounts of CIRO.

use std::fmt;
use std::io;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::wire::invalid;

/// Decimal places of one CIRO.
const DECIMALS: usize = 18;
/// Units of one CIRO.
const UNITS: u128 = 10_u128.pow(18);

/// A number of units of 10^-18 CIRO, between zero and the whole supply of 10^9 CIRO.
///
/// The bound is part of the type: no sum of two amounts and no share of one leaves 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Amount(u128);

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no amount: expected a decimal number of CIRO with at most 18 places, up to 1000000000"
)]
pub struct AmountError(String);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One CIRO.
    pub const CIRO: Self = Self(UNITS);
    /// All that there is: 10^9 CIRO.
    pub const SUPPLY: Self = Self(1_000_000_000 * UNITS);

    /// Returns so many CIRO, at most all that there are.
    #[must_use]
    pub const fn ciro(count: u64) -> Self {
        match Self::CIRO.checked_mul(count) {
            Some(amount) => amount,
            None => Self::SUPPLY,
        }
    }

    /// Returns so many units, or `None` if there are not as many.
    #[must_use]
    pub const fn from_units(units: u128) -> Option<Self> {
        if units <= Self::SUPPLY.0 { Some(Self(units)) } else { None }
    }

    /// Returns the number of units.
    #[must_use]
    pub const fn units(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns the sum, or `None` if it exceeds the supply.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_units(self.0 + other.0)
    }

    /// Returns the difference, or `None` if `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Returns what is left without `other`, or nothing.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns this many times `count`, or `None` if it exceeds the supply.
    #[must_use]
    pub const fn checked_mul(self, count: u64) -> Option<Self> {
        match self.0.checked_mul(count as u128) {
            Some(units) => Self::from_units(units),
            None => None,
        }
    }

    /// Returns `amount * part / whole`, rounded down; the whole amount for a part that is not
    /// smaller than the whole.
    #[must_use]
    pub const fn fraction(self, part: u64, whole: u64) -> Self {
        if part >= whole {
            return self;
        }
        // Neither product leaves 128 bits: the quotient times part is below the amount, rest and
        // part are below 2^64.
        let (part, whole) = (part as u128, whole as u128);
        let (quotient, rest) = (self.0 / whole, self.0 % whole);
        Self(quotient * part + rest * part / whole)
    }

    /// Returns a share in basis points, rounded down.
    #[must_use]
    pub const fn share(self, bps: u16) -> Self {
        self.fraction(bps as u64, 10_000)
    }
}

impl fmt::Display for Amount {
    /// Prints CIRO as a decimal number without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / UNITS, self.0 % UNITS);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:0DECIMALS$}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let refused = || AmountError(text.chars().take(64).collect());
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let sized = whole.len() <= 10 && places.len() <= DECIMALS;
        if !sized || !digits(whole) || !digits(places) {
            return Err(refused());
        }
        let number = |part: &str| part.parse::<u128>().map_err(|_| refused());
        let units = number(whole)? * UNITS + number(&format!("{places:0<DECIMALS$}"))?;
        Self::from_units(units).ok_or_else(refused)
    }
}

impl BorshDeserialize for Amount {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let units = u128::deserialize_reader(reader)?;
        Self::from_units(units).ok_or_else(|| invalid("an amount exceeds the supply"))
    }
}

impl serde::Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::json_text(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_decimal_numbers_of_ciro() {
        for (text, units) in [
            ("0", 0),
            ("1", UNITS),
            ("0.0042", 42 * UNITS / 10_000),
            ("0.000000000000000001", 1),
            ("1000000000", Amount::SUPPLY.0),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!((amount.units(), amount.to_string().as_str()), (units, text));
        }
        for text in ["", ".5", "1.", "-1", "+1", "1e3", "1000000001", "0.0000000000000000001"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
        assert!("1000000000.000000000000000001".parse::<Amount>().is_err());
    }

    proptest! {
        #[test]
        fn shares_never_exceed_the_amount(units in 0..=Amount::SUPPLY.0, part: u64, whole in 1_u64..) {
            let amount = Amount(units);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            let share = amount.fraction(part, whole);
            prop_assert!(share <= amount);
            if let (true, Some(product)) = (part < whole, units.checked_mul(part.into())) {
                prop_assert_eq!(share.0, product / u128::from(whole));
            }
        }
    }
}
