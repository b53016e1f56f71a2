//! Jobs at a fixed rate: open loop, so that no job waits for another to be ordered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ciro_protocol::api::Code;
use ciro_protocol::id::{JobId, ModelId};
use ciro_protocol::receipt::{Outcome, Receipt};
use ciro_protocol::sign::SecretKey;
use ciro_sdk::client::{Client, ClientError, Job, Submission, Terms};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::topic::Topic;
use crate::commands::network::ordered::Ordered;

/// For how long an order is valid that is sent at once.
const VALID: Duration = Duration::from_secs(60);
/// How often a node is asked whether it has a job, where two ways are compared.
const LOOK: Duration = Duration::from_millis(5);

/// What is ordered, in turn.
pub(super) struct Plan {
    pub(super) orders: Vec<Planned>,
    pub(super) patience: Duration,
    pub(super) account: SecretKey,
    /// The way through Kafka, which every second job takes; without it, all go to the node.
    pub(super) topic: Option<Topic>,
}

/// A model that is ordered.
pub(super) struct Planned {
    pub(super) ordered: Ordered,
    pub(super) terms: (ModelId, Terms),
    /// The terms of those that go to the node while others go through Kafka.
    pub(super) against: (ModelId, Terms),
}

/// How an order reaches the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// To a node.
    Http,
    /// Through the topic of submissions.
    Kafka,
}

/// One job.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) way: Way,
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
    /// From arrival until whoever takes the order has said so: all brokers that must have it, or
    /// the node. Measured where ways are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accepted: Option<f64>,
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

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
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

impl Plan {
    /// Returns what a job is ordered of, and how. Where ways are compared, jobs come in pairs.
    fn job(&self, number: u32) -> (&Planned, Way) {
        let (turn, way) = match self.topic {
            Some(_) if number % 2 == 1 => (number / 2, Way::Kafka),
            Some(_) => (number / 2, Way::Http),
            None => (number, Way::Http),
        };
        (&self.orders[turn as usize % self.orders.len()], way)
    }
}

async fn one(
    client: &Client,
    plan: &Plan,
    number: u32,
    (begun, arrival): (Instant, Instant),
) -> Sample {
    let (planned, way) = plan.job(number);
    let done = ordered(client, plan, (planned, way), arrival).await;
    let ms = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1e3;
    let (stages, failed) = match done {
        Ok(stages) => (Some(stages), None),
        Err(error) => (None, Some(reason(&error))),
    };
    let (arrived_ms, ended_ms) = (ms(begun, arrival), ms(begun, Instant::now()));
    Sample { way, arrived_ms, ended_ms, stages, failed }
}

async fn ordered(
    client: &Client,
    plan: &Plan,
    (planned, way): (&Planned, Way),
    arrival: Instant,
) -> Result<Stages> {
    let passed = || arrival.elapsed().as_secs_f64() * 1e3;
    let (job, accepted) = match &plan.topic {
        None => {
            let submission = planned.ordered.submission(planned.terms);
            (client.submit(&plan.account, &submission).await?, None)
        }
        Some(topic) => {
            let terms = if way == Way::Kafka { planned.terms } else { planned.against };
            let submission = planned.ordered.submission(terms);
            let (job, accepted) = compared(client, plan, &submission, (topic, way)).await?;
            let accepted = accepted.duration_since(arrival).as_secs_f64() * 1e3;
            opened(client, job.id, plan.patience).await?;
            (job, Some(accepted))
        }
    };
    let ordering = passed();
    let settled = client.settled(&job, plan.patience, |_| ()).await?;
    let (queueing, proving) = ledger_stages(&settled.receipt);
    Ok(Stages { accepted, ordering, queueing, proving, end_to_end: passed() })
}

/// Orders by a way, up to the point at which ways meet again; returns when the order was accepted.
async fn compared(
    client: &Client,
    plan: &Plan,
    submission: &Submission<'_>,
    (topic, way): (&Topic, Way),
) -> Result<(Job, Instant)> {
    let order = client.order(&plan.account, submission, VALID).await?;
    client.upload(submission.input.bytes()).await?;
    match way {
        Way::Http => {
            client.send(&order).await?;
        }
        Way::Kafka => Topic::arrived(topic.send(&order).await?).await?,
    }
    let accepted = Instant::now();
    let job = Job {
        id: order.body.id().into(),
        key: submission.key.clone(),
        input: submission.input.statement().order_digest(submission.key),
        policy: submission.policy.clone(),
    };
    Ok((job, accepted))
}

/// Waits until the node has a job. It is only asked: whoever sent the order again over HTTP would
/// not measure Kafka.
async fn opened(client: &Client, job: JobId, patience: Duration) -> Result<(), ClientError> {
    let begun = Instant::now();
    loop {
        match client.job_info(job).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == Some(Code::NotFound) => {}
            Err(error) => return Err(error),
        }
        if begun.elapsed() > patience {
            let seconds = patience.as_secs();
            return Err(ClientError::TimedOut { what: "the job's beginning", seconds });
        }
        tokio::time::sleep(LOOK).await;
    }
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
fn reason(error: &anyhow::Error) -> String {
    match error.downcast_ref() {
        Some(ClientError::Refused { refusal, .. }) => refusal.name().to_owned(),
        Some(ClientError::Problem(problem)) => problem.code.clone(),
        _ => error.to_string(),
    }
}
