//! The command `ciro-sim`: runs seeds, replays one, draws its timeline.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ciro_sim::{
    Behaviour, MarketReport, Measurement, Plan, Profile, Sweep, SweepReport, UnknownProfile, World,
    html, text,
};
use clap::Parser;

/// Simulates Ciro's consensus, or its market: one seed, one run, every fault.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Seeds to run, the last one excluded
    #[arg(long, value_name = "A..B", value_parser = seeds, conflicts_with = "replay")]
    seeds: Option<Range<u64>>,
    /// Runs one seed and prints its timeline
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// Validators
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Blocks that every honest replica must execute
    #[arg(long, default_value_t = 20)]
    blocks: u64,
    /// calm, jitter, crash, partition, byzantine, churn, mixed or fork; or market: ledger and
    /// workers on one chain, with a provider and a gateway that misbehave
    #[arg(long, default_value = "mixed")]
    profile: Kind,
    /// Makes all who misbehave do it in one way, for instance `Strategist` (see
    /// `ciro_sim::Behaviour`)
    #[arg(long, value_name = "NAME", value_parser = behaviour)]
    behaviour: Option<Behaviour>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Writes the timeline of --replay to this file, as a page if it ends in .html
    #[arg(long, value_name = "FILE", requires = "replay")]
    timeline: Option<PathBuf>,
    /// Measures throughput with real signatures for 4 to 100 replicas in one thread
    #[arg(long, conflicts_with_all = ["seeds", "replay"])]
    measure: bool,
    /// Puts a documented bug back (see `ciro_consensus::Mutation`)
    #[cfg(feature = "mutations")]
    #[arg(long)]
    mutation: Option<String>,
}

/// What is simulated.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Consensus(Profile),
    Market,
}

impl FromStr for Kind {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "market" => Ok(Self::Market),
            name => name.parse().map(Self::Consensus),
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprint(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; false if a property was broken.
fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.nodes < 4 || arguments.nodes > 200 {
        bail!("--nodes is {}, expected 4 to 200", arguments.nodes);
    }
    if arguments.measure {
        return measure();
    }
    let seeds = arguments.seeds.clone().unwrap_or(0..100);
    match (arguments.profile, arguments.replay) {
        (Kind::Market, Some(seed)) => Ok(market(seed..seed.saturating_add(1), 1)),
        (Kind::Market, None) => Ok(market(seeds, arguments.jobs)),
        (Kind::Consensus(profile), Some(seed)) => replay(arguments, profile, seed),
        (Kind::Consensus(profile), None) => sweep(arguments, profile, seeds),
    }
}

/// Runs the market; false if a rule was broken.
fn market(seeds: Range<u64>, threads: usize) -> bool {
    let started = Instant::now();
    let report = MarketReport::of(seeds, threads);
    let seconds = started.elapsed().as_secs_f64();
    let broken = report.broken.len();
    print(&format!("{} runs of the market in {seconds:.1} s: {broken} broken", report.runs));
    for (what, times) in &report.seen {
        print(&format!("{times:>10} {what}"));
    }
    for (seed, what) in &report.broken {
        print(&format!("seed {seed}: {what}"));
    }
    report.broken.is_empty()
}

/// The least operations a second with four replicas.
const OPERATIONS_PER_SECOND_MIN: f64 = 5000.0;
/// The most seconds a block takes at all of a hundred replicas together.
const SECONDS_PER_BLOCK_MAX: f64 = 1.5;

/// Prints a table of throughput; false if four or a hundred replicas are too slow.
fn measure() -> Result<bool> {
    print("nodes  ops/block     ms/block        ops/s  msgs/block  bytes/block");
    let mut fast_enough = true;
    for (nodes, blocks) in [(4, 40), (7, 30), (16, 16), (31, 8), (64, 4), (100, 3)] {
        let measured = Measurement::take(nodes, 512, blocks)?;
        print(&measured.to_string());
        fast_enough &= nodes != 4 || measured.operations_per_second() >= OPERATIONS_PER_SECOND_MIN;
        fast_enough &= nodes != 100 || measured.block.as_secs_f64() <= SECONDS_PER_BLOCK_MAX;
    }
    Ok(fast_enough)
}

fn replay(arguments: &Arguments, profile: Profile, seed: u64) -> Result<bool> {
    let mut plan = Plan::new(seed, arguments.nodes, arguments.blocks, profile);
    behave(arguments, &mut plan);
    let genesis = plan.genesis().context("the plan's stakes make no validator set")?;
    let genesis = adapt(arguments, genesis)?;
    let report = World::with_genesis(plan, genesis).recording().run();
    match &arguments.timeline {
        Some(path) if path.extension().is_some_and(|extension| extension == "html") => {
            let title = format!("{profile} seed {seed}, {} nodes", arguments.nodes);
            fs::write(path, html(&title, &report.moments))
        }
        Some(path) => fs::write(path, text(&report.moments)),
        None => {
            print(text(&report.moments).trim_end());
            Ok(())
        }
    }
    .context("cannot write the timeline")?;
    print(&format!("trace {:032x}", report.trace));
    if report.forked {
        print(&format!("forked; the logs convict {:?}", report.culprits));
    }
    if let Some(violation) = &report.violation {
        print(&format!("seed {seed} violates {violation}"));
    }
    Ok(report.violation.is_none())
}

fn sweep(arguments: &Arguments, profile: Profile, seeds: Range<u64>) -> Result<bool> {
    let Arguments { nodes, blocks, jobs, .. } = *arguments;
    let sweep = Sweep { seeds, nodes, blocks, profile, jobs, stop_early: false };
    let started = Instant::now();
    let report = sweep.run_with(|plan, genesis| {
        behave(arguments, plan);
        match adapt(arguments, genesis.clone()) {
            Ok(adapted) => adapted,
            Err(_) => genesis,
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    print(&summary(&sweep, &report, seconds));
    for (seed, violation) in &report.violations {
        print(&format!("seed {seed} violates {violation}\n  {}", sweep.replay_command(*seed)));
    }
    Ok(report.violations.is_empty())
}

fn summary(sweep: &Sweep, report: &SweepReport, seconds: f64) -> String {
    let stats = &report.stats;
    let (messages, bytes) = stats.per_block();
    let milliseconds = |per_mille| stats.finality_ms(per_mille).unwrap_or(0);
    format!(
        "{} runs of profile {} with {} nodes in {seconds:.1} s: {} violations, {} forks\n\
         blocks {}, view changes {}, accusations {}, virtual time {} s\n\
         finality ms: p50 {}, p95 {}, p99 {}\n\
         slowest answer after healing: {} thousandths of its bound\n\
         per block: {messages} messages, {bytes} bytes\n\
         trace {:032x}",
        stats.runs,
        sweep.profile,
        sweep.nodes,
        report.violations.len(),
        report.forks.len(),
        stats.blocks,
        stats.view_changes,
        stats.accusations,
        stats.virtual_time / 1_000_000,
        milliseconds(500),
        milliseconds(950),
        milliseconds(990),
        stats.slowest,
        report.trace,
    )
}

type Genesis = ciro_consensus::Genesis<ciro_sim::Keyed>;

#[cfg(not(feature = "mutations"))]
#[expect(clippy::unnecessary_wraps, reason = "the mutated build can fail")]
fn adapt(_: &Arguments, genesis: Genesis) -> Result<Genesis> {
    Ok(genesis)
}

#[cfg(feature = "mutations")]
fn adapt(arguments: &Arguments, genesis: Genesis) -> Result<Genesis> {
    let Some(name) = &arguments.mutation else { return Ok(genesis) };
    let (shipped, weakened) = (ciro_consensus::Mutation::ALL, ciro_consensus::Mutation::WEAKENED);
    let equivalent = ciro_consensus::Mutation::EQUIVALENT.into_iter().map(|(it, _)| it);
    let mutations: Vec<_> = shipped.into_iter().chain(weakened).chain(equivalent).collect();
    let mutation = mutations.iter().copied().find(|mutation| format!("{mutation:?}") == *name);
    let mutation = mutation.with_context(|| format!("`{name}` is none of {mutations:?}"))?;
    Ok(genesis.with_mutation(mutation))
}

fn behave(arguments: &Arguments, plan: &mut Plan) {
    if let Some(behaviour) = arguments.behaviour {
        plan.behaviours.values_mut().for_each(|it| *it = behaviour);
    }
}

fn behaviour(name: &str) -> Result<Behaviour, String> {
    let found = Behaviour::ALL.into_iter().find(|it| format!("{it:?}") == name);
    found.ok_or_else(|| format!("expected one of {:?}", Behaviour::ALL))
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("expected A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    Ok(number(start)?..number(end)?)
}

#[expect(clippy::print_stdout, reason = "this is the command's output")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "this is the command's error")]
fn eprint(line: &str) {
    eprintln!("error: {line}");
}
