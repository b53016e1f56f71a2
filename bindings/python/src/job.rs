//! Work without the GIL that Ctrl-C stops.

use std::any::Any;
use std::io;
use std::panic::resume_unwind;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error::Error;
use crate::events::{Event, Recorder};

/// How long a signal may wait.
const POLL: Duration = Duration::from_millis(50);

/// Events that may wait to be told.
const QUEUE: usize = 1024;

/// Like the main thread's on most systems.
const STACK_BYTES: usize = 8 << 20;

/// Runs `work` on a thread of its own and waits for it without the GIL.
///
/// An `observer` is called with what happens inside, on the calling thread. A signal whose handler
/// raises, such as Ctrl-C, ends the wait within 50 ms; the work then ends at its next stage, and
/// its result is dropped.
///
/// # Errors
/// What the work returns, what a signal handler or the observer raises, or `RuntimeError` if there
/// is no thread to be had.
///
/// # Panics
/// If the work does.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    observer: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> PyResult<T> {
    let (sender, events) = sync_channel(QUEUE);
    let abandoned = Arc::new(AtomicBool::new(false));
    let recorder = Recorder::new(sender, Arc::clone(&abandoned));
    let start = move || in_pool(move || tracing::subscriber::with_default(recorder, work));
    let thread = thread::Builder::new().name("ciro".to_owned()).stack_size(STACK_BYTES);
    let thread = thread
        .spawn(start)
        .map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
    let waited = wait(py, observer, events);
    if waited.is_err() {
        abandoned.store(true, Ordering::Relaxed);
    }
    waited?;
    match py.detach(move || join(thread)) {
        Ok(result) => Ok(result??),
        Err(panic) => resume_unwind(panic),
    }
}

/// Tells events until the work is done, and looks for signals.
fn wait(
    py: Python<'_>,
    observer: Option<&Bound<'_, PyAny>>,
    mut events: Receiver<Event>,
) -> PyResult<()> {
    loop {
        let received;
        (events, received) = py.detach(move || {
            let received = events.recv_timeout(POLL);
            (events, received)
        });
        match received {
            // The work drops its end of the queue when it is done.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(event) => observer.map_or(Ok(()), |observer| event.tell(observer))?,
        }
        py.check_signals()?;
    }
}

type Outcome<T> = io::Result<Result<T, Error>>;

fn join<T>(thread: JoinHandle<Outcome<T>>) -> Result<Outcome<T>, Box<dyn Any + Send>> {
    thread.join()
}

/// Runs work with rayon's global pool, or, in a forked process, with a pool of its own: the threads
/// of the global one do not survive a fork, and work would wait for them forever.
fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    /// The process whose threads the global pool has.
    static OWNER: AtomicU32 = AtomicU32::new(0);
    let process = process::id();
    let owner = OWNER.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
    if owner.is_err_and(|owner| owner != process) {
        let pool = rayon::ThreadPoolBuilder::new().build().map_err(io::Error::other)?;
        return Ok(pool.install(work));
    }
    Ok(work())
}
