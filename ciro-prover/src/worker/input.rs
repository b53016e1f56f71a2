//! What the worker hears.

use std::collections::BTreeMap;

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::event::Event;
use ciro_protocol::id::{JobId, KeyDigest, ProviderId};
use ciro_protocol::receipt::Outcome;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::Proven;

use super::decide::Served;
use super::effect::Deed;
use crate::queue::{JobOffer, Position};

/// One input. Each may come late, twice, in another order, or not at all.
#[derive(Clone, Debug)]
pub enum Input {
    /// A job that may be claimed, or that was given to this provider, from the queue.
    Offer(Box<JobOffer>, Position),
    /// The end of the chain, with what it says of this provider.
    Head(Head),
    /// What the ledger says of a job: from a block's events, or as the answer to
    /// [`Ask`](super::Effect::Ask).
    Ledger(Sighting),
    /// What became of a transaction of this worker.
    Answered(Answer),
    /// The input of a job that is to be claimed is the order's, or is not.
    Looked(JobId, u8, Result<(), FetchError>),
    /// A blob is there, or cannot be had.
    Blob(BlobId, Result<(), FetchError>),
    /// A child's result.
    Proof(JobId, u8, Result<Proven, ProveError>),
    /// A node has a bundle.
    Stored(BlobId),
    /// All active providers, with the jobs that each holds at most: who claims first follows from
    /// it.
    Peers(BTreeMap<ProviderId, u16>),
    /// All keys that are proven here from now on: offers for others are denied, and what was seen
    /// of them is let go.
    Models(BTreeMap<KeyDigest, Served>),
    /// Time passed.
    Tick,
    /// Claim nothing more; finish what is held.
    Drain,
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last block.
    pub height: u64,
    /// Ledger time after it, in ms.
    pub time_ms: u64,
    /// Whether it is behind the time of this machine: it catches up at twice the speed of time.
    pub behind: bool,
    /// What is free of this provider's bond.
    pub bond_free: Amount,
    /// Whether this provider may claim: neither in jail nor below the least bond.
    pub active: bool,
    /// Whether it is in jail and its time is over: it stays there until it asks to leave.
    pub jail_over: bool,
}

impl Head {
    /// How far ledger time may move in so many ms of this machine.
    pub fn ledger_ms(&self, ms: u64) -> u64 {
        if self.behind { ms.saturating_mul(2) } else { ms }
    }
}

/// The place of a statement about the ledger in its history.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    borsh::BorshSerialize,
    borsh::BorshDeserialize,
)]
pub struct Place {
    /// The block.
    pub height: u64,
    /// The event's index in it; `u32::MAX` for the state after the block.
    pub index: u32,
}

/// What the ledger says of a job at a place. Whatever is older than what was heard before is
/// ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where in history.
    pub place: Place,
    /// Ledger time of the block, in ms.
    pub time_ms: u64,
    /// The job.
    pub job: JobId,
    /// How it stands.
    pub standing: Standing,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ledger has never heard of it.
    Unknown,
    /// It may be claimed.
    Open {
        /// The attempt.
        attempt: u8,
    },
    /// A provider holds it.
    Claimed {
        /// The attempt.
        attempt: u8,
        /// Who.
        provider: ProviderId,
        /// Until when, in ms of ledger time.
        lease_until_ms: u64,
    },
    /// The attempt is over; what follows comes with another event.
    Over {
        /// The attempt.
        attempt: u8,
    },
    /// It is settled by a provider, or refunded.
    Ended {
        /// Who settled it; absent if it is refunded.
        by: Option<ProviderId>,
    },
}

/// What became of a transaction: the receipt of a block, or a node that refuses it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was done.
    pub deed: Deed,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u8,
    /// Until when the transaction was valid: names which of several it was.
    pub until_ms: u64,
    /// Why it changed nothing; absent if it was executed.
    pub refused: Option<Refusal>,
}

/// Why an input is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody has it.
    #[error("the input cannot be had")]
    Unavailable,
    /// Its bytes are not what the order states, or none that the model takes.
    #[error("the input is not the one of the order")]
    Unreadable,
    /// The disk is full, or fails.
    #[error("this machine cannot keep the input")]
    Local,
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The input is not the one that the order states, or none of the model's.
    #[error("the input is not the one of the order")]
    Input,
    /// The child ended without a proof: memory, time, a panic.
    #[error("the child ended without a proof")]
    Child,
    /// The proof does not verify here, and is not shown to anybody.
    #[error("the proof does not verify")]
    Unverified,
}

impl Sighting {
    /// Reads what an event of a block says of a job, if it is about one.
    #[must_use]
    pub fn of(event: &Event, place: Place, time_ms: u64) -> Option<Self> {
        let (job, standing) = match event {
            Event::JobOpened { job, attempt, .. } => (*job, Standing::Open { attempt: *attempt }),
            Event::JobClaimed { job, attempt, provider, lease_until_ms, .. } => {
                let (attempt, provider) = (*attempt, *provider);
                let lease_until_ms = *lease_until_ms;
                (*job, Standing::Claimed { attempt, provider, lease_until_ms })
            }
            Event::JobLost { job, attempt, .. } => (*job, Standing::Over { attempt: *attempt }),
            Event::JobEnded { receipt } => {
                let by = match &receipt.outcome {
                    Outcome::Settled(settled) => Some(settled.provider),
                    Outcome::Refunded { .. } => None,
                };
                (receipt.job, Standing::Ended { by })
            }
            Event::JobRenewed { .. }
            | Event::Moved(_)
            | Event::ModelListed { .. }
            | Event::ModelRetired { .. }
            | Event::ProviderChanged { .. }
            | Event::ProviderJailed { .. }
            | Event::ValidatorChanged { .. }
            | Event::ValidatorJailed { .. }
            | Event::ValidatorConvicted { .. }
            | Event::ProposalChanged { .. }
            | Event::LaunchChanged { .. } => return None,
        };
        Some(Self { place, time_ms, job, standing })
    }
}
