//! Whether the node is well.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ciro_protocol::api::{Health, HealthCheck};

use super::ApiState;
use super::reply::ApiError;

/// The longest silence of a chain whose validators all tick.
const SILENCE_MAX: Duration = Duration::from_secs(10);

pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    let checks = checks(&state);
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ready, checks })).into_response()
}

fn checks(state: &ApiState) -> Vec<HealthCheck> {
    let parts = &state.parts;
    let check = |name: &str, ok, detail| HealthCheck { name: name.to_owned(), ok, detail };
    let fatal = parts.shared.fatal().borrow().clone();
    let running = fatal.as_ref().map_or("it runs".to_owned(), |fatal| fatal.0.clone());
    let silence = parts.shared.since_last_block();
    let tick = Duration::from_millis(parts.genesis.spec.time.tick_ms);
    let height = parts.shared.head().borrow().height;
    let blocks = match silence {
        Some(silence) => format!("block {height}, {} ms ago", silence.as_millis()),
        None => format!("block {height}, none since the start"),
    };
    let moving = silence.is_some_and(|silence| silence <= SILENCE_MAX.max(5 * tick));
    let written = !parts.bodies.is_poisoned();
    let disk = if written { "bodies are written" } else { "a write of bodies failed" };
    let stopping = *parts.stopped.borrow();
    let submits = parts.admission.members.submits();
    let accepts = match (stopping, submits) {
        (true, _) => "the node stops",
        (false, true) => "transactions are taken",
        (false, false) => "the node follows and does not vote: it takes no transactions",
    };
    let mut checks = vec![
        check("consensus", fatal.is_none(), running),
        check("blocks", moving, blocks),
        check("disk", written, disk.to_owned()),
        check("api", !stopping && submits, accepts.to_owned()),
    ];
    if let Some(service) = &parts.service {
        let peers = service.net().peers();
        let reachable = peers.reachable();
        let roll = peers.members().roll();
        let here = std::iter::once(peers.own()).chain(reachable.iter().copied());
        let weight = here.map(|id| u128::from(roll.weight(id))).sum();
        let voters = peers.voters();
        let met = voters.iter().filter(|id| reachable.contains(id)).count();
        let detail = format!("{met} of {} other validators", voters.len());
        checks.push(check("validators", roll.is_quorum(weight), detail));
    }
    checks
}

pub(super) async fn metrics(State(state): State<ApiState>) -> Result<Response, ApiError> {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = state.parts.metrics.text();
    let text = text.map_err(|_| ApiError::internal("the metrics do not encode"))?;
    Ok(([(header::CONTENT_TYPE, TYPE)], text).into_response())
}
