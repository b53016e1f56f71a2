//! Many orders at once through the topic: how many a minute the brokers take, and the ledger.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::order::Mode;
use ciro_protocol::tx::SignedTx;
use ciro_sdk::client::{Client, Terms};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Serialize;

use super::figures::{self, count};
use super::load::Plan;
use super::topic::Topic;

/// How often the ledger is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long an order may be on its way; less where the network allows less.
const VALID: Duration = Duration::from_secs(3_600);

/// What became of a burst. Orders are signed before it begins.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Burst {
    /// Orders that were written.
    pub(super) orders: u32,
    /// From the first order to the last one of which all brokers said that they have it.
    pub(super) written_s: f64,
    pub(super) written_per_minute: f64,
    /// Orders of these that blocks hold: read from the topic by the nodes, judged, made durable,
    /// ordered by consensus and executed.
    pub(super) executed: u64,
    /// From the first order to the last one that was executed, as the node's metrics tell.
    pub(super) executed_s: f64,
    pub(super) executed_per_minute: f64,
}

/// Writes so many orders of one account and waits until the ledger has them. They offer the
/// smallest price there is: no provider takes them, and their escrow comes back.
pub(super) async fn burst(
    client: &Client,
    (plan, topic): (&Plan, &Topic),
    orders: u32,
) -> Result<Burst> {
    let signed = signed(client, plan, orders).await?;
    let before = executed(client).await?;
    let begun = Instant::now();
    let mut arriving = Vec::with_capacity(signed.len());
    for order in &signed {
        arriving.push(topic.send(order).await?);
    }
    for arrived in arriving {
        Topic::arrived(arrived).await?;
    }
    let written_s = begun.elapsed().as_secs_f64();
    let (mut done, mut executed_s) = (0, written_s);
    while done < u64::from(orders) && begun.elapsed() < plan.patience {
        let now = executed(client).await?.saturating_sub(before);
        if now > done {
            (done, executed_s) = (now, begun.elapsed().as_secs_f64());
        }
        tokio::time::sleep(LOOK).await;
    }
    let done_count = usize::try_from(done).unwrap_or(usize::MAX);
    Ok(Burst {
        orders,
        written_s,
        written_per_minute: f64::from(orders) / written_s * 60.0,
        executed: done,
        executed_s,
        executed_per_minute: count(done_count) / executed_s * 60.0,
    })
}

/// Signs orders that differ in their salts alone.
async fn signed(client: &Client, plan: &Plan, orders: u32) -> Result<Vec<SignedTx>> {
    let planned = plan.orders.first().context("there is no model to order")?;
    let (model, terms) = planned.terms;
    let least = Amount::from_units(1).context("there is no smallest amount")?;
    let terms = Terms { mode: Mode::Open, price_min: least, price_max: least, ..terms };
    let submission = planned.ordered.submission((model, terms));
    let first = client.order(&plan.account, &submission, VALID).await?;
    client.upload(submission.input.bytes()).await?;
    let (salt, until) = (first.body.header.salt, first.body.header.valid_until_ms);
    let signed = (0..orders).into_par_iter().map(|number| {
        let mut salt = salt;
        salt[..4].copy_from_slice(&number.to_be_bytes());
        client.sign(&plan.account, first.body.body.clone(), (salt, until))
    });
    Ok(signed.collect::<Result<_, _>>()?)
}

/// Orders that the ledger has executed, and not refused, since the node was started.
async fn executed(client: &Client) -> Result<u64> {
    Ok(figures::ops(&client.metrics().await?, &["op=\"order\"", "code=\"ok\""]))
}
