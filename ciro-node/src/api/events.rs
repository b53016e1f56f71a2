//! What happens, as server-sent events. Whoever was cut off goes on after the last event that it
//! has.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use ciro_protocol::api::{EventRecord, Head, SSE_EVENT, SSE_HEAD};
use serde::Deserialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::ApiState;
use super::reply::ApiError;
use super::request::{Params, name};
use crate::store::EventRow;

/// Events that wait for a slow reader: then the writer waits, and looks further in the state.
const AHEAD: usize = 64;
/// How often an idle stream says that it lives.
const ALIVE: Duration = Duration::from_secs(15);

/// `?after=…`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<u64>,
}

type Item = Result<Event, Infallible>;

pub(super) async fn stream(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Params(from): Params<From>,
) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let last = last.map(|last| name::<u64>("Last-Event-ID", last)).transpose()?;
    let now = state.parts.shared.head().borrow().events;
    let after = last.or(from.after).unwrap_or(now);
    let place = state.wait_permit()?;
    let (writer, reader): (Sender<Item>, Receiver<Item>) = channel(AHEAD);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = write(&state, &writer, after).await {
            tracing::warn!(?error, "a stream of events broke off");
        }
    });
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(ReceiverStream::new(reader)).keep_alive(alive).into_response())
}

/// Writes events until the reader has left or the node stops.
async fn write(state: &ApiState, writer: &Sender<Item>, mut after: u64) -> Result<(), ApiError> {
    let (mut head, mut stopped) = (state.parts.shared.head(), state.parts.stopped.clone());
    loop {
        let known = *head.borrow_and_update();
        let found = state.read(move |snapshot| snapshot.events(after, AHEAD)).await?;
        let more = found.len() == AHEAD;
        for (seq, row) in found {
            after = seq;
            if writer.send(Ok(event(seq, row)?)).await.is_err() {
                return Ok(());
            }
        }
        if more {
            continue;
        }
        if writer.send(Ok(head_event(&known)?)).await.is_err() {
            return Ok(());
        }
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return Ok(()) },
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            () = writer.closed() => return Ok(()),
        }
    }
}

fn event(seq: u64, row: EventRow) -> Result<Event, ApiError> {
    let EventRow { height, time_ms, event } = row;
    let record = EventRecord { seq, height, time_ms, event };
    let event = Event::default().event(SSE_EVENT).id(seq.to_string());
    event.json_data(record).map_err(|_| ApiError::internal("an event does not encode"))
}

fn head_event(head: &Head) -> Result<Event, ApiError> {
    let event = Event::default().event(SSE_HEAD).json_data(head);
    event.map_err(|_| ApiError::internal("a head does not encode"))
}
