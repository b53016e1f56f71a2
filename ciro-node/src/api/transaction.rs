//! Transactions.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use ciro_protocol::api::{Accepted, Code, Finality, Problem, TxState, TxStatus};
use ciro_protocol::id::TxId;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::Message as _;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::ApiState;
use super::reply::ApiError;
use super::request::{Names, Params, Peer, body, deadline, message, name};
use crate::ingress::{Stage, Taken};

/// `?wait=20s`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) wait: Option<String>,
}

/// Takes a transaction. It is acknowledged once it is durable.
pub(super) async fn submit(
    State(state): State<ApiState>,
    peer: Peer,
    headers: HeaderMap,
    content: Body,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let bytes =
        body(state.rates.transactions.check(peer), &headers, content, SignedTx::BYTES_MAX).await?;
    let tx: SignedTx = message(&bytes)?;
    if state.parts.shared.fatal().borrow().is_some() || *state.parts.stopped.borrow() {
        return Err(Problem::new(Code::NotReady, "the node stops").into());
    }
    let (id, job) = (tx.body.id(), tx.body.job());
    let (taken, known) = state.parts.admission.admit(tx).await?;
    if let Taken::Waiting(stage) = taken {
        durable(&state, stage).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted { id, job, known })))
}

/// Waits until a transaction is durable.
async fn durable(state: &ApiState, mut stage: watch::Receiver<Stage>) -> Result<(), ApiError> {
    let not_durable = |detail| Err(Problem::new(Code::NotReady, detail).into());
    let (mut fatal, mut stopped) = (state.parts.shared.fatal(), state.parts.stopped.clone());
    tokio::select! {
        settled = stage.wait_for(|stage| *stage != Stage::Waiting) => match settled {
            Ok(stage) if *stage == Stage::Failed => {
                not_durable("the transaction was not made durable: send it again")
            }
            // Nobody tells any more once a block holds it.
            Ok(_) | Err(_) => Ok(()),
        },
        _ = fatal.wait_for(Option::is_some) => not_durable("the node stops: send it again"),
        _ = stopped.wait_for(|stopped| *stopped) => not_durable("the node stops: send it again"),
    }
}

/// Says what became of a transaction.
pub(super) async fn status(
    State(state): State<ApiState>,
    peer: Peer,
    Names(id): Names<String>,
    Params(Wait { wait }): Params<Wait>,
) -> Result<Json<TxStatus>, ApiError> {
    let id: TxId = name("id", &id)?;
    let deadline = deadline(wait.as_deref())?;
    let _place = deadline.map(|_| state.place_to_wait(peer)).transpose()?;
    let (mut head, mut stopped) = (state.parts.shared.head(), state.parts.stopped.clone());
    loop {
        head.mark_unchanged();
        // In this order: a transaction is in the state before it is no longer pending.
        let pending = state.parts.admission.pending.stage(id).is_some();
        let row = state.read(move |snapshot| snapshot.transaction(id)).await?;
        if let Some(row) = row {
            let certified = row.height <= state.certified();
            let finality = if certified { Finality::Certified } else { Finality::Committed };
            let state = TxState::Executed { height: row.height, finality, receipt: row.receipt };
            return Ok(Json(TxStatus { id, state }));
        }
        if !pending {
            return Err(ApiError::not_found(format!("transaction {id}")));
        }
        let Some(deadline) = deadline else { break };
        tokio::select! {
            changed = timeout_at(deadline, head.changed()) => if changed.is_err() { break },
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    Ok(Json(TxStatus { id, state: TxState::Pending }))
}
