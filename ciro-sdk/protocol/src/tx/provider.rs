//! Providers.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::provider::{Asks, Profile};

/// Registers the account as a provider.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterProvider {
    /// What it says of itself.
    pub profile: Profile,
    /// What it takes on.
    pub asks: Asks,
    /// What it puts at stake.
    pub bond: Amount,
}

/// Replaces what the account's provider takes on. Jobs that it holds go on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAsks {
    /// What it takes on from now on.
    pub asks: Asks,
}

/// Adds to the bond of the account's provider.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct AddBond {
    /// How much, more than nothing.
    pub amount: Amount,
}

/// Takes from the bond what is not collateral; it comes to the account after the unbonding period.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Unbond {
    /// How much, more than nothing.
    pub amount: Amount,
}
