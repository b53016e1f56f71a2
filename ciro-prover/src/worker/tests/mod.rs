//! The worker against the real ledger, and single rules by hand.

mod rules;
mod schedule;
pub(crate) mod world;

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, KeyDigest, ModelId, ProviderId};
use ciro_protocol::order::{Input, JobOrder, Mode, Needs, Offer, Policy};
use ciro_protocol::wire::{Bytes, List};

use super::{Served, Settings};

pub(crate) fn units(units: u128) -> Amount {
    Amount::from_units(units).unwrap()
}

/// An order at a ledger time, for the model of [`settings`].
pub(crate) fn order(now: u64) -> JobOrder {
    JobOrder {
        model: ModelId([1; 32]),
        key: KeyDigest([1; 32]),
        input: Input {
            blob: BlobId([3; 32]),
            bytes: 10,
            statement: InputDigest([4; 32]),
            recipients: List::default(),
        },
        offer: Offer {
            mode: Mode::Open,
            price_min: units(100),
            price_max: units(300),
            ramp_start_ms: now,
            ramp_ms: 4_000,
            lease_ms: 8_000,
            deadline_ms: now + 40_000,
            collateral: units(50),
            attempts_max: 3,
        },
        policy: Policy { bits: 100, proven: false },
        needs: Needs::default(),
        memo: Bytes::default(),
    }
}

/// A worker that asks for 150 units and 1.5 seconds.
pub(crate) fn settings() -> Settings {
    let fees = Amount::ZERO;
    let served = Served { cells: 1 << 10, memory_mb: 100, prepare_ms: 0, fees };
    Settings {
        provider: ProviderId(0),
        capacity: 2,
        children: 1,
        rows_max: 10,
        memory_mb: 100,
        cells_per_s: 1 << 10,
        price_per_gcell: units(150 << 20),
        collateral_max: Amount::SUPPLY,
        input_bytes_max: 1 << 28,
        bytes_per_s: 1 << 30,
        models: [(KeyDigest([1; 32]), served)].into(),
        listen_only: false,
        validity_ms: 4_000,
        unjail: true,
        retry_ms: 500,
        rank_ms: 25,
        open_ms_max: u64::MAX,
    }
}
