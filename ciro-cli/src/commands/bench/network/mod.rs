//! `ciro bench network`

mod burst;
mod figures;
mod load;
mod page;
mod topic;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::ProviderId;
use ciro_protocol::sign::SecretKey;
use ciro_sdk::OutputFolder;
use ciro_sdk::client::{Client, ClientError, Wish};
use serde::Serialize;

use self::burst::Burst;
use self::figures::{Added, Latencies, Ops, Throughput};
use self::load::{Load, Plan, Planned, Sample, Way};
use self::topic::Topic;
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
to arrive: a network that falls behind cannot hide it. Every result is verified here. The first jobs are a warm-up and not counted.\n\
With --submit kafka every second order goes through the topic of submissions and the others to the node, at the same time: what Kafka\n\
adds is the difference of their percentiles. With --direct and --against it has the way of offers too: let the workers of the one\n\
provider read Kafka, and those of the other the queue of a node.")]
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
    /// How orders reach the network
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Submit::Http)]
    submit: Submit,
    /// Kafka's brokers: HOST:PORT, with commas between them
    #[arg(long, value_name = "BROKERS", required_if_eq("submit", "kafka"))]
    brokers: Option<String>,
    /// Give the jobs that do not go through Kafka to this provider at once
    #[arg(long, value_name = "PROVIDER", requires = "direct", requires = "brokers")]
    against: Option<u32>,
    /// Orders that are written into the topic at the end as fast as it goes, at a price for which
    /// nobody works, to see how many a minute the brokers and the ledger take
    #[arg(long, value_name = "N", requires = "brokers", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    burst: Option<u32>,
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

/// How orders reach the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Submit {
    /// To the node
    Http,
    /// Every second one through Kafka, and compared with the others
    Kafka,
}

/// What Kafka adds.
#[derive(Debug, Serialize)]
struct Comparison {
    brokers: String,
    against: Option<u32>,
    /// Jobs whose orders went to the node.
    by_http: Latencies,
    /// Jobs whose orders went through Kafka.
    by_kafka: Latencies,
    added: Vec<Added>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<Burst>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<Comparison>,
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
    ensure!(
        args.brokers.is_none() || args.submit == Submit::Kafka,
        "`--brokers` has no use without `--submit kafka`"
    );
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
    let burst = report.kafka.as_ref().and_then(|kafka| kafka.burst);
    let whole = burst.is_none_or(|burst| burst.executed == u64::from(burst.orders));
    Ok(if report.settled == report.jobs && whole { Status::Done } else { Status::Failed })
}

/// Finds the terms of a model, which is deployed if the network does not know it.
async fn planned(
    (client, account): (&Client, &SecretKey),
    ordered: Ordered,
    args: &Args,
) -> Result<Planned> {
    let blob = BlobId::of(&ordered.bytes).ok();
    let wish =
        |direct: Option<u32>| Wish { blob, direct: direct.map(ProviderId), ..Wish::default() };
    let terms = match client.terms(&ordered.key, &wish(args.direct)).await {
        Err(ClientError::NoModel(_) | ClientError::Restricted(_)) => {
            client.deploy(account, &ordered.deployment()).await?;
            client.terms(&ordered.key, &wish(args.direct)).await?
        }
        found => found?,
    };
    let against = match args.against {
        Some(provider) => client.terms(&ordered.key, &wish(Some(provider))).await?,
        None => terms,
    };
    Ok(Planned { ordered, terms, against })
}

async fn measured(
    args: &Args,
    rate: f64,
    models: Vec<Ordered>,
    context: &Context,
) -> Result<Report> {
    let session = args.network.open().await?;
    let (client, account) = (&session.client, session.key()?);
    let names = models.iter().map(|model| model.name.clone()).collect();
    let mut orders = Vec::new();
    for model in models {
        orders.push(planned((client, &account), model, args).await?);
    }
    let brokers = args.brokers.as_deref().filter(|_| args.submit == Submit::Kafka);
    let topic = brokers.map(Topic::open).transpose()?;
    let patience = Duration::from_secs(args.patience);
    let bar = context.ui.bar(args.jobs as usize);
    let load = Load::new(client.clone(), Plan { orders, patience, account, topic });
    load.run(args.warm_up, rate, |_| ()).await;
    let before = client.metrics().await?;
    let samples = load.run(args.jobs, rate, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    let after = client.metrics().await?;
    let kafka = match brokers {
        Some(brokers) => Some(compared(args, brokers, (client, load.plan(), &samples)).await?),
        None => None,
    };
    Ok(Report {
        network: client.spec().name.to_string(),
        node: session.url().to_owned(),
        loopback: is_loopback(session.url()),
        models: names,
        direct: args.direct,
        rate_per_s: rate,
        jobs: samples.len(),
        settled: samples.iter().filter(|sample| sample.stages.is_some()).count(),
        failed: figures::failed(&samples),
        throughput: Throughput::of(&samples),
        latencies: Latencies::of(samples.iter()),
        kafka,
        consensus_ops: Ops::between(&before, &after, "consensus"),
        compute_ops: Ops::between(&before, &after, "compute"),
        machine: Machine::this(),
        commit: machine::commit(),
        command: command(),
        samples,
    })
}

/// Compares the ways of the jobs that were measured, then writes many orders at once.
async fn compared(
    args: &Args,
    brokers: &str,
    (client, plan, samples): (&Client, &Plan, &[Sample]),
) -> Result<Comparison> {
    let of = |way| Latencies::of(samples.iter().filter(move |sample| sample.way == way));
    let (by_http, by_kafka) = (of(Way::Http), of(Way::Kafka));
    let burst = match (args.burst, &plan.topic) {
        (Some(orders), Some(topic)) => Some(burst::burst(client, (plan, topic), orders).await?),
        _ => None,
    };
    Ok(Comparison {
        brokers: brokers.to_owned(),
        against: args.against,
        added: by_kafka.more_than(&by_http),
        by_http,
        by_kafka,
        burst,
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
    match &report.kafka {
        None => text.push_str(&times(&report.latencies)),
        Some(kafka) => text.push_str(&compare(kafka)),
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

/// The times of each stage, a line each.
fn times(latencies: &Latencies) -> String {
    let line = |row: &figures::Row| {
        let [p50, p95, p99, max] = row.figures();
        format!("{:<28}{p50:>9.1}{p95:>9.1}{p99:>9.1}{max:>9.1}\n", row.stage)
    };
    latencies.rows().map(line).collect()
}

/// Both ways, what the one adds, and what it bears.
fn compare(kafka: &Comparison) -> String {
    let mut text = format!("{BOLD}orders to the node{BOLD:#}\n{}", times(&kafka.by_http));
    text.push_str(&format!(
        "{BOLD}orders through Kafka{BOLD:#}\n{}{BOLD}what Kafka adds{BOLD:#}\n",
        times(&kafka.by_kafka)
    ));
    for Added { stage, p50, p95 } in &kafka.added {
        text.push_str(&format!("{stage:<28}{p50:>+9.1}{p95:>+9.1}\n"));
    }
    if let Some(burst) = kafka.burst {
        text.push_str(&format!(
            "{DIM}burst{DIM:#}       {} orders of one account, signed before\n\
             {DIM}written{DIM:#}     {:.0} a minute (acks=all), in {:.1} s\n\
             {DIM}executed{DIM:#}    {:.0} a minute by the ledger, {} of them in {:.1} s\n",
            burst.orders,
            burst.written_per_minute,
            burst.written_s,
            burst.executed_per_minute,
            burst.executed,
            burst.executed_s,
        ));
    }
    text
}
