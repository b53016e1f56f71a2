//! What a proof is bound to beside its model, inputs and outputs.

use std::fmt;
use std::str::FromStr;

/// What a proof is bound to beside its model, its inputs and its outputs: a job, a caller, a
/// contract.
///
/// A proof with one context is no proof with another. What the bytes mean is between whoever asks
/// for a proof and whoever verifies it; the default, [`Context::NONE`], binds to nothing.
///
/// 32 bytes, big-endian, below the Stark prime `2^251 + 17 * 2^192 + 1`, so that a contract on
/// Starknet can hold one as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Context([u8; 32]);

/// Bytes or digits that are no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// Numbers from the Stark prime on.
    #[error(
        "a context is a number below the Stark prime, 2^251 + 17 * 2^192 + 1: at most 63 \
         hexadecimal digits, or 64 from 0800000000000011000000000000000000000000000000000000000000000000 \
         down; use a hash's last 31 bytes, for example"
    )]
    TooLarge,
    /// Text that is no number.
    #[error(
        "a context has 1 to 64 hexadecimal digits, behind `0x` or nothing, and no other characters"
    )]
    Digits,
}

/// The Stark prime, big-endian.
const STARK_PRIME: [u8; 32] = {
    let mut bytes = [0; 32];
    (bytes[0], bytes[7], bytes[31]) = (8, 17, 1);
    bytes
};

impl Context {
    /// Binds to nothing.
    pub const NONE: Self = Self([0; 32]);

    /// A context of 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`ContextError::TooLarge`] if they are not below the Stark prime.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, ContextError> {
        if bytes < STARK_PRIME { Ok(Self(bytes)) } else { Err(ContextError::TooLarge) }
    }

    /// Its bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether it binds to nothing.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// `0x` and 64 hexadecimal digits.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Context {
    type Err = ContextError;

    /// Reads 1 to 64 hexadecimal digits, behind `0x` or nothing.
    fn from_str(text: &str) -> Result<Self, ContextError> {
        let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
        if !(1..=64).contains(&digits.len()) {
            return Err(ContextError::Digits);
        }
        let mut bytes = [0u8; 32];
        for (at, &digit) in digits.iter().rev().enumerate() {
            let value = char::from(digit).to_digit(16).ok_or(ContextError::Digits)?;
            let value = u8::try_from(value).map_err(|_| ContextError::Digits)?;
            bytes[31 - at / 2] |= value << (4 * (at % 2));
        }
        Self::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_below_the_stark_prime() {
        assert_eq!(Context::from_bytes(STARK_PRIME), Err(ContextError::TooLarge));
        assert_eq!(Context::from_bytes([0xff; 32]), Err(ContextError::TooLarge));
        let mut most = STARK_PRIME;
        most[31] = 0;
        assert_eq!(Context::from_bytes(most).unwrap().to_bytes(), most);
        assert!(Context::from_bytes([0; 32]).unwrap().is_none());
    }

    #[test]
    fn digits_are_read_from_the_right_and_printed_in_full() {
        let mut bytes = [0; 32];
        (bytes[30], bytes[31]) = (1, 0x2f);
        let context = Context::from_bytes(bytes).unwrap();
        for text in ["12f", "0x12F", "000012f"] {
            assert_eq!(text.parse(), Ok(context), "{text}");
        }
        assert_eq!(context.to_string(), format!("0x{}12f", "0".repeat(61)));
        assert_eq!(context.to_string().parse(), Ok(context));
    }

    #[test]
    fn what_is_no_context_says_why() {
        for text in ["", "0x", "0X1", "g", "-1", "0x0x1", " 1", "é", &"0".repeat(65)] {
            assert_eq!(text.parse::<Context>(), Err(ContextError::Digits), "{text:?}");
        }
        let prime = format!("08000000000000110{}1", "0".repeat(46));
        assert_eq!(prime.len(), 64);
        assert_eq!(prime.parse::<Context>(), Err(ContextError::TooLarge));
        assert!(format!("08000000000000110{}0", "0".repeat(46)).parse::<Context>().is_ok());
    }
}
