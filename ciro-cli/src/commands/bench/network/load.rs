//! Jobs at a fixed rate: open loop, so that no job waits for another to be ordered.

use std::sync::Arc;
use std::time::Duration;

use ciro_protocol::id::ModelId;
use ciro_protocol::receipt::{Outcome, Receipt};
use ciro_protocol::sign::SecretKey;
use ciro_sdk::client::{Client, ClientError, Terms};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::commands::network::ordered::Ordered;

/// What is ordered, in turn.
pub(super) struct Plan {
    pub(super) orders: Vec<(Ordered, (ModelId, Terms))>,
    pub(super) patience: Duration,
    pub(super) account: SecretKey,
}

/// One job.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    /// When it was to arrive, in ms from the beginning.
    pub(super) arrived_ms: f64,
    /// When its result was verified here, or it failed, in ms from the beginning.
    pub(super) ended_ms: f64,
    #[serde(flatten)]
    pub(super) stages: Option<Stages>,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

/// How long a job's stages took, in ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Stages {
    /// From arrival until the order is in a committed block, as the client learns.
    pub(super) ordering: f64,
    /// From that block to the claim, by ledger time.
    pub(super) queueing: f64,
    /// From the claim to the settlement, by ledger time: fetching, proving, uploading, the proof's
    /// verification by validators, and the block.
    pub(super) proving: f64,
    /// From arrival to the verified result.
    pub(super) end_to_end: f64,
}

/// A client that orders.
pub(super) struct Load {
    client: Client,
    plan: Arc<Plan>,
}

impl Load {
    pub(super) fn new(client: Client, plan: Plan) -> Self {
        Self { client, plan: Arc::new(plan) }
    }

    /// Orders so many jobs, `rate` a second, and waits for all; `ended` is told of each end.
    pub(super) async fn run(
        &self,
        jobs: u32,
        rate: f64,
        mut ended: impl FnMut(&Sample),
    ) -> Vec<Sample> {
        let begun = Instant::now();
        let mut running = JoinSet::new();
        let mut samples = Vec::new();
        for number in 0..jobs {
            let arrival = begun + Duration::from_secs_f64(f64::from(number) / rate);
            while Instant::now() < arrival {
                tokio::select! {
                    () = tokio::time::sleep_until(arrival) => {}
                    Some(Ok(sample)) = running.join_next() => {
                        ended(&sample);
                        samples.push(sample);
                    }
                }
            }
            let (client, plan) = (self.client.clone(), Arc::clone(&self.plan));
            running.spawn(async move { one(&client, &plan, number, (begun, arrival)).await });
        }
        while let Some(done) = running.join_next().await {
            // A task that panicked has said so; it is missing among the samples.
            if let Ok(sample) = done {
                ended(&sample);
                samples.push(sample);
            }
        }
        samples.sort_by(|a, b| a.arrived_ms.total_cmp(&b.arrived_ms));
        samples
    }
}

async fn one(
    client: &Client,
    plan: &Plan,
    number: u32,
    (begun, arrival): (Instant, Instant),
) -> Sample {
    let done = ordered(client, plan, number, arrival).await;
    let ms = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1e3;
    let (stages, failed) = match done {
        Ok(stages) => (Some(stages), None),
        Err(error) => (None, Some(reason(&error))),
    };
    let (arrived_ms, ended_ms) = (ms(begun, arrival), ms(begun, Instant::now()));
    Sample { arrived_ms, ended_ms, stages, failed }
}

async fn ordered(
    client: &Client,
    plan: &Plan,
    number: u32,
    arrival: Instant,
) -> Result<Stages, ClientError> {
    let (ordered, chosen) = &plan.orders[number as usize % plan.orders.len()];
    let submission = ordered.submission(*chosen);
    let passed = || arrival.elapsed().as_secs_f64() * 1e3;
    let job = client.submit(&plan.account, &submission).await?;
    let ordering = passed();
    let settled = client.settled(&job, plan.patience, |_| ()).await?;
    let (queueing, proving) = ledger_stages(&settled.receipt);
    Ok(Stages { ordering, queueing, proving, end_to_end: passed() })
}

/// From order to claim, and from claim to settlement, in ms of ledger time.
fn ledger_stages(receipt: &Receipt) -> (f64, f64) {
    let claimed = match &receipt.outcome {
        Outcome::Settled(settlement) => settlement.claimed_ms,
        Outcome::Refunded { .. } => receipt.ended_ms,
    };
    let ms =
        |from: u64, to: u64| Duration::from_millis(to.saturating_sub(from)).as_secs_f64() * 1e3;
    (ms(receipt.opened_ms, claimed), ms(claimed, receipt.ended_ms))
}

/// A word for a failure: the network's code where there is one.
fn reason(error: &ClientError) -> String {
    match error {
        ClientError::Refused { refusal, .. } => refusal.name().to_owned(),
        ClientError::Problem(problem) => problem.code.clone(),
        error => error.to_string(),
    }
}
