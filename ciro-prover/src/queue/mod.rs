//! Where a worker's offers come from.

mod node;
#[cfg(test)]
pub(crate) mod tests;

use ciro_protocol::id::ProviderId;
use ciro_protocol::order::Class;
use ciro_protocol::tx::SignedTx;
use ciro_queue::kafka::{KafkaError, KafkaQueue, KafkaSettings};
pub use ciro_queue::{
    Delivery, JobOffer, JobQueue, Lag, OfferRecord, Poison, Position, QueueError,
};
use ciro_sdk::client::Client;
pub use node::NodeQueue;

/// The queue that a worker's settings name.
#[derive(Debug)]
pub enum AnyQueue {
    /// A node's.
    Node(Box<NodeQueue>),
    /// Kafka's.
    Kafka(Box<KafkaQueue>),
}

impl AnyQueue {
    /// Opens Kafka's queue where there are settings for it, else the node's.
    ///
    /// # Errors
    ///
    /// [`KafkaError`] if the settings are not usable.
    pub fn open(
        client: &Client,
        kafka: Option<&KafkaSettings>,
        (provider, classes): (ProviderId, &[Class]),
    ) -> Result<Self, KafkaError> {
        Ok(match kafka {
            Some(settings) => Self::Kafka(Box::new(KafkaQueue::open(settings, provider, classes)?)),
            None => Self::Node(Box::new(NodeQueue::open(client, provider, classes))),
        })
    }

    /// Has what is open brought once more, in a while, from a record on, or all of it. What comes
    /// by Kafka nodes publish again without being asked.
    pub fn again(&self, from: Option<Position>) {
        match self {
            Self::Node(queue) => queue.again(from),
            Self::Kafka(_) => {}
        }
    }
}

impl JobQueue for AnyQueue {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        match self {
            Self::Node(queue) => queue.next().await,
            Self::Kafka(queue) => queue.next().await,
        }
    }

    async fn ack(&mut self, position: Position) -> Result<(), QueueError> {
        match self {
            Self::Node(queue) => queue.ack(position).await,
            Self::Kafka(queue) => queue.ack(position).await,
        }
    }

    async fn refuse(&mut self, position: Position, reason: &Poison) -> Result<(), QueueError> {
        match self {
            Self::Node(queue) => queue.refuse(position, reason).await,
            Self::Kafka(queue) => queue.refuse(position, reason).await,
        }
    }

    async fn submit(&self, result: &SignedTx) -> Result<(), QueueError> {
        match self {
            Self::Node(queue) => queue.submit(result).await,
            Self::Kafka(queue) => queue.submit(result).await,
        }
    }

    fn lag(&self) -> Lag {
        match self {
            Self::Node(queue) => queue.lag(),
            Self::Kafka(queue) => queue.lag(),
        }
    }
}
