//! Apache Kafka: jobs out, orders and results in, records for whoever keeps books.

mod context;
pub mod dead;
mod headers;
#[cfg(any(test, feature = "conformance"))]
pub mod mock;
mod queue;
mod reader;
mod settings;
mod table;
#[cfg(test)]
mod tests;
pub mod topics;
mod writer;

pub use headers::{Header, HeaderValue, header, text};
pub use queue::{KafkaQueue, offer};
pub use reader::{Place, Reader, Record};
pub use settings::{GroupProtocol, KafkaSettings, KafkaSettingsError, Mechanism, Security};
pub use topics::Topics;
pub use writer::{Outgoing, Writer};

/// Why the cluster does not do what it is asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// The settings are not usable.
    #[error(transparent)]
    Settings(#[from] KafkaSettingsError),
    /// A client cannot be made of the settings.
    #[error("no Kafka client can be made of these settings: {0}")]
    Client(String),
    /// A request failed.
    #[error("Kafka does not {what}: {reason}")]
    Request {
        /// What was asked for, as a verb with its object.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A topic is not as it must be.
    #[error("the topic `{topic}` has {found} partitions, expected {expected}: create it anew")]
    Partitions {
        /// The topic.
        topic: String,
        /// How many it has.
        found: usize,
        /// How many it must have.
        expected: usize,
    },
}

impl KafkaError {
    fn request(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Request { what: what.into(), reason: reason.to_string() }
    }
}
