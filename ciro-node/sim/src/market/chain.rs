//! The ordered chain and the ledgers that execute it: one at once, others when they come to it.

use std::collections::VecDeque;

use ciro_ledger::state::{JOBS, PROVIDERS, PURSES, Phase, View};
use ciro_ledger::{Block, MemoryState, check_invariants, execute, genesis};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::Batch;
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::{ChainSpec, Genesis, GenesisAccount, GenesisValidator};
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::{Chain as ChainWord, JobId, KeyDigest, ModelId, ProviderId, SubmitterId};
use ciro_protocol::light::TreeRoot;
use ciro_protocol::model::{KeyEntry, KeyFacts, Listing, ModelCard};
use ciro_protocol::order::{Class, Region, Route};
use ciro_protocol::provider::{Ask, Asks, DirectKeys, DirectTerms, Profile};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::sign::{Address, SecretKey, Signature, Signed};
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, RegisterModel, RegisterProvider, SignedTx, Transaction, TxHeader};
use ciro_protocol::wire::{Bytes, List};
use ciro_prover::worker::{Head, Place, Sighting, Standing};

use super::rules::Rules;
use crate::rng::Rng;

/// Ledger time before the first block, in ms.
pub(super) const GENESIS_MS: u64 = 1_000_000_000;
/// The keys of the one model: what honest providers prove, and what they do not.
pub(super) const KEY: KeyDigest = KeyDigest([1; 32]);
pub(super) const UNSERVED: KeyDigest = KeyDigest([2; 32]);
/// Ledgers beside the first.
const FOLLOWERS: usize = 1;
const VALIDATORS: u32 = 4;

/// A chain with its ledgers.
pub(super) struct Chain {
    word: ChainWord,
    spec: ChainSpec,
    /// The ledger that everybody looks at.
    pub(super) state: MemoryState,
    followers: Vec<(MemoryState, VecDeque<(Batch, TreeRoot)>)>,
    pub(super) rules: Rules,
    pub(super) height: u64,
    pub(super) time_ms: u64,
    /// The clock of the validators.
    clock: u64,
    pub(super) model: ModelId,
    salt: u64,
}

/// What a block did.
pub(super) struct Executed {
    pub(super) txs: Vec<SignedTx>,
    pub(super) receipts: Vec<TxReceipt>,
    pub(super) events: Vec<Event>,
}

/// Some units.
pub(super) fn units(units: u128) -> Amount {
    Amount::from_units(units).expect("less than the supply")
}

/// Somebody's account.
pub(super) fn account(name: &str) -> Address {
    SecretKey::from_seed(name.as_bytes()).address()
}

impl Chain {
    /// Begins with a model and these providers, each with what it holds at once at most, and the
    /// keys that direct orders may be for.
    pub(super) fn new(providers: &[(&str, u16, DirectKeys)]) -> Result<Self, String> {
        let spec = spec(providers);
        let (genesis, writes) = genesis(spec.clone()).map_err(|error| error.to_string())?;
        let begin = || {
            let mut state = MemoryState::default();
            state.commit(&writes).map_err(|error| error.to_string())?;
            Ok::<_, String>(state)
        };
        let state = begin()?;
        let followers = (0..FOLLOWERS).map(|_| Ok((begin()?, VecDeque::new())));
        let followers = followers.collect::<Result<Vec<_>, String>>()?;
        let card = card(account("requester"));
        let model = card.id();
        let word = genesis.chain().map_err(|error| error.to_string())?;
        let rules = Rules::of(&spec);
        let (height, time_ms, salt) = (0, GENESIS_MS, 0);
        let clock = time_ms;
        let mut new =
            Self { word, spec, state, followers, rules, height, time_ms, clock, model, salt };
        let listing = Listing { providers: List::default(), price_hint: units(1) };
        let register = RegisterModel { card, listing };
        let mut txs = vec![new.tx("requester", Body::RegisterModel(Box::new(register)))];
        for (number, (name, capacity, keys)) in (0..).zip(providers) {
            let direct = DirectTerms {
                keys: keys.clone(),
                collateral_max: Amount::SUPPLY,
                lease_min_ms: 0,
                input_bytes_max: u64::MAX,
            };
            let asks = Asks {
                prices: list(vec![Ask { class: Class::Xs, price: units(200) }]),
                capacity: *capacity,
                direct: Some(direct),
                sealing: None,
            };
            let profile = Profile {
                name: Text::new("provider").unwrap_or_default(),
                region: Region::new(*b"DE").expect("two capital letters"),
                memory_mb: 1_000,
            };
            let body = RegisterProvider { profile, asks, bond: units(100_000) };
            txs.push(new.tx(name, Body::RegisterProvider(body)));
            new.rules.providers.insert(account(name), ProviderId(number));
            new.rules.terms.insert(ProviderId(number), keys.clone());
        }
        let done = new.block(txs, 100, &mut Rng::new(0))?;
        match done.receipts.iter().find_map(|receipt| receipt.refused) {
            Some(refusal) => Err(format!("the world does not begin: {}", refusal.name())),
            None => Ok(new),
        }
    }

    /// Makes a transaction that nobody signed: execution leaves that to validity.
    pub(super) fn tx(&mut self, by: &str, body: Body) -> SignedTx {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salt.to_le_bytes());
        self.salted(by, (salt, self.time_ms + 5_000), body)
    }

    /// The same with a salt and the end of its validity.
    pub(super) fn salted(&self, by: &str, salted: ([u8; 16], u64), body: Body) -> SignedTx {
        let (salt, valid_until_ms) = salted;
        let (chain, account) = (self.word, account(by));
        let header = TxHeader { chain, account, salt, valid_until_ms, fee_max: units(50_000) };
        let zero = ciro_consensus::crypto::Signature { r: [0; 32], s: [0; 32] };
        Signed { body: Transaction { header, body }, signature: Signature(zero) }
    }

    /// Executes a block that comes some ms after the last one, and checks what it did.
    pub(super) fn block(
        &mut self,
        txs: Vec<SignedTx>,
        ms: u64,
        rng: &mut Rng,
    ) -> Result<Executed, String> {
        self.height += 1;
        self.clock += ms;
        let submitter = u32::try_from(self.height).unwrap_or(0) % VALIDATORS;
        let batch = Batch {
            chain: self.word,
            submitter: SubmitterId(submitter.into()),
            signer: account(&validator(submitter)),
            nonce: self.height,
            time_ms: self.clock,
            txs: List::new(txs).map_err(|many| many.to_string())?,
            attachments: List::default(),
        };
        let batches = [batch];
        let block = Block { height: self.height, batches: &batches, punish: &[] };
        let outcome = execute(&self.spec, &self.state, &block).map_err(|it| it.to_string())?;
        let root = self.state.commit(&outcome.writes).map_err(|error| error.to_string())?;
        self.time_ms = outcome.time_ms;
        check_invariants(&self.state).map_err(|broken| broken.to_string())?;
        let [batch] = batches;
        for (_, behind) in &mut self.followers {
            behind.push_back((batch.clone(), root));
        }
        self.follow(rng, 1 << 4)?;
        let txs: Vec<SignedTx> = batch.txs.iter().cloned().collect();
        self.rules.block(&txs, &outcome.receipts, &outcome.events, self.time_ms)?;
        self.rules.compare(&self.state)?;
        Ok(Executed { txs, receipts: outcome.receipts, events: outcome.events })
    }

    /// Lets the other ledgers execute what they have not: each falls behind by so many blocks.
    pub(super) fn follow(&mut self, rng: &mut Rng, behind_max: u64) -> Result<(), String> {
        for (state, behind) in &mut self.followers {
            let keep = rng.below(behind_max);
            while behind.len() as u64 > keep {
                let Some((batch, root)) = behind.pop_front() else { break };
                let height = batch.nonce;
                let batches = [batch];
                let block = Block { height, batches: &batches, punish: &[] };
                let outcome = execute(&self.spec, state, &block).map_err(|it| it.to_string())?;
                if state.commit(&outcome.writes) != Ok(root) {
                    return Err(format!("two ledgers differ after block {height}"));
                }
            }
        }
        Ok(())
    }

    /// What a node tells a provider of the chain.
    pub(super) fn head(&self, provider: ProviderId) -> Result<Head, String> {
        let key = PURSES.key(&Purse::Bond(provider));
        let bond = self.state.get(&key).map(|value| PURSES.decode(&key, &value)).transpose();
        let bond_free = bond.map_err(|error| error.to_string())?.unwrap_or_default();
        let key = PROVIDERS.key(&provider);
        let record = self.state.get(&key).map(|value| PROVIDERS.decode(&key, &value)).transpose();
        let record = record.map_err(|error| error.to_string())?;
        let active = record.as_ref().is_some_and(|record| record.jailed_until_ms.is_none());
        let until = record.and_then(|record| record.jailed_until_ms);
        let jail_over = until.is_some_and(|until| until <= self.time_ms);
        let (height, time_ms, behind) = (self.height, self.time_ms, false);
        Ok(Head { height, time_ms, behind, bond_free, active, jail_over })
    }

    /// What a node answers who asks how a job stands.
    pub(super) fn sighting(&self, job: JobId, ended: Option<Option<ProviderId>>) -> Sighting {
        let key = JOBS.key(&job);
        let record = self.state.get(&key).and_then(|value| JOBS.decode(&key, &value).ok());
        let standing = match (record, ended) {
            (Some(record), _) => match record.phase {
                Phase::Open => Standing::Open { attempt: record.attempt },
                Phase::Claimed(held) => Standing::Claimed {
                    attempt: record.attempt,
                    provider: held.provider,
                    lease_until_ms: held.lease.at_ms,
                },
            },
            (None, Some(by)) => Standing::Ended { by },
            (None, None) => Standing::Unknown,
        };
        let place = Place { height: self.height, index: u32::MAX };
        Sighting { place, time_ms: self.time_ms, job, standing }
    }
}

fn validator(number: u32) -> String {
    format!("validator {number}")
}

fn list<T, const MAX: usize>(items: Vec<T>) -> List<T, MAX> {
    List::new(items).unwrap_or_default()
}

fn card(owner: Address) -> ModelCard {
    let key = |digest: KeyDigest| {
        let (route, batch, cells) = (Route::Tensor, 1, 1 << 10);
        let facts = KeyFacts { digest, route, bits: 100, proven_bits: 60, batch, cells };
        KeyEntry { bytes: Bytes::new(digest.0.to_vec()).unwrap_or_default(), facts }
    };
    ModelCard {
        owner,
        name: Text::new("model").unwrap_or_default(),
        version: Text::new("1").unwrap_or_default(),
        licence: Text::new("MIT").unwrap_or_default(),
        blob: BlobId([1; 32]),
        bytes: 1,
        keys: list(vec![key(KEY), key(UNSERVED)]),
    }
}

/// The specification of a devnet, with short leases and everybody's money.
fn spec(providers: &[(&str, u16, DirectKeys)]) -> ChainSpec {
    let text = include_str!("../../../../ciro-sdk/src/client/test_genesis.json");
    let genesis: Genesis = serde_json::from_str(text).expect("a genesis");
    let mut spec = genesis.spec;
    spec.genesis_ms = GENESIS_MS;
    spec.jobs.lease_min_ms = 1_000;
    spec.time.validity_max_ms = 60_000;
    spec.time.jail_ms = 5_000;
    spec.providers.strikes_max = 6;
    spec.providers.bond_min = units(5_000);
    spec.limits.timers_per_block = 3;
    spec.fees.base = units(7);
    spec.fees.per_byte = units(1);
    spec.fees.per_check = units(50);
    spec.fees.per_input_byte = units(2);
    spec.fees.per_bundle_byte = units(3);
    spec.fees.deposit_per_mib = units(1_000);
    let stakes =
        (0..VALIDATORS).map(|id| GenesisValidator { id, key: account(&validator(id)), stake: 1 });
    spec.validators = list(stakes.collect());
    let mut names: Vec<Address> = providers.iter().map(|(name, ..)| account(name)).collect();
    names.push(account("requester"));
    names.sort_unstable();
    let amount = units(500_000_000);
    spec.accounts =
        list(names.into_iter().map(|address| GenesisAccount { address, amount }).collect());
    spec
}
