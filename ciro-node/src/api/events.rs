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
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::ApiState;
use super::reply::ApiError;
use super::request::{Params, Peer, name};
use crate::store::EventRow;

/// Events that wait for a slow reader: then the writer waits, and looks further in the state.
const AHEAD: usize = 64;
/// How often an idle stream says that it lives.
const ALIVE: Duration = Duration::from_secs(15);
/// How long a reader may keep the writer waiting, before it loses its place.
const BLOCKED_MAX: Duration = Duration::from_secs(30);

/// `?after=…`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<u64>,
}

type Item = Result<Event, Infallible>;

pub(super) async fn stream(
    State(state): State<ApiState>,
    peer: Peer,
    headers: HeaderMap,
    Params(from): Params<From>,
) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let last = last.map(|last| name::<u64>("Last-Event-ID", last)).transpose()?;
    let now = state.parts.shared.head().borrow().events;
    let after = last.or(from.after).unwrap_or(now);
    let place = state.place_to_read(peer)?;
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

/// Writes events until the reader has left or reads no more, or the node stops.
async fn write(state: &ApiState, writer: &Sender<Item>, mut after: u64) -> Result<(), ApiError> {
    let (mut head, mut stopped) = (state.parts.shared.head(), state.parts.stopped.clone());
    loop {
        let known = *head.borrow_and_update();
        let found = state.read(move |snapshot| snapshot.events(after, AHEAD)).await?;
        let more = found.len() == AHEAD;
        for (seq, row) in found {
            after = seq;
            if !send(writer, event(seq, row)?, BLOCKED_MAX).await {
                return Ok(());
            }
        }
        if more {
            continue;
        }
        if !send(writer, head_event(&known)?, BLOCKED_MAX).await {
            return Ok(());
        }
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return Ok(()) },
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            () = writer.closed() => return Ok(()),
        }
    }
}

/// Hands an event on; false if the reader has left, or has read nothing for too long.
async fn send(writer: &Sender<Item>, event: Event, limit: Duration) -> bool {
    matches!(timeout(limit, writer.send(Ok(event))).await, Ok(Ok(())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_reads_nothing_is_not_waited_for() {
        let (writer, mut reader): (Sender<Item>, Receiver<Item>) = channel(1);
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(3600));
        assert!(send(&writer, Event::default(), long).await);
        assert!(!send(&writer, Event::default(), short).await, "nobody has read");
        let _event = reader.recv().await.unwrap().unwrap();
        assert!(send(&writer, Event::default(), long).await);
        drop(reader);
        assert!(!send(&writer, Event::default(), long).await, "it has left");
    }
}
