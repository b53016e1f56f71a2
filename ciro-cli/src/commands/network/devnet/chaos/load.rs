//! Jobs, as an impatient client orders them: sent until one node acknowledges them and never again,
//! so that what was acknowledged has to be kept by the network alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use ciro_protocol::id::{JobId, ModelId};
use ciro_protocol::receipt::Outcome;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::SignedTx;
use ciro_sdk::client::{ClientError, Job, Settled, Terms};
use ciro_sdk::{Policy, RealOutput};
use serde::Serialize;
use tokio::task::JoinSet;

use super::books::Phase;
use super::fleet::{Fleet, refusal};
use super::invariant::{Invariant, Violations};
use super::seeds::Seeds;
use super::witness::Witness;
use crate::commands::network::ordered::Ordered;

/// How often the books are looked at.
const LOOK: Duration = Duration::from_millis(25);
/// One request for a result or a receipt.
const STEP: Duration = Duration::from_secs(3);
/// Results that are fetched and verified, of a long run.
const VERIFIED: u64 = 500;
/// Of so many of those one receipt is proven from the genesis alone.
const CERTIFIED: u64 = 10;
/// Ledger time after an order's validity after which it is not coming any more, in ms.
const GONE_MS: u64 = 10_000;
/// How long an order is valid, by the ledger's time.
pub(super) const VALID_FOR: Duration = Duration::from_secs(20);

/// A model whose inferences are ordered, and what the interpreter computes.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) ordered: Ordered,
    pub(super) outputs: Vec<RealOutput>,
}

/// Where jobs are that are on their way, for whoever kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// No node has acknowledged it.
    Sending,
    /// It is acknowledged, and in no block yet.
    Ordering,
    /// It waits for a provider.
    Open,
    /// A provider proves, uploads or submits.
    Claimed,
    /// It is ended, and its result is being fetched and verified.
    Ended,
}

/// What became of the jobs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) acknowledged: usize,
    pub(super) settled: usize,
    pub(super) refunded: usize,
    /// Results that were verified and compared with the interpreter's.
    pub(super) verified: usize,
    /// Receipts that were proven from the genesis alone.
    pub(super) certified: usize,
}

/// Jobs on their way, and what was acknowledged.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) fleet: Fleet,
    pub(super) witness: Witness,
    pub(super) account: SecretKey,
    pub(super) models: Vec<(Expected, (ModelId, Terms))>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Whether a job that is on its way is acknowledged.
    flights: BTreeMap<JobId, bool>,
    /// Until when orders that were acknowledged are valid, in ms of ledger time.
    acknowledged: BTreeMap<JobId, u64>,
    counts: Counts,
    violations: Violations,
}

impl Load {
    pub(super) fn new(
        fleet: Fleet,
        witness: Witness,
        account: SecretKey,
        models: Vec<(Expected, (ModelId, Terms))>,
    ) -> Self {
        Self { fleet, witness, account, models, kept: Mutex::default() }
    }

    /// Orders so many jobs, so many at once, until all have ended; `ended` is told of each. Runs
    /// within a `LocalSet`.
    pub(super) async fn run(
        self: &Arc<Self>,
        (jobs, at_once): (u32, usize),
        seed: u64,
        mut ended: impl FnMut(),
    ) {
        let mut seeds = Seeds::new(seed, "load");
        let mut running = JoinSet::new();
        for _ in 0..jobs {
            while running.len() >= at_once && running.join_next().await.is_some() {
                ended();
            }
            let model = usize::try_from(seeds.below(self.models.len() as u64)).unwrap_or(0);
            let look = u64::from(jobs) <= VERIFIED || seeds.below(jobs.into()) < VERIFIED;
            let certify = seeds.once_in(CERTIFIED);
            let load = Arc::clone(self);
            running.spawn_local(async move {
                if let Err(error) = load.one(model, (look, certify)).await {
                    load.kept().violations.add(Invariant::I1, format!("a job: {error:#}"));
                }
            });
        }
        while running.join_next().await.is_some() {
            ended();
        }
    }

    /// Stages at which jobs are now.
    pub(super) fn stages(&self) -> Vec<Stage> {
        let flights = self.kept().flights.clone();
        let mut stages: Vec<Stage> = self.witness.books(|books| {
            let stage = |(job, acknowledged): (&JobId, &bool)| match books.job(*job) {
                Some(entry) => match entry.phase {
                    Phase::New | Phase::Open => Stage::Open,
                    Phase::Claimed(_) => Stage::Claimed,
                    Phase::Ended => Stage::Ended,
                },
                None if *acknowledged => Stage::Ordering,
                None => Stage::Sending,
            };
            flights.iter().map(stage).collect()
        });
        stages.sort_unstable();
        stages.dedup();
        stages
    }

    /// Takes out what became of the jobs, and adds those that were acknowledged and are nowhere.
    pub(super) fn finish(&self) -> (Counts, Violations) {
        let mut kept = self.kept();
        let lost: Vec<JobId> = self.witness.books(|books| {
            let unknown = |job: &&JobId| books.job(**job).is_none();
            kept.acknowledged.keys().filter(unknown).copied().collect()
        });
        for job in lost {
            kept.violations
                .add(Invariant::I9, format!("job {job} was acknowledged and is nowhere"));
        }
        kept.counts.acknowledged = kept.acknowledged.len();
        (std::mem::take(&mut kept.counts), std::mem::take(&mut kept.violations))
    }

    /// One job, from the order to the verified result.
    async fn one(&self, model: usize, (look, certify): (bool, bool)) -> Result<()> {
        let order = self.acknowledged(model).await?;
        let job: JobId = order.body.id().into();
        let done = self.ended(job, order.body.header.valid_until_ms).await;
        if let Some(settled) = done
            && settled
            && look
        {
            self.verify(model, job, certify).await;
        }
        self.kept().flights.remove(&job);
        Ok(())
    }

    /// Orders until a node has acknowledged it. An order whose validity ends first is none.
    async fn acknowledged(&self, model: usize) -> Result<SignedTx> {
        let (Expected { ordered, .. }, chosen) = &self.models[model];
        let bytes = ordered.input.bytes().to_vec();
        loop {
            let order = self.fleet.ask("an order", async |client| {
                client.order(&self.account, &ordered.submission(*chosen), VALID_FOR).await
            });
            let order = order.await?;
            let job: JobId = order.body.id().into();
            self.kept().flights.insert(job, false);
            let sent = self.fleet.ask("sending an order", async |client| {
                client.upload(&bytes).await?;
                client.send(&order).await
            });
            match sent.await {
                Ok(_) => {
                    let mut kept = self.kept();
                    kept.flights.insert(job, true);
                    kept.acknowledged.insert(job, order.body.header.valid_until_ms);
                    return Ok(order);
                }
                Err(error) => {
                    self.kept().flights.remove(&job);
                    let refused = error.downcast_ref::<ClientError>().and_then(refusal);
                    if refused != Some(Refusal::Expired) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits until a job has ended, and returns whether it is settled.
    async fn ended(&self, job: JobId, valid_until_ms: u64) -> Option<bool> {
        let begun = Instant::now();
        loop {
            let (known, outcome, time_ms) = self.witness.books(|books| {
                let entry = books.job(job);
                let receipt = entry.and_then(|entry| entry.receipt.as_ref());
                let settled = receipt.map(|it| matches!(it.outcome, Outcome::Settled(_)));
                (entry.is_some(), settled, books.time_ms())
            });
            if let Some(settled) = outcome {
                let mut kept = self.kept();
                let count =
                    if settled { &mut kept.counts.settled } else { &mut kept.counts.refunded };
                *count += 1;
                return Some(settled);
            }
            // Of an order that never comes `finish` tells.
            if !known && time_ms > valid_until_ms.saturating_add(GONE_MS) {
                return None;
            }
            if begun.elapsed() > self.fleet.patience() {
                let seconds = begun.elapsed().as_secs();
                let what = format!("job {job} has not ended after {seconds} s");
                self.kept().violations.add(Invariant::I1, what);
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Fetches a result, verifies it, and compares it with the interpreter's.
    async fn verify(&self, model: usize, job: JobId, certify: bool) {
        let (Expected { ordered, outputs: expected }, _) = &self.models[model];
        let Ordered { key, input, name, .. } = ordered;
        let wanted = Job {
            id: job,
            key: key.clone(),
            input: input.statement().order_digest(key),
            policy: Policy::default(),
        };
        let settled =
            self.fleet.ask("a result", async |client| client.settled(&wanted, STEP, |_| ()).await);
        match settled.await {
            Ok(Settled { verified, .. }) => {
                let outputs = verified.samples.first().map(|sample| &sample.outputs);
                if outputs != Some(expected) {
                    let what = format!("job {job} of {name} has another result");
                    self.kept().violations.add(Invariant::I4, what);
                }
                self.kept().counts.verified += 1;
            }
            Err(error) => {
                self.kept().violations.add(Invariant::I4, format!("job {job}: {error:#}"))
            }
        }
        if certify {
            let receipt =
                self.fleet.ask("a receipt", async |client| client.receipt(job, STEP).await);
            match receipt.await {
                Ok(_) => self.kept().counts.certified += 1,
                Err(error) => {
                    let what = format!("the receipt of job {job}: {error:#}");
                    self.kept().violations.add(Invariant::I4, what);
                }
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
