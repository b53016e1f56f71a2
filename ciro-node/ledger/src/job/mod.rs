//! Jobs: one table, one place that applies it, one file for each kind of row.

mod cancel;
mod claim;
mod eligible;
mod end;
mod expire;
mod fraud;
mod order;
mod release;
mod renew;
mod submit;
mod table;

use ciro_protocol::id::{JobId, TxId};
use ciro_protocol::order::JobOrder;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Release, ReportFraud, SubmitProof};

pub use table::{Event, State, Step, TABLE, Target, step};

use crate::block::{Ledger, Stop};
use crate::state::{ENDED, Held, JOBS, JobRecord, Phase, StateError};

/// An event with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act<'a> {
    Order { by: Address, order: &'a JobOrder },
    Claim { by: Address, attempt: u8 },
    Cancel { by: Address },
    Submit { by: Address, tx: TxId, body: &'a SubmitProof },
    Release { by: Address, body: &'a Release },
    Renew { by: Address, attempt: u8 },
    Fraud { by: Address, body: &'a ReportFraud },
    LeaseEnded,
    DeadlinePassed,
}

impl Act<'_> {
    const fn event(&self) -> Event {
        match self {
            Self::Order { .. } => Event::Order,
            Self::Claim { .. } => Event::Claim,
            Self::Cancel { .. } => Event::Cancel,
            Self::Submit { .. } => Event::Submit,
            Self::Release { .. } => Event::Release,
            Self::Renew { .. } => Event::Renew,
            Self::Fraud { .. } => Event::Fraud,
            Self::LeaseEnded => Event::LeaseEnded,
            Self::DeadlinePassed => Event::DeadlinePassed,
        }
    }
}

/// A job at hand.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) record: JobRecord,
}

impl Job {
    /// Returns how the job is held, by the table's word.
    pub(crate) const fn held(&self) -> Result<Held, StateError> {
        match &self.record.phase {
            Phase::Claimed(held) => Ok(*held),
            Phase::Open => Err(StateError::Missing { table: "jobs" }),
        }
    }
}

impl Ledger<'_> {
    /// Lets an event happen to a job: the only way in which a job changes.
    pub(crate) fn act(&mut self, id: JobId, act: Act<'_>) -> Result<(), Stop> {
        let (from, job) = self.job(id)?;
        let event = act.event();
        let allowed = step(from, event)?;
        let to = match (act, job) {
            (Act::Order { by, order }, _) => self.order(id, by, order)?,
            (_, None) => return Err(StateError::Missing { table: "jobs" }.into()),
            (Act::Claim { by, attempt }, Some(job)) => self.claim(job, by, attempt)?,
            (Act::Cancel { by }, Some(job)) => self.cancel(&job, by)?,
            (Act::Submit { by, tx, body }, Some(job)) => self.submit(&job, by, (tx, body))?,
            (Act::Release { by, body }, Some(job)) => self.release(job, by, body)?,
            (Act::Renew { by, attempt }, Some(job)) => self.renew(job, by, attempt)?,
            (Act::Fraud { by, body }, Some(job)) => self.fraud(job, by, body)?,
            (Act::LeaseEnded, Some(job)) => self.lease_ended(job)?,
            (Act::DeadlinePassed, Some(job)) => self.deadline_passed(&job)?,
        };
        if allowed.contains(&to) {
            return Ok(());
        }
        let (from, event, to) = (from.name(), event.name(), to.name());
        Err(StateError::Transition { from, event, to }.into())
    }

    fn job(&self, id: JobId) -> Result<(State, Option<Job>), StateError> {
        if let Some(record) = self.state.get(JOBS, &id)? {
            let state = match record.phase {
                Phase::Open => State::Open,
                Phase::Claimed(_) => State::Claimed,
            };
            return Ok((state, Some(Job { id, record })));
        }
        let state = match self.state.get(ENDED, &id)? {
            Some(ended) if ended.settled => State::Settled,
            Some(_) => State::Refunded,
            None => State::Absent,
        };
        Ok((state, None))
    }
}
