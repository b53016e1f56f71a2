//! What opens a commitment.

use std::fmt;
use std::str::FromStr;

use blake2::{Blake2s256, Digest as _};

use crate::verify::Side;

/// What makes a commitment say nothing to whoever guesses the integers: it is opened by them and
/// this value together.
///
/// Secret until then; 31 random bytes behind a zero byte, so that it is a number below Cairo's
/// prime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Blinding(pub [u8; 32]);

impl fmt::Debug for Blinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blinding(..)")
    }
}

/// The text is not 64 hexadecimal digits of which the first two are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blinding value has 64 hexadecimal digits, the first two of them 0")]
pub struct InvalidBlinding;

impl FromStr for Blinding {
    type Err = InvalidBlinding;

    fn from_str(digits: &str) -> Result<Self, InvalidBlinding> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidBlinding)?;
        if bytes[0] == 0 { Ok(Self(bytes)) } else { Err(InvalidBlinding) }
    }
}

impl Blinding {
    /// A value from the operating system's random numbers.
    #[cfg(feature = "prove")]
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes[1..])?;
        Ok(Self(bytes))
    }

    /// The value as hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// What all blinding values of a proof are computed from: whoever has it knows each of them, and
/// nobody learns it, or another of them, from one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlindingSeed(pub [u8; 32]);

impl fmt::Debug for BlindingSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindingSeed(..)")
    }
}

impl BlindingSeed {
    /// A seed from the operating system's random numbers.
    ///
    /// # Errors
    /// `getrandom::Error` if there are none.
    #[cfg(any(feature = "prove", feature = "client"))]
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The blinding value of one tensor of one inference: the last 31 bytes of
    /// `Blake2s-256("CIRO_BLINDING_V1" ‖ 0 ‖ seed ‖ u64 inference ‖ u8 side ‖ name)`.
    pub fn blinding(&self, sample: usize, side: Side, name: &str) -> Blinding {
        let sample = u64::try_from(sample).unwrap_or(u64::MAX).to_le_bytes();
        let side = match side {
            Side::Input => [0],
            Side::Output => [1],
        };
        let hasher = Blake2s256::new().chain_update("CIRO_BLINDING_V1").chain_update([0]);
        let hasher = hasher.chain_update(self.0).chain_update(sample).chain_update(side);
        let mut bytes: [u8; 32] = hasher.chain_update(name).finalize().into();
        bytes[0] = 0;
        Blinding(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_tensor_of_every_inference_has_a_blinding_value_of_its_own() {
        let mut seen = BTreeSet::new();
        for seed in [BlindingSeed([1; 32]), BlindingSeed([2; 32])] {
            for (sample, side) in [(0, Side::Input), (1, Side::Input), (0, Side::Output)] {
                for name in ["", "x", "y"] {
                    let blinding = seed.blinding(sample, side, name);
                    assert_eq!(blinding, seed.blinding(sample, side, name));
                    assert_eq!(blinding.to_hex().parse(), Ok(blinding));
                    assert!(seen.insert(blinding.0));
                }
            }
        }
    }
}
