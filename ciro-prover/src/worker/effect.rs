//! What the worker wants done. Effects are performed in order: a row is durable before what follows
//! it happens.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::JobId;
use ciro_protocol::order::JobOrder;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{Proven, ReleaseReason};
use ciro_protocol::wire::Message;

use super::decide::Denial;
use super::input::Place;
use super::table::State;
use crate::queue::Position;

/// One effect. Performing it again is harmless, and the worker asks again where it heard no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Makes a row durable, instead of the one with its job and attempt. What was never claimed or
    /// held is not saved: the queue brings it again.
    Save(Box<Row>),
    /// Removes a row that was saved, and that the table has no longer.
    Forget(JobId, u8),
    /// Tells the queue that a record is taken care of.
    Ack(Position),
    /// Asks a node how a job stands; comes back as [`Input::Ledger`](super::Input::Ledger).
    Ask(JobId),
    /// Signs and sends a transaction. Equal effects are equal transactions: the salt follows from
    /// job, attempt and `until_ms`.
    Send {
        /// What it does.
        deed: Deed,
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: u8,
        /// Ledger time until which it is valid, in ms.
        until_ms: u64,
    },
    /// Signs and sends a transaction that ends this provider's jail. It is repeated for as long as
    /// heads say that it is in jail.
    Unjail {
        /// Ledger time until which it is valid, in ms.
        until_ms: u64,
    },
    /// Looks at the input of a job that is to be claimed: fetches it, and reads whether it is the
    /// order's. Comes back as [`Input::Looked`](super::Input::Looked).
    Look(Box<ProveTask>),
    /// Fetches the input of a job that is held. One that was looked at is there.
    Fetch(BlobId),
    /// Proves in a child. A child that is at it goes on, and a proof that is there is reported
    /// again.
    Prove(Box<ProveTask>),
    /// Ends the child of an attempt.
    Kill(JobId, u8),
    /// Uploads a bundle.
    Store(BlobId),
    /// Asks the queue to bring what is open once more, in a while, from this record on, or all of
    /// it if nobody knows where: something was let go that could still be claimed.
    Again(Option<Position>),
    /// Tells whoever watches; not durable.
    Progress(JobId, u8, State),
}

/// What a transaction of the worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Takes the job.
    Claim,
    /// Gives it back.
    Release(ReleaseReason),
    /// Settles it.
    Submit(Proven),
}

/// What is needed to look at an input, and to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProveTask {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u8,
    /// What was ordered: model, key, input and policy.
    pub order: JobOrder,
}

/// What is kept of an attempt over a restart.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Row {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u8,
    /// What was ordered.
    pub order: JobOrder,
    /// Where the worker is.
    pub state: State,
    /// Why it gives up, once it does.
    pub reason: Option<Reason>,
    /// Until when the last claim is valid, in ms of ledger time; zero before the first.
    pub claim_until_ms: u64,
    /// When the lease ends, in ms of ledger time; zero before it is held.
    pub lease_until_ms: u64,
    /// The proof, once there is one.
    pub proven: Option<Proven>,
    /// The latest that was heard of the job.
    pub heard: Place,
}

/// Why an attempt is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
pub enum Reason {
    /// This worker does not want it.
    #[error("not claimed: {0}")]
    Denied(Denial),
    /// The ledger does not want it.
    #[error("refused by the ledger: {0}")]
    Refused(Refusal),
    /// Another provider holds it.
    #[error("another provider was faster")]
    Taken,
    /// The attempt is over on the ledger: its lease or deadline passed, or it was given back.
    #[error("the attempt is over")]
    Over,
    /// The job ended without this provider.
    #[error("the job ended without this provider")]
    Ended,
    /// The ledger has no such job.
    #[error("the ledger has no such job")]
    Unknown,
    /// The input cannot be had or read.
    #[error("the input cannot be had or read")]
    Input,
    /// This machine failed: disk, child or proof.
    #[error("this machine could not do it")]
    Machine,
    /// The child ran for longer than 1.2 leases.
    #[error("the child was killed after 1.2 leases")]
    Killed,
    /// What is left of the lease is shorter than a proof takes: giving back costs less than losing.
    #[error("no time is left for a proof")]
    Late,
}

impl Reason {
    /// Returns what the ledger is told when a held job goes back. What that costs is the ledger's
    /// to judge.
    #[must_use]
    pub const fn release(self) -> ReleaseReason {
        match self {
            Self::Input => ReleaseReason::InputUnavailable,
            Self::Denied(_) => ReleaseReason::NotServed,
            _ => ReleaseReason::Unable,
        }
    }
}

impl Message for Row {
    const NAME: &'static str = "CIRO_WORKER_ROW_V1";
    const BYTES_MAX: usize = 4096;
}
