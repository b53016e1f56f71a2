//! What becomes of a job that was ordered, told and timed.

use std::time::{Duration, Instant};

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_protocol::api::{JobInfo, JobState};
use ciro_protocol::id::JobId;
use ciro_protocol::receipt::{Receipt, Settlement};
use ciro_protocol::wire::Message as _;
use ciro_sdk::client::Client;
use serde::Serialize;

use crate::context::Context;

/// Milliseconds since the command began to order.
#[derive(Default, Serialize)]
pub(super) struct Stages {
    opened: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<f64>,
    pub(super) verified: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    certified: Option<f64>,
}

/// Milliseconds of ledger time since the block of the order.
#[derive(Serialize)]
pub(super) struct LedgerStages {
    claimed: u64,
    settled: u64,
}

impl LedgerStages {
    pub(super) fn of(receipt: &Receipt, settlement: &Settlement) -> Self {
        Self {
            claimed: settlement.claimed_ms.saturating_sub(receipt.opened_ms),
            settled: receipt.ended_ms.saturating_sub(receipt.opened_ms),
        }
    }
}

/// The course of a job from its order on.
pub(super) struct Course<'c> {
    context: &'c Context,
    begun: Instant,
    told: JobState,
    pub(super) stages: Stages,
}

impl<'c> Course<'c> {
    pub(super) fn begin(context: &'c Context) -> Self {
        let (told, stages) = (JobState::Open, Stages::default());
        Self { context, begun: Instant::now(), told, stages }
    }

    fn passed(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1e3
    }

    pub(super) fn opened(&mut self, (job, fee): (JobId, Amount)) {
        self.stages.opened = self.passed();
        self.context.ui.note(format_args!("job {job} is open, for a fee of {fee} CIRO"));
    }

    /// Hears how the job stands.
    pub(super) fn seen(&mut self, info: &JobInfo) {
        if std::mem::replace(&mut self.told, info.state) != info.state
            && info.state == JobState::Claimed
        {
            self.stages.claimed = Some(self.passed());
            let price = info.held.as_ref().map(|held| held.price).unwrap_or_default();
            self.context.ui.note(format_args!("a provider proves it for {price} CIRO"));
        }
    }

    pub(super) fn verified(&mut self) {
        self.stages.verified = self.passed();
        self.context.ui.note("settled; the proof is verified here");
    }

    /// Waits for the receipt with all that proves it.
    pub(super) async fn certified(
        &mut self,
        (client, job): (&Client, JobId),
        patience: Duration,
    ) -> Result<Vec<u8>> {
        let proof = client.receipt(job, patience).await?;
        self.stages.certified = Some(self.passed());
        Ok(proof.to_bytes())
    }
}
