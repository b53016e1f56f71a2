//! Signatures and hashes behind one trait.
//!
//! [`Stark`] is the scheme of the network: Cairo contracts check its signatures and hashes
//! natively, which is what makes evidence slashable on-chain. Simulations of tens of thousands of
//! runs plug in a cheap keyed hash instead.

mod inverse;
mod stark;
mod table;

use std::fmt;

pub use stark::{Stark, StarkSigningKey, StarkVerifyingKey};

use crate::types::{Digest, from_felt_hex, to_felt_hex};

/// A public key: the x-coordinate of a STARK-curve point, as Cairo's `check_ecdsa_signature` takes
/// it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct PublicKey(pub Digest);

/// A signature: the pair `(r, s)` of ECDSA, each big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// The x-coordinate of the nonce point.
    pub r: [u8; 32],
    /// The proof scalar.
    pub s: [u8; 32],
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature(r: {}, s: {})", to_felt_hex(&self.r), to_felt_hex(&self.s))
    }
}

/// Why a key or signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The public key is not the x-coordinate of a curve point.
    #[error("public key is not the x-coordinate of a curve point")]
    PublicKey,
    /// The secret key is zero or not below the curve's order.
    #[error("secret key is not in the range 1..order")]
    SecretKey,
    /// The hash is not below 2^251 and cannot be signed; one Poseidon hash in 2^54 is affected.
    #[error("message hash is not below 2^251")]
    MessageHash,
    /// `r` or `s` is zero or not below 2^251.
    #[error("signature component `{0}` is not in the range 1..2^251")]
    SignatureRange(char),
    /// The signature does not belong to this key and hash.
    #[error("signature does not match key and message hash")]
    Signature,
}

/// A signature scheme with the hash that messages are signed under.
///
/// Every function is deterministic: signing the same hash twice gives the same signature.
pub trait Scheme: Clone + fmt::Debug {
    /// The secret key of one replica.
    type SigningKey: fmt::Debug;
    /// A public key, checked and expanded for fast verification.
    type VerifyingKey: Clone + fmt::Debug;

    /// Hashes a list of words; its length is bound by the hash's padding.
    fn hash(words: &[Digest]) -> Digest;

    /// Hashes two words into one, for Merkle trees.
    fn compress(left: &Digest, right: &Digest) -> Digest;

    /// Hashes bytes that no contract ever needs to hash.
    fn hash_bytes(bytes: &[u8]) -> Digest;

    /// Checks and expands a public key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::PublicKey`] when it is not a key of the scheme.
    fn expand(key: &PublicKey) -> Result<Self::VerifyingKey, CryptoError>;

    /// Returns the public key of `key`.
    fn public_key(key: &Self::SigningKey) -> PublicKey;

    /// Signs the hash of a message.
    ///
    /// # Errors
    ///
    /// [`CryptoError::MessageHash`] when the scheme cannot sign this hash.
    fn sign(key: &Self::SigningKey, message: &Digest) -> Result<Signature, CryptoError>;

    /// Checks a signature.
    ///
    /// # Errors
    ///
    /// [`CryptoError`] naming what is out of range, or [`CryptoError::Signature`].
    fn verify(
        key: &Self::VerifyingKey,
        message: &Digest,
        signature: &Signature,
    ) -> Result<(), CryptoError>;
}

/// Signatures as `{"r": "0x…", "s": "0x…"}`.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
    r: [u8; 32],
    #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
    s: [u8; 32],
}

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SignatureJson { r: self.r, s: self.s }.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SignatureJson::deserialize(deserializer).map(|json| Self { r: json.r, s: json.s })
    }
}

fn write_hex<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_felt_hex(bytes))
}

fn read_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    from_felt_hex(&text)
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not 32 bytes in hexadecimal")))
}
