//! The queue that every node serves: the ledger's open jobs, by long poll.
//!
//! The ledger is the queue of record, so nothing has to be acknowledged: whoever begins at 0 gets
//! all jobs that are open, and a cursor that is lost loses nothing. A worker that let something go
//! has it [brought again](NodeQueue::again).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ciro_protocol::api;
use ciro_protocol::id::ProviderId;
use ciro_protocol::order::Class;
use ciro_protocol::tx::SignedTx;
use ciro_sdk::client::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use ciro_queue::{Delivery, JobOffer, JobQueue, Lag, Poison, Position, QueueError};

/// How long a node may hold a request.
const WAIT: Duration = Duration::from_secs(20);
/// The pause after a node that did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a class is read on before it is read again for those who let something go.
const AGAIN: Duration = Duration::from_secs(60);
/// The place of what was let go where nothing was.
const NONE: u64 = u64::MAX;
/// Offers that wait here at most; a poll goes on when there is room.
const WAITING_MAX: usize = 512;
/// The longest line of an answer: an order in JSON.
const LINE_BYTES_MAX: usize = 256 << 10;

/// The queues of some classes at one node.
#[derive(Debug)]
pub struct NodeQueue {
    client: Client,
    offers: mpsc::Receiver<Delivery>,
    /// The first place of what was let go, by partition; [`NONE`] if nothing was.
    let_go: BTreeMap<u32, Arc<AtomicU64>>,
    /// One poll for each class; they end with the queue.
    _polls: JoinSet<()>,
}

impl NodeQueue {
    /// Begins to poll. Direct orders of the provider come too.
    #[must_use]
    pub fn open(client: &Client, provider: ProviderId, classes: &[Class]) -> Self {
        Self::open_with(client, (provider, classes), AGAIN)
    }

    /// As [`open`](Self::open), with another pause before a class is read again.
    pub(super) fn open_with(
        client: &Client,
        (provider, classes): (ProviderId, &[Class]),
        again: Duration,
    ) -> Self {
        let (tx, offers) = mpsc::channel(WAITING_MAX);
        let mut let_go = BTreeMap::new();
        let mut polls = JoinSet::new();
        for &class in classes {
            let first = Arc::new(AtomicU64::new(NONE));
            let_go.insert(partition(class), Arc::clone(&first));
            let poll = Poll {
                client: client.clone(),
                provider,
                class,
                offers: tx.clone(),
                let_go: first,
                again,
            };
            polls.spawn(poll.run());
        }
        Self { client: client.clone(), offers, let_go, _polls: polls }
    }

    /// Brings what is open once more, in a minute, from a record on, or all of it: something was
    /// let go that may be claimed yet.
    pub fn again(&self, from: Option<Position>) {
        for (partition, first) in &self.let_go {
            match from {
                Some(from) if from.partition == *partition => {
                    first.fetch_min(from.offset, Ordering::Relaxed);
                }
                Some(_) => {}
                None => {
                    first.fetch_min(0, Ordering::Relaxed);
                }
            }
        }
    }
}

/// The poll of one class.
struct Poll {
    client: Client,
    provider: ProviderId,
    class: Class,
    offers: mpsc::Sender<Delivery>,
    let_go: Arc<AtomicU64>,
    again: Duration,
}

impl Poll {
    /// Polls until nobody listens.
    async fn run(self) {
        let Self { client, provider, class, offers, .. } = &self;
        let (mut after, mut begun) = (0_u64, Instant::now());
        while !offers.is_closed() {
            if begun.elapsed() >= self.again {
                let first = self.let_go.swap(NONE, Ordering::Relaxed);
                if first != NONE {
                    (after, begun) = (after.min(first.saturating_sub(1)), Instant::now());
                }
            }
            let queue = api::queue(*class);
            let wait = api::wait(WAIT);
            let path = format!("{queue}?after={after}&provider={provider}&wait={wait}");
            if let Err(error) = read(client, &path, *class, &mut after, offers).await {
                tracing::warn!(%error, class = class.name(), "the queue does not answer");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Reads one answer, line by line.
async fn read(
    client: &Client,
    path: &str,
    class: Class,
    after: &mut u64,
    offers: &mpsc::Sender<Delivery>,
) -> Result<(), ciro_sdk::client::ClientError> {
    let mut stream = client.stream(path).await?;
    while let Some(line) = stream.line(LINE_BYTES_MAX).await? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<api::JobOffer>(&line) {
            Ok(line) => {
                *after = line.position.max(*after);
                if offers.send(delivery(class, line)).await.is_err() {
                    return Ok(());
                }
            }
            // Without a position there is no way past it: the next answer begins behind it.
            Err(error) => tracing::error!(%error, "a line of the queue is no offer"),
        }
    }
    Ok(())
}

fn partition(class: Class) -> u32 {
    let place = Class::ALL.iter().position(|known| *known == class).unwrap_or_default();
    u32::try_from(place).unwrap_or_default()
}

fn delivery(class: Class, line: api::JobOffer) -> Delivery {
    let position = Position { partition: partition(class), offset: line.position };
    Delivery { position, offer: JobOffer::of(line.order, line.attempt) }
}

impl JobQueue for NodeQueue {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        self.offers.recv().await.ok_or(QueueError::Closed)
    }

    async fn ack(&mut self, _: Position) -> Result<(), QueueError> {
        Ok(())
    }

    async fn refuse(&mut self, position: Position, reason: &Poison) -> Result<(), QueueError> {
        tracing::error!(?position, %reason, "a record of the queue is no offer");
        Ok(())
    }

    async fn submit(&self, result: &SignedTx) -> Result<(), QueueError> {
        self.client.send(result).await.map(drop).map_err(|error| {
            tracing::warn!(%error, "the node does not take a transaction");
            QueueError::Unreachable
        })
    }

    fn lag(&self) -> Lag {
        Lag { records: self.offers.len() as u64, oldest_ms: 0 }
    }
}
