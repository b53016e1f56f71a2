//! Two providers that speak too late: what they say of an attempt that is over must change nothing.
//!
//! Their jobs name them as the only recipients, so that no other provider comes between: the first
//! takes a job and gives it back; the second then claims the attempt that is over, claims the one
//! that is open, gives back the one that is over, and the one that it holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::{Class, Region};
use ciro_protocol::provider::{Ask, Asks, Profile};
use ciro_protocol::sign::SecretKey;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, Cancel, Claim, RegisterProvider, Release, ReleaseReason};
use ciro_protocol::wire::List;
use serde::Serialize;

use super::fleet::Fleet;
use super::invariant::{Invariant, Violations};
use super::load::{Expected, Load, VALID_FOR};

/// How long a provider holds such a job, in ms.
const LEASE_MS: u64 = 30_000;
/// How long such a job lives, in ms.
const LIFE_MS: u64 = 120_000;
const CAPACITY: u16 = 1_000;

/// What became of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Spoken {
    /// Jobs that went through all of it.
    pub(super) jobs: usize,
    /// Statements about attempts that were over.
    pub(super) stale: usize,
    /// Jobs that a deadline or an outage cut short.
    pub(super) cut_short: usize,
}

/// Two providers.
#[derive(Debug)]
pub(super) struct Latecomers {
    first: (SecretKey, ProviderId),
    second: (SecretKey, ProviderId),
}

impl Latecomers {
    /// Registers two providers that take jobs of these classes.
    pub(super) async fn register(
        fleet: &Fleet,
        keys: [SecretKey; 2],
        asks: &[(Class, Amount)],
    ) -> Result<Self> {
        let mut known = Vec::new();
        for key in &keys {
            fleet.must(key, Body::Faucet, "test money").await?;
            let prices = asks.iter().map(|&(class, price)| Ask { class, price }).collect();
            let prices = List::new(prices)?;
            let asks = Asks { prices, capacity: CAPACITY, direct: None, sealing: None };
            let region = Region::new(*b"ZZ").context("two capital letters")?;
            let name = Text::new("latecomer")?;
            let bond = fleet.clients()[0].spec().providers.bond_min;
            let bond = bond.checked_mul(2).context("the least bond is too high")?;
            let body =
                RegisterProvider { profile: Profile { name, region, memory_mb: 1 }, asks, bond };
            fleet.must(key, Body::RegisterProvider(body), "registering").await?;
            let info = fleet.ask("a provider", async |client| client.provider(key.address()).await);
            known.push(info.await?.provider);
        }
        let [first, second] = keys;
        let [a, b] = known[..] else { anyhow::bail!("there are not two providers") };
        Ok(Self { first: (first, a), second: (second, b) })
    }

    /// Speaks too late until told to stop, and at least once.
    pub(super) async fn speak(&self, load: &Load, stop: &AtomicBool) -> (Spoken, Violations) {
        let (mut spoken, mut violations) = (Spoken::default(), Violations::default());
        let mut tries = 0;
        while spoken.jobs == 0 && tries < 5 || !stop.load(Ordering::Relaxed) {
            tries += 1;
            match self.once(load, &mut spoken, &mut violations).await {
                Ok(()) => spoken.jobs += 1,
                Err(_) => spoken.cut_short += 1,
            }
            if !violations.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if spoken.jobs == 0 {
            violations.add(Invariant::Fencing, "no job went through all of it: nothing was tried");
        }
        (spoken, violations)
    }

    async fn once(
        &self,
        load: &Load,
        spoken: &mut Spoken,
        violations: &mut Violations,
    ) -> Result<()> {
        let (fleet, [(first, _), (second, _)]) = (&load.fleet, [&self.first, &self.second]);
        let job = self.order(load).await?;
        let claim = |attempt| Body::Claim(Claim { job, attempt });
        let reason = ReleaseReason::Unable;
        let release = |attempt| Body::Release(Release { job, attempt, reason });
        fleet.must(first, claim(1), "the first claim").await?;
        fleet.must(first, release(1), "giving the first attempt back").await?;
        self.too_late(load, (claim(1), "claimed", job), spoken, violations).await?;
        fleet.must(second, claim(2), "the second claim").await?;
        self.too_late(load, (release(1), "given back", job), spoken, violations).await?;
        fleet.must(second, release(2), "giving the second attempt back").await?;
        fleet.must(&load.account, Body::Cancel(Cancel { job }), "cancelling").await?;
        Ok(())
    }

    /// The second provider says something of the first attempt, which is over.
    async fn too_late(
        &self,
        load: &Load,
        (body, what, job): (Body, &str, JobId),
        spoken: &mut Spoken,
        violations: &mut Violations,
    ) -> Result<()> {
        let tx = load.fleet.sign(&self.second.0, &body).await?;
        spoken.stale += 1;
        if let Ok(done) = load.fleet.execute(&tx).await? {
            let height = done.height;
            let what = format!("block {height}: attempt 1 of job {job} is over, and was {what}");
            violations.add(Invariant::Fencing, what);
            anyhow::bail!("a rule was broken");
        }
        Ok(())
    }

    /// Orders a job that only these two may claim.
    async fn order(&self, load: &Load) -> Result<JobId> {
        let fleet = &load.fleet;
        let (Expected { ordered, .. }, chosen) =
            load.models.first().context("there is no model")?;
        let signed = fleet
            .ask("an order", async |client| {
                client.order(&load.account, &ordered.submission(*chosen), VALID_FOR).await
            })
            .await?;
        let Body::Order(mut order) = signed.body.body else { anyhow::bail!("this is no order") };
        order.input.recipients = List::new(vec![self.first.1, self.second.1])?;
        order.offer.lease_ms = LEASE_MS;
        order.offer.deadline_ms = order.offer.ramp_start_ms.saturating_add(LIFE_MS);
        order.offer.attempts_max = 3;
        let header = signed.body.header;
        let salted = (header.salt, header.valid_until_ms);
        let tx = fleet.clients()[0].sign(&load.account, Body::Order(order), salted)?;
        let bytes = ordered.input.bytes().to_vec();
        fleet.ask("an input", async |client| client.upload(&bytes).await).await?;
        match fleet.execute(&tx).await? {
            Ok(_) => Ok(tx.body.id().into()),
            Err(refusal) => anyhow::bail!("the order is refused: {}", refusal.name()),
        }
    }
}
