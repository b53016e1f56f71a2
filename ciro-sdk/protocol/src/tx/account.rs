//! Money.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::sign::Address;

/// Moves money to another account.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// To whom.
    pub to: Address,
    /// How much, more than nothing.
    pub amount: Amount,
}
