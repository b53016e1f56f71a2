//! The ledger, a block a day.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use borsh::BorshDeserialize as _;
use ciro_ledger::state::{PURSES, PlainState, TOTALS};
use ciro_ledger::{Block, Holding, View, execute, genesis, holding};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::{Batch, TXS_MAX};
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::{Bucket, Purse};
use ciro_protocol::id::{Chain, SubmitterId, ValidatorId};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::sign::{Address, Signature, Signed};
use ciro_protocol::tx::{Body, SignedTx, Transaction, TxHeader};
use ciro_protocol::wire::List;

use crate::network::{DAY_MS, GENESIS_MS};
use crate::run::settle;

/// A ledger in memory.
#[derive(Debug)]
pub struct World {
    spec: ChainSpec,
    chain: Chain,
    state: PlainState,
    height: u64,
    now: u64,
    salt: u128,
    signature: Signature,
}

impl World {
    /// Begins with the genesis.
    ///
    /// # Errors
    ///
    /// If the specification is refused.
    pub fn new(spec: ChainSpec) -> Result<Self> {
        let (begun, writes) = genesis(spec.clone())?;
        let chain = begun.chain()?;
        let mut state = PlainState::default();
        state.apply(&writes);
        // Execution looks at no signature: that is validity's, before the vote.
        let signature = Signature::try_from_slice(&[0; 64])?;
        Ok(Self { spec, chain, state, height: 0, now: GENESIS_MS, salt: 0, signature })
    }

    /// Returns ledger time.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Executes a day and returns what became of each transaction. Orders are claimed and settled
    /// at once, by this provider.
    ///
    /// # Errors
    ///
    /// If the ledger takes the state for broken, or money came or went.
    pub fn day(
        &mut self,
        bodies: Vec<(Address, Body)>,
        provider: Address,
    ) -> Result<Vec<TxReceipt>> {
        self.height += 1;
        self.now += DAY_MS;
        let mut txs: Vec<SignedTx> = Vec::new();
        for (by, body) in bodies {
            let tx = self.transaction(by, body);
            let job = tx.body.job();
            txs.push(tx);
            if let Some(job) = job {
                for (by, body) in settle(job, provider) {
                    txs.push(self.transaction(by, body));
                }
            }
        }
        let mut batches = Vec::new();
        for id in self.spec.validators.iter().map(|it| it.id) {
            batches.push(self.batch(id.into(), Vec::new())?);
        }
        for txs in txs.chunks(TXS_MAX) {
            batches.push(self.batch(u64::MAX, txs.to_vec())?);
        }
        let block = Block { height: self.height, batches: &batches, punish: &[] };
        let outcome = execute(&self.spec, &self.state, &block)?;
        self.state.apply(&outcome.writes);
        let total = self.totals()?.values().map(|amount| amount.units()).sum::<u128>();
        if total != Amount::SUPPLY.units() {
            bail!("day {}: all purses hold {total} units, not the supply", self.height);
        }
        Ok(outcome.receipts)
    }

    fn transaction(&mut self, account: Address, body: Body) -> SignedTx {
        self.salt += 1;
        let header = TxHeader {
            chain: self.chain,
            account,
            salt: self.salt.to_le_bytes(),
            valid_until_ms: self.now + DAY_MS,
            fee_max: Amount::CIRO,
        };
        Signed { body: Transaction { header, body }, signature: self.signature }
    }

    fn batch(&self, submitter: u64, txs: Vec<SignedTx>) -> Result<Batch> {
        let signer = self.spec.validators.first().context("there is no validator")?.key;
        Ok(Batch {
            chain: self.chain,
            submitter: SubmitterId(submitter),
            signer,
            nonce: self.height,
            time_ms: self.now,
            txs: List::new(txs)?,
            attachments: List::default(),
        })
    }

    /// Returns what a purse holds.
    ///
    /// # Errors
    ///
    /// If the state is damaged.
    pub fn has(&self, purse: Purse) -> Result<Amount> {
        let key = PURSES.key(&purse);
        let value = self.state.get(&key);
        Ok(value.map(|value| PURSES.decode(&key, &value)).transpose()?.unwrap_or_default())
    }

    /// Returns what all purses of each kind hold.
    ///
    /// # Errors
    ///
    /// If the state is damaged.
    pub fn totals(&self) -> Result<BTreeMap<Bucket, Amount>> {
        let entries = self.state.range(&[TOTALS.prefix], &[TOTALS.prefix + 1], usize::MAX);
        let entries = entries.iter();
        entries.map(|(key, value)| Ok((TOTALS.name_of(key)?, TOTALS.decode(key, value)?))).collect()
    }

    /// Returns what an account has at a validator's stake.
    ///
    /// # Errors
    ///
    /// If the state is damaged.
    pub fn holding(&self, validator: u32, account: Address) -> Result<Option<Holding>> {
        Ok(holding(&self.state, ValidatorId(validator), account)?)
    }
}
