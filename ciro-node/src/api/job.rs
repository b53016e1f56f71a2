//! Jobs and their receipts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ciro_ledger::StateError;
use ciro_ledger::state::{Held, JOBS, Phase};
use ciro_protocol::api::{Code, Finality, HeldInfo, JobInfo, JobState, Page, Problem};
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::light::{EndedJob, ReceiptProof};
use ciro_protocol::order::JobOrder;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::tx::Body;
use ciro_protocol::wire::{Bytes, Message as _};
use serde::Deserialize;
use tokio::time::timeout_at;

use super::ApiState;
use super::reply::{ApiError, octets};
use super::request::{Names, Params, Peer, deadline, limit, name};
use super::transaction::Wait;
use crate::driver::Certified;
use crate::store::{JobRow, Listed, Snapshot, StoreError};

/// Jobs that one request looks at, whatever it looks for.
const LOOKED_MAX: usize = 1_000;

/// `?requester=…&provider=…&state=…&after=…&limit=…`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    requester: Option<String>,
    provider: Option<u32>,
    state: Option<JobState>,
    after: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<JobInfo>>, ApiError> {
    let requester = filter.requester.as_deref().map(|it| name("requester", it)).transpose()?;
    let listed = match (requester, filter.provider) {
        (None, None) => Listed::All,
        (Some(requester), None) => Listed::Requester(requester),
        (None, Some(provider)) => Listed::Provider(ProviderId(provider)),
        (Some(_), Some(_)) => {
            return Err(ApiError::parameter("provider", "not together with `requester`"));
        }
    };
    let (limit, wanted, certified) = (limit(filter.limit)?, filter.state, state.certified());
    let look = move |snapshot: &Snapshot| {
        let (mut items, mut last) = (Vec::new(), None);
        for (place, job) in snapshot.jobs(listed, filter.after, LOOKED_MAX)? {
            last = Some(place);
            let Some(info) = job_info(snapshot, job, certified)? else { continue };
            let holds = match listed {
                // A list of a provider has all jobs that it ever held.
                Listed::Provider(provider) => provider_of(&info) == Some(provider),
                Listed::All | Listed::Requester(_) => true,
            };
            if holds && wanted.is_none_or(|wanted| wanted == info.state) {
                items.push(info);
            }
            if items.len() == limit {
                break;
            }
        }
        let more = match last {
            Some(place) => !snapshot.jobs(listed, Some(place), 1)?.is_empty(),
            None => false,
        };
        Ok(Page { items, next: last.filter(|_| more).map(|place| place.to_string()) })
    };
    state.read(look).await.map(Json)
}

pub(super) async fn one(
    State(state): State<ApiState>,
    peer: Peer,
    Names(id): Names<String>,
    Params(Wait { wait }): Params<Wait>,
) -> Result<Json<JobInfo>, ApiError> {
    let id: JobId = name("id", &id)?;
    let deadline = deadline(wait.as_deref())?;
    let _place = deadline.map(|_| state.place_to_wait(peer)).transpose()?;
    let (mut head, mut stopped) = (state.parts.shared.head(), state.parts.stopped.clone());
    loop {
        head.mark_unchanged();
        let certified = state.certified();
        let info = state.read(move |snapshot| job_info(snapshot, id, certified)).await?;
        // Its order may be on its way.
        let coming = state.parts.admission.pending.stage(ciro_protocol::TxId(id.0)).is_some();
        let ended = info.as_ref().is_some_and(|info| info.receipt.is_some());
        let Some(deadline) = deadline.filter(|_| !ended && (info.is_some() || coming)) else {
            return found(id, info);
        };
        tokio::select! {
            changed = timeout_at(deadline, head.changed()) => {
                if changed.is_err() { return found(id, info) }
            }
            _ = stopped.wait_for(|stopped| *stopped) => return found(id, info),
        }
    }
}

fn found(id: JobId, info: Option<JobInfo>) -> Result<Json<JobInfo>, ApiError> {
    info.map(Json).ok_or_else(|| ApiError::not_found(format!("job {id}")))
}

/// Proves the receipt of an ended job by the last certified state.
pub(super) async fn receipt(
    State(state): State<ApiState>,
    peer: Peer,
    Names(id): Names<String>,
    Params(Wait { wait }): Params<Wait>,
) -> Result<Response, ApiError> {
    let id: JobId = name("id", &id)?;
    let deadline = deadline(wait.as_deref())?;
    let _place = deadline.map(|_| state.place_to_wait(peer)).transpose()?;
    let mut hurry = None;
    let (mut head, mut stopped) = (state.parts.shared.head(), state.parts.stopped.clone());
    let mut certified = state.parts.shared.certified();
    loop {
        head.mark_unchanged();
        certified.mark_unchanged();
        let known = certified.borrow().clone();
        let height = known.height;
        let answer = state.read(move |snapshot| prove(snapshot, id, &known)).await?;
        let problem = match answer {
            Proof::Unknown => return Err(ApiError::not_found(format!("job {id}"))),
            Proof::Proven(bytes) => return Ok(octets(bytes)),
            Proof::NotEnded => Problem::new(Code::JobNotEnded, format!("job {id} is not ended")),
            Proof::NotCertified(ended) => {
                hurry.get_or_insert_with(|| Hurry::new(&state.parts.hurry));
                let detail =
                    format!("job {id} ended in block {ended}, blocks up to {height} are certified");
                Problem::new(Code::NotCertified, detail)
            }
        };
        let Some(deadline) = deadline else { return Err(problem.into()) };
        tokio::select! {
            changed = timeout_at(deadline, head.changed()) => {
                if changed.is_err() { return Err(problem.into()) }
            }
            _ = certified.changed() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Err(problem.into()),
        }
    }
}

/// Says, for as long as it lives, that somebody waits for a checkpoint.
struct Hurry(Arc<AtomicUsize>);

impl Hurry {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What there is to say about a receipt.
enum Proof {
    Unknown,
    NotEnded,
    NotCertified(u64),
    Proven(Vec<u8>),
}

fn prove(snapshot: &Snapshot, id: JobId, known: &Certified) -> Result<Proof, StoreError> {
    let Some(row) = snapshot.job(id)? else { return Ok(Proof::Unknown) };
    let Some(receipt) = row.receipt else { return Ok(Proof::NotEnded) };
    let certified = known.finality.as_ref().filter(|_| receipt.height <= known.height);
    let Some(finality) = certified else { return Ok(Proof::NotCertified(receipt.height)) };
    let height = known.height;
    let block = snapshot.block(height)?.ok_or(StoreError::NoBlock { height })?;
    let path = snapshot.prove(height, &EndedJob::key(id))?;
    let too_long = |_| StateError::Tree("the proof of finality is too long".to_owned());
    let finality = Bytes::new(finality.to_bytes()).map_err(too_long)?;
    let proof = ReceiptProof { receipt, state: block.words, path, finality };
    Ok(Proof::Proven(proof.to_bytes()))
}

/// Says what is known of a job.
pub(super) fn job_info(
    snapshot: &Snapshot,
    job: JobId,
    certified: u64,
) -> Result<Option<JobInfo>, StoreError> {
    let Some(row) = snapshot.job(job)? else { return Ok(None) };
    let missing = || StoreError::State(StateError::Missing { table: "jobs" });
    let (state, attempt, held) = match &row.receipt {
        Some(receipt) => {
            let state = match receipt.outcome {
                Outcome::Settled(_) => JobState::Settled,
                Outcome::Refunded { .. } => JobState::Refunded,
            };
            (state, receipt.attempts, None)
        }
        None => {
            let record = snapshot.entry(JOBS, &job)?.ok_or_else(missing)?;
            match record.phase {
                Phase::Open => (JobState::Open, record.attempt, None),
                Phase::Claimed(held) => (JobState::Claimed, record.attempt, Some(held_info(&held))),
            }
        }
    };
    let JobRow { order: signed, class, height, time_ms, changed, receipt, .. } = row;
    let Body::Order(order) = &signed.body.body else { return Err(missing()) };
    let firm = changed <= certified;
    Ok(Some(JobInfo {
        job,
        state,
        requester: signed.body.header.account,
        order: JobOrder::clone(order),
        signed,
        class,
        opened_ms: time_ms,
        opened_height: height,
        attempt,
        held,
        receipt,
        finality: if firm { Finality::Certified } else { Finality::Committed },
    }))
}

pub(super) fn held_info(held: &Held) -> HeldInfo {
    HeldInfo {
        provider: held.provider,
        price: held.price,
        claimed_ms: held.claimed_ms,
        lease_until_ms: held.lease.at_ms,
        renewals: held.renewals,
    }
}

/// Returns who holds a job or has settled it.
fn provider_of(info: &JobInfo) -> Option<ProviderId> {
    let settled = info.receipt.as_ref().and_then(|receipt| match &receipt.outcome {
        Outcome::Settled(settled) => Some(settled.provider),
        Outcome::Refunded { .. } => None,
    });
    info.held.map(|held| held.provider).or(settled)
}
