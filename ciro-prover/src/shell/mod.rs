//! The shell around the worker: performs its effects, and tells it what happens.

mod catalog;
mod keep;
mod ledger;
mod perform;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, ModelId, TxId};
use ciro_protocol::provider::DirectKeys;
use ciro_protocol::sign::SecretKey;
use ciro_queue::kafka::{KafkaError, KafkaSettings};
use ciro_sdk::client::{Client, ClientError, SealingSecret};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::executor::{Pool, Unsealing};
use crate::journal::{Journal, JournalError};
use crate::queue::{AnyQueue, Delivery, JobOffer, JobQueue as _, Position, QueueError};
use crate::worker::{Input, Settings, Worker};

use catalog::Catalog;

/// Messages that wait for the worker at most.
const MESSAGES_MAX: usize = 1024;
/// Models that are fetched at once at most.
const FETCHED_MAX: usize = 4;
/// Offers of one model that wait for it at most.
const WAITING_MAX: usize = 256;
/// How often the worker looks at its clock.
const TICK: Duration = Duration::from_millis(100);
/// How often the lag is told.
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
    Model(ModelId),
}

/// What the tasks tell the loop.
#[derive(Debug)]
enum Message {
    Input(Box<Input>),
    Done(Task, Vec<Input>),
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
    running: HashMap<Task, AbortHandle>,
    waiting: BTreeMap<ModelId, Vec<(JobOffer, Position)>>,
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
    let Parts { client, key, settings, classes, kafka, models, direct, pool, data } = parts;
    for name in ["", "models", "inputs", "bundles"] {
        let path = data.join(name);
        std::fs::create_dir_all(&path)
            .map_err(|source| ShellError::Folder { path: path.clone(), source })?;
    }
    let _lock = lock(&data)?;
    let (journal, rows) = Journal::open(&data.join("table"))?;
    let provider = settings.provider;
    let models = (models, settings.cells_per_s);
    let catalog = Catalog::new(client.clone(), pool.clone(), data.join("models"), models);
    let catalog = Arc::new(catalog);
    // What was begun is gone on with, so that its models must be known first.
    for row in rows.iter().filter(|row| !row.state.is_end()) {
        if let Err(error) = catalog.learn(row.order.model).await {
            tracing::warn!(%error, job = %row.job, "the model of a job that was begun is not there");
        }
    }
    learn_direct(&catalog, &direct).await;
    let settings = Settings { models: catalog.served(), ..settings };
    let (tx, mut rx) = mpsc::channel(MESSAGES_MAX);
    let listener = tokio::spawn(ledger::listen(client.clone(), key.address(), tx.clone()));
    let peers = tokio::spawn(ledger::watch_peers(client.clone(), tx.clone()));
    let unsealing = Unsealing { provider, secret: *SealingSecret::bytes_of(&key) };
    let mut shell = Shell {
        worker: Worker::new(settings, rows),
        journal,
        queue: AnyQueue::open(&client, kafka.as_ref(), (provider, &classes))?,
        key: Arc::new(key),
        unsealing,
        client,
        pool,
        catalog,
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

/// Prepares what direct orders may be for: they are held before anybody asks this worker.
async fn learn_direct(catalog: &Catalog, direct: &Direct) {
    for model in &direct.models {
        if let Err(error) = catalog.learn(*model).await {
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
                if let Task::Model(model) = task {
                    for (offer, position) in self.waiting.remove(&model).unwrap_or_default() {
                        self.step(Input::Offer(Box::new(offer), position)).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Takes an offer; one of a model that is not known waits until it is.
    async fn offered(&mut self, delivery: Delivery) -> Result<(), ShellError> {
        let Delivery { position, offer } = delivery;
        let offer = match offer {
            Ok(offer) => offer,
            Err(poison) => {
                if let Err(error) = self.queue.refuse(position, &poison).await {
                    tracing::warn!(%error, "a record that is none stays in the queue");
                }
                return Ok(());
            }
        };
        let model = offer.order.model;
        let known = self.catalog.entry(offer.order.key).is_some()
            || self.catalog.knows(model)
            || !self.catalog.wants(model);
        // The worker declines what it does not know: others may take it.
        if known || !self.may_wait(model) {
            return self.step(Input::Offer(Box::new(offer), position)).await;
        }
        self.waiting.entry(model).or_default().push((offer, position));
        let catalog = Arc::clone(&self.catalog);
        self.spawn(Task::Model(model), async move {
            match catalog.learn(model).await {
                Ok(()) => vec![Input::Models(catalog.served())],
                Err(error) => {
                    tracing::warn!(%model, %error, "a model cannot be proven here");
                    Vec::new()
                }
            }
        });
        Ok(())
    }

    /// Whether one more offer may wait for a model to be fetched. Whoever orders pays little for
    /// it, and models are large.
    fn may_wait(&self, model: ModelId) -> bool {
        match self.waiting.get(&model) {
            Some(offers) => offers.len() < WAITING_MAX,
            None => self.waiting.len() < FETCHED_MAX,
        }
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
        if self.running.contains_key(&task) {
            return;
        }
        let tx = self.tx.clone();
        let handle = tokio::spawn(async move {
            let inputs = work.await;
            // Nobody listens once the worker stops.
            let _ = tx.send(Message::Done(task, inputs)).await;
        });
        self.running.insert(task, handle.abort_handle());
    }
}
