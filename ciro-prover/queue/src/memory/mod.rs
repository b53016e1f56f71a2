//! A queue in memory: one partition, one group, for tests and for a worker inside a node's process.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ciro_protocol::tx::SignedTx;

use super::{Delivery, JobOffer, JobQueue, Lag, Poison, Position, QueueError};

/// What outlives a consumer. Clones are the same broker.
#[derive(Clone, Debug)]
pub struct MemoryBroker(Arc<Mutex<Log>>);

/// A consumer. At most one at a time: connecting again takes the queue from the one before.
#[derive(Debug)]
pub struct MemoryQueue {
    broker: MemoryBroker,
    generation: u64,
}

#[derive(Debug)]
struct Log {
    records_max: usize,
    /// Records that nobody has taken care of, by offset.
    records: BTreeMap<u64, Vec<u8>>,
    /// The offset of the next record.
    end: u64,
    /// The offset from which this consumer reads on.
    read: u64,
    generation: u64,
    dead: VecDeque<(Vec<u8>, String)>,
    results: VecDeque<SignedTx>,
    waker: Option<Waker>,
    closed: bool,
}

impl MemoryBroker {
    /// Opens a broker that holds so many records, dead letters and results at most.
    #[must_use]
    pub fn new(records_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Log {
            records_max,
            records: BTreeMap::new(),
            end: 0,
            read: 0,
            generation: 0,
            dead: VecDeque::new(),
            results: VecDeque::new(),
            waker: None,
            closed: false,
        })))
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// [`QueueError::Full`] and [`QueueError::Closed`].
    pub fn publish(&self, record: Vec<u8>) -> Result<Position, QueueError> {
        let mut log = self.log();
        if log.closed {
            return Err(QueueError::Closed);
        }
        if log.records.len() >= log.records_max {
            return Err(QueueError::Full { max: log.records_max });
        }
        let offset = log.end;
        log.records.insert(offset, record);
        log.end += 1;
        if let Some(waker) = log.waker.take() {
            waker.wake();
        }
        Ok(Position { partition: 0, offset })
    }

    /// Connects a consumer: it reads again whatever the one before did not take care of.
    #[must_use]
    pub fn connect(&self) -> MemoryQueue {
        let mut log = self.log();
        log.generation += 1;
        log.read = 0;
        if let Some(waker) = log.waker.take() {
            waker.wake();
        }
        MemoryQueue { broker: self.clone(), generation: log.generation }
    }

    /// Ends the queue: whoever waits is told.
    pub fn close(&self) {
        let mut log = self.log();
        log.closed = true;
        if let Some(waker) = log.waker.take() {
            waker.wake();
        }
    }

    /// Takes the oldest dead letter, with the reason.
    #[must_use]
    pub fn take_dead(&self) -> Option<(Vec<u8>, String)> {
        self.log().dead.pop_front()
    }

    /// Takes the oldest result.
    #[must_use]
    pub fn take_result(&self) -> Option<SignedTx> {
        self.log().results.pop_front()
    }

    /// No code panics while it holds the lock, so that a poisoned one is as good.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryQueue {
    /// Returns the log, if this is still its consumer.
    fn own(&self) -> Result<MutexGuard<'_, Log>, QueueError> {
        let log = self.broker.log();
        if log.generation == self.generation { Ok(log) } else { Err(QueueError::Closed) }
    }

    fn take(&self, position: Position) -> Result<(Vec<u8>, MutexGuard<'_, Log>), QueueError> {
        let mut log = self.own()?;
        let Position { partition, offset } = position;
        let record =
            if partition == 0 && offset < log.read { log.records.remove(&offset) } else { None };
        let record = record.ok_or(QueueError::Position { partition, offset })?;
        Ok((record, log))
    }
}

/// Waits for a record.
struct Next<'a>(&'a MemoryQueue);

impl Future for Next<'_> {
    type Output = Result<Delivery, QueueError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut log = match self.0.own() {
            Ok(log) => log,
            Err(closed) => return Poll::Ready(Err(closed)),
        };
        let from = log.read;
        let found = log.records.range(from..).next();
        let found = found.map(|(offset, record)| (*offset, JobOffer::read(record)));
        if let Some((offset, offer)) = found {
            log.read = offset + 1;
            let position = Position { partition: 0, offset };
            return Poll::Ready(Ok(Delivery { position, offer }));
        }
        if log.closed {
            return Poll::Ready(Err(QueueError::Closed));
        }
        log.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl JobQueue for MemoryQueue {
    fn next(&mut self) -> impl Future<Output = Result<Delivery, QueueError>> + Send {
        Next(self)
    }

    async fn ack(&mut self, position: Position) -> Result<(), QueueError> {
        self.take(position).map(|_| ())
    }

    async fn refuse(&mut self, position: Position, reason: &Poison) -> Result<(), QueueError> {
        let max = self.broker.log().records_max;
        if self.broker.log().dead.len() >= max {
            return Err(QueueError::Full { max });
        }
        let (record, mut log) = self.take(position)?;
        log.dead.push_back((record, reason.to_string()));
        Ok(())
    }

    async fn submit(&self, result: &SignedTx) -> Result<(), QueueError> {
        let mut log = self.own()?;
        if log.results.len() >= log.records_max {
            return Err(QueueError::Full { max: log.records_max });
        }
        log.results.push_back(result.clone());
        Ok(())
    }

    fn lag(&self) -> Lag {
        Lag { records: self.broker.log().records.len() as u64, oldest_ms: 0 }
    }
}

#[cfg(test)]
mod tests;
