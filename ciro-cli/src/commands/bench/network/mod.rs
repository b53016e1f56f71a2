//! `ciro bench network`

mod figures;
mod load;
mod page;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ciro_protocol::blob::BlobId;
use ciro_sdk::OutputFolder;
use ciro_sdk::client::{ClientError, Wish};
use serde::Serialize;

use self::figures::{Latencies, Ops, Throughput};
use self::load::{Plan, Sample};
use super::command;
use crate::args::RouteArgs;
use crate::commands::network::ordered::Ordered;
use crate::commands::network::{NetworkArgs, block_on};
use crate::context::{Context, Status};
use crate::machine::{self, Machine};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro bench network`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Jobs arrive at a fixed rate, whether earlier ones have ended or not, and a latency is counted from the moment at which its job was\n\
to arrive: a network that falls behind cannot hide it. Every result is verified here. The first jobs are a warm-up and not counted.")]
pub(crate) struct Args {
    /// Models whose inferences are ordered in turn, with an input beside each; they are deployed
    /// where the network does not know them
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// Jobs that are counted
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// Jobs that arrive in a second
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    rate: f64,
    /// Jobs before those that are counted
    #[arg(long, value_name = "N", default_value_t = 5)]
    warm_up: u32,
    /// Give every job to this provider at once, at its own price
    #[arg(long, value_name = "PROVIDER")]
    direct: Option<u32>,
    /// Seconds to wait for each job
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
    /// A new folder for report.json and report.html
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    network: String,
    node: String,
    /// Whether node and client share a machine: no statement about other networks then.
    loopback: bool,
    models: Vec<String>,
    direct: Option<u32>,
    rate_per_s: f64,
    jobs: usize,
    settled: usize,
    /// Jobs without a verified result, by the reason's word.
    failed: std::collections::BTreeMap<String, usize>,
    throughput: Throughput,
    latencies: Latencies,
    /// Transactions that the ledger executed meanwhile. The two are different things.
    consensus_ops: Ops,
    compute_ops: Ops,
    machine: Machine,
    commit: Option<String>,
    command: String,
    samples: Vec<Sample>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let rate = Some(args.rate).filter(|rate| (0.001..=100_000.0).contains(rate));
    let rate = rate.with_context(|| format!("{} jobs a second is no rate", args.rate))?;
    let folder = args.report.as_deref().map(OutputFolder::create).transpose()?;
    let open = |path: &PathBuf| Ok(Ordered::open(path, &args.route, context)?.0);
    let models = args.models.iter().map(open).collect::<Result<Vec<_>>>()?;
    let report = block_on(measured(args, rate, models, context))?;
    if let Some(folder) = folder {
        let json = serde_json::to_string_pretty(&report)?;
        let html = page::page(&report);
        folder.finish([("report.json", json.as_str()), ("report.html", html.as_str())])?;
    }
    context.ui.result(&report, &describe(&report))?;
    Ok(if report.settled == report.jobs { Status::Done } else { Status::Failed })
}

async fn measured(
    args: &Args,
    rate: f64,
    models: Vec<Ordered>,
    context: &Context,
) -> Result<Report> {
    let session = args.network.open().await?;
    let (client, account) = (&session.client, session.key()?);
    let direct = args.direct.map(ciro_protocol::id::ProviderId);
    let names = models.iter().map(|model| model.name.clone()).collect();
    let mut plans = Vec::new();
    for model in models {
        let blob = BlobId::of(&model.bytes).ok();
        let wish = Wish { blob, direct, ..Wish::default() };
        let terms = match client.terms(&model.key, &wish).await {
            Err(ClientError::NoModel(_) | ClientError::Restricted(_)) => {
                client.deploy(&account, &model.deployment()).await?;
                client.terms(&model.key, &wish).await?
            }
            found => found?,
        };
        plans.push((model, terms));
    }
    let patience = Duration::from_secs(args.patience);
    let plan = Plan { orders: plans, patience, account };
    let bar = context.ui.bar(args.jobs as usize);
    let load = load::Load::new(client.clone(), plan);
    load.run(args.warm_up, rate, |_| ()).await;
    let before = client.metrics().await?;
    let samples = load.run(args.jobs, rate, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    let after = client.metrics().await?;
    let failed = figures::failed(&samples);
    Ok(Report {
        network: client.spec().name.to_string(),
        node: session.url().to_owned(),
        loopback: is_loopback(session.url()),
        models: names,
        direct: args.direct,
        rate_per_s: rate,
        jobs: samples.len(),
        settled: samples.iter().filter(|sample| sample.stages.is_some()).count(),
        failed,
        throughput: Throughput::of(&samples),
        latencies: Latencies::of(&samples),
        consensus_ops: Ops::between(&before, &after, "consensus"),
        compute_ops: Ops::between(&before, &after, "compute"),
        machine: Machine::this(),
        commit: machine::commit(),
        command: command(),
        samples,
    })
}

fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "{BOLD}{} of {} jobs{BOLD:#} settled and verified, {:.1} arrived in a second\n",
        report.settled, report.jobs, report.rate_per_s
    );
    for (reason, count) in &report.failed {
        text.push_str(&format!("{DIM}failed{DIM:#}  {count} times: {reason}\n"));
    }
    text.push_str(&format!(
        "{DIM}{:<28}{:>9}{:>9}{:>9}{:>9}{DIM:#}\n",
        "milliseconds", "p50", "p95", "p99", "max"
    ));
    for row in report.latencies.rows() {
        let [p50, p95, p99, max] = row.figures();
        text.push_str(&format!("{:<28}{p50:>9.1}{p95:>9.1}{p99:>9.1}{max:>9.1}\n", row.stage));
    }
    let jitter = &report.latencies;
    text.push_str(&format!(
        "{DIM}jitter{DIM:#}      {:.1} ms between p95 and p50, {:.1} ms from one job to the next\n\
         {DIM}throughput{DIM:#}  {:.0} jobs an hour, {:.0} in the slowest ten seconds\n\
         {DIM}consensus{DIM:#}   {} transactions, {:.1} a second\n\
         {DIM}compute{DIM:#}     {} submissions, {:.1} a second\n",
        jitter.jitter_ms,
        jitter.successive_ms,
        report.throughput.jobs_per_hour,
        report.throughput.slowest_per_hour,
        report.consensus_ops.count,
        report.consensus_ops.count as f64 / report.throughput.seconds,
        report.compute_ops.count,
        report.compute_ops.count as f64 / report.throughput.seconds,
    ));
    if report.loopback {
        text.push_str(&format!("{DIM}{}{DIM:#}\n", page::LOOPBACK));
    }
    text
}
