//! A provider's queue on Kafka: one group for all its workers, among whom the cluster shares out
//! the partitions.

use std::collections::BTreeMap;

use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::Class;
use ciro_protocol::tx::{Body, SignedTx};
use ciro_protocol::wire::Message as _;

use super::dead::{Failure, Fate, dead_letter};
use super::headers::{header, text};
use super::reader::{Place, Reader, Record};
use super::topics::Topics;
use super::writer::{Outgoing, Writer};
use super::{KafkaError, KafkaSettings};
use crate::{Delivery, JobOffer, JobQueue, Lag, OfferRecord, Poison, Position, QueueError};

/// Bits of a position's partition that name it in its topic; the class is above them.
const PARTITION_BITS: u32 = 16;

/// The topics of some classes, read as a member of a provider's group.
#[derive(Debug)]
pub struct KafkaQueue {
    topics: Topics,
    classes: Vec<Class>,
    reader: Reader,
    writer: Writer,
    /// Records that are none, until they are among the dead letters.
    poison: BTreeMap<Position, Record>,
}

impl KafkaQueue {
    /// Joins the provider's group.
    ///
    /// # Errors
    ///
    /// [`KafkaError`] if no client can be made of the settings.
    pub fn open(
        settings: &KafkaSettings,
        provider: ProviderId,
        classes: &[Class],
    ) -> Result<Self, KafkaError> {
        let topics = Topics::new(&settings.prefix);
        let names = classes.iter().map(|class| topics.jobs(*class)).collect();
        let reader = Reader::open(settings, &topics.provider_group(provider.0), names)?;
        let writer = Writer::open(settings)?;
        let classes = classes.to_vec();
        Ok(Self { topics, classes, reader, writer, poison: BTreeMap::new() })
    }

    fn position(&self, place: Place) -> Option<Position> {
        let class = self.classes.get(usize::from(place.topic))?;
        let class = u32::try_from(Class::ALL.iter().position(|it| it == class)?).ok()?;
        let partition = u32::from(u16::try_from(place.partition).ok()?);
        let offset = u64::try_from(place.offset).ok()?;
        Some(Position { partition: class << PARTITION_BITS | partition, offset })
    }

    fn place(&self, position: Position) -> Result<Place, QueueError> {
        let Position { partition, offset } = position;
        let place = || {
            let class = Class::ALL.get(usize::try_from(partition >> PARTITION_BITS).ok()?)?;
            let topic = self.classes.iter().position(|known| known == class)?;
            Some(Place {
                topic: u16::try_from(topic).ok()?,
                partition: i32::try_from(partition & ((1 << PARTITION_BITS) - 1)).ok()?,
                offset: i64::try_from(offset).ok()?,
            })
        };
        place().ok_or(QueueError::Position { partition, offset })
    }
}

/// Makes the record of an offer.
#[must_use]
pub fn offer(topics: &Topics, class: Class, job: JobId, record: &OfferRecord) -> Outgoing {
    Outgoing {
        topic: topics.jobs(class),
        key: job.0.to_vec(),
        payload: record.to_bytes(),
        headers: vec![text(header::KIND, "offer"), text(header::VERSION, 1)],
    }
}

impl JobQueue for KafkaQueue {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        loop {
            let record = self.reader.next().await?;
            let Some(position) = self.position(record.place) else {
                tracing::error!(place = ?record.place, "a partition beyond 65535 is not read");
                continue;
            };
            let offer = JobOffer::read(&record.payload);
            if offer.is_err() {
                self.poison.insert(position, record);
            }
            return Ok(Delivery { position, offer });
        }
    }

    async fn ack(&mut self, position: Position) -> Result<(), QueueError> {
        self.reader.finish(self.place(position)?)
    }

    async fn refuse(&mut self, position: Position, reason: &Poison) -> Result<(), QueueError> {
        let place = self.place(position)?;
        let Some(record) = self.poison.get(&position) else {
            let Position { partition, offset } = position;
            return Err(QueueError::Position { partition, offset });
        };
        let failure = Failure { code: "poison", reason: reason.to_string(), fate: Fate::Dead };
        let letter = dead_letter(&self.topics, self.reader.topic(place), record, &failure);
        if let Err(error) = self.writer.send(&[letter]).await {
            tracing::warn!(%error, "a record that is none stays in the queue");
            return Err(QueueError::Unreachable);
        }
        self.poison.remove(&position);
        self.reader.finish(place)
    }

    async fn submit(&self, result: &SignedTx) -> Result<(), QueueError> {
        let job = match &result.body.body {
            Body::Claim(it) => it.job,
            Body::Release(it) => it.job,
            Body::SubmitProof(it) => it.job,
            _ => result.body.id().into(),
        };
        let record = Outgoing {
            topic: self.topics.results(),
            key: job.0.to_vec(),
            payload: result.to_bytes(),
            headers: vec![text(header::KIND, "result"), text(header::VERSION, 1)],
        };
        self.writer.send(&[record]).await.map_err(|error| {
            tracing::warn!(%error, "a transaction is not in its topic");
            QueueError::Unreachable
        })
    }

    fn lag(&self) -> Lag {
        self.reader.lag()
    }
}
