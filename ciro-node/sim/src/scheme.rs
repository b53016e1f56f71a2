//! A signature scheme that costs nanoseconds, for mass simulation.
//!
//! It protects nothing: a "signature" is a hash of key and message that anyone could compute. In a
//! simulation everyone keeps to their own keys, so what matters holds: a signature fits one key and
//! one message, and altered messages fail.

use std::cell::Cell;

use ciro_consensus::Digest;
use ciro_consensus::crypto::{CryptoError, PublicKey, Scheme, Signature};

use crate::costs::Work;

thread_local! {
    /// What was computed on this thread since it was last asked: a run stays on one thread.
    static WORK: Cell<Work> = const { Cell::new(Work::NONE) };
}

/// Returns what was signed, verified and hashed on this thread since the last call.
pub(crate) fn take_work() -> Work {
    WORK.take()
}

fn note(work: Work) {
    WORK.set(WORK.get().plus(work));
}

/// Two field elements enter each permutation.
fn permutations(words: usize) -> Work {
    Work { permutations: u64::try_from(words / 2 + 1).unwrap_or(u64::MAX), ..Work::NONE }
}

/// A keyed hash in place of signatures.
#[derive(Clone, Debug)]
pub struct Keyed;

impl Scheme for Keyed {
    type SigningKey = PublicKey;
    type VerifyingKey = PublicKey;

    fn hash(words: &[Digest]) -> Digest {
        note(permutations(words.len()));
        let mut mixer = Mixer::new(u64::try_from(words.len()).expect("a length fits"));
        for word in words {
            mixer.absorb(word.as_bytes());
        }
        mixer.finish()
    }

    fn compress(left: &Digest, right: &Digest) -> Digest {
        note(permutations(1));
        mix(left, right)
    }

    fn hash_bytes(bytes: &[u8]) -> Digest {
        note(permutations(bytes.len() / 31));
        let mut mixer = Mixer::new(!u64::try_from(bytes.len()).expect("a length fits"));
        for chunk in bytes.chunks(32) {
            let mut word = [0; 32];
            word[..chunk.len()].copy_from_slice(chunk);
            mixer.absorb(&word);
        }
        mixer.finish()
    }

    fn expand(key: &PublicKey) -> Result<PublicKey, CryptoError> {
        Ok(*key)
    }

    fn public_key(key: &PublicKey) -> PublicKey {
        *key
    }

    fn sign(key: &PublicKey, message: &Digest) -> Result<Signature, CryptoError> {
        note(Work { signatures: 1, ..Work::NONE });
        Ok(tag(key, message))
    }

    fn verify(key: &PublicKey, message: &Digest, signature: &Signature) -> Result<(), CryptoError> {
        note(Work { checks: 1, ..Work::NONE });
        if tag(key, message) == *signature { Ok(()) } else { Err(CryptoError::Signature) }
    }
}

fn tag(key: &PublicKey, message: &Digest) -> Signature {
    Signature { r: *mix(&key.0, message).as_bytes(), s: [1; 32] }
}

fn mix(left: &Digest, right: &Digest) -> Digest {
    let mut mixer = Mixer::new(u64::MAX);
    mixer.absorb(left.as_bytes());
    mixer.absorb(right.as_bytes());
    mixer.finish()
}

/// A 256-bit state that multiplies and rotates its way over the input.
struct Mixer([u64; 4]);

impl Mixer {
    const fn new(domain: u64) -> Self {
        Self([
            domain ^ 0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0xa409_3822_299f_31d0,
            0x082e_fa98_ec4e_6c89,
        ])
    }

    fn absorb(&mut self, word: &[u8; 32]) {
        for (lane, bytes) in self.0.iter_mut().zip(word.as_chunks::<8>().0) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        self.stir();
    }

    /// Two rounds let every input bit reach every lane.
    const fn stir(&mut self) {
        let mut round = 0;
        while round < 2 {
            let [a, b, c, d] = self.0;
            let a = (a ^ d.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let b = (b ^ (a >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let c = (c ^ (b >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let d = (d ^ (c >> 30)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            self.0 = [a ^ (d >> 32), b, c, d];
            round += 1;
        }
    }

    fn finish(mut self) -> Digest {
        self.stir();
        let mut bytes = [0; 32];
        for (chunk, lane) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *chunk = lane.to_be_bytes();
        }
        Digest::from_bytes_truncated(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn hashes_differ_where_inputs_differ() {
        let mut seen = BTreeSet::new();
        for value in 0..2000 {
            assert!(seen.insert(Keyed::hash(&[Digest::from_u64(value)])));
            assert!(seen.insert(Keyed::hash(&[Digest::ZERO, Digest::from_u64(value)])));
            assert!(seen.insert(Keyed::compress(&Digest::from_u64(value), &Digest::ZERO)));
            let kept = if value % 2 == 0 { 3 } else { 7 };
            assert!(seen.insert(Keyed::hash_bytes(&value.to_le_bytes()[..kept])));
        }
    }

    #[test]
    fn a_signature_fits_one_key_and_one_message() {
        let [key, other] = [1, 2].map(|key| PublicKey(Digest::from_u64(key)));
        let message = Digest::from_u64(9);
        let signature = Keyed::sign(&key, &message).unwrap();
        assert_eq!(Keyed::verify(&key, &message, &signature), Ok(()));
        assert!(Keyed::verify(&other, &message, &signature).is_err());
        assert!(Keyed::verify(&key, &Digest::from_u64(8), &signature).is_err());
    }
}
