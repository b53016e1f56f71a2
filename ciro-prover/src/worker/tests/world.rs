//! The ledger as the authority, people who order and compete, a network that loses and reorders,
//! and a disk.

use std::collections::{BTreeMap, BTreeSet};

use ciro_consensus::ChainId;
use ciro_ledger::state::{ENDED, JOBS, OWNERS, PROVIDERS, PURSES, Phase, ProviderRecord, View};
use ciro_ledger::{Block, MemoryState, check_invariants, execute, genesis};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::Batch;
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::{
    ChainSpec, ConsensusSpec, FeeSpec, GenesisAccount, GenesisValidator, JobSpec, LimitSpec,
    ProviderSpec, TimeSpec,
};
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::{Chain, JobId, KeyDigest, ModelId, ProviderId, SubmitterId};
use ciro_protocol::model::{KeyEntry, KeyFacts, Listing, ModelCard};
use ciro_protocol::order::{Class, JobOrder, Region, Route};
use ciro_protocol::provider::{Ask, Asks, DirectKeys, DirectTerms, Profile};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::sign::{Address, SecretKey, Signature, Signed};
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, RegisterModel, RegisterProvider, SignedTx, Transaction, TxHeader};
use ciro_protocol::wire::{Bytes, List};

use super::units;
use crate::worker::{Head, Place, Sighting, Standing};

pub(super) const GENESIS_MS: u64 = 1_000_000_000;
pub(super) const ME: ProviderId = ProviderId(0);

/// A small generator of numbers (SplitMix64): equal seeds give equal histories.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % end
    }

    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// The chain.
pub(super) struct Chronicle {
    spec: ChainSpec,
    state: MemoryState,
    pub(super) height: u64,
    pub(super) time_ms: u64,
    pub(super) model: ModelId,
    /// Orders by job.
    pub(super) orders: BTreeMap<JobId, JobOrder>,
    /// Who settled what is ended.
    pub(super) ended: BTreeMap<JobId, Option<ProviderId>>,
    salt: u64,
}

pub(super) fn account(name: &str) -> Address {
    SecretKey::from_seed(name.as_bytes()).address()
}

impl Chronicle {
    /// Begins with a model and two providers: the worker's, and a rival.
    pub(super) fn new(people: &People) -> Self {
        let spec = spec(people);
        let (_, writes) = genesis(spec.clone()).unwrap();
        let mut state = MemoryState::default();
        state.commit(&writes).unwrap();
        let card = card(people.requester);
        let model = card.id();
        let (orders, ended) = Default::default();
        let (height, time_ms, salt) = (0, GENESIS_MS, 0);
        let mut new = Self { spec, state, height, time_ms, model, orders, ended, salt };
        let listing = Listing { providers: List::default(), price_hint: units(1) };
        let register = RegisterModel { card, listing };
        let mut txs = vec![new.tx(people.requester, Body::RegisterModel(Box::new(register)))];
        for account in [people.me, people.rival] {
            let profile = Profile {
                name: Text::new("provider").unwrap(),
                region: Region::new(*b"DE").unwrap(),
                memory_mb: 1_000,
            };
            let asks = List::new(vec![Ask { class: Class::Xs, price: units(200) }]).unwrap();
            let direct = DirectTerms {
                keys: DirectKeys::Any,
                collateral_max: Amount::SUPPLY,
                lease_min_ms: 0,
                input_bytes_max: u64::MAX,
            };
            let asks = Asks { prices: asks, capacity: 8, direct: Some(direct), sealing: None };
            let body = RegisterProvider { profile, asks, bond: units(100_000) };
            txs.push(new.tx(account, Body::RegisterProvider(body)));
        }
        let (receipts, _) = new.block(txs, 100);
        assert!(receipts.iter().all(|receipt| receipt.refused.is_none()), "{receipts:?}");
        new
    }

    /// Makes a transaction of somebody other than the worker.
    pub(super) fn tx(&mut self, account: Address, body: Body) -> SignedTx {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salt.to_le_bytes());
        tx(account, salt, self.time_ms + 5_000, body)
    }

    /// Executes a block and returns receipts and events.
    pub(super) fn block(&mut self, txs: Vec<SignedTx>, ms: u64) -> (Vec<TxReceipt>, Vec<Event>) {
        self.height += 1;
        let batch = Batch {
            chain: Chain(ChainId::new("a test")),
            submitter: SubmitterId(0),
            signer: account("validator"),
            nonce: self.height,
            time_ms: self.time_ms + ms,
            txs: List::new(txs).unwrap(),
            attachments: List::default(),
        };
        let batches = [batch];
        let block = Block { height: self.height, batches: &batches, punish: &[] };
        let outcome = execute(&self.spec, &self.state, &block).unwrap();
        self.state.commit(&outcome.writes).unwrap();
        check_invariants(&self.state).unwrap();
        self.time_ms = outcome.time_ms;
        for (tx, receipt) in batches[0].txs.iter().zip(&outcome.receipts) {
            if let (Body::Order(order), None) = (&tx.body.body, receipt.refused) {
                self.orders.insert(tx.body.id().into(), (**order).clone());
            }
        }
        for event in &outcome.events {
            if let Some(Sighting { job, standing: Standing::Ended { by }, .. }) =
                Sighting::of(event, Place::default(), 0)
            {
                self.ended.insert(job, by);
            }
        }
        (outcome.receipts, outcome.events)
    }

    /// For how long the provider could have left jail and did not.
    pub(super) fn overstays_ms(&self) -> u64 {
        let until = self.provider().jailed_until_ms;
        until.map_or(0, |until| self.time_ms.saturating_sub(until))
    }

    fn provider(&self) -> ProviderRecord {
        let provider = self.state.get(&PROVIDERS.key(&ME)).unwrap();
        PROVIDERS.decode(&[], &provider).unwrap()
    }

    pub(super) fn head(&self) -> Head {
        let bond = self.state.get(&PURSES.key(&Purse::Bond(ME)));
        let bond_free = bond.map_or(Amount::ZERO, |value| PURSES.decode(&[], &value).unwrap());
        let jailed = self.provider().jailed_until_ms;
        let (active, jail_over) = (jailed.is_none(), jailed.is_some_and(|it| it <= self.time_ms));
        let (height, time_ms, behind) = (self.height, self.time_ms, false);
        Head { height, time_ms, behind, bond_free, active, jail_over }
    }

    /// Returns how a job stands now.
    pub(super) fn standing(&self, job: JobId) -> Standing {
        let key = JOBS.key(&job);
        if let Some(value) = self.state.get(&key) {
            let record = JOBS.decode(&key, &value).unwrap();
            let attempt = record.attempt;
            return match record.phase {
                Phase::Open => Standing::Open { attempt },
                Phase::Claimed(held) => {
                    let (provider, lease_until_ms) = (held.provider, held.lease.at_ms);
                    Standing::Claimed { attempt, provider, lease_until_ms }
                }
            };
        }
        match self.state.get(&ENDED.key(&job)) {
            Some(_) => Standing::Ended { by: self.ended[&job] },
            None => Standing::Unknown,
        }
    }

    /// Returns the answer to a question about a job.
    pub(super) fn sighting(&self, job: JobId) -> Sighting {
        let place = Place { height: self.height, index: u32::MAX };
        Sighting { place, time_ms: self.time_ms, job, standing: self.standing(job) }
    }

    /// Returns the jobs that a provider holds, with their attempts.
    pub(super) fn held_by(&self, provider: ProviderId) -> Vec<(JobId, u8)> {
        let jobs = self.orders.keys().filter_map(|job| match self.standing(*job) {
            Standing::Claimed { attempt, provider: holder, .. } if holder == provider => {
                Some((*job, attempt))
            }
            _ => None,
        });
        jobs.collect()
    }

    pub(super) fn open(&self) -> Vec<(JobId, u8)> {
        let jobs = self.orders.keys().filter_map(|job| match self.standing(*job) {
            Standing::Open { attempt } => Some((*job, attempt)),
            _ => None,
        });
        jobs.collect()
    }

    pub(super) fn provider_of(&self, account: Address) -> ProviderId {
        let value = self.state.get(&OWNERS.key(&account)).unwrap();
        OWNERS.decode(&[], &value).unwrap()
    }
}

/// Who takes part.
pub(super) struct People {
    pub(super) me: Address,
    pub(super) rival: Address,
    pub(super) requester: Address,
}

/// A transaction that nobody signed: execution leaves that to validity.
pub(super) fn tx(account: Address, salt: [u8; 16], valid_until_ms: u64, body: Body) -> SignedTx {
    let chain = Chain(ChainId::new("a test"));
    let header = TxHeader { chain, account, salt, valid_until_ms, fee_max: units(50_000) };
    let zero = ciro_consensus::crypto::Signature { r: [0; 32], s: [0; 32] };
    Signed { body: Transaction { header, body }, signature: Signature(zero) }
}

/// Returns the attempts of a job that a standing says are over for this provider.
pub(super) fn lost(standing: Standing) -> BTreeSet<u8> {
    match standing {
        Standing::Unknown => BTreeSet::new(),
        Standing::Open { attempt } => (1..attempt).collect(),
        Standing::Claimed { attempt, provider, .. } if provider == ME => (1..attempt).collect(),
        Standing::Claimed { attempt, .. } | Standing::Over { attempt } => (1..=attempt).collect(),
        Standing::Ended { .. } => (1..=8).collect(),
    }
}

/// A model with one key.
pub(crate) fn card(owner: Address) -> ModelCard {
    let facts = KeyFacts {
        digest: KeyDigest([1; 32]),
        route: Route::Tensor,
        bits: 100,
        proven_bits: 60,
        batch: 1,
        cells: 1 << 10,
    };
    let keys = vec![KeyEntry { bytes: Bytes::new(vec![1; 20]).unwrap(), facts }];
    ModelCard {
        owner,
        name: Text::new("model").unwrap(),
        version: Text::new("1").unwrap(),
        licence: Text::new("MIT").unwrap(),
        blob: BlobId([1; 32]),
        bytes: 1,
        keys: List::new(keys).unwrap(),
    }
}

/// A network of strangers.
pub(crate) fn test_spec() -> ChainSpec {
    let [me, rival, requester] = ["me", "rival", "requester"].map(account);
    spec(&People { me, rival, requester })
}

fn spec(people: &People) -> ChainSpec {
    let mut accounts = [people.me, people.rival, people.requester];
    accounts.sort_unstable();
    let accounts = accounts.map(|address| GenesisAccount { address, amount: units(50_000_000) });
    let validator = GenesisValidator { id: 0, key: account("validator"), stake: 1 };
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
            capacity_max: 8,
            strikes_max: 5,
            strike_window_ms: 20_000,
        },
        faucet: None,
        validators: List::new(vec![validator]).unwrap(),
        accounts: List::new(accounts.to_vec()).unwrap(),
        economy: None,
    }
}
