//! The network's scheme: ECDSA on the STARK curve over Poseidon hashes.

use std::fmt;
use std::sync::{Arc, LazyLock};

use blake2::{Blake2s256, Digest as _};
use starknet_crypto::{
    Signature as RawSignature, get_public_key, poseidon_hash, poseidon_hash_many,
    rfc6979_generate_k, sign,
};
use starknet_types_core::curve::AffinePoint;
use starknet_types_core::felt::{Felt, NonZeroFelt};

use super::inverse::inverse;
use super::table::Table;
use super::{CryptoError, PublicKey, Scheme, Signature};
use crate::types::Digest;

/// The order of the STARK curve's group.
pub(super) const ORDER: Felt =
    Felt::from_hex_unchecked("0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f");

static GENERATOR: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&AffinePoint::generator()).expect("the generator is not the point at infinity")
});

/// ECDSA on the STARK curve over Poseidon hashes, as Cairo's `check_ecdsa_signature` verifies it.
#[derive(Clone, Debug)]
pub struct Stark;

/// A secret scalar.
pub struct StarkSigningKey {
    secret: Felt,
    public: PublicKey,
}

impl StarkSigningKey {
    /// Reads a big-endian secret scalar.
    ///
    /// # Errors
    ///
    /// [`CryptoError::SecretKey`] when it is zero or not below the curve's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        let secret = Felt::from_bytes_be(bytes);
        let canonical = secret.to_bytes_be() == *bytes;
        if !canonical || secret == Felt::ZERO || secret >= ORDER {
            return Err(CryptoError::SecretKey);
        }
        Ok(Self { secret, public: PublicKey(digest(&get_public_key(&secret))) })
    }

    /// Derives a secret for another use than signatures, one for each name: none tells anything of
    /// another, or of the key.
    #[must_use]
    pub fn derive(&self, name: &str) -> [u8; 32] {
        let hasher = Blake2s256::new().chain_update("CIRO_DERIVE_V1").chain_update([0]);
        hasher.chain_update(self.secret.to_bytes_be()).chain_update(name).finalize().into()
    }
}

impl fmt::Debug for StarkSigningKey {
    /// Prints the public key only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StarkSigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A public key on the curve with its precomputed multiples, shared between clones.
#[derive(Clone, Debug)]
pub struct StarkVerifyingKey(Arc<Table>);

impl Scheme for Stark {
    type SigningKey = StarkSigningKey;
    type VerifyingKey = StarkVerifyingKey;

    fn hash(words: &[Digest]) -> Digest {
        let felts: Vec<Felt> = words.iter().map(felt).collect();
        digest(&poseidon_hash_many(&felts))
    }

    fn compress(left: &Digest, right: &Digest) -> Digest {
        digest(&poseidon_hash(felt(left), felt(right)))
    }

    fn hash_bytes(bytes: &[u8]) -> Digest {
        Digest::from_bytes_truncated(Blake2s256::digest(bytes).into())
    }

    fn expand(key: &PublicKey) -> Result<StarkVerifyingKey, CryptoError> {
        let point = AffinePoint::new_from_x(&felt(&key.0), false).ok_or(CryptoError::PublicKey)?;
        let table = Table::new(&point).ok_or(CryptoError::PublicKey)?;
        Ok(StarkVerifyingKey(Arc::new(table)))
    }

    fn public_key(key: &StarkSigningKey) -> PublicKey {
        key.public
    }

    fn sign(key: &StarkSigningKey, message: &Digest) -> Result<Signature, CryptoError> {
        let message = felt(message);
        if message >= Felt::ELEMENT_UPPER_BOUND {
            return Err(CryptoError::MessageHash);
        }
        // A nonce fails with probability 2^-54; RFC 6979 §3.6 then draws another from an extra
        // seed.
        for seed in 0_u64..8 {
            let seed = (seed > 0).then(|| Felt::from(seed));
            let k = rfc6979_generate_k(&message, &key.secret, seed.as_ref());
            if let Ok(signature) = sign(&key.secret, &message, &k) {
                let RawSignature { r, s } = signature.into();
                return Ok(Signature { r: r.to_bytes_be(), s: s.to_bytes_be() });
            }
        }
        Err(CryptoError::MessageHash)
    }

    fn verify(
        key: &StarkVerifyingKey,
        message: &Digest,
        signature: &Signature,
    ) -> Result<(), CryptoError> {
        let message = felt(message);
        if message >= Felt::ELEMENT_UPPER_BOUND {
            return Err(CryptoError::MessageHash);
        }
        let r = scalar(&signature.r).ok_or(CryptoError::SignatureRange('r'))?;
        let s = scalar(&signature.s).ok_or(CryptoError::SignatureRange('s'))?;
        let order = NonZeroFelt::try_from(ORDER).map_err(|_| CryptoError::Signature)?;
        let w = inverse(&s, &ORDER).ok_or(CryptoError::Signature)?;
        if w >= Felt::ELEMENT_UPPER_BOUND {
            return Err(CryptoError::SignatureRange('s'));
        }
        let from_generator = GENERATOR.mul(&message.mul_mod(&w, &order));
        let from_key = key.0.mul(&r.mul_mod(&w, &order));
        // The key is an x-coordinate, so either sign of its point may have signed.
        let matches = [&from_generator + &from_key, &from_generator - &from_key]
            .iter()
            .any(|point| point.z() != Felt::ZERO && point.x() == r * point.z());
        if matches { Ok(()) } else { Err(CryptoError::Signature) }
    }
}

fn felt(word: &Digest) -> Felt {
    Felt::from_bytes_be(word.as_bytes())
}

fn digest(felt: &Felt) -> Digest {
    Digest::from_bytes(felt.to_bytes_be()).expect("a felt is below the prime")
}

/// Reads a signature component in `1..2^251`.
fn scalar(bytes: &[u8; 32]) -> Option<Felt> {
    Digest::from_bytes(*bytes)
        .map(|word| felt(&word))
        .filter(|felt| *felt != Felt::ZERO && *felt < Felt::ELEMENT_UPPER_BOUND)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u64) -> StarkSigningKey {
        let word = Stark::hash(&[Digest::short_string("test key"), Digest::from_u64(seed)]);
        StarkSigningKey::from_bytes(word.as_bytes()).unwrap()
    }

    #[test]
    fn secret_zero_and_order_are_refused() {
        assert_eq!(StarkSigningKey::from_bytes(&[0; 32]).unwrap_err(), CryptoError::SecretKey);
        assert_eq!(
            StarkSigningKey::from_bytes(&ORDER.to_bytes_be()).unwrap_err(),
            CryptoError::SecretKey
        );
        assert_eq!(StarkSigningKey::from_bytes(&[0xff; 32]).unwrap_err(), CryptoError::SecretKey);
    }

    #[test]
    fn a_word_off_the_curve_is_no_public_key() {
        let refused = (0..64).filter(|x| Stark::expand(&PublicKey(Digest::from_u64(*x))).is_err());
        assert!(refused.count() > 10, "about half of all words are no x-coordinate");
    }

    #[test]
    fn components_out_of_range_are_named() {
        let (key, message) = (key(1), Digest::from_u64(5));
        let verifier = Stark::expand(&key.public).unwrap();
        let good = Stark::sign(&key, &message).unwrap();
        let zero_r = Signature { r: [0; 32], ..good };
        let large_s = Signature { s: [0xff; 32], ..good };
        assert_eq!(
            Stark::verify(&verifier, &message, &zero_r),
            Err(CryptoError::SignatureRange('r'))
        );
        assert_eq!(
            Stark::verify(&verifier, &message, &large_s),
            Err(CryptoError::SignatureRange('s'))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The tabled verifier and `starknet_crypto::verify` accept and refuse alike.
        #[test]
        fn verification_agrees_with_starknet_crypto(seed in 0_u64..8, message: u128, flip in 0_usize..600) {
            let key = key(seed);
            let message = Stark::hash(&[Digest::from_u128(message)]);
            let mut signature = Stark::sign(&key, &message).unwrap();
            if flip < 504 {
                let bytes = if flip < 252 { &mut signature.r } else { &mut signature.s };
                bytes[31 - flip % 252 / 8] ^= 1 << (flip % 8);
            }
            let ours = Stark::verify(&Stark::expand(&key.public).unwrap(), &message, &signature);
            let theirs = starknet_crypto::verify(
                &felt(&key.public.0),
                &felt(&message),
                &Felt::from_bytes_be(&signature.r),
                &Felt::from_bytes_be(&signature.s),
            );
            prop_assert_eq!(ours.is_ok(), theirs.unwrap_or(false));
            prop_assert_eq!(ours.is_ok(), flip >= 504);
        }
    }
}
