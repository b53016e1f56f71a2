//! Which topics there are.

use std::time::Duration;

use ciro_protocol::order::Class;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::{KafkaError, KafkaSettings};

/// How long the cluster may take over a request about topics.
const TIMEOUT: Duration = Duration::from_secs(30);
const DAY_MS: u64 = 24 * 3600 * 1000;

/// The names of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

/// A topic as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Parts in which order is kept.
    pub partitions: usize,
    /// How long it keeps records, in ms.
    pub retention_ms: u64,
    /// Whether the last record of each key is kept for ever.
    pub compacted: bool,
}

/// After how long a record is tried again, with the name that its topic has for it.
pub const RETRIES: [(&str, Duration); 3] = [
    ("10s", Duration::from_secs(10)),
    ("1m", Duration::from_secs(60)),
    ("10m", Duration::from_secs(600)),
];

impl Topics {
    /// Names topics by a prefix.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Orders from developers; keyed by account.
    #[must_use]
    pub fn submissions(&self) -> String {
        self.named("submissions.v1")
    }

    /// Offers of a class to providers; keyed by job.
    #[must_use]
    pub fn jobs(&self, class: Class) -> String {
        self.named(&format!("jobs.v1.{}", class.name()))
    }

    /// Transactions of providers; keyed by job.
    #[must_use]
    pub fn results(&self) -> String {
        self.named("results.v1")
    }

    /// How jobs ended; keyed by job.
    #[must_use]
    pub fn receipts(&self) -> String {
        self.named("receipts.v1")
    }

    /// What happened; keyed by the event's number.
    #[must_use]
    pub fn events(&self) -> String {
        self.named("events.v1")
    }

    /// Money that moved; keyed by the event's number.
    #[must_use]
    pub fn billing(&self) -> String {
        self.named("billing.v1")
    }

    /// Records that wait for another try.
    #[must_use]
    pub fn retry(&self, level: usize) -> Option<String> {
        let (name, _) = RETRIES.get(level)?;
        Some(self.named(&format!("retry.{name}.v1")))
    }

    /// Records that nobody can take care of.
    #[must_use]
    pub fn dead(&self) -> String {
        self.named("dlq.v1")
    }

    /// The group of a provider's workers.
    #[must_use]
    pub fn provider_group(&self, provider: u32) -> String {
        self.named(&format!("provider.{provider}"))
    }

    /// The group of the nodes that read a topic of their own.
    #[must_use]
    pub fn node_group(&self, what: &str) -> String {
        self.named(what)
    }

    fn named(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Returns all topics.
    #[must_use]
    pub fn all(&self) -> Vec<Topic> {
        let topic = |name, partitions, days: u64, compacted| Topic {
            name,
            partitions,
            retention_ms: days * DAY_MS,
            compacted,
        };
        let mut all = vec![
            topic(self.submissions(), 16, 1, false),
            topic(self.results(), 16, 2, false),
            topic(self.receipts(), 8, 30, true),
            topic(self.events(), 8, 30, false),
            topic(self.billing(), 8, 30, false),
            topic(self.dead(), 4, 14, false),
        ];
        all.extend(Class::ALL.map(|class| topic(self.jobs(class), 32, 2, false)));
        let levels = (0..RETRIES.len()).filter_map(|level| self.retry(level));
        all.extend(levels.map(|name| topic(name, 4, 14, false)));
        all
    }

    /// Creates what is missing and returns the names of what was created. Topics that are there
    /// must have as many partitions as they would be created with.
    ///
    /// # Errors
    ///
    /// [`KafkaError`] if the cluster refuses, or a topic has another form.
    pub async fn create(
        &self,
        settings: &KafkaSettings,
        replication: i32,
    ) -> Result<Vec<String>, KafkaError> {
        let admin: AdminClient<DefaultClientContext> =
            settings.client()?.create().map_err(|error| KafkaError::Client(error.to_string()))?;
        let all = self.all();
        let retention: Vec<String> = all.iter().map(|it| it.retention_ms.to_string()).collect();
        let in_sync = ((replication + 1) / 2).to_string();
        let new: Vec<NewTopic<'_>> = all
            .iter()
            .zip(&retention)
            .map(|(topic, retention)| {
                let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
                let replication = TopicReplication::Fixed(replication);
                let policy = if topic.compacted { "compact" } else { "delete" };
                NewTopic::new(&topic.name, partitions, replication)
                    .set("cleanup.policy", policy)
                    .set("retention.ms", retention)
                    .set("min.insync.replicas", &in_sync)
                    .set("unclean.leader.election.enable", "false")
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let options = options.request_timeout(Some(TIMEOUT));
        let what = "create topics";
        let results = admin.create_topics(&new, &options).await;
        let results = results.map_err(|error| KafkaError::request(what, error))?;
        let mut created = Vec::new();
        for result in results {
            match result {
                Ok(name) => created.push(name),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(KafkaError::request(format!("create the topic `{name}`"), code));
                }
            }
        }
        check(&admin, all.iter().filter(|topic| !created.contains(&topic.name)))?;
        Ok(created)
    }
}

/// Checks topics that were there before.
fn check<'a>(
    admin: &AdminClient<DefaultClientContext>,
    topics: impl Iterator<Item = &'a Topic>,
) -> Result<(), KafkaError> {
    for topic in topics {
        let what = || format!("describe the topic `{}`", topic.name);
        let metadata = admin.inner().fetch_metadata(Some(&topic.name), TIMEOUT);
        let metadata = metadata.map_err(|error| KafkaError::request(what(), error))?;
        let found = metadata.topics().first().map_or(0, |it| it.partitions().len());
        // More partitions would break the order of a key only while they are added.
        if found < topic.partitions {
            let (topic, expected) = (topic.name.clone(), topic.partitions);
            return Err(KafkaError::Partitions { topic, found, expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_names_of_the_documentation() {
        let names: Vec<String> = Topics::new("ciro").all().into_iter().map(|it| it.name).collect();
        let page = include_str!("../../../../docs/kafka.md");
        for name in &names {
            assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/kafka.md");
        }
        assert_eq!(names.len(), 14);
    }
}
