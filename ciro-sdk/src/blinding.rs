//! What opens a commitment.

use std::fmt;
use std::str::FromStr;

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
