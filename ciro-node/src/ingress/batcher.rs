//! Batches: what waits is collected for a few milliseconds, signed, judged, made durable, and only
//! then acknowledged and handed to consensus. Without transactions a batch still goes out in every
//! interval: it carries the time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use ciro_consensus::{Input, Operation};
use ciro_protocol::batch::{BATCH_BYTES_MAX, Batch, SignedBatch, TXS_MAX};
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;
use ciro_sdk::error_chain;
use tokio::time::{Instant, sleep, timeout_at};

use super::pending::{Pending, Stage, Taken};
use crate::bodies::{Bodies, Keep, Recovered};
use crate::driver::Shared;
use crate::members::Members;
use crate::net::Courier;
use crate::validity::Validity;

/// How long a batch waits for company.
const LINGER: Duration = Duration::from_millis(10);
/// Bytes that fill a batch: it then waits no longer.
const BYTES_FULL: usize = 64 << 10;
/// Bytes of a batch beside its transactions, at most.
const OVERHEAD_BYTES: usize = 4 << 10;
/// Batches that are not executed yet, at most: then the next one waits.
const OUTSTANDING_MAX: u64 = 64;
/// How often time goes out while somebody waits for a checkpoint.
const HURRIED_TICK: Duration = Duration::from_millis(50);

/// Who submits, and how often.
#[derive(Debug)]
pub struct BatchSettings {
    /// The network.
    pub chain: Chain,
    /// The number of the submitter.
    pub submitter: SubmitterId,
    /// Its key.
    pub key: SecretKey,
    /// The nonce of its next batch.
    pub next_nonce: u64,
    /// How often a batch goes out at least.
    pub tick: Duration,
}

/// Makes batches until the node stops.
#[derive(Debug)]
pub struct Batcher {
    settings: BatchSettings,
    pending: Arc<Pending>,
    bodies: Arc<Bodies>,
    validity: Arc<Validity>,
    consensus: SyncSender<Input>,
    shared: Arc<Shared>,
    hurry: Arc<AtomicUsize>,
    members: Arc<Members>,
    /// Who brings batches to other validators before they are ordered, if there are any.
    courier: Option<Courier>,
}

impl Batcher {
    /// Makes a batcher. While `hurry` is not zero, somebody waits for a checkpoint.
    #[must_use]
    pub fn new(
        settings: BatchSettings,
        pending: Arc<Pending>,
        (bodies, validity, members): (Arc<Bodies>, Arc<Validity>, Arc<Members>),
        (consensus, shared, hurry): (SyncSender<Input>, Arc<Shared>, Arc<AtomicUsize>),
    ) -> Self {
        let courier = None;
        Self { settings, pending, bodies, validity, consensus, shared, hurry, members, courier }
    }

    /// Lets batches be held by a quorum before they are ordered.
    #[must_use]
    pub fn with_courier(self, courier: Option<Courier>) -> Self {
        Self { courier, ..self }
    }

    /// Runs until something fails that the node cannot go on without, or its future is dropped.
    /// Begins with batches that were durable when the node stopped.
    pub async fn run(mut self, recovered: Recovered) {
        if let Err(reason) = self.hand_over_all(recovered).await {
            return self.shared.fail(reason);
        }
        let mut last = Instant::now();
        while self.shared.fatal().borrow().is_none() {
            if self.wait(last).await {
                self.linger().await;
            }
            let oldest = self.settings.next_nonce.saturating_sub(OUTSTANDING_MAX);
            self.pending.executed_up_to(self.settings.submitter.0, oldest).await;
            // What an observer submits counts nowhere.
            self.members.until_submitting().await;
            last = Instant::now();
            if let Err(reason) = self.submit().await {
                return self.shared.fail(reason);
            }
        }
    }

    /// Waits until transactions are there or time must go out; true for transactions.
    async fn wait(&self, last: Instant) -> bool {
        loop {
            let hurried = self.hurry.load(Ordering::Relaxed) > 0;
            let tick = if hurried { HURRIED_TICK } else { self.settings.tick };
            let due = last + tick.min(self.settings.tick);
            // Whoever begins to wait for a checkpoint is seen after a moment.
            let look = (Instant::now() + HURRIED_TICK).min(due);
            if timeout_at(look, self.pending.arrived()).await.is_ok() {
                return true;
            }
            if Instant::now() >= due {
                return false;
            }
        }
    }

    /// Gives others the chance to be part of the batch.
    async fn linger(&self) {
        let until = Instant::now() + LINGER;
        while Instant::now() < until {
            let (txs, bytes) = self.pending.queued();
            if txs >= TXS_MAX || bytes >= BYTES_FULL {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Makes one batch durable and hands it to consensus.
    async fn submit(&mut self) -> Result<(), String> {
        let Taken { txs, attachments } = self.pending.take(BATCH_BYTES_MAX - OVERHEAD_BYTES);
        let batch = Arc::new(self.sign(txs.clone(), attachments)?);
        let judged = Arc::clone(&batch);
        let valid = self.validity.run(move |validity| validity.batch(&judged)).await;
        match valid {
            Some(Ok(())) => {}
            // Each transaction was judged when it came. If one does not count any more, a blob has
            // gone since: nobody has heard of the batch, so its senders may try again.
            Some(Err(invalid)) => {
                tracing::warn!(error = error_chain(&invalid), "a batch is not valid any more");
                self.pending.settle(&txs, &Stage::Failed);
                return Ok(());
            }
            None => return Err("a judge of batches panicked".to_owned()),
        }
        let (bodies, body) = (Arc::clone(&self.bodies), Arc::clone(&batch));
        let written = tokio::task::spawn_blocking(move || bodies.append(body, Keep::Place)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error_chain(&error)),
            Err(_) => return Err("writing a batch panicked".to_owned()),
        }
        self.settings.next_nonce += 1;
        self.pending.settle(&txs, &Stage::Durable);
        self.hand_over(batch).await
    }

    fn sign(
        &self,
        txs: Vec<SignedTx>,
        attachments: BTreeSet<ciro_protocol::BlobId>,
    ) -> Result<SignedBatch, String> {
        let settings = &self.settings;
        let body = Batch {
            chain: settings.chain,
            submitter: settings.submitter,
            signer: settings.key.address(),
            nonce: settings.next_nonce,
            time_ms: crate::clock::now_ms(),
            txs: List::new(txs).map_err(|error| error.to_string())?,
            attachments: List::new(attachments.into_iter().collect())
                .map_err(|error| error.to_string())?,
        };
        Signed::new(body, &settings.key).map_err(|error| error.to_string())
    }

    /// Hands over what was durable when the node stopped. What others have submitted was held here,
    /// and may be ordered already.
    async fn hand_over_all(&self, Recovered { own, others }: Recovered) -> Result<(), String> {
        for operation in others {
            self.order(operation).await?;
        }
        for batch in own {
            self.hand_over(batch).await?;
        }
        Ok(())
    }

    /// Gives a durable batch of this node to the courier, or to consensus where there is none.
    async fn hand_over(&self, batch: Arc<SignedBatch>) -> Result<(), String> {
        if let Some(courier) = &self.courier {
            courier.deliver(batch);
            return Ok(());
        }
        self.order(batch.body.operation()).await
    }

    /// Waits for room in the queue of consensus: what is durable must get there.
    async fn order(&self, operation: Operation) -> Result<(), String> {
        let mut input = Input::Operation(operation);
        loop {
            match self.consensus.try_send(input) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => {
                    input = back;
                    sleep(Duration::from_millis(1)).await;
                }
                Err(TrySendError::Disconnected(_)) => {
                    return Err("the thread of consensus has ended".to_owned());
                }
            }
        }
    }
}
