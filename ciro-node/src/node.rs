//! A running node: its stores, its threads, and its interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ciro_consensus::{Input, Operation, Record, ReplicaId, Timer};
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::chain::{ChainSpec, Genesis};
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::sign::{Address, SecretKey};
use ciro_store::{FileDisk, Recovery, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api::{self, ApiState};
use crate::blobs::{BlobLimits, Blobs, Needed};
use crate::bodies::{self, Bodies, Recovered};
use crate::bus::Bus;
use crate::config::{ADDRESS_FILE, Config, KEY_FILE};
use crate::driver::{Alone, ConsensusThread, ExecutionThread, Opening, Shared, Transport};
use crate::genesis::{check_genesis, read_genesis};
use crate::ingress::{Admission, BatchSettings, Batcher, Pending, PendingLimits};
use crate::links::Remoteness;
use crate::members::Members;
use crate::metrics::Metrics;
use crate::net::{Courier, Holding, Service};
use crate::proofs::Verifier;
use crate::start_error::StartError;
use crate::store::StateStore;
use crate::validity::Validity;

/// Inputs of consensus that wait at most.
const INPUTS_MAX: usize = 4096;
/// What consensus may have asked of execution at once: one block, and few words about checkpoints.
const JOBS_MAX: usize = 64;

/// A running node.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    shared: Arc<Shared>,
    consensus: ConsensusThread,
    execution: std::thread::JoinHandle<()>,
    inputs: SyncSender<Input>,
    batcher: JoinHandle<()>,
    server: JoinHandle<()>,
    bus: Option<Bus>,
    stop_server: tokio::sync::watch::Sender<bool>,
    /// The way to other validators, if there are any.
    net: Option<crate::net::Running>,
}

impl Node {
    /// Starts the node of a folder and waits until its interface listens. `listen` goes before the
    /// address of `node.toml`.
    ///
    /// # Errors
    ///
    /// [`StartError`] naming what is not usable.
    pub async fn start(folder: &Path, listen: Option<SocketAddr>) -> Result<Self, StartError> {
        let mut config = Config::read(folder)?;
        config.api.listen = listen.unwrap_or(config.api.listen);
        let genesis = read_genesis(folder)?;
        let key = crate::secret::read(&folder.join(KEY_FILE))?;
        let id = check_genesis(&genesis, &key, config.validator)?;
        let parts = Parts::open(folder, &config, (genesis, id, key.address()))?;
        parts.run(folder, config, (id, key)).await
    }

    /// Returns where the interface listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what everybody may look at and wait for.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until the node cannot go on, and returns why.
    pub async fn failed(&self) -> String {
        let mut fatal = self.shared.fatal();
        match fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.as_ref().map_or_else(String::new, |fatal| fatal.0.clone()),
            Err(_) => "the node has ended".to_owned(),
        }
    }

    /// Stops: no more requests, no more batches, then the threads.
    pub async fn stop(self) {
        self.stop_server.send_replace(true);
        self.batcher.abort();
        // Whoever aborts a task gets its cancellation as an error.
        let _ = self.batcher.await;
        if tokio::time::timeout(Duration::from_secs(5), self.server).await.is_err() {
            tracing::warn!("requests that were being served are cut off");
        }
        if let Some(bus) = self.bus {
            bus.ended().await;
        }
        self.shared.stop();
        // Any input wakes consensus up; a timer that nobody has set changes nothing.
        let _ = self.inputs.try_send(Input::Timeout(Timer::Resend));
        drop(self.inputs);
        let (consensus, execution) = (self.consensus, self.execution);
        let joined = tokio::task::spawn_blocking(move || {
            let consensus = consensus.join();
            consensus && execution.join().is_ok()
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread panicked");
        }
        if let Some(net) = self.net {
            net.abort();
            // Whoever aborts a task gets its cancellation as an error.
            let _ = net.await;
        }
    }
}

/// The name of the ledger's file in a node's folder.
pub(crate) const LEDGER_FILE: &str = "ledger.redb";

/// What a node keeps on disk, opened.
struct Parts {
    genesis: Genesis,
    chain: Chain,
    members: Arc<Members>,
    store: Arc<StateStore>,
    bodies: Arc<Bodies>,
    /// Batches that may not be executed yet.
    recovered: Recovered,
    blobs: Arc<Blobs>,
    validity: Arc<Validity>,
    metrics: Metrics,
    log: Log,
}

/// The log of consensus.
type Log = ciro_store::Opened<ciro_consensus::crypto::Stark, FileDisk>;

impl Parts {
    fn open(
        folder: &Path,
        config: &Config,
        (genesis, id, address): (Genesis, ReplicaId, Address),
    ) -> Result<Self, StartError> {
        let consensus = genesis.consensus()?;
        let chain = Chain(consensus.chain);
        let (computed, first) = ciro_ledger::genesis(genesis.spec.clone())?;
        if computed.state_root != genesis.state_root {
            return Err(StartError::GenesisRoot);
        }
        // The log's lock is the node's: whoever holds it may write everything else.
        let disk =
            FileDisk::open(&folder.join("consensus")).map_err(ciro_store::StoreError::from)?;
        let options = StoreOptions { recovery: Recovery::Strict, ..StoreOptions::default() };
        let log = Store::open(disk, consensus.message_domain(), options)?;
        let metrics = Metrics::new();
        let store = Arc::new(StateStore::open(&folder.join(LEDGER_FILE), &genesis, &first)?);
        let (head, own) = (store.snapshot()?.head()?, SubmitterId(u64::from(id.0)));
        let after = (head.height.max(stable(&log)), &head.nonces);
        let recovery = bodies::Recovery::new(after, &genesis.spec.params(), own);
        let waits = |batch: &SignedBatch, kind| recovery.keep(batch, kind);
        let (bodies, recovered) = Bodies::open(&folder.join("bodies"), (chain, own), waits)?;
        let limits = &genesis.spec.limits;
        let limits = BlobLimits {
            total_bytes: config.blobs.bytes_max,
            files: config.blobs.files_max,
            blob_bytes: limits.model_bytes.max(limits.input_bytes).max(limits.bundle_bytes),
            judged_bytes: limits.bundle_bytes.max(10_240),
        };
        let blobs = Arc::new(Blobs::open(&folder.join("blobs"), limits)?);
        metrics.blobs(blobs.taken());
        let threads = match config.verify.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let spec = Arc::new(genesis.spec.clone());
        let members = Arc::new(Members::new(Arc::clone(&spec), (id, address)));
        members.update(&store.snapshot()?)?;
        let proofs = Verifier::new(metrics.clone());
        let judged = (chain, spec, Arc::clone(&members));
        let validity = Validity::new(judged, Arc::clone(&blobs), proofs, threads)?;
        let (bodies, validity) = (Arc::new(bodies), Arc::new(validity));
        Ok(Self {
            genesis,
            chain,
            members,
            store,
            bodies,
            recovered,
            blobs,
            validity,
            metrics,
            log,
        })
    }

    async fn run(
        mut self,
        folder: &Path,
        config: Config,
        (id, key): (ReplicaId, SecretKey),
    ) -> Result<Node, StartError> {
        let listener = TcpListener::bind(config.api.listen).await;
        let listening = |source| StartError::Listen { address: config.api.listen, source };
        let listener = listener.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let signer = key.address();
        let recovered = std::mem::take(&mut self.recovered);
        let held: Vec<Operation> = recovered.operations().collect();
        let signing = crate::secret::read(&folder.join(KEY_FILE))?;
        let members = Arc::clone(&self.members);
        let remote = Remoteness::read(folder, &config, &self.genesis.spec)?;
        let started = self.start_threads(&config, (id, signing), (&remote, &key, &held))?;
        let (threads, parts, courier) = started;
        let Threads { shared, pending, inputs, nonces, .. } = &threads;
        let submitter = SubmitterId(u64::from(id.0));
        for batch in &recovered.own {
            pending.recover(&batch.body.txs);
        }
        let known = recovered.own.iter().map(|batch| batch.body.nonce);
        let last = known.chain(nonces.get(&submitter.0).copied()).max().unwrap_or(0);
        let tick = Duration::from_millis(parts.genesis.spec.time.tick_ms);
        let (chain, next_nonce) = (parts.chain, last + 1);
        let settings = BatchSettings { chain, submitter, key, next_nonce, tick };
        let hurry = Arc::new(AtomicUsize::new(0));
        let tools = (Arc::clone(&parts.bodies), Arc::clone(&parts.validity), members);
        let driver = (inputs.clone(), Arc::clone(shared), Arc::clone(&hurry));
        let batcher = Batcher::new(settings, Arc::clone(pending), tools, driver);
        let batcher = batcher.with_courier(courier);
        let batcher = tokio::spawn(batcher.run(recovered));
        let (stop_server, stopped) = tokio::sync::watch::channel(false);
        let state = parts.interface(&threads, (submitter, signer), (hurry, stopped), &config);
        let router = api::router(state.clone(), &config.api.cors).map_err(StartError::Origin)?;
        let bus = config
            .kafka
            .as_ref()
            .map(|settings| Bus::start(folder, (settings, &config.bus), state.bus_parts()));
        let bus = bus.transpose()?;
        let server = tokio::spawn(api::serve(listener, router, state));
        write_address(folder, address)?;
        tracing::info!(%address, %chain, "the node runs");
        let Threads { shared, consensus, execution, inputs, net, .. } = threads;
        Ok(Node {
            address,
            shared,
            consensus,
            execution,
            inputs,
            batcher,
            server,
            bus,
            stop_server,
            net,
        })
    }

    /// Makes what lies between the threads.
    fn begin(&self, config: &Config) -> Result<Begun, StartError> {
        let head = self.store.snapshot()?.head()?;
        let params = self.genesis.spec.params();
        let shared = Arc::new(Shared::new(crate::driver::head_of(&head, &params)));
        let limits = PendingLimits {
            bytes: config.mempool.bytes_max,
            per_account: config.mempool.per_account_max,
        };
        let nonces = head.nonces;
        let pending = Arc::new(Pending::new(limits, nonces.clone(), self.metrics.clone()));
        let (store, waiting) = (Arc::clone(&self.store), Arc::clone(&pending));
        let needed = Arc::new(Needed::new(store, waiting));
        needed.look_ahead();
        let (inputs, input_queue) = sync_channel(INPUTS_MAX);
        // The first thing that consensus hears of. The queue is empty.
        let _ = inputs.try_send(Input::Observers(self.members.observers()));
        Ok(Begun { shared, pending, needed, nonces, inputs, input_queue })
    }

    /// Starts execution, and then consensus, which asks it for blocks at once, and the way to other
    /// validators.
    fn start_threads(
        self,
        config: &Config,
        (id, key): (ReplicaId, SecretKey),
        (remote, signer, held): (&Option<Remoteness>, &SecretKey, &[Operation]),
    ) -> Result<Started, StartError> {
        let begun = self.begin(config)?;
        let spec = Arc::new(self.genesis.spec.clone());
        let (link, transport) = match remote {
            Some(remote) => {
                let holding = self.holding(&begun);
                let metrics = self.metrics.clone();
                let network = (self.chain, Arc::clone(&self.members));
                let made = remote.link(network, holding, (held, metrics));
                (Some((made.link, made.queues)), made.transport)
            }
            None => (None, Box::new(Alone) as Box<dyn Transport>),
        };
        let supply = link.as_ref().map(|(link, _)| link.supply.clone());
        let (jobs, job_queue) = sync_channel(JOBS_MAX);
        let execution = ExecutionThread {
            spec: Arc::clone(&spec),
            members: Arc::clone(&self.members),
            store: Arc::clone(&self.store),
            bodies: Arc::clone(&self.bodies),
            pending: Arc::clone(&begun.pending),
            supply: supply.clone(),
            answers: begun.inputs.clone(),
            shared: Arc::clone(&begun.shared),
            metrics: self.metrics.clone(),
        }
        .start(job_queue)?;
        let mut genesis = self.genesis.consensus()?;
        genesis.pin = config.pin;
        let consensus = ConsensusThread::start(Opening {
            genesis,
            id,
            key: key.into_consensus(),
            opened: self.log,
            inputs: begun.input_queue,
            answers: begun.inputs.clone(),
            execution: jobs,
            transport,
            bodies: Arc::clone(&self.bodies),
            validity: Arc::clone(&self.validity),
            supply,
            shared: Arc::clone(&begun.shared),
            metrics: self.metrics.clone(),
        })?;
        let (link, net) = match (link, remote) {
            (Some((link, queues)), Some(remote)) => {
                let from = (Arc::clone(&link.service), queues, begun.inputs.clone());
                (Some(link), Some(remote.start((self.chain, id, signer), from)?))
            }
            _ => (None, None),
        };
        let Begun { shared, pending, needed, nonces, inputs, .. } = begun;
        let threads = Threads { shared, pending, consensus, execution, inputs, nonces, net };
        let (genesis, chain, store, bodies) = (self.genesis, self.chain, self.store, self.bodies);
        let (blobs, validity, metrics) = (self.blobs, self.validity, self.metrics);
        let service = link.as_ref().map(|link| Arc::clone(&link.service));
        let courier = link.map(|link| link.courier);
        let shown = Shown {
            genesis,
            chain,
            spec,
            members: self.members,
            store,
            bodies,
            blobs,
            needed,
            service,
            validity,
            metrics,
        };
        Ok((threads, shown, courier))
    }

    /// Returns what other validators may ask for.
    fn holding(&self, begun: &Begun) -> Holding {
        Holding {
            bodies: Arc::clone(&self.bodies),
            blobs: Arc::clone(&self.blobs),
            needed: Arc::clone(&begun.needed),
            store: Arc::clone(&self.store),
            pending: Arc::clone(&begun.pending),
            validity: Arc::clone(&self.validity),
            inputs: begun.inputs.clone(),
            shared: Arc::clone(&begun.shared),
        }
    }
}

/// Returns the last stable checkpoint of a log.
fn stable(log: &Log) -> u64 {
    let stable = log.records.iter().filter_map(|record| match record {
        Record::Base(base) => Some(base.checkpoint.seq.0),
        Record::Stable(checkpoint) => Some(checkpoint.seq.0),
        _ => None,
    });
    stable.max().unwrap_or(0)
}

/// What lies between the threads before they are started.
struct Begun {
    shared: Arc<Shared>,
    pending: Arc<Pending>,
    needed: Arc<Needed>,
    nonces: BTreeMap<u64, u64>,
    inputs: SyncSender<Input>,
    input_queue: Receiver<Input>,
}

/// What runs, what the interface shows, and who brings batches to others.
type Started = (Threads, Shown, Option<Courier>);

/// The threads, and what lies between them.
struct Threads {
    net: Option<crate::net::Running>,
    shared: Arc<Shared>,
    pending: Arc<Pending>,
    consensus: ConsensusThread,
    execution: std::thread::JoinHandle<()>,
    inputs: SyncSender<Input>,
    /// The last batch of each submitter that was executed before the start.
    nonces: BTreeMap<u64, u64>,
}

/// What the interface shows.
struct Shown {
    genesis: Genesis,
    chain: Chain,
    spec: Arc<ChainSpec>,
    members: Arc<Members>,
    store: Arc<StateStore>,
    bodies: Arc<Bodies>,
    blobs: Arc<Blobs>,
    needed: Arc<Needed>,
    service: Option<Arc<Service>>,
    validity: Arc<Validity>,
    metrics: Metrics,
}

impl Shown {
    fn interface(
        self,
        threads: &Threads,
        submitter: (SubmitterId, Address),
        (hurry, stopped): (Arc<AtomicUsize>, tokio::sync::watch::Receiver<bool>),
        config: &Config,
    ) -> ApiState {
        let admission = Admission {
            chain: self.chain,
            spec: self.spec,
            submitter,
            store: Arc::clone(&self.store),
            validity: self.validity,
            pending: Arc::clone(&threads.pending),
            members: self.members,
        };
        ApiState::new(api::Parts {
            genesis: Arc::new(self.genesis),
            chain: self.chain,
            store: self.store,
            blobs: self.blobs,
            needed: self.needed,
            service: self.service,
            bodies: self.bodies,
            admission: Arc::new(admission),
            shared: Arc::clone(&threads.shared),
            metrics: self.metrics,
            hurry,
            stopped,
            config: config.api.clone(),
        })
    }
}

/// Says in a file where the interface listens.
fn write_address(folder: &Path, address: SocketAddr) -> Result<(), StartError> {
    Ok(ciro_sdk::files::write(&folder.join(ADDRESS_FILE), format!("{address}\n").as_bytes())?)
}
