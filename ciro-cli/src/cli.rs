//! The command line: what there is to do, and doing it.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::args::Global;
use crate::commands::{
    self, bench, check, compile, completions, demo, econ, init, inspect, key, man, network, prove,
    run as run_model, starknet, transpile, verify,
};
use crate::context::{Context, ErrorReport, Status};
use crate::ui::Ui;

/// Verifiable AI inference: an ONNX model in, a STARK proof of its answer out.
#[derive(Debug, Parser)]
#[command(
    name = "ciro",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 proof invalid.\nTry `ciro demo` first."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Prove a bundled digit classifier on a bundled image, and see a forgery rejected
    Demo(commands::demo::Args),
    /// Start a project that proves and verifies as it stands
    Init(commands::init::Args),
    /// Show what a model is made of, or what proofs for a key show
    Inspect(commands::inspect::Args),
    /// Tell whether a model can be proven, and at what cost
    Check(commands::check::Args),
    /// Turn an ONNX model into an integer model, with its key and accuracy
    Compile(commands::compile::Args),
    /// Make the model key that verifiers need
    Key(commands::key::Args),
    /// Write a model as a readable Cairo package
    Transpile(commands::transpile::Args),
    /// Run a model on an input, without a proof
    Run(commands::run::Args),
    /// Run a model on an input and prove the result
    Prove(commands::prove::Args),
    /// Verify a proof against the key of a model or a program
    Verify(commands::verify::Args),
    /// Run and prove Cairo programs of your own, which are no models
    #[cfg(feature = "cairo")]
    Program(commands::program::Args),
    /// Measure proving and verifying
    Bench(commands::bench::Args),
    /// Choose the network to work with, or show it
    Network(commands::network::choose::Args),
    /// Make accounts, show what they hold, send money
    Account(commands::network::account::Args),
    /// Take test money
    Faucet(commands::network::account::FaucetArgs),
    /// Register a model on the network, or on Starknet
    Deploy(commands::network::deploy::Args),
    /// Order an inference on the network, and verify what comes back
    Submit(commands::network::submit::Args),
    /// Tell what an inference costs on the network
    Quote(commands::network::submit::QuoteArgs),
    /// Sign an order into a file
    Order(commands::network::submit::OrderFileArgs),
    /// List, watch, fetch and cancel jobs
    Job(commands::network::job::Args),
    /// Prove a fact on Starknet, for contracts there to rely on
    SubmitProof(commands::starknet::submit::Args),
    /// Ask whether a fact was proven on Starknet
    Fact(commands::starknet::fact::Args),
    /// Verify a receipt, from the network's genesis alone
    VerifyReceipt(commands::network::receipt::Args),
    /// Put money at a validator's stake, take what it earns, and take it back
    Stake(commands::network::economy::stake::Args),
    /// List validators, register one, and look after it
    Validator(commands::network::economy::validator::Args),
    /// Propose changes to those who hold stake, and vote
    Gov(commands::network::economy::gov::Args),
    /// Show the projects that votes fund, paid by milestones
    Launchpad(commands::network::economy::launchpad::Args),
    /// Show where the supply is, and claim what is due
    Token(commands::network::economy::token::Args),
    /// Play the economy before anybody has to believe it
    Econ(commands::econ::Args),
    /// Run a network on this machine
    Devnet(commands::network::devnet::Args),
    /// Print completions for a shell
    Completions(commands::completions::Args),
    /// Write manual pages into a folder
    Man(commands::man::Args),
}

/// Reads the command line; usage errors and help end the process here.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

/// Runs a command line and gives the process its exit code.
pub(crate) fn main(cli: Cli) -> ExitCode {
    let context = Context { ui: Ui::new(&cli.global), max_memory: cli.global.max_memory };
    let status = prepare(&cli.global, &context.ui).and_then(|()| run(cli.command, &context));
    let status = status.unwrap_or_else(|error| {
        let report = ErrorReport::new(&error);
        context.ui.error(&error, report.hint.as_deref());
        if context.ui.json() {
            // If stdout is closed too, there is nobody left to tell.
            let _ = context.ui.result(&report, "");
        }
        Status::Failed
    });
    status.into()
}

fn run(command: Command, context: &Context) -> Result<Status> {
    match command {
        Command::Demo(args) => demo::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Compile(args) => compile::run(&args, context),
        Command::Key(args) => key::run(&args, context),
        Command::Transpile(args) => transpile::run(&args, context),
        Command::Run(args) => run_model::run(&args, context),
        Command::Prove(args) => prove::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        #[cfg(feature = "cairo")]
        Command::Program(args) => commands::program::run(&args, context),
        Command::Bench(args) => bench::run(&args, context),
        Command::Network(args) => network::choose::run(&args, context),
        Command::Account(args) => network::account::run(&args, context),
        Command::Faucet(args) => network::account::faucet(&args, context),
        Command::Deploy(args) => network::deploy::run(&args, context),
        Command::Submit(args) => network::submit::run(&args, context),
        Command::Quote(args) => network::submit::quote(&args, context),
        Command::Order(args) => network::submit::order(&args, context),
        Command::Job(args) => network::job::run(&args, context),
        Command::SubmitProof(args) => starknet::submit::run(&args, context),
        Command::Fact(args) => starknet::fact::run(&args, context),
        Command::VerifyReceipt(args) => network::receipt::run(&args, context),
        Command::Stake(args) => network::economy::stake::run(&args, context),
        Command::Validator(args) => network::economy::validator::run(&args, context),
        Command::Gov(args) => network::economy::gov::run(&args, context),
        Command::Launchpad(args) => network::economy::launchpad::run(&args, context),
        Command::Token(args) => network::economy::token::run(&args, context),
        Command::Econ(args) => econ::run(&args, context),
        Command::Devnet(args) => network::devnet::run(&args, context),
        Command::Completions(args) => completions::run(&args, &mut Cli::command(), context),
        Command::Man(args) => man::run(&args, Cli::command(), context),
    }
}

/// Sets up the log and the threads.
fn prepare(global: &Global, ui: &Ui) -> Result<()> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let crates = ["ciro", "ciro_sdk", "ciro_model", "ciro_compiler", "ciro_stark", "ciro_cairo"];
    let directives = crates.map(|name| format!("{name}={level}")).join(",");
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("CIRO_LOG")
        .try_from_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(directives));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(ui.colours_stderr())
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .init();
    if let Some(threads) = global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("cannot start the prover's threads")?;
    }
    Ok(())
}
