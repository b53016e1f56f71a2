//! What a node has to do with Apache Kafka: it publishes what the ledger did, and takes in what
//! others have put there.
//!
//! The ledger is the queue of record and Kafka is transport: whatever a cluster loses is published
//! again, and whatever it repeats or invents is judged as if it had come over HTTP.

mod cursor;
mod ingress;
mod offers;
mod outbox;
pub mod records;
mod republish;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ciro_queue::kafka::{KafkaError, KafkaSettings, Topics, Writer};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::BusConfig;
use crate::driver::Shared;
use crate::ingress::Admission;
use crate::metrics::Metrics;
use crate::store::StateStore;

pub use cursor::CursorError;

/// The pause after a cluster that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// The folder of cursors in a node's folder.
const FOLDER: &str = "kafka";

/// What the tasks of a bus work with.
#[derive(Debug)]
pub struct Parts {
    /// The state.
    pub store: Arc<StateStore>,
    /// The gate for transactions.
    pub admission: Arc<Admission>,
    /// What the threads tell.
    pub shared: Arc<Shared>,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the node stops.
    pub stopped: watch::Receiver<bool>,
}

/// A node's part in a cluster: tasks that end with the node.
#[derive(Debug)]
pub struct Bus {
    tasks: JoinHandle<()>,
}

/// What all tasks share.
#[derive(Debug)]
struct Common {
    parts: Parts,
    settings: KafkaSettings,
    config: BusConfig,
    topics: Topics,
    writer: Writer,
    folder: PathBuf,
}

impl Bus {
    /// Begins to publish and to read. That no broker answers is no error: the bus waits for one.
    ///
    /// # Errors
    ///
    /// [`KafkaError`] if no client can be made of the settings.
    pub fn start(
        folder: &Path,
        (settings, config): (&KafkaSettings, &BusConfig),
        parts: Parts,
    ) -> Result<Self, KafkaError> {
        let common = Arc::new(Common {
            parts,
            settings: settings.clone(),
            config: config.clone(),
            topics: Topics::new(&settings.prefix),
            writer: Writer::open(settings)?,
            folder: folder.join(FOLDER),
        });
        let mut stopped = common.parts.stopped.clone();
        let tasks = tokio::spawn(async move {
            tokio::select! {
                () = run(common) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
        Ok(Self { tasks })
    }

    /// Waits until all has ended, which it does once the node stops.
    pub async fn ended(self) {
        if self.tasks.await.is_err() {
            tracing::error!("a task of the bus panicked");
        }
    }
}

/// Makes the topics if it is to, then does all the rest until it is dropped.
async fn run(common: Arc<Common>) {
    if common.config.create_topics {
        create_topics(&common).await;
    }
    let mut tasks = JoinSet::new();
    for sink in outbox::Sink::ALL {
        tasks.spawn(outbox::run(Arc::clone(&common), sink));
    }
    tasks.spawn(republish::run(Arc::clone(&common)));
    for source in ingress::Source::all() {
        tasks.spawn(ingress::run(Arc::clone(&common), source));
    }
    // None of them ends while the node runs, unless it cannot go on: then the node stops, and
    // whoever looks after it hears why.
    if let Some(ended) = tasks.join_next().await {
        let reason = match ended {
            Ok(reason) => reason,
            Err(error) => format!("a task panicked: {error}"),
        };
        common.parts.shared.fail(format!("Kafka: {reason}"));
    }
}

/// Creates topics, however long that takes.
async fn create_topics(common: &Common) {
    let replication = i32::from(common.config.replication);
    loop {
        match common.topics.create(&common.settings, replication).await {
            Ok(created) => {
                tracing::info!(created = created.len(), "the topics are there");
                return;
            }
            Err(error) => tracing::warn!(%error, "the topics are not there"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Common {
    /// Reads the state, away from the threads that serve connections.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&crate::store::Snapshot) -> Result<T, crate::store::StoreError>
        + Send
        + 'static,
    ) -> Result<T, String> {
        let store = Arc::clone(&self.parts.store);
        let looked = tokio::task::spawn_blocking(move || look(&store.snapshot()?)).await;
        let looked = looked.map_err(|_| "reading the state panicked".to_owned())?;
        looked.map_err(|error| format!("the state cannot be read: {error}"))
    }
}
