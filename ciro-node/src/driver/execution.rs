//! The thread of execution: it owns the writing of the state.
//!
//! What consensus has committed stays as it is, so a block is executed once. After a restart
//! consensus begins at its last checkpoint and asks for later blocks again: those that the state
//! still holds are answered from it, the others are executed from their bodies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Instant;

use ciro_consensus::{
    Block, Digest, Input, Operation, Params, ReplicaId, Seq, StakeChange, StateRequest,
};
use ciro_ledger::state::{KEYS, OFFENCES, SETS};
use ciro_ledger::{Seat, StateError};
use ciro_protocol::api::Head;
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::{ChainSpec, Word};
use ciro_protocol::economy::Offence;
use ciro_protocol::id::TxId;
use ciro_sdk::error_chain;

use super::shared::Shared;
use crate::bodies::{Bodies, BodiesError};
use crate::ingress::Pending;
use crate::members::{Members, MembersError};
use crate::metrics::Metrics;
use crate::net::Supply;
use crate::store::{Executed, HeadRow, StateStore, StoreError};

/// What consensus asks of the thread.
#[derive(Debug)]
pub enum Job {
    /// Execute the next block.
    Execute(Box<Block>),
    /// Go back to the state after a block.
    Restore {
        /// The block.
        seq: Seq,
        /// The root of the state after it.
        state_root: Digest,
    },
    /// Come to the state after a certified block with what others have executed.
    Fetch(StateRequest),
    /// A checkpoint became stable.
    Stable(Seq),
}

/// Why a block is not executed. The node must stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// The state cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger finds its state broken.
    #[error("the ledger's state is broken")]
    State(#[from] StateError),
    /// Bodies cannot be read.
    #[error(transparent)]
    Bodies(#[from] BodiesError),
    /// It cannot be said who votes.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// A body that was durable is gone.
    #[error("block {height} names a batch that is not here any more: `bodies` has lost a file")]
    NoBody {
        /// The block.
        height: Seq,
    },
    /// The state after a block is another one than consensus knows.
    #[error("the state after block {height} has the root {got}, consensus knows {expected}")]
    Root {
        /// The block.
        height: Seq,
        /// The root of the state.
        got: Digest,
        /// The root that consensus knows.
        expected: Digest,
    },
    /// Another block was executed in this place.
    #[error("block {height} was executed as {got}, consensus now says {expected}")]
    Fork {
        /// The block.
        height: Seq,
        /// The digest of what was executed.
        got: String,
        /// The digest of what consensus says.
        expected: Digest,
    },
    /// The system gives no thread.
    #[error("no thread for execution: {0}")]
    Thread(std::io::Error),
}

/// What the thread works with.
#[derive(Debug)]
pub struct ExecutionThread {
    /// The network's specification.
    pub spec: Arc<ChainSpec>,
    /// Who votes.
    pub members: Arc<Members>,
    /// The state.
    pub store: Arc<StateStore>,
    /// The bodies of batches.
    pub bodies: Arc<Bodies>,
    /// Transactions that wait.
    pub pending: Arc<Pending>,
    /// What others have, if there are any.
    pub supply: Option<Supply>,
    /// Where consensus hears of it.
    pub answers: SyncSender<Input>,
    /// What everybody may look at.
    pub shared: Arc<Shared>,
    /// What is counted.
    pub metrics: Metrics,
}

/// The thread at work.
pub(super) struct Worker {
    pub(super) tools: ExecutionThread,
    params: Params,
    pub(super) head: HeadRow,
    /// Validators that served history badly or slowly: they are asked last.
    pub(super) doubted: BTreeSet<ReplicaId>,
    /// The stable checkpoint before the last one: trees before it are not asked for any more.
    keep_from: Seq,
    stable: Seq,
}

impl ExecutionThread {
    /// Runs until consensus has left, or something fails.
    ///
    /// # Errors
    ///
    /// [`ExecutionError`] if the state cannot be read.
    pub fn start(self, jobs: Receiver<Job>) -> Result<JoinHandle<()>, ExecutionError> {
        let mut worker = Worker::new(self)?;
        let thread = std::thread::Builder::new().name("execution".to_owned());
        let run = move || {
            for job in jobs {
                if let Err(error) = worker.perform(job) {
                    return worker.tools.shared.fail(error_chain(&error));
                }
            }
        };
        thread.spawn(run).map_err(ExecutionError::Thread)
    }
}

/// A block as it was ordered.
#[derive(Clone, Copy)]
pub(super) struct Ordered<'a> {
    pub(super) height: Seq,
    /// The proposal's digest.
    pub(super) proposal: Digest,
    /// The digest of what is executed of it.
    pub(super) executed: Digest,
    /// The root of the state after it, if that is certified already.
    pub(super) certified: Option<Digest>,
    pub(super) batches: &'a [Batch],
    pub(super) punish: &'a [Offence],
}

impl Worker {
    /// Begins where the state is.
    pub(super) fn new(tools: ExecutionThread) -> Result<Self, StoreError> {
        Ok(Self {
            head: tools.store.snapshot()?.head()?,
            params: tools.spec.params(),
            tools,
            doubted: BTreeSet::new(),
            keep_from: Seq::ZERO,
            stable: Seq::ZERO,
        })
    }

    fn perform(&mut self, job: Job) -> Result<(), ExecutionError> {
        match job {
            Job::Execute(block) => {
                let (state_root, changes) = self.execute(&block)?;
                // Consensus has left if nobody takes it: the thread ends with its last job.
                let answer = Input::Executed { seq: block.seq, state_root, changes };
                let _ = self.tools.answers.send(answer);
                Ok(())
            }
            Job::Restore { seq, state_root } => self.restore(seq, state_root),
            Job::Fetch(request) => self.fetch(&request),
            Job::Stable(seq) => self.forget(seq),
        }
    }

    /// Checks that the state has been where consensus begins.
    pub(super) fn restore(&self, seq: Seq, expected: Digest) -> Result<(), ExecutionError> {
        let row = self.tools.store.snapshot()?.block(seq.0)?;
        let got = row.ok_or(StoreError::NoBlock { height: seq.0 })?.words.root();
        if got == expected {
            Ok(())
        } else {
            Err(ExecutionError::Root { height: seq, got, expected })
        }
    }

    /// Executes a block, or finds what executing it gave: the root of the state after it, and who
    /// votes two epochs later.
    fn execute(&mut self, block: &Block) -> Result<(Digest, Vec<StakeChange>), ExecutionError> {
        let (height, expected) = (block.seq, block.digest);
        if height.0 > self.head.height {
            return self.execute_new(block);
        }
        let row = self.tools.store.snapshot()?.block(height.0)?;
        let row = row.ok_or(StoreError::NoBlock { height: height.0 })?;
        if row.digest != *expected.as_bytes() {
            let got = hex::encode(row.digest);
            return Err(ExecutionError::Fork { height, got, expected });
        }
        Ok((row.words.root(), changes(&row.changes)))
    }

    fn execute_new(&mut self, block: &Block) -> Result<(Digest, Vec<StakeChange>), ExecutionError> {
        let height = block.seq;
        let batches = self.batches(height, &block.operations)?;
        let durable = self.params.is_checkpoint(height);
        // What is about no rule is no evidence, and consensus carries none such.
        let punish: Vec<Offence> = block.punish.iter().filter_map(Offence::of).collect();
        let ordered = Ordered {
            height,
            proposal: block.digest,
            executed: block.executed,
            certified: None,
            batches: &batches,
            punish: &punish,
        };
        let outcome = self.apply(&ordered, durable)?;
        if durable {
            self.settle()?;
        }
        self.announce(&batches, &outcome);
        Ok((self.head.words.root(), changes(&outcome.changes)))
    }

    /// Forgets bodies that nobody needs now that the state is durable.
    pub(super) fn settle(&self) -> Result<(), BodiesError> {
        self.tools.bodies.settle(self.head.height, &self.head.nonces)
    }

    /// Returns the batches that a block orders: from here, or else from others.
    fn batches(&self, height: Seq, operations: &[Operation]) -> Result<Vec<Batch>, ExecutionError> {
        let (mut here, mut missing) = (BTreeMap::new(), Vec::new());
        for operation in operations {
            match self.tools.bodies.get(&operation.payload)? {
                Some(batch) => {
                    here.insert(operation.payload, batch.body.clone());
                }
                None => missing.push(*operation),
            }
        }
        if !missing.is_empty() {
            let others = self.tools.supply.as_ref();
            let got = others.and_then(|supply| supply.ordered(height, &missing));
            here.extend(got.ok_or(ExecutionError::NoBody { height })?);
        }
        let batches = operations.iter().map(|it| here.remove(&it.payload));
        batches.collect::<Option<_>>().ok_or(ExecutionError::NoBody { height })
    }

    /// Executes what was ordered as the next block and writes what it does.
    pub(super) fn apply(
        &mut self,
        block: &Ordered<'_>,
        durable: bool,
    ) -> Result<ciro_ledger::Outcome, ExecutionError> {
        let Ordered { height, proposal, executed, certified, batches, punish } = *block;
        let started = Instant::now();
        let snapshot = self.tools.store.snapshot()?;
        let ordered = ciro_ledger::Block { height: height.0, batches, punish };
        let outcome = ciro_ledger::execute(&self.tools.spec, &snapshot, &ordered);
        snapshot.check()?;
        let outcome = outcome?;
        let block = Executed {
            height: height.0,
            proposal,
            executed,
            certified,
            batches,
            punish,
            outcome: &outcome,
            durable,
        };
        self.head = self.tools.store.commit(&snapshot, &block)?;
        drop(snapshot);
        self.follow_members(&outcome)?;
        let skew = i128::from(crate::clock::now_ms()) - i128::from(outcome.time_ms);
        self.tools.metrics.executed(started.elapsed(), i64::try_from(skew).unwrap_or(i64::MAX));
        Ok(outcome)
    }

    /// Tells everybody who votes and who may connect, if a block has changed that.
    fn follow_members(&self, outcome: &ciro_ledger::Outcome) -> Result<(), ExecutionError> {
        let tables = [SETS.prefix, KEYS.prefix, OFFENCES.prefix];
        let written = outcome.writes.keys().filter_map(|key| key.first());
        if !written.into_iter().any(|prefix| tables.contains(prefix)) {
            return Ok(());
        }
        let members = &self.tools.members;
        if members.update(&self.tools.store.snapshot()?)? {
            // Consensus has left if nobody takes it.
            let _ = self.tools.answers.send(Input::Observers(members.observers()));
        }
        Ok(())
    }

    /// Tells everybody: whoever waited finds the block in the state.
    pub(super) fn announce(&self, batches: &[Batch], outcome: &ciro_ledger::Outcome) {
        let txs = batches.iter().flat_map(|batch| batch.txs.iter()).zip(&outcome.receipts);
        for (tx, receipt) in txs {
            self.tools.metrics.op(tx.body.body.kind(), receipt);
        }
        outcome.events.iter().for_each(|event| self.tools.metrics.event(event));
        let ids: Vec<TxId> = outcome.receipts.iter().map(|receipt| receipt.id).collect();
        self.tools.pending.executed(&ids, &self.head.nonces);
        self.tools.shared.set_head(head_of(&self.head, &self.params));
    }

    fn forget(&mut self, seq: Seq) -> Result<(), ExecutionError> {
        if seq > self.stable {
            self.keep_from = std::mem::replace(&mut self.stable, seq);
        }
        if self.keep_from > Seq::ZERO {
            self.tools.store.prune(self.keep_from.0)?;
        }
        Ok(())
    }
}

/// Says of seats what consensus takes.
fn changes(seats: &[Seat]) -> Vec<StakeChange> {
    let change =
        |seat: &Seat| StakeChange { id: ReplicaId(seat.id), key: seat.key.0, stake: seat.weight };
    seats.iter().map(change).collect()
}

/// Says where the state is.
pub(crate) fn head_of(head: &HeadRow, params: &Params) -> Head {
    Head {
        height: head.height,
        state_root: Word(head.words.root()),
        time_ms: head.words.time_ms,
        epoch: params.epoch_of(Seq(head.height + 1)).0,
        events: head.events,
    }
}
