//! What a provider says of itself.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::Digest;
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::id::{Chain, KeyDigest};
use crate::order::{Class, JobOrder, Region};
use crate::sign::{Address, Signable, Signed};
use crate::text::Text;
use crate::wire::{List, Message};

/// The most keys that a provider names in its terms of direct orders.
pub const DIRECT_KEYS_MAX: usize = 64;

crate::id::hash_id! {
    /// An X25519 key that inputs are sealed for, so that its holder alone reads them.
    SealingKey
}

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
    /// What a direct order must keep, since it is held without a claim; without it none is taken.
    pub direct: Option<DirectTerms>,
    /// What inputs are sealed with for this provider; without it, it takes open ones alone.
    pub sealing: Option<Signed<SealingCard>>,
}

/// The key that inputs are sealed with for an account, in its own words: no node can put another
/// key in its place.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingCard {
    /// The network.
    pub chain: Chain,
    /// The account.
    pub account: Address,
    /// The key.
    pub key: SealingKey,
}

impl Message for SealingCard {
    const NAME: &'static str = "CIRO_SEALING_V1";
    const BYTES_MAX: usize = 128;
}

impl Signable for SealingCard {
    const DOMAIN: Digest = Digest::short_string("CIRO_SEALING_V1");

    fn signer(&self) -> Address {
        self.account
    }

    fn chain(&self) -> Chain {
        self.chain
    }
}

/// What a provider asks of direct orders. Whoever orders chooses key, collateral, lease, deadline
/// and input, and all of them put the provider's bond at stake: nothing beyond these terms does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectTerms {
    /// What is served.
    pub keys: DirectKeys,
    /// The most collateral.
    pub collateral_max: Amount,
    /// The shortest lease, in ms; the whole lease ends before the deadline.
    pub lease_min_ms: u64,
    /// The longest input, in bytes.
    pub input_bytes_max: u64,
}

/// The keys that direct orders may be for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectKeys {
    /// Whatever is registered, by whomever. The provider cannot know what comes: it may give such
    /// an order back as [not served](crate::tx::ReleaseReason::NotServed) for nothing.
    Any,
    /// These, of whatever model: a proof is judged by its key alone.
    Listed(List<KeyDigest, DIRECT_KEYS_MAX>),
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

impl DirectKeys {
    /// Whether a direct order may be for a key.
    #[must_use]
    pub fn admit(&self, key: KeyDigest) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(keys) => keys.contains(&key),
        }
    }
}

impl DirectTerms {
    /// Whether an order for a key [that is served](DirectKeys::admit) keeps the other terms, if it
    /// is executed at a ledger time in ms.
    #[must_use]
    pub fn admit(&self, order: &JobOrder, now_ms: u64) -> bool {
        let offer = &order.offer;
        let whole = now_ms.checked_add(offer.lease_ms).is_some_and(|end| end <= offer.deadline_ms);
        whole
            && offer.lease_ms >= self.lease_min_ms
            && offer.collateral <= self.collateral_max
            && order.input.bytes <= self.input_bytes_max
    }
}

impl Asks {
    /// Returns the price of a class, if it is offered.
    #[must_use]
    pub fn price(&self, class: Class) -> Option<Amount> {
        self.prices.iter().find(|ask| ask.class == class).map(|ask| ask.price)
    }
}
