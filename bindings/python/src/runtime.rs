//! Threads that serve a connection, in the process that made it.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Builder;

use crate::error::Error;

/// A connection and its threads, which do not survive a fork.
#[derive(Debug)]
pub(crate) struct Served<T> {
    runtime: tokio::runtime::Runtime,
    process: u32,
    /// What is connected.
    pub(crate) peer: T,
}

impl<T> Served<T> {
    /// Starts the threads, and connects.
    pub(crate) fn connect<E>(peer: impl Future<Output = Result<T, E>>) -> Result<Arc<Self>, Error>
    where
        Error: From<E>,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Error::Argument(error.to_string()))?;
        let peer = runtime.block_on(peer)?;
        Ok(Arc::new(Self { runtime, process: std::process::id(), peer }))
    }

    /// # Errors
    /// `RuntimeError` in a process that was forked after the connection was made.
    pub(crate) fn here(self: &Arc<Self>) -> PyResult<Arc<Self>> {
        if self.process == std::process::id() {
            return Ok(Arc::clone(self));
        }
        let text =
            "the connection belongs to the process that this one was forked from: connect again";
        Err(PyRuntimeError::new_err(text))
    }

    /// Waits for what the connection does.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }
}
