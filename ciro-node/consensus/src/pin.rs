//! What somebody knows of a chain beside its genesis.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::snapshot::CheckpointRoots;
use crate::types::{Digest, Epoch};

/// Who votes in an epoch, as somebody says who is trusted: the epoch and the digest of its
/// validators, written `EPOCH:0xDIGEST`.
///
/// Whoever left with its stake loses nothing by what its old key signs. So a quorum of an epoch
/// that is long over may sign another history from there on, and the genesis alone cannot tell the
/// two apart. With a pin of a recent epoch one follows no history that does not lead through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin {
    /// The epoch.
    pub epoch: Epoch,
    /// The digest of its validators: see [`ValidatorSet::digest`](crate::ValidatorSet::digest).
    pub validators: Digest,
}

/// Why a text is no pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pin: expected `EPOCH:0xDIGEST`, as `ciro network show` prints it")]
pub struct PinError(String);

impl Pin {
    /// Whether these may be the validators of an epoch.
    #[must_use]
    pub fn admits(&self, epoch: Epoch, validators: Digest) -> bool {
        epoch != self.epoch || validators == self.validators
    }

    /// Whether a checkpoint may lead to the validators that it names.
    pub(crate) fn admits_roots(&self, roots: &CheckpointRoots) -> bool {
        self.admits(roots.epoch, roots.current) && self.admits(roots.epoch.next(), roots.next)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:0x{}", self.epoch.0, hex::encode(self.validators.as_bytes()))
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let parse = || {
            let (epoch, digest) = text.split_once(':')?;
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest.strip_prefix("0x")?, &mut bytes).ok()?;
            let validators = Digest::from_bytes(bytes)?;
            Some(Self { epoch: Epoch(epoch.parse().ok()?), validators })
        };
        parse().ok_or_else(|| PinError(text.chars().take(100).collect()))
    }
}

impl TryFrom<String> for Pin {
    type Error = PinError;

    fn try_from(text: String) -> Result<Self, PinError> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written_and_nothing_else_is() {
        let pin = Pin { epoch: Epoch(12), validators: Digest::from_u64(0xabc) };
        let text = pin.to_string();
        assert_eq!(text, format!("12:0x{:064x}", 0xabc));
        assert_eq!(text.parse(), Ok(pin));
        let digits = "0".repeat(64);
        let bad = ["", "12", "12:", "12:0x1", ":0x0", "-1:0x0", &format!("12:{digits}")];
        let plus = format!("12:0x+1{}", &digits[2..]);
        let large = format!("12:0x{}", "f".repeat(64));
        for text in bad.into_iter().chain([&*plus, &*large]) {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pin_speaks_of_its_epoch_alone() {
        let pin = Pin { epoch: Epoch(3), validators: Digest::from_u64(7) };
        assert!(pin.admits(Epoch(3), Digest::from_u64(7)));
        assert!(!pin.admits(Epoch(3), Digest::from_u64(8)));
        assert!(pin.admits(Epoch(2), Digest::from_u64(8)) && pin.admits(Epoch(4), Digest::ZERO));
    }
}
