//! The thread of consensus: it drains what has come in, steps the replica through all of it, and
//! makes what that asks for durable with one write, before anything leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ciro_consensus::crypto::Stark;
use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::Message;
use ciro_consensus::{
    Block, Digest, Effect, Epoch, Fault, Genesis, Host, Identity, Input, OpenError, Operation,
    Record, Replica, ReplicaId, Seq, StakeChange, StateRequest, Timer, ValidatorSet, Write,
    perform,
};
use ciro_sdk::error_chain;
use ciro_store::{FileDisk, Opened, Store, StoreError};

use super::execution::Job;
use super::shared::Shared;
use super::transport::Transport;
use crate::bodies::Bodies;
use crate::clock::Monotonic;
use crate::metrics::Metrics;
use crate::net::Supply;
use crate::validity::Validity;

/// Inputs that share one write at most.
const GROUP_MAX: usize = 64;
/// The longest sleep without an input or a timer.
const IDLE: Duration = Duration::from_secs(1);

/// Why the thread of consensus ended or did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsensusError {
    /// The replica does not open.
    #[error("the log of consensus is not usable")]
    Open(#[from] OpenError),
    /// Writing the log failed: what is not written down must not be said.
    #[error("the log of consensus cannot be written")]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("no thread for consensus: {0}")]
    Thread(std::io::Error),
}

/// What the thread of consensus begins with.
pub struct Opening {
    /// The chain.
    pub genesis: Genesis<Stark>,
    /// Who this node is.
    pub id: ReplicaId,
    /// Its key.
    pub key: ciro_consensus::crypto::StarkSigningKey,
    /// Its log.
    pub opened: Opened<Stark, FileDisk>,
    /// Where inputs come from.
    pub inputs: Receiver<Input>,
    /// Where inputs go to, for answers that others give.
    pub answers: SyncSender<Input>,
    /// Where blocks are executed.
    pub execution: SyncSender<Job>,
    /// The way to others.
    pub transport: Box<dyn Transport>,
    /// The bodies at hand.
    pub bodies: Arc<Bodies>,
    /// Who judges them.
    pub validity: Arc<Validity>,
    /// What others have, if there are any.
    pub supply: Option<Supply>,
    /// What everybody may look at.
    pub shared: Arc<Shared>,
    /// What is counted.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The running thread.
#[derive(Debug)]
pub struct ConsensusThread(JoinHandle<()>);

impl ConsensusThread {
    /// Opens the replica and lets it run until everybody who could give it inputs has left, or
    /// something fails.
    ///
    /// # Errors
    ///
    /// [`ConsensusError`] if it does not open.
    pub fn start(opening: Opening) -> Result<Self, ConsensusError> {
        let Opening { opened, shared, .. } = &opening;
        for record in &opened.records {
            if let Record::Epoch(proof) = record {
                shared.add_epoch((**proof).clone());
            }
        }
        if let Some(Record::Base(base)) = opened.records.first() {
            shared.certify(base);
        }
        let (runner, effects) = Runner::open(opening)?;
        let thread = std::thread::Builder::new().name("consensus".to_owned());
        let handle = thread.spawn(move || runner.run(effects)).map_err(ConsensusError::Thread)?;
        Ok(Self(handle))
    }

    /// Waits until the thread has ended. Returns false if it panicked.
    pub fn join(self) -> bool {
        self.0.join().is_ok()
    }
}

struct Runner {
    replica: Replica<Stark>,
    inputs: Receiver<Input>,
    clock: Monotonic,
    machine: Machine,
}

/// The host of the replica.
struct Machine {
    store: Store<Stark, FileDisk>,
    timers: BTreeMap<Timer, Instant>,
    answers: SyncSender<Input>,
    execution: SyncSender<Job>,
    transport: Box<dyn Transport>,
    bodies: Arc<Bodies>,
    validity: Arc<Validity>,
    supply: Option<Supply>,
    /// Blocks that a primary keeps in flight at most.
    pipeline: u64,
    shared: Arc<Shared>,
    metrics: Metrics,
    running: bool,
}

impl Runner {
    fn open(opening: Opening) -> Result<(Self, Vec<Effect>), ConsensusError> {
        let Opened { store, records, votes_from, torn_bytes } = opening.opened;
        if torn_bytes > 0 {
            tracing::info!(torn_bytes, "cut off what a crash left of a write");
        }
        let identity = Identity { id: opening.id, key: opening.key, votes_from };
        let clock = Monotonic::start();
        let opened = Replica::open(&opening.genesis, identity, clock.passed(), records)?;
        let (replica, effects) = opened;
        let machine = Machine {
            store,
            timers: BTreeMap::new(),
            answers: opening.answers,
            execution: opening.execution,
            transport: opening.transport,
            bodies: opening.bodies,
            validity: opening.validity,
            supply: opening.supply,
            pipeline: opening.genesis.params.pipeline_depth,
            shared: opening.shared,
            metrics: opening.metrics,
            running: true,
        };
        Ok((Self { replica, inputs: opening.inputs, clock, machine }, effects))
    }

    fn run(mut self, effects: Vec<Effect>) {
        let mut done = perform(effects, &mut self.machine);
        while done.is_ok() && self.machine.running && !self.machine.shared.is_stopping() {
            let Some(inputs) = self.wait() else { break };
            self.machine.metrics.group(u32::try_from(inputs.len()).unwrap_or(u32::MAX));
            let now = self.clock.passed();
            let steps = inputs.into_iter().flat_map(|input| self.replica.step(now, input));
            let effects: Vec<Effect> = steps.collect();
            done = perform(effects, &mut self.machine);
            let (height, view) = (self.replica.executed().0, self.replica.view().0);
            self.machine.metrics.consensus(height, view, self.replica.epoch().0);
        }
        if let Err(error) = done {
            self.machine.shared.fail(error_chain(&ConsensusError::Store(error)));
        }
    }

    /// Waits for inputs and timers, and takes what has come in; `None` once nothing can come any
    /// more.
    fn wait(&mut self) -> Option<Vec<Input>> {
        let due = self.machine.timers.values().min();
        let rest = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        let mut inputs = Vec::new();
        match self.inputs.recv_timeout(rest.min(IDLE)) {
            Ok(Input::Timeout(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(input) => inputs.push(input),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        while inputs.len() < GROUP_MAX
            && let Ok(input) = self.inputs.try_recv()
        {
            inputs.push(input);
        }
        let now = Instant::now();
        let due: Vec<Timer> =
            self.machine.timers.iter().filter(|(_, at)| **at <= now).map(|(it, _)| *it).collect();
        for timer in due {
            self.machine.timers.remove(&timer);
            inputs.push(Input::Timeout(timer));
        }
        Some(inputs)
    }
}

impl Machine {
    /// Hands a block or a wish to the thread of execution. It takes one at a time and has room for
    /// more than consensus asks for at once.
    fn ask(&mut self, job: Job) {
        if self.execution.send(job).is_err() {
            self.shared.fail("the thread of execution has ended");
            self.running = false;
        }
    }
}

impl Host for Machine {
    type Error = StoreError;

    fn persist(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut base = None;
        for write in &writes {
            match write {
                Write::KeepProof(proof) => self.shared.add_epoch((**proof).clone()),
                Write::Compact(records) => base = records.first().cloned().or(base),
                Write::Append(_) => {}
            }
        }
        let started = Instant::now();
        self.store.persist(writes)?;
        self.metrics.persisted(started.elapsed());
        if let Some(Record::Base(base)) = base {
            self.shared.certify(&base);
            self.metrics.certified(base.checkpoint.seq.0);
        }
        Ok(())
    }

    fn is_running(&mut self) -> bool {
        self.running
    }

    fn send(&mut self, to: ReplicaId, message: Arc<Message>) {
        self.transport.send(to, message);
    }

    fn broadcast(&mut self, message: Arc<Message>) {
        self.transport.broadcast(message);
    }

    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>) {
        self.transport.relay(to, operations);
    }

    fn set_timeout(&mut self, timer: Timer, after: Duration) {
        self.timers.insert(timer, Instant::now() + after);
    }

    fn cancel_timeout(&mut self, timer: Timer) {
        self.timers.remove(&timer);
    }

    /// Judges what a proposal orders. Batches that are here were judged before they were written;
    /// others are got from those who have them. Without a batch there is no verdict: unavailable is
    /// not invalid.
    ///
    /// Whoever agrees to a proposal keeps its batches until the block is durable, and longer by the
    /// blocks in flight: a replica that has not executed it yet may still propose them for those.
    fn validate(&mut self, seq: Seq, digest: Digest, operations: Vec<Operation>) {
        let (bodies, answers) = (Arc::clone(&self.bodies), self.answers.clone());
        let (supply, until) = (self.supply.clone(), seq.0.saturating_add(self.pipeline));
        let answer = move |valid| {
            // Consensus asks once: a verdict waits for room. The queue closes when it has ended.
            if answers.send(Input::Verdict { seq, digest, valid }).is_err() {
                tracing::debug!(%seq, "a verdict came after consensus had ended");
            }
        };
        self.validity.spawn(move |_| match (judge(&bodies, &operations, until), supply) {
            (Some(valid), _) => answer(valid),
            (None, Some(supply)) => supply.judge((seq, until), operations, answer),
            (None, None) => {}
        });
    }

    fn execute(&mut self, block: Box<Block>) {
        self.ask(Job::Execute(block));
    }

    fn restore_state(&mut self, seq: Seq, state_root: Digest) {
        self.ask(Job::Restore { seq, state_root });
    }

    fn fetch_state(&mut self, request: StateRequest) {
        self.ask(Job::Fetch(request));
    }

    fn stable(&mut self, seq: Seq, _: Seq) {
        self.ask(Job::Stable(seq));
    }

    fn validators(&mut self, epoch: Epoch, set: Arc<ValidatorSet>) {
        tracing::debug!(%epoch, validators = set.len(), "validators are settled");
    }

    fn stake_refused(&mut self, seq: Seq, changes: Vec<StakeChange>) {
        // The ledger elects whom consensus can count: here the two do not agree on who votes.
        let count = changes.len();
        self.shared.fail(format!("consensus refuses {count} changes of stake of block {seq}"));
        self.running = false;
    }

    fn report(&mut self, evidence: Box<Evidence>) {
        self.metrics.evidence();
        let (offender, rule) = (evidence.offender(), evidence.rule());
        let evidence = hex::encode(evidence.to_bytes());
        tracing::error!(%offender, ?rule, evidence, "a validator broke the protocol");
    }

    fn halt(&mut self, fault: Fault) {
        self.shared.fail(format!("consensus halted: {}", error_chain(&fault)));
        self.running = false;
    }
}

/// Whether the batches behind operations are valid, which then stay until a block is durable;
/// `None` while one is not here.
fn judge(bodies: &Bodies, operations: &[Operation], until: u64) -> Option<bool> {
    let mut kept = operations.iter().map(|it| bodies.keep(it, until));
    kept.try_fold(true, |valid, kept| kept.map(|its| valid && its))
}
