//! A producer: what it says is written is on as many brokers as the topic asks for, once, in order.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use super::context::ProducerContext;
use super::headers::{self, Header};
use super::{KafkaError, KafkaSettings};

/// How long a record may be on its way before its writer is told that it did not arrive.
const DELIVERY_MS: &str = "30000";
/// The pause while as many records are on their way as may be.
const FULL: Duration = Duration::from_millis(10);

type NativeProducer = FutureProducer<ProducerContext>;

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: String,
    /// Records of one key keep their order.
    pub key: Vec<u8>,
    /// What it says.
    pub payload: Vec<u8>,
    /// What travels beside it.
    pub headers: Vec<Header>,
}

/// A producer. It may be used by many at once.
pub struct Writer {
    config: ClientConfig,
    producer: Mutex<NativeProducer>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The settings hold a password.
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Makes a producer.
    ///
    /// # Errors
    ///
    /// [`KafkaError`] if none can be made of the settings. That no broker answers is none.
    pub fn open(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = settings.client()?;
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "2")
            .set("message.timeout.ms", DELIVERY_MS)
            .set("queue.buffering.max.kbytes", "65536");
        let producer = Mutex::new(create(&config)?);
        Ok(Self { config, producer })
    }

    /// Writes records, and returns once all of them are written; of each key in their order.
    ///
    /// # Errors
    ///
    /// [`KafkaError::Request`] if one is not: then any of them may have been.
    pub async fn send(&self, records: &[Outgoing]) -> Result<(), KafkaError> {
        let producer = self.producer();
        let mut futures = Vec::with_capacity(records.len());
        let mut failed: Option<KafkaError> = None;
        'records: for record in records {
            let mut next = FutureRecord::to(&record.topic)
                .key(&record.key)
                .payload(&record.payload)
                .headers(headers::write(&record.headers));
            loop {
                match producer.send_result(next) {
                    Ok(future) => break futures.push((&record.topic, future)),
                    Err((error, again)) if is_full(&error) => {
                        next = again;
                        tokio::time::sleep(FULL).await;
                    }
                    Err((error, _)) => {
                        failed = Some(refused(&record.topic, &error));
                        break 'records;
                    }
                }
            }
        }
        for (topic, future) in futures {
            let written = match future.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(refused(topic, &error)),
                Err(_) => Err(refused(topic, &Native::Canceled)),
            };
            failed = failed.or(written.err());
        }
        let Some(error) = failed else { return Ok(()) };
        if producer.client().fatal_error().is_some() {
            tracing::warn!(%error, "the producer is made anew");
            let mut place = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
            *place = create(&self.config)?;
        }
        Err(error)
    }

    fn producer(&self) -> NativeProducer {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn create(config: &ClientConfig) -> Result<NativeProducer, KafkaError> {
    let made = config.create_with_context(ProducerContext);
    made.map_err(|error| KafkaError::Client(error.to_string()))
}

fn is_full(error: &Native) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

fn refused(topic: &str, error: &Native) -> KafkaError {
    let reason = error.rdkafka_error_code().map_or_else(|| error.to_string(), |it| it.to_string());
    KafkaError::request(format!("take a record for `{topic}`"), reason)
}
