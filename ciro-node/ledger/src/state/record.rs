//! What entries of the state are.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::amount::Amount;
use ciro_protocol::id::{JobId, LaunchId, ProposalId, ProviderId, TxId};
use ciro_protocol::model::{Listing, ModelCard, NextListing};
use ciro_protocol::order::{Class, JobOrder, LISTED_MAX};
use ciro_protocol::provider::{Asks, Profile};
use ciro_protocol::sign::Address;
use ciro_protocol::wire::List;

/// Clock, height and counters.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChainRecord {
    /// The last block.
    pub height: u64,
    /// Ledger time after it, in ms since 1970.
    pub time_ms: u64,
    /// The number of the next provider.
    pub next_provider: u32,
    /// Timers ever set, so that each has a place of its own.
    pub next_timer: u64,
    /// What the faucet gave on the day of the last gift.
    pub faucet: Day,
}

/// What the faucet gave on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Day {
    /// Days since 1970.
    pub day: u64,
    /// The sum.
    pub given: Amount,
}

/// A validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ValidatorRecord {
    /// Its key.
    pub key: Address,
    /// Its weight in consensus, and in the median of clocks.
    pub stake: u64,
    /// The latest time that its batches carried, in ms; the ledger's when it joined, at first.
    pub time_ms: u64,
    /// How many slots of the epoch of rewards at hand were over when it joined.
    pub joined_slots: u64,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ModelRecord {
    /// What it is.
    pub card: ModelCard,
    /// Who may prove it, until the next listing holds.
    pub listing: Listing,
    /// A listing that leaves somebody out, and so begins later. It stays here after that, until the
    /// record is written again: whoever reads it asks for the record [at](Self::at) a time.
    pub next: Option<NextListing>,
    /// Whether it takes no more orders.
    pub retired: bool,
}

/// A registered provider.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProviderRecord {
    /// The account that speaks for it.
    pub account: Address,
    /// What it says of itself.
    pub profile: Profile,
    /// What it takes on.
    pub asks: Asks,
    /// Jobs that it holds.
    pub held: u16,
    /// The sum of their collateral.
    pub locked: Amount,
    /// Times at which it lost a lease, the latest `strikes_max` of them.
    pub strikes: Vec<u64>,
    /// Until when it is in jail; it stays there until it asks to leave.
    pub jailed_until_ms: Option<u64>,
    /// Jobs settled.
    pub settled: u64,
    /// Jobs lost.
    pub lost: u64,
}

/// A job that is not ended.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct JobRecord {
    /// Who ordered it.
    pub requester: Address,
    /// What was ordered.
    pub order: JobOrder,
    /// Who may claim it, by the model's listing when the order came; empty for everybody.
    pub listed: List<ProviderId, LISTED_MAX>,
    /// The class of the work.
    pub class: Class,
    /// Ledger time of the order's execution, in ms.
    pub opened_ms: u64,
    /// The attempt at hand, from 1.
    pub attempt: u8,
    /// Providers whose attempt is over.
    pub failed: Vec<ProviderId>,
    /// Whether somebody holds it.
    pub phase: Phase,
    /// The timer of the deadline.
    pub deadline: TimerKey,
}

/// Whether somebody holds a job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Phase {
    /// It waits.
    Open,
    /// A provider holds it.
    Claimed(Held),
}

/// How a provider holds a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Held {
    /// Who.
    pub provider: ProviderId,
    /// For what price.
    pub price: Amount,
    /// Since when, in ms.
    pub claimed_ms: u64,
    /// Renewals of the lease.
    pub renewals: u8,
    /// Whether it is a direct order under terms that named no keys: it may be given back as not
    /// served.
    pub any_key: bool,
    /// The timer of the lease.
    pub lease: TimerKey,
}

/// What happens when a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Timer {
    /// What.
    pub kind: TimerKind,
}

/// The kinds of timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum TimerKind {
    /// The lease of a job ends.
    Lease(JobId),
    /// The deadline of a job passes.
    Deadline(JobId),
    /// Money is no longer bound.
    Unbonded {
        /// Whose bond it was part of.
        provider: ProviderId,
        /// How much.
        amount: Amount,
    },
    /// An epoch of rewards ends.
    Emission,
    /// Nobody may claim of the airdrop any more.
    AirdropEnds,
    /// Stake that leaves is no longer bound, if evidence against it does not count any more.
    Departure(u64),
    /// The vote on a proposal ends.
    VoteEnds(ProposalId),
    /// A proposal that passed is executed.
    Enact(ProposalId),
    /// The time of a launch is over.
    LaunchEnds(LaunchId),
}

/// The place of a timer: its time, then its number. Big-endian, so that the store's order is
/// theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    /// When, in ms.
    pub at_ms: u64,
    /// Which of all timers.
    pub number: u64,
}

/// The place of a transaction that was executed: until when it must be remembered, then its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenKey {
    /// Until when it is valid, in ms.
    pub until_ms: u64,
    /// Which.
    pub id: TxId,
}

impl ModelRecord {
    /// Returns the record as it is at a ledger time, in ms: a next listing whose time has come is
    /// the listing.
    #[must_use]
    pub fn at(mut self, time_ms: u64) -> Self {
        if let Some(next) = self.next.take_if(|next| next.from_ms <= time_ms) {
            self.listing = next.listing;
        }
        self
    }
}

impl BorshSerialize for TimerKey {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.at_ms.to_be_bytes())?;
        writer.write_all(&self.number.to_be_bytes())
    }
}

impl BorshDeserialize for TimerKey {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (at_ms, number) = <([u8; 8], [u8; 8])>::deserialize_reader(reader)?;
        Ok(Self { at_ms: u64::from_be_bytes(at_ms), number: u64::from_be_bytes(number) })
    }
}

impl BorshSerialize for SeenKey {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.until_ms.to_be_bytes())?;
        self.id.serialize(writer)
    }
}

impl BorshDeserialize for SeenKey {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (until_ms, id) = <([u8; 8], TxId)>::deserialize_reader(reader)?;
        Ok(Self { until_ms: u64::from_be_bytes(until_ms), id })
    }
}
