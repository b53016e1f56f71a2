//! What a provider says of itself.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::order::{Class, Region};
use crate::text::Text;
use crate::wire::List;

/// A provider's name, place and size.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: Text<64>,
    /// Where it is.
    pub region: Region,
    /// Memory of its largest worker, in MiB.
    pub memory_mb: u32,
}

/// What a provider takes on.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Asks {
    /// Its price of a direct order, by class; a class that is not listed is not offered.
    pub prices: List<Ask, 5>,
    /// Jobs it holds at once at most.
    pub capacity: u16,
}

/// The price of a direct order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The class.
    pub class: Class,
    /// The price.
    pub price: Amount,
}

impl Asks {
    /// Returns the price of a class, if it is offered.
    #[must_use]
    pub fn price(&self, class: Class) -> Option<Amount> {
        self.prices.iter().find(|ask| ask.class == class).map(|ask| ask.price)
    }
}
