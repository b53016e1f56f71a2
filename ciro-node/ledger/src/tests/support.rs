//! A small network and its people.

use std::sync::LazyLock;

use ciro_consensus::ChainId;
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::Batch;
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::{
    ChainSpec, ConsensusSpec, FaucetSpec, FeeSpec, GenesisAccount, GenesisValidator, JobSpec,
    LimitSpec, ProviderSpec, TimeSpec,
};
use ciro_protocol::id::{Chain, KeyDigest, SubmitterId};
use ciro_protocol::model::{KeyEntry, KeyFacts, ModelCard};
use ciro_protocol::order::Route;
use ciro_protocol::sign::{Address, SecretKey, Signature, Signed};
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, SignedTx, Transaction, TxHeader};
use ciro_protocol::wire::{Bytes, List};

/// Time before the first block: noon of some day.
pub(super) const GENESIS_MS: u64 = 20_000 * 86_400_000 + 43_200_000;

/// People: 0 to 3 order and own models, 4 to 7 prove, 8 has little, 9 and on have nothing.
pub(super) static PEOPLE: LazyLock<Vec<Address>> =
    LazyLock::new(|| (0..16_u8).map(|person| SecretKey::from_seed(&[person]).address()).collect());

/// More than anybody ever has, in units.
pub(super) const RICHES: u128 = 400_000_000 * 10_u128.pow(18);

pub(super) fn units(units: u128) -> Amount {
    Amount::from_units(units).unwrap()
}

pub(super) fn spec() -> ChainSpec {
    let account = |(person, amount): (usize, u128)| GenesisAccount {
        address: PEOPLE[person],
        amount: units(amount),
    };
    let rich = (0..8).map(|person| (person, 2_000_000));
    let key = SecretKey::from_seed(b"validator").address();
    ChainSpec {
        name: Text::new("ciro-test").unwrap(),
        routes: List::new(vec![Route::Tensor]).unwrap(),
        verifier: 1,
        security_bits_min: 100,
        genesis_ms: GENESIS_MS,
        consensus: ConsensusSpec {
            checkpoint_interval: 4,
            epoch_length: 8,
            operations_per_block: 16,
            clients: 16,
            progress_timeout_ms: 1_000,
        },
        time: TimeSpec {
            tick_ms: 1_000,
            step_max_ms: 5_000,
            validity_max_ms: 60_000,
            unbonding_ms: 20_000,
            jail_ms: 15_000,
        },
        limits: LimitSpec {
            bundle_bytes: 4 << 20,
            input_bytes: 1_000,
            model_bytes: 4 << 20,
            timers_per_block: 3,
        },
        fees: FeeSpec {
            base: units(7),
            per_byte: units(1),
            per_check: units(50),
            per_input_byte: units(2),
            per_bundle_byte: units(3),
            deposit_per_mib: units(1_000),
            market_bps: 1_000,
            burn_bps: 5_000,
        },
        jobs: JobSpec {
            attempts_max: 4,
            renewals_max: 2,
            lease_min_ms: 2_000,
            lease_max_ms: 20_000,
            deadline_max_ms: 60_000,
            collateral_min_bps: 1_000,
            release_bps: 500,
            expiry_burn_bps: 5_000,
            fraud_bond_bps: 1_000,
            reporter_bps: 500,
        },
        providers: ProviderSpec {
            bond_min: units(5_000),
            capacity_max: 4,
            strikes_max: 2,
            strike_window_ms: 30_000,
        },
        faucet: Some(FaucetSpec {
            per_account: units(100),
            per_day: units(350),
            total: units(1_000),
        }),
        validators: List::new(vec![GenesisValidator { id: 0, key, stake: 1 }]).unwrap(),
        accounts: List::new(rich.chain([(8, 600)]).map(account).collect()).unwrap(),
        economy: None,
    }
}

pub(super) fn chain() -> Chain {
    Chain(ChainId::new("a test"))
}

/// A transaction that nobody signed: execution leaves that to validity.
pub(super) fn unsigned(person: usize, salt: u64, until_ms: u64, body: Body) -> SignedTx {
    let mut salted = [0; 16];
    salted[..8].copy_from_slice(&salt.to_le_bytes());
    let header = TxHeader {
        chain: chain(),
        account: PEOPLE[person],
        salt: salted,
        valid_until_ms: until_ms,
        fee_max: units(5_000),
    };
    let zero = ciro_consensus::crypto::Signature { r: [0; 32], s: [0; 32] };
    Signed { body: Transaction { header, body }, signature: Signature(zero) }
}

pub(super) fn batch(nonce: u64, time_ms: u64, txs: Vec<SignedTx>) -> Batch {
    Batch {
        chain: chain(),
        submitter: SubmitterId(0),
        signer: SecretKey::from_seed(b"validator").address(),
        nonce,
        time_ms,
        txs: List::new(txs).unwrap(),
        attachments: List::default(),
    }
}

/// A key of 100 conjectured and 60 proven bits.
pub(super) fn key(number: u8, route: Route) -> KeyEntry {
    let digest = KeyDigest([number; 32]);
    let facts = KeyFacts { digest, route, bits: 100, proven_bits: 60, batch: 1, cells: 1 << 10 };
    KeyEntry { bytes: Bytes::new(vec![number; 20]).unwrap(), facts }
}

pub(super) fn card(owner: usize, number: u8, keys: Vec<KeyEntry>) -> ModelCard {
    ModelCard {
        owner: PEOPLE[owner],
        name: Text::new(format!("model {number}")).unwrap(),
        version: Text::new("1").unwrap(),
        licence: Text::new("MIT").unwrap(),
        blob: BlobId([number; 32]),
        bytes: (1 << 20) + 1,
        keys: List::new(keys).unwrap(),
    }
}
