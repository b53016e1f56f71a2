//! What a requester asks for.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::blob::BlobId;
use crate::id::{InputDigest, KeyDigest, ModelId, ProviderId};
use crate::wire::{Bytes, List};

/// The most attempts of a job.
pub const ATTEMPTS_MAX: u8 = 8;
/// The most providers that an order or model names.
pub const LISTED_MAX: usize = 16;

/// A request to run a model on an input and to prove the result, with what is paid for it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobOrder {
    /// The registered model.
    pub model: ModelId,
    /// Which of its keys: decides route, preset and batch.
    pub key: KeyDigest,
    /// What goes in.
    pub input: Input,
    /// What is paid, when, and to whom.
    pub offer: Offer,
    /// What the proof must be worth.
    pub policy: Policy,
    /// What the provider must have.
    pub needs: Needs,
    /// The requester's own note; up to 64 bytes.
    pub memo: Bytes<64>,
}

/// The input of a job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where the input's bytes are.
    pub blob: BlobId,
    /// How many bytes they are.
    pub bytes: u64,
    /// The integers that the proof must be about: a proof about others is refused by comparing 32
    /// bytes.
    pub statement: InputDigest,
    /// For whom the blob is sealed; empty for an open one.
    pub recipients: List<ProviderId, LISTED_MAX>,
}

/// Price, times and stakes of a job: a reverse Dutch auction, in which the price rises until
/// somebody takes the job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Who may take it.
    pub mode: Mode,
    /// The price before the ramp.
    pub price_min: Amount,
    /// The price after the ramp; what is put into escrow.
    pub price_max: Amount,
    /// Ledger time at which the price begins to rise, in ms.
    pub ramp_start_ms: u64,
    /// How long it rises, in ms.
    pub ramp_ms: u64,
    /// How long a provider holds the job, in ms.
    pub lease_ms: u64,
    /// Ledger time at which the job is refunded if it is not settled, in ms.
    pub deadline_ms: u64,
    /// What a provider puts at stake by taking it.
    pub collateral: Amount,
    /// How many providers may try, 1 to [`ATTEMPTS_MAX`]; 1 for a direct order.
    pub attempts_max: u8,
}

/// Who may take a job.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Whoever claims it first.
    Open,
    /// This provider, at its standing ask, at once.
    Direct(ProviderId),
}

/// What a proof must be worth.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Bits of security.
    pub bits: u16,
    /// Whether the bits must be proven, not conjectured.
    pub proven: bool,
}

/// What a provider must have.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Memory, in MiB.
    pub memory_mb: u32,
    /// Where it must be; empty for anywhere.
    pub regions: List<Region, 8>,
}

/// An ISO 3166-1 alpha-2 code of a country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct Region([u8; 2]);

/// How much work a proof is, by the cells that a prover commits to.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Up to 2^20 cells.
    Xs,
    /// Up to 2^23 cells.
    S,
    /// Up to 2^26 cells.
    M,
    /// More.
    L,
    /// Whatever is proven as a run of a Cairo program: the Cairo route, and programs.
    Cairo,
}

/// How a job is proven. The first two are the SDK's routes for models, under their numbers.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The tensor STARK.
    Tensor,
    /// A Cairo program that is made from a model.
    Cairo,
    /// A Cairo program of its owner's own, which is no model.
    Program,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 5] = [Self::Xs, Self::S, Self::M, Self::L, Self::Cairo];

    /// Returns the name, as in JSON and in the paths of queues.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xs => "xs",
            Self::S => "s",
            Self::M => "m",
            Self::L => "l",
            Self::Cairo => "cairo",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Returns the class of a proof.
    #[must_use]
    pub const fn of(route: Route, cells: u64) -> Self {
        match (route, cells) {
            (Route::Cairo | Route::Program, _) => Self::Cairo,
            (Route::Tensor, 0..=0x10_0000) => Self::Xs,
            (Route::Tensor, ..=0x80_0000) => Self::S,
            (Route::Tensor, ..=0x400_0000) => Self::M,
            (Route::Tensor, _) => Self::L,
        }
    }
}

impl Offer {
    /// Returns the price at a time: `min + (max - min) * clamp((now - start) / ramp, 0, 1)`,
    /// rounded down.
    #[must_use]
    pub fn price_at(&self, now_ms: u64) -> Amount {
        let passed = now_ms.saturating_sub(self.ramp_start_ms);
        let span = self.price_max.saturating_sub(self.price_min);
        let risen = match (passed, self.ramp_ms) {
            (_, 0) if now_ms >= self.ramp_start_ms => span,
            (_, 0) => Amount::ZERO,
            (passed, ramp) => span.fraction(passed, ramp),
        };
        self.price_min.checked_add(risen).unwrap_or(self.price_max).min(self.price_max)
    }
}

impl Region {
    /// Takes two capital letters.
    #[must_use]
    pub const fn new(code: [u8; 2]) -> Option<Self> {
        if code[0].is_ascii_uppercase() && code[1].is_ascii_uppercase() {
            Some(Self(code))
        } else {
            None
        }
    }

    /// Returns the two letters.
    #[must_use]
    pub const fn code(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("??"))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self})")
    }
}

impl BorshDeserialize for Region {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let code = <[u8; 2]>::deserialize_reader(reader)?;
        Self::new(code).ok_or_else(|| crate::wire::invalid("a region is two capital letters"))
    }
}

impl Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = crate::wire::json_text(deserializer)?;
        let code = <[u8; 2]>::try_from(text.as_bytes()).ok();
        code.and_then(Self::new)
            .ok_or_else(|| serde::de::Error::custom("a region is two capital letters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_rises_along_its_ramp() {
        let units = |units| Amount::from_units(units).unwrap();
        let offer = |ramp_ms| Offer {
            mode: Mode::Open,
            price_min: units(10),
            price_max: units(31),
            ramp_start_ms: 100,
            ramp_ms,
            lease_ms: 1,
            deadline_ms: 1_000,
            collateral: units(0),
            attempts_max: 1,
        };
        let prices = [0, 100, 150, 199, 200, u64::MAX].map(|now| offer(100).price_at(now).units());
        assert_eq!(prices, [10, 10, 20, 30, 31, 31]);
        assert_eq!([99, 100].map(|now| offer(0).price_at(now).units()), [10, 31]);
        let inverted = Offer { price_min: units(50), ..offer(100) };
        assert_eq!(inverted.price_at(150), inverted.price_max, "never above what is in escrow");
    }

    #[test]
    fn classes_follow_the_cells() {
        let tensor = [1 << 20, (1 << 20) + 1, 1 << 23, 1 << 26, (1 << 26) + 1];
        let classes = tensor.map(|cells| Class::of(Route::Tensor, cells));
        assert_eq!(classes, [Class::Xs, Class::S, Class::S, Class::M, Class::L]);
        for route in [Route::Cairo, Route::Program] {
            assert_eq!(Class::of(route, 0), Class::Cairo);
        }
    }
}
