//! A consumer of a group: a thread that polls and does nothing else, so that the group never
//! takes its member for dead because of the work that the records mean.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message as _};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::context::ReaderContext;
use super::headers::{self, Header};
use super::settings::GroupProtocol;
use super::{KafkaError, KafkaSettings};
use crate::{Lag, QueueError};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(50);
/// How often offsets are committed.
const COMMIT: Duration = Duration::from_millis(200);
/// How long a full table may stop the polling before partitions are paused, which throws away what
/// was fetched ahead.
const GRACE: Duration = Duration::from_secs(1);
/// The pause between two looks at a full table.
const LOOK: Duration = Duration::from_millis(1);
/// A member that does not poll for so long is put out of its group.
const POLL_MAX_MS: &str = "60000";

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic's place among those that the reader was opened with.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// A record as it was in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub place: Place,
    /// When it was written, in ms since 1970; 0 if the broker does not say.
    pub time_ms: i64,
    /// Its key.
    pub key: Vec<u8>,
    /// What it says.
    pub payload: Vec<u8>,
    /// What travels beside it.
    pub headers: Vec<Header>,
}

/// A member of a group. What it does not [finish](Self::finish) comes again: to this member after
/// a restart, or to another one.
#[derive(Debug)]
pub struct Reader {
    records: mpsc::Receiver<Result<Record, QueueError>>,
    context: ReaderContext,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What an error of a poll means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It mends itself.
    Wait,
    /// The broker does not know the protocol of the group.
    Classic,
    /// This consumer gets nothing more.
    Lost(&'static str),
}

impl Reader {
    /// Joins a group.
    ///
    /// # Errors
    ///
    /// [`KafkaError`] if no client can be made of the settings. That no broker answers is none:
    /// the reader waits for one.
    pub fn open(
        settings: &KafkaSettings,
        group: &str,
        topics: Vec<String>,
    ) -> Result<Self, KafkaError> {
        let context = ReaderContext::new(topics);
        let mut config = settings.client()?;
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("allow.auto.create.topics", "false")
            .set("max.poll.interval.ms", POLL_MAX_MS)
            .set("statistics.interval.ms", "1000")
            // Topics that are created later are found soon.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("queued.min.messages", "1000")
            .set("queued.max.messages.kbytes", "16384");
        let classic = settings.group_protocol == GroupProtocol::Classic;
        let consumer = join(&config, &context, classic)?;
        let (tx, records) = mpsc::channel(settings.in_flight_max);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = PollThread {
            config,
            may_fall_back: settings.group_protocol == GroupProtocol::Auto,
            context: context.clone(),
            in_flight_max: settings.in_flight_max,
            tx,
            overflow: VecDeque::new(),
            paused: false,
            full: None,
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(move || thread.run(consumer))
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        Ok(Self { records, context, stop, thread: Some(thread) })
    }

    /// Waits for the next record. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// [`QueueError::Lost`] once nothing more will come, then [`QueueError::Closed`].
    pub async fn next(&mut self) -> Result<Record, QueueError> {
        self.records.recv().await.unwrap_or(Err(QueueError::Closed))
    }

    /// Says that a record is taken care of, in any order. The group hears of it within a fraction
    /// of a second; until then the record may come again.
    ///
    /// # Errors
    ///
    /// [`QueueError::Position`] if the record was not delivered to this member, or its partition
    /// has gone to another one since.
    pub fn finish(&self, place: Place) -> Result<(), QueueError> {
        let Place { topic, partition, offset } = place;
        if self.context.table().finish((topic, partition), offset) {
            return Ok(());
        }
        let (partition, offset) = (partition.unsigned_abs(), offset.unsigned_abs());
        Err(QueueError::Position { partition, offset })
    }

    /// Returns how far behind this member is, in the partitions that are its own.
    #[must_use]
    pub fn lag(&self) -> Lag {
        let (records, oldest) = self.context.table().lag();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = oldest.and_then(|time| u64::try_from(now - time).ok()).unwrap_or(0);
        Lag { records, oldest_ms }
    }

    /// Returns the name of a record's topic.
    #[must_use]
    pub fn topic(&self, place: Place) -> &str {
        self.context.topics.get(usize::from(place.topic)).map_or("", String::as_str)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.records.close();
        // Whoever joins the group next need not wait until this member is taken for dead.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that polls Kafka panicked");
        }
    }
}

/// Makes a consumer and subscribes it.
fn join(
    config: &ClientConfig,
    context: &ReaderContext,
    classic: bool,
) -> Result<BaseConsumer<ReaderContext>, KafkaError> {
    let mut config = config.clone();
    if classic {
        config
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000");
    } else {
        config.set("group.protocol", "consumer");
    }
    let refused = |error: Native| KafkaError::Client(error.to_string());
    let consumer: BaseConsumer<ReaderContext> =
        config.create_with_context(context.clone()).map_err(refused)?;
    let topics: Vec<&str> = context.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(refused)?;
    Ok(consumer)
}

/// What the thread works with.
struct PollThread {
    config: ClientConfig,
    may_fall_back: bool,
    context: ReaderContext,
    in_flight_max: usize,
    tx: mpsc::Sender<Result<Record, QueueError>>,
    /// Records that came after the channel was full. Partitions are paused by then, so that these
    /// are few.
    overflow: VecDeque<Record>,
    paused: bool,
    /// Since when the table is full, if it is.
    full: Option<Instant>,
    stop: Arc<AtomicBool>,
}

impl PollThread {
    fn run(mut self, mut consumer: BaseConsumer<ReaderContext>) {
        let mut committed = Instant::now();
        while !self.stop.load(Ordering::Acquire) && !self.tx.is_closed() {
            let polled = if self.holds_back() {
                std::thread::sleep(LOOK);
                None
            } else {
                consumer.poll(POLL)
            };
            match polled {
                None => {}
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => match verdict(&error, self.may_fall_back) {
                    Verdict::Wait => tracing::warn!(%error, "Kafka"),
                    Verdict::Classic => match join(&self.config, &self.context, true) {
                        Ok(other) => {
                            tracing::info!("the broker has no KIP-848: the group is a classic one");
                            self.may_fall_back = false;
                            consumer = other;
                        }
                        Err(error) => return self.lose(error.to_string()),
                    },
                    Verdict::Lost(why) => return self.lose(format!("{why}: {error}")),
                },
            }
            self.hand_over();
            self.breathe(&consumer);
            if committed.elapsed() >= COMMIT {
                committed = Instant::now();
                self.context.commit(&consumer, None, CommitMode::Async);
            }
        }
        self.context.commit(&consumer, None, CommitMode::Sync);
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let Some(part) = self.context.part(message.topic(), message.partition()) else { return };
        let (offset, time_ms) = (message.offset(), message.timestamp().to_millis().unwrap_or(0));
        self.context.table().deliver(part, (offset, time_ms));
        self.overflow.push_back(Record {
            place: Place { topic: part.0, partition: part.1, offset },
            time_ms,
            key: message.key().unwrap_or_default().to_vec(),
            payload: message.payload().unwrap_or_default().to_vec(),
            headers: headers::read(message.headers()),
        });
    }

    fn hand_over(&mut self) {
        while let Some(record) = self.overflow.pop_front() {
            match self.tx.try_send(Ok(record)) {
                Ok(()) => {}
                Err(TrySendError::Full(Ok(record))) => {
                    self.overflow.push_front(record);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Whether polling waits for a full table to empty, as it may for a short time.
    fn holds_back(&mut self) -> bool {
        if self.context.table().waiting() < self.in_flight_max {
            self.full = None;
            return false;
        }
        !self.paused && self.full.get_or_insert_with(Instant::now).elapsed() < GRACE
    }

    /// Stops fetching while too much waits, and goes on when half of it is done. A partition that
    /// comes while others are paused is paused after its first record.
    fn breathe(&mut self, consumer: &BaseConsumer<ReaderContext>) {
        let waiting = self.context.table().waiting();
        let full = self.full.is_some_and(|since| since.elapsed() >= GRACE)
            && waiting >= self.in_flight_max;
        let change = if full && (!self.paused || !self.overflow.is_empty()) {
            self.paused = true;
            consumer.assignment().and_then(|all| consumer.pause(&all))
        } else if self.paused && waiting <= self.in_flight_max / 2 {
            self.paused = false;
            consumer.assignment().and_then(|all| consumer.resume(&all))
        } else {
            return;
        };
        if let Err(error) = change {
            tracing::warn!(%error, "fetching cannot be stopped or gone on with");
        }
    }

    /// Says that nothing more will come. The room in the channel may be taken: whoever reads it
    /// hears that it is closed.
    fn lose(&self, reason: String) {
        tracing::error!(reason, "this consumer gets nothing more");
        let _ = self.tx.blocking_send(Err(QueueError::Lost { reason }));
    }
}

/// Says what an error of a poll means. librdkafka leaves a group with a line in its log only; a
/// worker that idled on would be of no use to anybody.
fn verdict(error: &Native, may_fall_back: bool) -> Verdict {
    let Some(code) = error.rdkafka_error_code() else { return Verdict::Wait };
    match code {
        Code::UnsupportedFeature | Code::UnsupportedVersion if may_fall_back => Verdict::Classic,
        Code::UnsupportedFeature => Verdict::Lost("the broker has no KIP-848"),
        Code::PollExceeded => Verdict::Lost("it did not poll for a minute and left its group"),
        Code::Authentication | Code::SaslAuthenticationFailed => {
            Verdict::Lost("the broker does not accept the name and password")
        }
        Code::GroupAuthorizationFailed => Verdict::Lost("it may not join its group"),
        Code::TopicAuthorizationFailed => Verdict::Lost("it may not read a topic"),
        Code::FencedInstanceId => Verdict::Lost("another consumer has its place"),
        _ if matches!(error, Native::MessageConsumptionFatal(_)) => Verdict::Lost("fatal"),
        _ => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_mends_ends_the_consumer_and_all_else_is_waited_for() {
        let check = |code, fatal, expected| {
            let error = if fatal {
                Native::MessageConsumptionFatal(code)
            } else {
                Native::MessageConsumption(code)
            };
            assert_eq!(verdict(&error, true), expected, "{code:?}");
        };
        check(Code::BrokerTransportFailure, false, Verdict::Wait);
        check(Code::AllBrokersDown, false, Verdict::Wait);
        check(Code::UnknownTopicOrPartition, false, Verdict::Wait);
        check(Code::UnsupportedFeature, true, Verdict::Classic);
        check(Code::UnknownMemberId, true, Verdict::Lost("fatal"));
        let lost = |code| verdict(&Native::MessageConsumption(code), false);
        for code in [
            Code::PollExceeded,
            Code::Authentication,
            Code::GroupAuthorizationFailed,
            Code::TopicAuthorizationFailed,
            Code::UnsupportedFeature,
        ] {
            assert!(matches!(lost(code), Verdict::Lost(_)), "{code:?}");
        }
    }
}
