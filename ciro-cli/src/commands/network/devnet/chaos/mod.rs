//! `ciro devnet chaos`: processes are killed and stopped while jobs flow, and what must hold is
//! checked from the outside: by the nodes' interfaces, their events, and the light client.

mod audit;
mod books;
mod fire;
mod fleet;
mod invariant;
mod load;
mod report;
mod seeds;
mod stale;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::Body;
use ciro_sdk::client::{Network, Wish};
use ciro_sdk::{OutputFile, Ran};

use self::audit::Logs;
use self::fire::{Blows, Fire};
use self::fleet::Fleet;
use self::invariant::{Invariant, Violations};
use self::load::{Expected, Load};
use self::report::Report;
use self::seeds::Seeds;
use self::stale::{Latecomers, Spoken};
use self::witness::Witness;
use super::{Devnet, Folder};
use crate::args::RouteArgs;
use crate::commands::bench::command;
use crate::commands::network::block_on;
use crate::commands::network::ordered::Ordered;
use crate::context::{Context, Failure, Status};
use crate::machine::{self, Machine};

/// Arguments of `ciro devnet chaos`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Validators, the node that clients speak to first, workers and their children are killed (kill -9) or stopped for a moment, as the\n\
seed says, while jobs are ordered, claimed and proven. The exit code is 0 only if every invariant held.")]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Models whose inferences are ordered, with an input beside each
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// Jobs
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// Jobs that are on their way at once
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=200))]
    at_once: u16,
    /// Calm before each blow, such as 2s or 500ms; at least as long as coming back took
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    kill_every: Duration,
    /// What is hit and when, and which inferences are ordered
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Seconds that anything may take before it counts as broken
    #[arg(long, value_name = "SECONDS", default_value = "240", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
    /// Write the report here
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    route: RouteArgs,
}

/// A whole number of `ms` or `s`, from 100 ms to an hour.
fn time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s').ok_or("expected a time such as 2s or 500ms")?, 1000),
    };
    let number = digits.parse::<u64>().map_err(|_| "expected a time such as 2s or 500ms")?;
    let ms = number.checked_mul(unit).filter(|ms| (100..=3_600_000).contains(ms));
    ms.map(Duration::from_millis).ok_or_else(|| "expected 100ms to 3600s".to_owned())
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = args.report.as_deref().map(OutputFile::create).transpose()?;
    let devnet = args.folder.devnet()?;
    if let Some(stopped) = devnet.processes.iter().find(|process| !process.is_running()) {
        let hint = "start it: `ciro devnet restart NAME`, or another network: `ciro devnet up`";
        let message = format!("process `{}` of the devnet does not run", stopped.name);
        return Err(Failure::new(message, hint).into());
    }
    let models = args.models.iter().map(|path| expected(path, args, context));
    let models = models.collect::<Result<Vec<_>>>()?;
    let report = block_on(fought(args, devnet, models, context))?;
    if let Some(file) = file {
        file.finish(&serde_json::to_vec_pretty(&report)?)?;
    }
    context.ui.result(&report, &report.describe())?;
    Ok(if report.held && !report.interrupted { Status::Done } else { Status::Failed })
}

/// A model with its first input, and what the interpreter makes of that.
fn expected(path: &Path, args: &Args, context: &Context) -> Result<Expected> {
    let (ordered, model, samples) = Ordered::open(path, &args.route, context)?;
    let Ran { outputs, .. } = model.run_all(&samples)?;
    let outputs = outputs.into_iter().next().context("the model gives no output")?;
    Ok(Expected { ordered, outputs })
}

/// What happened under fire.
struct Fought {
    devnet: Devnet,
    blows: Blows,
    spoken: Spoken,
    violations: Violations,
    interrupted: bool,
}

async fn fought(
    args: &Args,
    devnet: Devnet,
    models: Vec<Expected>,
    context: &Context,
) -> Result<Report> {
    let begun = Instant::now();
    let genesis = Network::read_genesis(&devnet.genesis)?;
    let patience = Duration::from_secs(args.patience);
    let fleet = Fleet::connect(&devnet.urls, &genesis, patience).await?;
    let witness = Witness::new(&genesis.spec, devnet.urls.len());
    let following: Vec<_> = fleet
        .clients()
        .iter()
        .enumerate()
        .map(|(node, client)| tokio::spawn(witness.clone().follow(node, client.clone())))
        .collect();
    let names = models.iter().map(|model| model.ordered.name.clone()).collect();
    let (load, latecomers) = opened(&fleet, &witness, models).await?;
    let (load, logs) = (Arc::new(load), Logs::now(&devnet));
    let fought = under_fire(args, devnet, (&load, &latecomers), context).await?;
    let Fought { devnet, blows, spoken, mut violations, interrupted } = fought;
    if !interrupted {
        violations.extend(audit::settle(&fleet, &witness).await);
        violations.extend(audit::compare(&fleet).await?);
        violations.extend(audit::balances(&fleet, &witness).await?);
    }
    violations.extend(logs.examine(&devnet)?);
    for task in following {
        task.abort();
    }
    let (counts, lost) = load.finish();
    violations.extend(lost);
    violations.extend(witness.take_violations());
    let count = |prefix| devnet.processes.iter().filter(|it| it.name.starts_with(prefix)).count();
    Ok(Report {
        seed: args.seed,
        jobs: args.jobs,
        validators: count("node"),
        providers: count("prover"),
        models: names,
        seconds: begun.elapsed().as_secs_f64(),
        counts,
        blows,
        latecomers: spoken,
        events: witness.books(|books| books.seq()),
        held: violations.is_empty(),
        interrupted,
        violations,
        machine: Machine::this(),
        commit: machine::commit(),
        command: command(),
    })
}

/// Makes accounts of this run alone, deploys the models where they are not, and registers those
/// who speak too late.
async fn opened(
    fleet: &Fleet,
    witness: &Witness,
    models: Vec<Expected>,
) -> Result<(Load, Latecomers)> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).context("the system gives no random numbers")?;
    let key = |name: &str| SecretKey::from_seed(&[name.as_bytes(), &salt].concat());
    let account = key("requester");
    fleet.must(&account, Body::Faucet, "test money").await?;
    let lease_min_ms = fleet.clients()[0].spec().jobs.lease_min_ms;
    // What no provider settles is refunded well before it counts as broken.
    let half_ms = u64::try_from(fleet.patience().as_millis() / 2).unwrap_or(u64::MAX);
    let mut chosen = Vec::new();
    for model in models {
        let deployment = model.ordered.deployment();
        let deploy =
            fleet.ask("deploying", async |client| client.deploy(&account, &deployment).await);
        let wish = Wish { model: Some(deploy.await?.model), ..Wish::default() };
        let terms =
            fleet.ask("terms", async |client| client.terms(&model.ordered.key, &wish).await);
        let (id, mut terms) = terms.await?;
        terms.deadline_in_ms = terms.deadline_in_ms.min(half_ms);
        terms.lease_ms = terms.lease_ms.min(half_ms / 2).max(lease_min_ms);
        chosen.push((model, (id, terms)));
    }
    let mut asks: Vec<_> = chosen
        .iter()
        .map(|(model, (_, terms))| (model.ordered.key.class(), terms.price_min))
        .collect();
    asks.sort_unstable();
    asks.dedup_by_key(|(class, _)| *class);
    let keys = [key("first latecomer"), key("second latecomer")];
    let latecomers = Latecomers::register(fleet, keys, &asks).await?;
    Ok((Load::new(fleet.clone(), witness.clone(), account, chosen), latecomers))
}

/// Lets jobs flow while processes die.
async fn under_fire(
    args: &Args,
    devnet: Devnet,
    (load, latecomers): (&Arc<Load>, &Latecomers),
    context: &Context,
) -> Result<Fought> {
    let (stop, calm) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let stages = {
        let load = Arc::clone(load);
        Box::new(move || load.stages())
    };
    let fire = Fire {
        devnet,
        seeds: Seeds::new(args.seed, "fire"),
        every: args.kill_every,
        stages,
        blows: Blows::default(),
        violations: Violations::default(),
    };
    let burning = {
        let stop = Arc::clone(&stop);
        std::thread::Builder::new().name("fire".to_owned()).spawn(move || fire.run(&stop))
    };
    let burning = burning.context("the system gives no thread")?;
    let bar = context.ui.bar(args.jobs as usize);
    let flows = async {
        load.run((args.jobs, args.at_once.into()), args.seed, || bar.inc(1)).await;
        calm.store(true, Ordering::Relaxed);
    };
    let local = tokio::task::LocalSet::new();
    let both = async { tokio::join!(flows, latecomers.speak(load, &calm)).1 };
    let both = local.run_until(both);
    let (spoken, mut violations, interrupted) = tokio::select! {
        (spoken, violations) = both => (spoken, violations, false),
        _ = tokio::signal::ctrl_c() => (Spoken::default(), Violations::default(), true),
    };
    bar.finish_and_clear();
    stop.store(true, Ordering::Relaxed);
    let burnt = tokio::task::spawn_blocking(move || burning.join());
    let Ok((devnet, blows, broken)) = burnt.await.context("the thread of the fire")? else {
        anyhow::bail!("the thread of the fire panicked; `ciro devnet status` says what runs")
    };
    violations.extend(broken);
    if blows.killed.is_empty() && !interrupted {
        violations.add(Invariant::I8, "nothing was killed: take more jobs or a shorter time");
    }
    Ok(Fought { devnet, blows, spoken, violations, interrupted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_bounds() {
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "2", "2m", "-1s", "1ms", "3601s", "99999999999999999999s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
