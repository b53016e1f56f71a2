//! The shell around the worker: performs its effects, and tells it what happens.

mod catalog;
mod keep;
mod known;
mod ledger;
mod perform;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, KeyDigest, ModelId, TxId};
use ciro_protocol::order::Mode;
use ciro_protocol::provider::DirectKeys;
use ciro_protocol::sign::SecretKey;
use ciro_queue::kafka::{KafkaError, KafkaSettings};
use ciro_sdk::client::{Client, ClientError, SealingSecret};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::config::Models;
use crate::executor::{Pool, Unsealing};
use crate::journal::{Journal, JournalError};
use crate::queue::{AnyQueue, Delivery, JobOffer, JobQueue as _, Position, QueueError};
use crate::worker::{Input, Row, Settings, Worker, promising};

use catalog::{Catalog, CatalogError, CatalogSettings};
use perform::needs_files;
pub use terms::TermsError;

/// Messages that wait for the worker at most.
const MESSAGES_MAX: usize = 1024;
/// Keys of models that are to be fetched and prepared at most, one after the other.
const LEARNED_MAX: usize = 16;
/// Offers of one key that wait for it at most.
const WAITING_MAX: usize = 256;
/// How often the worker looks at its clock.
const TICK: Duration = Duration::from_millis(100);
/// How often the lag is told, and inputs are removed that nobody needs.
const TELL: Duration = Duration::from_secs(30);
/// How often the operator's wish to drain is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Why a worker stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShellError {
    /// The network.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The table.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A folder.
    #[error("cannot use the folder `{}`", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Offers come no more. A worker that went on would idle for ever.
    #[error("offers come no more")]
    Queue(#[from] QueueError),
    /// The terms of direct orders cannot be kept.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// Another worker has the folder.
    #[error("another worker runs on `{}`", .0.display())]
    Locked(PathBuf),
}

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts {
    /// The node.
    pub client: Client,
    /// The provider's key.
    pub key: SecretKey,
    /// What the operator decides; its models are found as they come.
    pub settings: Settings,
    /// The classes that are taken.
    pub classes: Vec<ciro_protocol::order::Class>,
    /// Where offers come from; without it, from the node.
    pub kafka: Option<KafkaSettings>,
    /// Models that are proven; empty for all.
    pub models: BTreeSet<ModelId>,
    /// Programs that are run and proven.
    pub programs: Models,
    /// The longest model that is fetched, in bytes.
    pub model_bytes_max: u64,
    /// What direct orders may be for.
    pub direct: Direct,
    /// The children.
    pub pool: Pool,
    /// Where everything is kept.
    pub data: PathBuf,
}

/// What direct orders may be for.
#[derive(Clone, Debug)]
pub struct Direct {
    /// The models that the operator names, which must be known before such an order comes.
    pub models: Vec<ModelId>,
    /// The keys that the provider's terms name on the ledger.
    pub keys: DirectKeys,
    /// The longest input that such an order may have by those terms, in bytes.
    pub input_bytes_max: u64,
}

/// One thing that is being done; doing it twice at once is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Task {
    Ask(JobId),
    Send(TxId),
    Unjail,
    Look(JobId, u8),
    Fetch(BlobId),
    Store(BlobId),
    Prove(JobId, u8),
    Model(ModelId, KeyDigest),
}

/// What the tasks tell the loop.
#[derive(Debug)]
enum Message {
    Input(Box<Input>),
    Done(Task, Vec<Input>),
    /// What came of [`Task::Model`].
    Learned((ModelId, KeyDigest), Result<(), CatalogError>),
}

/// The shell.
struct Shell {
    worker: Worker,
    journal: Journal,
    queue: AnyQueue,
    key: Arc<SecretKey>,
    unsealing: Unsealing,
    client: Client,
    pool: Pool,
    catalog: Arc<Catalog>,
    /// What the operator decides, without models.
    settings: Settings,
    running: HashMap<Task, AbortHandle>,
    waiting: BTreeMap<(ModelId, KeyDigest), Vec<(JobOffer, Position)>>,
    tx: mpsc::Sender<Message>,
    begun: Instant,
    data: PathBuf,
}

/// Runs a worker until `stop` ends, or until it is drained.
///
/// # Errors
///
/// [`ShellError`] if it cannot begin, or its disk fails.
pub async fn run(parts: Parts, stop: impl Future<Output = ()>) -> Result<(), ShellError> {
    let Parts { client, key, settings, classes, kafka, direct, pool, data, .. } = parts;
    for name in ["", "models", "inputs", "bundles"] {
        let path = data.join(name);
        std::fs::create_dir_all(&path)
            .map_err(|source| ShellError::Folder { path: path.clone(), source })?;
    }
    let _lock = lock(&data)?;
    let (mut journal, rows) = Journal::open(&data.join("table"))?;
    let rows = claimed(&mut journal, rows)?;
    let provider = settings.provider;
    let catalog = CatalogSettings {
        folder: data.join("models"),
        chosen: parts.models,
        programs: parts.programs,
        bytes_max: parts.model_bytes_max,
        direct: direct.clone(),
        worker: settings.clone(),
    };
    let catalog = Arc::new(Catalog::new(client.clone(), pool.clone(), catalog));
    // What was begun is gone on with, so that its models must be known first.
    for row in rows.iter().filter(|row| !row.state.is_end()) {
        if catalog.has_tried(row.order.model, row.order.key) {
            continue;
        }
        if let Err(error) = catalog.learn(row.order.model, |key| key == row.order.key).await {
            tracing::warn!(%error, job = %row.job, "the model of a job that was begun is not there");
        }
    }
    learn_direct(&catalog, &direct).await;
    let kept = terms::check(&settings, &direct, &catalog.served());
    if rows.iter().all(|row| row.state.is_end()) {
        kept?;
    } else if let Err(error) = kept {
        tracing::error!(%error, "what is held is gone on with; the next start is refused");
    }
    catalog.sweep();
    let known = Settings { models: catalog.served(), ..settings.clone() };
    let (tx, mut rx) = mpsc::channel(MESSAGES_MAX);
    let listener = tokio::spawn(ledger::listen(client.clone(), key.address(), tx.clone()));
    let peers = tokio::spawn(ledger::watch_peers(client.clone(), tx.clone()));
    let unsealing = Unsealing { provider, secret: *SealingSecret::bytes_of(&key) };
    let mut shell = Shell {
        worker: Worker::new(known, rows),
        journal,
        queue: AnyQueue::open(&client, kafka.as_ref(), (provider, &classes))?,
        key: Arc::new(key),
        unsealing,
        client,
        pool,
        catalog,
        settings,
        running: HashMap::new(),
        waiting: BTreeMap::new(),
        tx,
        begun: Instant::now(),
        data,
    };
    shell.sweep();
    let done = shell.turn(&mut rx, stop).await;
    listener.abort();
    peers.abort();
    shell.running.values().for_each(AbortHandle::abort);
    shell.journal.sync()?;
    done
}

/// Lets go of what was not claimed: the queue brings it again while it is open, so that no model
/// has to be known for it before what is held is gone on with.
fn claimed(journal: &mut Journal, rows: Vec<Row>) -> Result<Vec<Row>, ShellError> {
    let (loose, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| !row.state.is_end() && !row.state.is_busy());
    for row in loose {
        journal.forget(row.job, row.attempt)?;
    }
    Ok(rows)
}

/// Prepares what direct orders may be for: they are held before anybody asks this worker.
async fn learn_direct(catalog: &Catalog, direct: &Direct) {
    for model in &direct.models {
        let wanted = |key| direct.keys.admit(key) && !catalog.has_tried(*model, key);
        if let Err(error) = catalog.learn(*model, wanted).await {
            tracing::error!(%error, %model, "a model of `provider.direct.models` is not proven here");
        }
    }
    for key in catalog.missing(&direct.keys) {
        tracing::error!(
            %key,
            "direct orders may be for a key that is not proven here, and giving one back costs \
             collateral: change `provider.direct.models` and run `ciro-prover register`"
        );
    }
}

/// Takes the folder for this process alone, for as long as the file is open.
fn lock(data: &std::path::Path) -> Result<std::fs::File, ShellError> {
    let path = data.join("lock");
    let failed = |source| ShellError::Folder { path: path.clone(), source };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ShellError::Locked(data.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

impl Shell {
    async fn turn(
        &mut self,
        rx: &mut mpsc::Receiver<Message>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ShellError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut looked, mut told) = (Instant::now(), Instant::now());
        let mut draining = false;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                Some(message) = rx.recv() => self.hear(message).await?,
                delivery = self.queue.next() => self.offered(delivery?).await?,
                _ = tick.tick() => self.step(Input::Tick).await?,
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                let lag = self.queue.lag();
                tracing::info!(records = lag.records, oldest_ms = lag.oldest_ms, "lag");
                self.sweep();
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if !draining && self.data.join("drain").exists() {
                    tracing::info!("drains: nothing more is claimed");
                    draining = true;
                    self.step(Input::Drain).await?;
                }
                if draining && self.worker.busy() == 0 {
                    tracing::info!("is drained");
                    return Ok(());
                }
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), ShellError> {
        match message {
            Message::Input(input) => self.step(*input).await,
            Message::Done(task, inputs) => {
                self.running.remove(&task);
                for input in inputs {
                    self.step(input).await?;
                }
                Ok(())
            }
            Message::Learned(key, learned) => self.learned(key, &learned).await,
        }
    }

    /// Goes on with the offers that waited for a key. The first one's word on what its model is
    /// worth counts for itself alone: whoever orders first may pay the least.
    async fn learned(
        &mut self,
        (model, key): (ModelId, KeyDigest),
        learned: &Result<(), CatalogError>,
    ) -> Result<(), ShellError> {
        self.running.remove(&Task::Model(model, key));
        if learned.is_ok() {
            self.step(Input::Models(self.catalog.served())).await?;
        }
        self.trim_models().await?;
        let waiting = self.waiting.remove(&(model, key)).unwrap_or_default();
        for (at, (offer, position)) in waiting.into_iter().enumerate() {
            match learned {
                // One leaves each time, so that this ends.
                Err(CatalogError::Denied(_)) if at > 0 => self.take(offer, position).await?,
                // That says nothing of the model.
                Err(CatalogError::Client(_) | CatalogError::File(_)) => {
                    self.let_go(offer, position).await?;
                }
                _ => self.step(Input::Offer(Box::new(offer), position)).await?,
            }
        }
        Ok(())
    }

    /// Forgets models that were used longest ago, once there are too many. Nothing is begun in
    /// between that needs one of them.
    async fn trim_models(&mut self) -> Result<(), ShellError> {
        let rows = self.worker.rows().filter(|row| needs_files(row));
        let needed = rows.map(|row| row.order.key).collect();
        if self.catalog.trim(&needed) {
            self.step(Input::Models(self.catalog.served())).await?;
        }
        Ok(())
    }

    /// Takes what the queue brings.
    async fn offered(&mut self, delivery: Delivery) -> Result<(), ShellError> {
        let Delivery { position, offer } = delivery;
        match offer {
            Ok(offer) => self.take(offer, position).await,
            Err(poison) => {
                if let Err(error) = self.queue.refuse(position, &poison).await {
                    tracing::warn!(%error, "a record that is none stays in the queue");
                }
                Ok(())
            }
        }
    }

    /// Takes an offer; one of a key that is not known waits until it is, if it may be worth it.
    async fn take(&mut self, offer: JobOffer, position: Position) -> Result<(), ShellError> {
        let order = &offer.order;
        let (model, key) = (order.model, order.key);
        let cells = self.catalog.cells_of(model, key);
        let wanted = promising(&self.settings, order, cells).is_ok()
            && self.catalog.wants(model)
            && !self.catalog.has_tried(model, key);
        // The worker declines what it does not know: others may take it.
        if !wanted {
            return self.step(Input::Offer(Box::new(offer), position)).await;
        }
        if !self.may_wait((model, key)) {
            return self.let_go(offer, position).await;
        }
        let (catalog, order) = (Arc::clone(&self.catalog), order.clone());
        self.waiting.entry((model, key)).or_default().push((offer, position));
        self.begin(Task::Model(model, key), async move {
            let learned = catalog.learn_for(&order).await;
            if let Err(error) = &learned {
                tracing::warn!(%model, %key, %error, "a model cannot be proven here");
            }
            Message::Learned((model, key), learned)
        });
        Ok(())
    }

    /// Whether one more offer may wait for a model to be fetched. Whoever orders pays little for
    /// it, and models are large.
    fn may_wait(&self, key: (ModelId, KeyDigest)) -> bool {
        match self.waiting.get(&key) {
            Some(offers) => offers.len() < WAITING_MAX,
            None => self.waiting.len() < LEARNED_MAX,
        }
    }

    /// Lets an offer go that finds too many before it; it comes again. What is held already goes
    /// back to the ledger instead.
    async fn let_go(&mut self, offer: JobOffer, position: Position) -> Result<(), ShellError> {
        if offer.order.offer.mode != Mode::Open {
            return self.step(Input::Offer(Box::new(offer), position)).await;
        }
        self.queue.again(Some(position));
        if let Err(error) = self.queue.ack(position).await {
            tracing::warn!(%error, "a record will come again");
        }
        Ok(())
    }

    /// Lets the worker take a step and performs what it wants.
    async fn step(&mut self, input: Input) -> Result<(), ShellError> {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        for effect in self.worker.step(now, input) {
            self.perform(effect).await?;
        }
        Ok(())
    }

    /// Does something beside the loop, unless it is being done.
    fn spawn(&mut self, task: Task, work: impl Future<Output = Vec<Input>> + Send + 'static) {
        self.begin(task, async move { Message::Done(task, work.await) });
    }

    /// As [`spawn`](Self::spawn), with a message of its own at the end.
    fn begin(&mut self, task: Task, work: impl Future<Output = Message> + Send + 'static) {
        if self.running.contains_key(&task) {
            return;
        }
        let tx = self.tx.clone();
        let handle = tokio::spawn(async move {
            let message = work.await;
            // Nobody listens once the worker stops.
            let _ = tx.send(message).await;
        });
        self.running.insert(task, handle.abort_handle());
    }
}
