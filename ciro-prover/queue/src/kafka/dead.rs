//! Records that failed: those that may succeed later wait in retry topics, all others are dead
//! letters, for a person to look at.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::context::ReaderContext;
use super::headers::{self, Header, find, header, set, text};
use super::reader::{Place, Record};
use super::topics::{RETRIES, Topics};
use super::writer::{Outgoing, Writer};
use super::{KafkaError, KafkaSettings};

/// How long the cluster may take over a question about dead letters.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What becomes of a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may succeed later.
    Retry,
    /// It never will.
    Dead,
}

/// Why a record failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A code: a word for machines.
    pub code: &'static str,
    /// The same for people.
    pub reason: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its name: partition and offset in the topic of dead letters.
    pub place: (i32, i64),
    /// The record.
    pub record: Record,
}

/// Returns what is to be written about a record that failed: to the next retry topic, or to the
/// dead letters once it was in all of them.
#[must_use]
pub fn failed(topics: &Topics, topic: &str, record: &Record, failure: &Failure) -> Outgoing {
    let level = attempts(record);
    match (failure.fate, topics.retry(level), RETRIES.get(level)) {
        (Fate::Retry, Some(retry), Some((_, wait))) => {
            let mut next = dead_letter(topics, topic, record, failure);
            next.topic = retry;
            set(&mut next.headers, text(header::ATTEMPT, level + 1));
            let due = now_ms().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            set(&mut next.headers, text(header::NOT_BEFORE, due));
            next
        }
        _ => dead_letter(topics, topic, record, failure),
    }
}

/// Returns a record as a dead letter: the same bytes under the same key, with what went wrong.
#[must_use]
pub fn dead_letter(topics: &Topics, topic: &str, record: &Record, failure: &Failure) -> Outgoing {
    let mut headers = record.headers.clone();
    set(&mut headers, text(header::ERROR_CODE, failure.code));
    set(&mut headers, text(header::ERROR, &failure.reason));
    if find(&headers, header::ORIGIN).is_none() {
        let Place { partition, offset, .. } = record.place;
        set(&mut headers, text(header::ORIGIN, format!("{topic}/{partition}/{offset}")));
    }
    headers.retain(|(name, _)| name != header::NOT_BEFORE);
    let (key, payload) = (record.key.clone(), record.payload.clone());
    Outgoing { topic: topics.dead(), key, payload, headers }
}

/// How long a record of a retry topic is to wait yet. A header that somebody else wrote delays
/// nothing for longer than the longest wait.
#[must_use]
pub fn due_in(record: &Record) -> Duration {
    let due = find(&record.headers, header::NOT_BEFORE).and_then(|it| it.parse::<i64>().ok());
    let wait = due.map_or(0, |due| due.saturating_sub(now_ms()));
    let longest = RETRIES.map(|(_, wait)| wait).into_iter().max().unwrap_or_default();
    Duration::from_millis(u64::try_from(wait).unwrap_or(0)).min(longest)
}

/// Returns the topic that a record was in at first, as its header says.
#[must_use]
pub fn origin(headers: &[Header]) -> Option<&str> {
    let (topic, _) = find(headers, header::ORIGIN)?.rsplit_once('/')?.0.rsplit_once('/')?;
    Some(topic)
}

/// How often a record was tried before.
fn attempts(record: &Record) -> usize {
    find(&record.headers, header::ATTEMPT).and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Reads the dead letters that there are, the last `max` of each partition. This blocks.
///
/// # Errors
///
/// [`KafkaError`] if the cluster does not answer.
pub fn list(settings: &KafkaSettings, max: usize) -> Result<Vec<DeadLetter>, KafkaError> {
    let topic = Topics::new(&settings.prefix).dead();
    let consumer = consumer(settings, &topic)?;
    let failed = |error| KafkaError::request(format!("read `{topic}`"), error);
    let metadata = consumer.fetch_metadata(Some(&topic), TIMEOUT).map_err(failed)?;
    let partitions: Vec<i32> =
        metadata.topics().iter().flat_map(|it| it.partitions()).map(|it| it.id()).collect();
    let (mut list, mut ends) = (TopicPartitionList::new(), Vec::new());
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(&topic, partition, TIMEOUT).map_err(failed)?;
        let from = low.max(high.saturating_sub(i64::try_from(max).unwrap_or(i64::MAX)));
        if from < high {
            list.add_partition_offset(&topic, partition, Offset::Offset(from)).map_err(failed)?;
            ends.push((partition, high));
        }
    }
    consumer.assign(&list).map_err(failed)?;
    let (mut letters, until) = (Vec::new(), Instant::now() + TIMEOUT);
    while !ends.is_empty() {
        if Instant::now() > until {
            return Err(KafkaError::request(format!("read `{topic}`"), "nothing comes for 20 s"));
        }
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.map_err(failed)?;
        let place = (message.partition(), message.offset());
        ends.retain(|(partition, high)| *partition != place.0 || place.1 + 1 < *high);
        let record = Record {
            place: Place { topic: 0, partition: place.0, offset: place.1 },
            time_ms: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().unwrap_or_default().to_vec(),
            payload: message.payload().unwrap_or_default().to_vec(),
            headers: headers::read(message.headers()),
        };
        letters.push(DeadLetter { place, record });
    }
    letters.sort_by_key(|letter| (letter.record.time_ms, letter.place));
    Ok(letters)
}

/// Writes a dead letter into the topic that it was in at first, as if it had never been tried. It
/// stays among the dead letters, which nobody removes before their time.
///
/// # Errors
///
/// [`KafkaError`] if the letter does not say where it was, or the cluster does not take it.
pub async fn requeue(settings: &KafkaSettings, letter: &DeadLetter) -> Result<String, KafkaError> {
    let topics = Topics::new(&settings.prefix);
    let origin = origin(&letter.record.headers).unwrap_or_default();
    // A header decides nothing that is not ours.
    if !topics.all().iter().any(|topic| topic.name == origin) || origin == topics.dead() {
        let reason = format!("its origin is `{origin}`, which is none of our topics");
        return Err(KafkaError::request("take a dead letter back", reason));
    }
    let ours = [header::ATTEMPT, header::ERROR_CODE, header::ERROR, header::ORIGIN];
    let mut headers = letter.record.headers.clone();
    headers.retain(|(name, _)| !ours.contains(&name.as_str()));
    let (key, payload) = (letter.record.key.clone(), letter.record.payload.clone());
    let record = Outgoing { topic: origin.to_owned(), key, payload, headers };
    Writer::open(settings)?.send(&[record]).await?;
    Ok(origin.to_owned())
}

/// A consumer of no group's offsets: it changes nothing by looking.
fn consumer(
    settings: &KafkaSettings,
    topic: &str,
) -> Result<BaseConsumer<ReaderContext>, KafkaError> {
    let mut config = settings.client()?;
    config.set("enable.auto.commit", "false").set("allow.auto.create.topics", "false");
    // librdkafka asks every consumer for a group; without a subscription it joins none.
    config.set("group.id", format!("{}.reader", settings.prefix));
    let context = ReaderContext::new(vec![topic.to_owned()]);
    config.create_with_context(context).map_err(|error| KafkaError::Client(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: Vec<Header>) -> Record {
        let place = Place { topic: 0, partition: 3, offset: 9 };
        Record { place, time_ms: 0, key: vec![1], payload: vec![2], headers }
    }

    #[test]
    fn a_record_that_fails_waits_longer_each_time_and_then_is_dead() {
        let topics = Topics::new("t");
        let failure =
            Failure { code: "blob_missing", reason: "no blob".to_owned(), fate: Fate::Retry };
        let mut next = record(Vec::new());
        let mut seen = Vec::new();
        for _ in 0..4 {
            let out = failed(&topics, "t.submissions.v1", &next, &failure);
            assert_eq!((&out.key, &out.payload), (&vec![1], &vec![2]));
            assert_eq!(origin(&out.headers), Some("t.submissions.v1"));
            seen.push(out.topic);
            next = record(out.headers);
        }
        assert_eq!(seen, ["t.retry.10s.v1", "t.retry.1m.v1", "t.retry.10m.v1", "t.dlq.v1"]);
        assert_eq!(due_in(&next), Duration::ZERO);
    }

    #[test]
    fn what_never_succeeds_is_dead_at_once_and_a_header_delays_for_ten_minutes_at_most() {
        let failure = Failure { code: "poison", reason: String::new(), fate: Fate::Dead };
        let out = failed(&Topics::new("t"), "t.results.v1", &record(Vec::new()), &failure);
        assert_eq!(out.topic, "t.dlq.v1");
        let far = record(vec![text(header::NOT_BEFORE, i64::MAX)]);
        assert_eq!(due_in(&far), Duration::from_secs(600));
        assert_eq!(due_in(&record(vec![text(header::NOT_BEFORE, "soon")])), Duration::ZERO);
    }
}
