//! What happens inside of a job: stages that begin and end, and messages.
//!
//! A job runs under a [`Recorder`], a `tracing` subscriber of its own thread. It sends events
//! through a bounded queue to the thread that waits for the job, and only that thread calls Python.
//! The recorder is also where an abandoned job ends: at the next stage.

use std::fmt::{self, Write as _};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as TracingEvent, Level, Metadata, Subscriber};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A stage began.
    Begin(&'static str),
    /// A stage ended, after so many seconds.
    End(&'static str, f64),
    /// A message: level as in Python's `logging`, where it comes from, what it says.
    Message(u8, &'static str, String),
}

impl Event {
    /// Calls a Python observer: `observer(kind, name, value)`.
    ///
    /// # Errors
    /// What the observer raises.
    pub(crate) fn tell(self, observer: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Begin(name) => observer.call1(("begin", name, 0.0)),
            Self::End(name, seconds) => observer.call1(("end", name, seconds)),
            Self::Message(level, target, text) => observer.call1((target, text, f64::from(level))),
        }
        .map(drop)
    }
}

/// The payload of the unwinding that ends an abandoned job; nobody sees it.
struct Abandoned;

/// Records the stages and messages of one job.
#[derive(Debug)]
pub(crate) struct Recorder {
    events: SyncSender<Event>,
    abandoned: Arc<AtomicBool>,
    spans: AtomicU64,
    /// The spans that are there: identifier, references, name, beginning.
    open: Mutex<Vec<(u64, u32, &'static str, Instant)>>,
}

impl Recorder {
    /// Sends to `events`; ends the job when `abandoned` is set.
    pub(crate) fn new(events: SyncSender<Event>, abandoned: Arc<AtomicBool>) -> Self {
        let (spans, open) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        Self { events, abandoned, spans, open }
    }

    fn send(&self, event: Event) {
        // A full queue, or one that nobody reads any more: what is lost is a line of a log.
        let _ = self.events.try_send(event);
    }

    fn with_open<T>(&self, f: impl FnOnce(&mut Vec<(u64, u32, &'static str, Instant)>) -> T) -> T {
        f(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        if self.abandoned.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Abandoned));
        }
        let metadata = attributes.metadata();
        let number = self.spans.fetch_add(1, Ordering::Relaxed) + 1;
        if metadata.target().starts_with("ciro") {
            self.with_open(|open| open.push((number, 1, metadata.name(), Instant::now())));
            self.send(Event::Begin(metadata.name()));
        }
        Id::from_u64(number)
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.with_open(|open| {
            open.iter_mut().filter(|span| span.0 == id.into_u64()).for_each(|span| span.1 += 1);
        });
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let closed = self.with_open(|open| {
            let position = open.iter().position(|span| span.0 == id.into_u64())?;
            open[position].1 -= 1;
            (open[position].1 == 0).then(|| open.swap_remove(position))
        });
        if let Some((_, _, name, start)) = closed {
            self.send(Event::End(name, start.elapsed().as_secs_f64()));
        }
        closed.is_some()
    }

    fn event(&self, event: &TracingEvent<'_>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("ciro") {
            let level = match *metadata.level() {
                Level::ERROR => 40,
                Level::WARN => 30,
                _ => 20,
            };
            let mut text = Text::default();
            event.record(&mut text);
            self.send(Event::Message(level, metadata.target(), text.0));
        }
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A message and its fields in one line.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
    }
}
