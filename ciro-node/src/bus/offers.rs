//! Which offers are published.

use ciro_ledger::state::JOBS;
use ciro_protocol::event::Event;
use ciro_protocol::id::JobId;
use ciro_protocol::order::Class;
use ciro_queue::OfferRecord;

use crate::store::{Snapshot, StoreError};

/// A job that may be taken.
pub(super) struct Open {
    pub(super) job: JobId,
    pub(super) class: Class,
    pub(super) record: OfferRecord,
}

/// Returns the offer that an event made, if the job still waits since then. A sink that begins
/// with the first event does not offer what has long ended.
pub(super) fn of_event(
    snapshot: &Snapshot,
    seq: u64,
    event: &Event,
) -> Result<Option<Open>, StoreError> {
    let (job, attempt) = match event {
        Event::JobOpened { job, attempt, .. } | Event::JobClaimed { job, attempt, .. } => {
            (*job, *attempt)
        }
        _ => return Ok(None),
    };
    let row = snapshot.job(job)?.filter(|row| row.position == Some(seq));
    Ok(row.map(|row| {
        let record = OfferRecord { order: row.order, attempt };
        Open { job, class: row.class, record }
    }))
}

/// Returns the offer of a job of a queue.
pub(super) fn of_job(snapshot: &Snapshot, job: JobId) -> Result<Option<Open>, StoreError> {
    let (Some(row), Some(record)) = (snapshot.job(job)?, snapshot.entry(JOBS, &job)?) else {
        return Ok(None);
    };
    let record = OfferRecord { order: row.order, attempt: record.attempt };
    Ok(Some(Open { job, class: row.class, record }))
}
