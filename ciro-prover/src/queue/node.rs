//! The queue that every node serves: the ledger's open jobs, by long poll.
//!
//! The ledger is the queue of record, so nothing has to be acknowledged: whoever begins at 0 gets
//! all jobs that are open, and a cursor that is lost loses nothing.

use std::time::Duration;

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
/// Offers that wait here at most; a poll goes on when there is room.
const WAITING_MAX: usize = 512;
/// The longest line of an answer: an order in JSON.
const LINE_BYTES_MAX: usize = 256 << 10;

/// The queues of some classes at one node.
#[derive(Debug)]
pub struct NodeQueue {
    client: Client,
    offers: mpsc::Receiver<Delivery>,
    /// One poll for each class; they end with the queue.
    _polls: JoinSet<()>,
}

impl NodeQueue {
    /// Begins to poll. Direct orders of the provider come too.
    #[must_use]
    pub fn open(client: &Client, provider: ProviderId, classes: &[Class]) -> Self {
        let (tx, offers) = mpsc::channel(WAITING_MAX);
        let mut polls = JoinSet::new();
        for &class in classes {
            polls.spawn(poll(client.clone(), provider, class, tx.clone()));
        }
        Self { client: client.clone(), offers, _polls: polls }
    }
}

/// Polls one class until nobody listens.
async fn poll(client: Client, provider: ProviderId, class: Class, offers: mpsc::Sender<Delivery>) {
    let mut after = 0;
    while !offers.is_closed() {
        let path = format!(
            "{}?after={after}&provider={provider}&wait={}",
            api::queue(class),
            api::wait(WAIT)
        );
        if let Err(error) = read(&client, &path, class, &mut after, &offers).await {
            tracing::warn!(%error, class = class.name(), "the queue does not answer");
            tokio::time::sleep(PAUSE).await;
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

fn delivery(class: Class, line: api::JobOffer) -> Delivery {
    let place = Class::ALL.iter().position(|known| *known == class).unwrap_or_default();
    let partition = u32::try_from(place).unwrap_or_default();
    let position = Position { partition, offset: line.position };
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
