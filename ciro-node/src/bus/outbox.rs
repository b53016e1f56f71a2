//! Publishing what happened: each sink follows the ledger's events with a cursor of its own.
//!
//! The cursor moves once the brokers have what it passes. Between the two the node may be killed,
//! and then the same records are published again: at least once, and the event's number tells who
//! saw it before.

use std::sync::Arc;
use std::time::Duration;

use ciro_queue::kafka::{Outgoing, Topics};

use super::{Common, PAUSE, cursor, offers, records};
use crate::store::{EventRow, Snapshot, StoreError};

/// Events that are published together, and that a crash publishes again, at most.
const BATCH: usize = 512;

/// Who is told what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// Providers, of jobs that may be taken.
    Offers,
    /// Of jobs that ended.
    Receipts,
    /// Of everything.
    Events,
    /// Of money that moved.
    Billing,
}

impl Sink {
    pub(super) const ALL: [Self; 4] = [Self::Offers, Self::Receipts, Self::Events, Self::Billing];

    const fn name(self) -> &'static str {
        match self {
            Self::Offers => "offers",
            Self::Receipts => "receipts",
            Self::Events => "events",
            Self::Billing => "billing",
        }
    }

    /// Returns how long what happens may wait for more, with which it shares a flush of the cursor.
    /// Books are in no hurry; jobs are.
    const fn rest(self) -> Duration {
        match self {
            Self::Offers => Duration::ZERO,
            Self::Receipts | Self::Events | Self::Billing => Duration::from_millis(100),
        }
    }

    /// Returns what one event is to this sink.
    fn record(
        self,
        topics: &Topics,
        snapshot: &Snapshot,
        (seq, row): (u64, &EventRow),
    ) -> Result<Option<Outgoing>, StoreError> {
        Ok(match self {
            Self::Offers => offers::of_event(snapshot, seq, &row.event)?
                .map(|open| ciro_queue::kafka::offer(topics, open.class, open.job, &open.record)),
            Self::Receipts => records::receipt(topics, seq, row),
            Self::Events => Some(records::event(topics, seq, row)),
            Self::Billing => records::billing(topics, seq, row),
        })
    }
}

/// Publishes for as long as the node runs; returns why it cannot go on.
pub(super) async fn run(common: Arc<Common>, sink: Sink) -> String {
    match publish(&common, sink).await {
        Ok(never) => match never {},
        Err(reason) => format!("the outbox of {}: {reason}", sink.name()),
    }
}

async fn publish(common: &Common, sink: Sink) -> Result<std::convert::Infallible, String> {
    let folder = &common.folder;
    let failed = |error: std::io::Error| format!("cannot create `{}`: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let path = folder.join(sink.name());
    let mut after = cursor::read(&path).map_err(|error| error.to_string())?;
    let mut saved = after;
    let mut head = common.parts.shared.head();
    loop {
        head.mark_unchanged();
        let topics = common.topics.clone();
        let (last, full, batch) = common
            .read(move |snapshot| {
                let events = snapshot.events(after, BATCH)?;
                let mut batch = Vec::new();
                for (seq, row) in &events {
                    batch.extend(sink.record(&topics, snapshot, (*seq, row))?);
                }
                Ok((events.last().map(|(seq, _)| *seq), events.len() == BATCH, batch))
            })
            .await?;
        let Some(last) = last else {
            if head.changed().await.is_err() {
                return Err("the node has ended".to_owned());
            }
            continue;
        };
        while let Err(error) = common.writer.send(&batch).await {
            tracing::warn!(%error, sink = sink.name(), "events are not published yet");
            tokio::time::sleep(PAUSE).await;
        }
        common.parts.metrics.published(sink.name(), batch.len(), last);
        after = last;
        // Looking at events again that are nothing to this sink costs less than a flush.
        if !batch.is_empty() || after - saved >= BATCH as u64 {
            cursor::write(&path, after).map_err(|error| error.to_string())?;
            saved = after;
        }
        if !full {
            tokio::time::sleep(sink.rest()).await;
        }
    }
}
