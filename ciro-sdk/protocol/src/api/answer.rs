//! What a node answers.

use ciro_consensus::Pin;
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::blob::BlobId;
use crate::chain::{Genesis, Word};
use crate::event::Event;
use crate::id::{Chain, JobId, ModelId, ProviderId, TxId};
use crate::model::{Listing, ModelCard, NextListing};
use crate::order::{Class, JobOrder};
use crate::provider::{Asks, Profile};
use crate::receipt::{Receipt, TxReceipt};
use crate::sign::Address;
use crate::tx::{SignedTx, Tally};

/// The network and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// The word that everything is signed under.
    pub chain: Chain,
    /// The specification and the root of the first state: what a light client trusts, once it has
    /// it from somewhere that it trusts.
    pub genesis: Genesis,
    /// The last executed block.
    pub head: Head,
    /// The last block whose state a quorum certified.
    pub certified: u64,
    /// Who votes in the epoch of the next block, for whoever trusts this node: with it a receipt is
    /// checked against keys of the past.
    pub pin: Pin,
    /// The release of the node.
    pub version: String,
}

/// The last executed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its height; 0 before the first one.
    pub height: u64,
    /// The root of the state after it.
    pub state_root: Word,
    /// Ledger time after it, in ms since 1970: what `valid_until_ms` and deadlines count from.
    pub time_ms: u64,
    /// The epoch of the next block.
    pub epoch: u64,
    /// The number of the last event, and so the newest place in queues; 0 before the first one.
    pub events: u64,
}

/// How firm something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finality {
    /// Its block is committed: a quorum has decided its place for ever.
    Committed,
    /// A quorum has signed a state that holds it: provable to whoever holds the genesis.
    Certified,
}

/// A transaction was taken: it is durable here and will be in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The transaction.
    pub id: TxId,
    /// The job that it orders.
    pub job: Option<JobId>,
    /// Whether it was known before: sending it again changes nothing.
    pub known: bool,
}

/// What is known of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxStatus {
    /// The transaction.
    pub id: TxId,
    /// Where it is.
    #[serde(flatten)]
    pub state: TxState,
}

/// Where a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TxState {
    /// It waits for a block.
    Pending,
    /// A block holds it.
    Executed {
        /// The block.
        height: u64,
        /// How firm that is.
        finality: Finality,
        /// What became of it.
        receipt: TxReceipt,
    },
}

/// Entries with the way to those that follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What to give as `after` for the entries that follow; absent when there are none.
    pub next: Option<String>,
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Whose.
    pub address: Address,
    /// What it holds.
    pub balance: Amount,
    /// The provider that it speaks for.
    pub provider: Option<ProviderId>,
    /// Whether it had its test money.
    pub faucet_taken: bool,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its id.
    pub model: ModelId,
    /// What it is.
    pub card: ModelCard,
    /// Who may prove it now, by the ledger's time.
    pub listing: Listing,
    /// Who may prove it later, once its owner has left somebody out.
    pub next: Option<NextListing>,
    /// Whether it takes no more orders.
    pub retired: bool,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// Its number.
    pub provider: ProviderId,
    /// The account that speaks for it.
    pub account: Address,
    /// What it says of itself.
    pub profile: Profile,
    /// What it takes on.
    pub asks: Asks,
    /// The part of its bond that is free.
    pub bond: Amount,
    /// The part that is collateral of jobs that it holds.
    pub locked: Amount,
    /// Jobs that it holds.
    pub held: u16,
    /// Until when it is in jail.
    pub jailed_until_ms: Option<u64>,
    /// Jobs that it settled.
    pub settled: u64,
    /// Jobs that it lost.
    pub lost: u64,
}

impl ProviderInfo {
    /// All of its bond: what is free, and what is collateral.
    #[must_use]
    pub fn whole_bond(&self) -> Amount {
        self.bond.checked_add(self.locked).unwrap_or(Amount::SUPPLY)
    }

    /// Whether it may claim where the least bond is this: it is not in jail, and has as much at
    /// stake.
    #[must_use]
    pub fn may_claim(&self, bond_min: Amount) -> bool {
        self.jailed_until_ms.is_none() && self.whole_bond() >= bond_min
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Its id.
    pub job: JobId,
    /// Where it is.
    pub state: JobState,
    /// Who ordered it.
    pub requester: Address,
    /// What was ordered.
    pub order: JobOrder,
    /// The order as its requester signed it. Its id is the job's, so that nobody has to take the
    /// node's word for what was ordered.
    pub signed: SignedTx,
    /// The class of the work.
    pub class: Class,
    /// Ledger time of the order's execution, in ms.
    pub opened_ms: u64,
    /// The block of the order.
    pub opened_height: u64,
    /// The attempt at hand, from 1; of an ended job, how many there were.
    pub attempt: u8,
    /// Who holds it.
    pub held: Option<HeldInfo>,
    /// How it ended.
    pub receipt: Option<Receipt>,
    /// How firm this state is.
    pub finality: Finality,
}

/// The four states of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for a provider.
    Open,
    /// A provider holds it.
    Claimed,
    /// It is proven and paid.
    Settled,
    /// It is paid back.
    Refunded,
}

/// How a provider holds a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldInfo {
    /// Who.
    pub provider: ProviderId,
    /// For what price.
    pub price: Amount,
    /// Since when, in ms of ledger time.
    pub claimed_ms: u64,
    /// Until when, in ms of ledger time.
    pub lease_until_ms: u64,
    /// Renewals of the lease.
    pub renewals: u8,
}

/// A job that may be taken: one line of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOffer {
    /// The place in the queue, to go on `after`. A job that is opened again has a new one.
    pub position: u64,
    /// The job.
    pub job: JobId,
    /// The attempt that may be claimed; for a direct order, the one that is held.
    pub attempt: u8,
    /// The class of the work.
    pub class: Class,
    /// The provider that holds it already: of a direct order.
    pub held: Option<HeldInfo>,
    /// The order as its requester signed it.
    pub order: SignedTx,
    /// Ledger time of the order's execution, in ms.
    pub opened_ms: u64,
    /// Ledger time at which this was answered, in ms.
    pub time_ms: u64,
    /// The price at that time.
    pub price: Amount,
}

/// An event with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number, from 1, the same at every node.
    pub seq: u64,
    /// Its block.
    pub height: u64,
    /// Ledger time after the block, in ms.
    pub time_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInfo {
    /// Its height.
    pub height: u64,
    /// The root of the state after it.
    pub state_root: Word,
    /// Ledger time after it, in ms.
    pub time_ms: u64,
    /// How firm it is.
    pub finality: Finality,
    /// Batches that it holds, ticks included.
    pub batches: u32,
    /// Its transactions in order.
    pub transactions: Vec<BlockTx>,
}

/// A transaction of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockTx {
    /// Which.
    pub id: TxId,
    /// The kind of its body.
    pub kind: String,
    /// Whose.
    pub account: Address,
    /// What it counts as; the two are never added up.
    pub tally: Tally,
    /// What it cost.
    pub fee: Amount,
    /// Why it changed nothing but the fee.
    pub refused: Option<crate::refusal::Refusal>,
}

/// How much of a blob is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobStatus {
    /// The blob.
    pub id: BlobId,
    /// Its length.
    pub bytes: u64,
    /// Whether all of it is here.
    pub complete: bool,
    /// The chunks that are not here, in order.
    pub missing: Vec<u64>,
}

/// Whether a node is ready, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it accepts and executes transactions.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<HealthCheck>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}
