//! What one validator can make this node do at once: its requests wait for those that it has made
//! before, and for nobody else's.

use std::sync::Arc;
use std::time::Duration;

use ciro_protocol::wire::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::behaviour::{LONG_PATIENCE, Protocol};
use super::wire::BatchRequest;

/// Requests about batches that are served at once.
const BATCHES_MAX: usize = 16;
/// Requests for blobs that are served at once, and those that wait with them.
const BLOBS_MAX: (usize, usize) = (16, 64);
/// The same for blocks, each of which may cost tens of MB.
const BLOCKS_MAX: (usize, usize) = (2, 8);
/// Blobs that are fetched at once because a batch names them and its validity does not need them.
const PREFETCHED_MAX: usize = 4;
/// How many times as long as it took to judge what is not valid its turn rests.
const REST: u32 = 100;
/// The shortest rest.
const REST_MIN: Duration = Duration::from_secs(1);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(3600);
/// What a request takes of the room for those that are served and that wait: one for each so many
/// bytes begun.
const UNIT_BYTES: usize = 64 << 10;

/// The turns of one validator.
#[derive(Debug)]
pub(super) struct Turns {
    batch: Queue,
    blob: Queue,
    block: Queue,
    prefetches: Arc<Semaphore>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _room: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Turn {
    /// Keeps the turn for some time after what was asked turned out to be wrong, which an honest
    /// validator would have found before: so it takes little of the time of this node's processors.
    pub(super) fn rest(self, worked: Duration) {
        let rest = worked.saturating_mul(REST).clamp(REST_MIN, REST_MAX);
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            drop(self);
        });
    }
}

#[derive(Debug)]
struct Queue {
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl Queue {
    fn new(turns: usize, room: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), room: Arc::new(Semaphore::new(room)) }
    }

    /// Waits for a turn. `None` if so much waits already, or for so long, that whoever asks has
    /// given up.
    async fn take(&self, bytes: usize, patience: Duration) -> Option<Turn> {
        let units = u32::try_from(units(bytes)).ok()?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(units).ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(patience, turn).await.ok()?.ok()?;
        Some(Turn { _room: room, _turn: turn })
    }
}

const fn units(bytes: usize) -> usize {
    1 + bytes / UNIT_BYTES
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            // As many of the longest as are served at once.
            batch: Queue::new(BATCHES_MAX, BATCHES_MAX * units(BatchRequest::BYTES_MAX)),
            blob: Queue::new(BLOBS_MAX.0, BLOBS_MAX.1),
            block: Queue::new(BLOCKS_MAX.0, BLOCKS_MAX.1),
            prefetches: Arc::new(Semaphore::new(PREFETCHED_MAX)),
        }
    }

    /// Waits for a turn for a request of so many bytes. `None` if the validator has asked for too
    /// much: what it asks is not even looked at.
    pub(super) async fn take(&self, protocol: Protocol, bytes: usize) -> Option<Turn> {
        let queue = match protocol {
            Protocol::Batch => &self.batch,
            Protocol::Blob => &self.blob,
            Protocol::Block => &self.block,
            Protocol::Record | Protocol::Consensus => return None,
        };
        queue.take(bytes, LONG_PATIENCE).await
    }

    /// Returns the right to fetch a blob that a batch of this validator names, if one is left.
    pub(super) fn prefetch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.prefetches).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_one_validator_can_park_is_bounded_in_number_and_in_bytes() {
        let turns = Turns::new();
        let mut held = Vec::new();
        for _ in 0..BATCHES_MAX {
            held.extend(turns.take(Protocol::Batch, BatchRequest::BYTES_MAX).await);
        }
        assert_eq!(held.len(), BATCHES_MAX);
        assert!(turns.take(Protocol::Batch, 1).await.is_none(), "no room even to wait");
        held.pop();
        assert!(turns.take(Protocol::Batch, BatchRequest::BYTES_MAX).await.is_some());
        // Other protocols and other validators do not wait for it.
        assert!(turns.take(Protocol::Block, 10).await.is_some());
        assert!(Turns::new().take(Protocol::Batch, 1).await.is_some());
    }

    #[tokio::test]
    async fn requests_wait_for_their_turn_and_not_for_ever() {
        let queue = Queue::new(1, 2);
        let first = queue.take(1, SHORT).await.unwrap();
        assert!(queue.take(1, SHORT).await.is_none(), "nobody waits that long");
        assert_eq!(queue.room.available_permits(), 1, "who has given up takes no room");
        let (second, ()) = tokio::join!(queue.take(1, 100 * SHORT), async { drop(first) });
        assert!(second.is_some());
        assert!(queue.take(2 * UNIT_BYTES, SHORT).await.is_none(), "too long for the room");
    }
}
