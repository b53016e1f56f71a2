//! Addresses, keys and signed values.
//!
//! Accounts, providers, validators and submitters all sign with ECDSA on the STARK curve, by the
//! one implementation that consensus has, so that a Cairo contract can check every one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::Digest;
use ciro_consensus::crypto::{
    CryptoError, PublicKey, Scheme, Stark, StarkSigningKey, StarkVerifyingKey,
};
use serde::{Deserialize, Serialize};

use crate::id::{Chain, IdError, from_hex, read_word};
use crate::wire::Message;

/// An account: the x-coordinate of its public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub PublicKey);

/// A secret key. It prints its address alone.
#[derive(Debug)]
pub struct SecretKey(StarkSigningKey);

/// A value that one account signs.
pub trait Signable: Message {
    /// The word that begins the signed hash.
    const DOMAIN: Digest;

    /// Whose signature counts.
    fn signer(&self) -> Address;

    /// The network that it is for.
    fn chain(&self) -> Chain;
}

/// A value with the signature of its signer.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is signed.
    pub body: T,
    /// The signature of [`Signable::signer`].
    pub signature: Signature,
}

/// A signature of consensus' scheme.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(pub ciro_consensus::crypto::Signature);

/// Why a value is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// It is for another network.
    #[error("signed for the network {got}, this is {expected}")]
    Chain {
        /// The network at hand.
        expected: Chain,
        /// The network named.
        got: Chain,
    },
    /// The key is not the one of the signer that the value names.
    #[error("the value names the signer {expected}, the key belongs to {got}")]
    Signer {
        /// The signer named.
        expected: Address,
        /// The key's address.
        got: Address,
    },
    /// Key or signature are wrong.
    #[error("the signature of {signer} does not count")]
    Signature {
        /// Whose it should be.
        signer: Address,
        /// What is wrong.
        source: CryptoError,
    },
}

impl SecretKey {
    /// Reads a big-endian secret scalar.
    ///
    /// # Errors
    ///
    /// [`CryptoError::SecretKey`] when it is zero or not below the curve's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        StarkSigningKey::from_bytes(bytes).map(Self)
    }

    /// Makes 32 random bytes a secret scalar: the curve's order is just above 2^251, so that five
    /// bits are too many.
    pub const fn make_scalar(bytes: &mut [u8; 32]) {
        bytes[0] &= 0b0000_0111;
    }

    /// Derives a key from a seed: the same seed gives the same key, as devnets and tests want.
    ///
    /// # Panics
    ///
    /// Never, as [`scalar_from_seed`](Self::scalar_from_seed).
    #[must_use]
    pub fn from_seed(seed: &[u8]) -> Self {
        Self::from_bytes(&Self::scalar_from_seed(seed)).expect("the scalar is one of a key")
    }

    /// Derives the secret scalar of [`from_seed`](Self::from_seed), to be kept in a file.
    ///
    /// # Panics
    ///
    /// Never: a Poseidon hash below 2^251 is zero or above the curve's order with negligible
    /// probability, and then the next counter is taken.
    #[must_use]
    pub fn scalar_from_seed(seed: &[u8]) -> [u8; 32] {
        let seed = Stark::hash_bytes(seed);
        let domain = Digest::short_string("CIRO_SEED_V1");
        (0..)
            .map(|counter| *Stark::hash(&[domain, seed, Digest::from_u64(counter)]).as_bytes())
            .find(|scalar| Self::from_bytes(scalar).is_ok())
            .expect("some counter gives a key")
    }

    /// Derives 32 secret bytes for another use than signatures, one for each name: none tells
    /// anything of the others, or of the key.
    #[must_use]
    pub fn derive(&self, name: &str) -> [u8; 32] {
        self.0.derive(name)
    }

    /// Returns the account of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        Address(Stark::public_key(&self.0))
    }

    /// Returns the key that consensus signs with.
    #[must_use]
    pub fn into_consensus(self) -> StarkSigningKey {
        self.0
    }
}

impl<T: Signable> Signed<T> {
    /// Signs a value.
    ///
    /// # Errors
    ///
    /// [`SignError::Signer`] if the key is not the signer's.
    pub fn new(body: T, key: &SecretKey) -> Result<Self, SignError> {
        let (expected, got) = (body.signer(), key.address());
        if expected != got {
            return Err(SignError::Signer { expected, got });
        }
        let signature = Stark::sign(&key.0, &signed_hash(&body));
        let signature = signature.map_err(|source| SignError::Signature { signer: got, source })?;
        Ok(Self { body, signature: Signature(signature) })
    }

    /// Checks network and signature.
    ///
    /// # Errors
    ///
    /// [`SignError`] naming what is wrong.
    pub fn verify(&self, chain: Chain, keys: &mut KeyCache) -> Result<(), SignError> {
        let (signer, got) = (self.body.signer(), self.body.chain());
        if got != chain {
            return Err(SignError::Chain { expected: chain, got });
        }
        let key = keys.get(signer);
        let checked =
            key.and_then(|key| Stark::verify(&key, &signed_hash(&self.body), &self.signature.0));
        checked.map_err(|source| SignError::Signature { signer, source })
    }
}

/// Returns the hash that is signed: the low 251 bits of `Poseidon(domain, chain, digest_high,
/// digest_low)`.
///
/// The digest goes in as two words of 128 bits, as a contract holds a 256-bit number.
fn signed_hash<T: Signable>(body: &T) -> Digest {
    let [high, low] = halves(&body.digest());
    let hash = Stark::hash(&[T::DOMAIN, body.chain().0.word(), high, low]);
    Digest::from_bytes_truncated(*hash.as_bytes())
}

/// Splits 32 bytes into two words.
pub(crate) fn halves(bytes: &[u8; 32]) -> [Digest; 2] {
    let half = |part: &[u8]| {
        Digest::from_u128(part.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)))
    };
    [half(&bytes[..16]), half(&bytes[16..])]
}

/// Public keys with their precomputed multiples: 172 KB each, and a hundred times faster than
/// without from the second signature on. The least recently used one gives way.
#[derive(Debug)]
pub struct KeyCache {
    capacity: usize,
    clock: u64,
    keys: BTreeMap<Address, (u64, StarkVerifyingKey)>,
    used: BTreeMap<u64, Address>,
}

impl KeyCache {
    /// Keeps at most `capacity` keys, and one at least.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, keys: BTreeMap::new(), used: BTreeMap::new() }
    }

    fn get(&mut self, address: Address) -> Result<StarkVerifyingKey, CryptoError> {
        self.clock += 1;
        if let Some((used, key)) = self.keys.get_mut(&address) {
            self.used.remove(used);
            *used = self.clock;
            self.used.insert(self.clock, address);
            return Ok(key.clone());
        }
        let key = Stark::expand(&address.0)?;
        if self.keys.len() >= self.capacity.max(1)
            && let Some((_, oldest)) = self.used.pop_first()
        {
            self.keys.remove(&oldest);
        }
        self.keys.insert(address, (self.clock, key.clone()));
        self.used.insert(self.clock, address);
        Ok(key)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0.0.as_bytes()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl std::str::FromStr for Address {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let word = from_hex(text).and_then(Digest::from_bytes);
        word.map(|word| Self(PublicKey(word)))
            .ok_or_else(|| IdError(text.chars().take(80).collect()))
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::json_text(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl BorshSerialize for Address {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.0.0.as_bytes())
    }
}

impl BorshDeserialize for Address {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        read_word(reader, "an address").map(|word| Self(PublicKey(word)))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("body", &self.body).finish_non_exhaustive()
    }
}

impl BorshSerialize for Signature {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.0.r)?;
        writer.write_all(&self.0.s)
    }
}

impl BorshDeserialize for Signature {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (r, s) = <([u8; 32], [u8; 32])>::deserialize_reader(reader)?;
        Ok(Self(ciro_consensus::crypto::Signature { r, s }))
    }
}
