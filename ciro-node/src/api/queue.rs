//! The queue of a class: jobs that may be taken.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use ciro_ledger::state::{JOBS, Phase};
use ciro_protocol::api::{JobOffer, LINES, OFFERS_MAX};
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::{Class, Mode};
use serde::Deserialize;
use tokio::time::timeout_at;

use super::ApiState;
use super::job::held_info;
use super::reply::ApiError;
use super::request::{Names, Params, Peer, deadline};
use crate::store::{Snapshot, StoreError};

/// `?after=…&provider=…&wait=…`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    after: u64,
    provider: Option<u32>,
    wait: Option<String>,
}

pub(super) async fn offers(
    State(state): State<ApiState>,
    peer: Peer,
    Names(class): Names<String>,
    Params(from): Params<From>,
) -> Result<Response, ApiError> {
    let class = Class::from_name(&class).ok_or_else(|| {
        let names = Class::ALL.map(Class::name).join("`, `");
        ApiError::parameter("class", format!("expected one of `{names}`"))
    })?;
    let deadline = deadline(from.wait.as_deref())?;
    let _place = deadline.map(|_| state.place_to_wait(peer)).transpose()?;
    let (after, provider) = (from.after, from.provider.map(ProviderId));
    let (mut head, mut stopped) = (state.parts.shared.head(), state.parts.stopped.clone());
    loop {
        head.mark_unchanged();
        let found = state.read(move |snapshot| look(snapshot, class, after, provider)).await?;
        let Some(deadline) = deadline.filter(|_| found.is_empty()) else { return lines(&found) };
        tokio::select! {
            changed = timeout_at(deadline, head.changed()) => {
                if changed.is_err() { return lines(&found) }
            }
            _ = stopped.wait_for(|stopped| *stopped) => return lines(&found),
        }
    }
}

/// Finds offers after a place. Direct orders are for their provider alone.
fn look(
    snapshot: &Snapshot,
    class: Class,
    after: u64,
    provider: Option<ProviderId>,
) -> Result<Vec<JobOffer>, StoreError> {
    let (mut offers, mut after) = (Vec::new(), after);
    let time_ms = snapshot.head()?.words.time_ms;
    loop {
        let found = snapshot.queue(class, after, OFFERS_MAX)?;
        for (position, job) in &found {
            after = *position;
            if let Some(offer) = offer(snapshot, (*position, *job), time_ms)?
                && offer.held.is_none_or(|held| Some(held.provider) == provider)
            {
                offers.push(offer);
                if offers.len() == OFFERS_MAX {
                    return Ok(offers);
                }
            }
        }
        if found.len() < OFFERS_MAX {
            return Ok(offers);
        }
    }
}

fn offer(
    snapshot: &Snapshot,
    (position, job): (u64, JobId),
    time_ms: u64,
) -> Result<Option<JobOffer>, StoreError> {
    let (Some(row), Some(record)) = (snapshot.job(job)?, snapshot.entry(JOBS, &job)?) else {
        return Ok(None);
    };
    let held = match (record.phase, record.order.offer.mode) {
        (Phase::Open, _) => None,
        (Phase::Claimed(held), Mode::Direct(_)) => Some(held_info(&held)),
        (Phase::Claimed(_), Mode::Open) => return Ok(None),
    };
    let price = held.map_or_else(|| record.order.offer.price_at(time_ms), |held| held.price);
    Ok(Some(JobOffer {
        position,
        job,
        attempt: record.attempt,
        class: row.class,
        held,
        order: row.order,
        opened_ms: record.opened_ms,
        time_ms,
        price,
    }))
}

fn lines(offers: &[JobOffer]) -> Result<Response, ApiError> {
    let mut text = String::new();
    for offer in offers {
        let line = serde_json::to_string(offer);
        text += &line.map_err(|_| ApiError::internal("an offer does not encode"))?;
        text.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, LINES)], text).into_response())
}
