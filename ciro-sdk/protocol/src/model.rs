//! What a model's owner registers.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::blob::BlobId;
use crate::id::{KeyDigest, ModelId, ProviderId};
use crate::order::{Class, LISTED_MAX, Route};
use crate::sign::Address;
use crate::text::Text;
use crate::wire::{Bytes, List, Message};

/// The most bytes of a model key.
pub const KEY_BYTES_MAX: usize = 10_240;
/// The most keys of a model.
pub const KEYS_MAX: usize = 4;

/// A model that orders may name.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Whose it is.
    pub owner: Address,
    /// Its name.
    pub name: Text<64>,
    /// Its version.
    pub version: Text<32>,
    /// Its licence.
    pub licence: Text<64>,
    /// The compiled model.
    pub blob: BlobId,
    /// How many bytes that is.
    pub bytes: u64,
    /// The keys under which it is proven.
    pub keys: List<KeyEntry, KEYS_MAX>,
}

/// A key with what it says, which every validator has checked before the card is registered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// The key's bytes.
    pub bytes: Bytes<KEY_BYTES_MAX>,
    /// What they say.
    pub facts: KeyFacts,
}

/// What a key says: a function of its bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct KeyFacts {
    /// The key's identity.
    pub digest: KeyDigest,
    /// How its proofs are made.
    pub route: Route,
    /// Bits of security, by the conjecture behind most deployed STARKs.
    pub bits: u16,
    /// Bits of security that are proven.
    pub proven_bits: u16,
    /// Inferences in one proof.
    pub batch: u32,
    /// Cells that a prover commits to.
    pub cells: u64,
}

/// Who may prove a model and what its owner thinks it is worth; may change.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Who may claim its jobs; empty for everybody.
    pub providers: List<ProviderId, LISTED_MAX>,
    /// A price to begin with.
    pub price_hint: Amount,
}

/// A listing that follows another one, as its owner has said.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextListing {
    /// The first ledger time at which it holds, in ms since 1970.
    pub from_ms: u64,
    /// What holds from then on.
    pub listing: Listing,
}

impl Message for ModelCard {
    const NAME: &'static str = "CIRO_MODEL_V1";
    const BYTES_MAX: usize = 1024 + KEYS_MAX * (KEY_BYTES_MAX + 128);
}

impl ModelCard {
    /// Returns the model's id.
    #[must_use]
    pub fn id(&self) -> ModelId {
        ModelId(self.digest())
    }

    /// Returns the facts of one of the model's keys.
    #[must_use]
    pub fn key(&self, digest: KeyDigest) -> Option<&KeyEntry> {
        self.keys.iter().find(|entry| entry.facts.digest == digest)
    }
}

impl KeyFacts {
    /// Returns the class of the key's jobs.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class::of(self.route, self.cells)
    }
}
