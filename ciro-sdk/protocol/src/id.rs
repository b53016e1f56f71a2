//! Names of things.

use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::{ChainId, Digest};
use serde::{Deserialize, Serialize};

use crate::wire::invalid;

/// Reads `0x` and exactly 64 hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}

/// A text that is not `0x` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `0x` and 64 hexadecimal digits")]
pub struct IdError(pub(crate) String);

/// Defines a newtype of a 32-byte hash that must not be mixed with another.
macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
        )]
        pub struct $name(pub [u8; 32]);

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let refused = || $crate::id::IdError(text.chars().take(80).collect());
                $crate::id::from_hex(text).map(Self).ok_or_else(refused)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = $crate::wire::json_text(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use hash_id;

hash_id! {
    /// A transaction: the hash of what was signed, without the signature, so that a second
    /// signature makes no second transaction.
    TxId
}
hash_id! {
    /// A job: the id of the transaction that ordered it.
    JobId
}
hash_id! {
    /// A registered model: the hash of its owner and card.
    ModelId
}
hash_id! {
    /// A model key, as the SDK names it: fixes the model, the route, the preset and the batch.
    KeyDigest
}
hash_id! {
    /// The integers that go into a proof, as its key encodes them.
    InputDigest
}
hash_id! {
    /// The integers that a proof shows to come out.
    OutputDigest
}
hash_id! {
    /// A receipt.
    ReceiptDigest
}
hash_id! {
    /// A node of the tree over the airdrop's shares.
    AirdropNode
}

impl From<TxId> for JobId {
    fn from(id: TxId) -> Self {
        Self(id.0)
    }
}

/// Defines a newtype of an index that the ledger gives out.
macro_rules! index_id {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

index_id! {
    /// A provider, numbered by registration.
    ProviderId(u32)
}
index_id! {
    /// Whoever hands batches to consensus: its client.
    SubmitterId(u64)
}

index_id! {
    /// A validator: the same number as in consensus, or one given at registration.
    ValidatorId(u32)
}
index_id! {
    /// A grant of money that becomes its owner's over time.
    GrantId(u32)
}
index_id! {
    /// A proposal to change what governance may change.
    ProposalId(u32)
}
index_id! {
    /// Money of the treasury that is put aside and paid by milestones.
    LaunchId(u32)
}

/// A network: the word that consensus signs under, which covers the whole genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain(pub ChainId);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0.word().as_bytes()))
    }
}

impl BorshSerialize for Chain {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.0.word().as_bytes())
    }
}

impl BorshDeserialize for Chain {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        read_word(reader, "the chain").map(|word| Self(ChainId::from_word(word)))
    }
}

impl Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = crate::wire::json_text(deserializer)?;
        let word = from_hex(&text).and_then(Digest::from_bytes);
        word.map(|word| Self(ChainId::from_word(word)))
            .ok_or_else(|| serde::de::Error::custom(IdError(text.chars().take(80).collect())))
    }
}

/// Reads a word below the STARK field's prime.
pub(crate) fn read_word<R: io::Read>(reader: &mut R, what: &str) -> io::Result<Digest> {
    let bytes = <[u8; 32]>::deserialize_reader(reader)?;
    Digest::from_bytes(bytes).ok_or_else(|| invalid(format!("{what} is not below the prime")))
}
