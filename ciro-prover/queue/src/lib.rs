#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod kafka;
mod memory;

use std::future::Future;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::id::JobId;
use ciro_protocol::order::JobOrder;
use ciro_protocol::tx::{Body, SignedTx};
use ciro_protocol::wire::{DecodeError, Message};

pub use memory::{MemoryBroker, MemoryQueue};

/// What travels: an order that is open, or that was given to its provider at once. Whether this is
/// so, the ledger says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OfferRecord {
    /// The order as its requester signed it. Its id names the job, so that no record can name
    /// another order's job.
    pub order: SignedTx,
    /// The attempt that may be claimed.
    pub attempt: u8,
}

/// What the worker makes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOffer {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u8,
    /// What is ordered.
    pub order: JobOrder,
}

/// Where a record is in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Position {
    /// The part of the queue in which order is kept.
    pub partition: u32,
    /// The place in it.
    pub offset: u64,
}

/// One record, or why it is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it is.
    pub position: Position,
    /// What it says. A record that says nothing is to be [refused](JobQueue::refuse), and the next
    /// one comes.
    pub offer: Result<JobOffer, Poison>,
}

/// Why a record is no offer. It will not become one: it goes to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Poison {
    /// It does not decode.
    #[error("the record does not decode")]
    Decode(#[from] DecodeError),
    /// It has a transaction that orders nothing.
    #[error("the record holds a transaction of kind `{0}`, expected `order`")]
    NoOrder(&'static str),
    /// Attempts begin at 1.
    #[error("the record is about attempt 0, attempts begin at 1")]
    NoAttempt,
}

/// How far behind a consumer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records that nobody has taken care of.
    pub records: u64,
    /// How long the oldest of those that were delivered has been in the queue, in ms.
    pub oldest_ms: u64,
}

/// Why a queue does not answer. Calling again may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue is closed for good.
    #[error("the queue is closed")]
    Closed,
    /// The position was not delivered to this consumer, or it was taken care of before.
    #[error("offset {offset} of partition {partition} was not delivered to this consumer")]
    Position {
        /// The partition.
        partition: u32,
        /// The offset.
        offset: u64,
    },
    /// Nobody answers.
    #[error("the queue does not answer")]
    Unreachable,
    /// The consumer was put out of its group, or may not read: it gets nothing more.
    #[error("the consumer cannot go on: {reason}")]
    Lost {
        /// Why.
        reason: String,
    },
    /// There is no room.
    #[error("the queue holds as many records as it can: {max}")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// The worker's side of a queue. Records are delivered at least once: what is not acknowledged
/// comes again to the next consumer of the group.
pub trait JobQueue: Send {
    /// Waits for the next record. Dropping the future loses none.
    fn next(&mut self) -> impl Future<Output = Result<Delivery, QueueError>> + Send;

    /// Says that a record is taken care of, in any order.
    fn ack(&mut self, position: Position) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Moves a record to the dead letters, with the reason.
    fn refuse(
        &mut self,
        position: Position,
        reason: &Poison,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Sends a transaction by way of the queue.
    fn submit(&self, result: &SignedTx) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Returns how far behind this consumer's group is.
    fn lag(&self) -> Lag;
}

impl Message for OfferRecord {
    const NAME: &'static str = "CIRO_OFFER_V1";
    const BYTES_MAX: usize = SignedTx::BYTES_MAX + 1;
}

impl JobOffer {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`Poison`] naming what is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, Poison> {
        let OfferRecord { order, attempt } = OfferRecord::from_bytes(bytes)?;
        Self::of(order, attempt)
    }

    /// Takes an order at an attempt.
    ///
    /// # Errors
    ///
    /// [`Poison`] naming what is wrong.
    pub fn of(signed: SignedTx, attempt: u8) -> Result<Self, Poison> {
        if attempt == 0 {
            return Err(Poison::NoAttempt);
        }
        let job = signed.body.id().into();
        match signed.body.body {
            Body::Order(order) => Ok(Self { job, attempt, order: *order }),
            other => Err(Poison::NoOrder(other.kind())),
        }
    }
}
