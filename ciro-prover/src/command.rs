//! The commands of `ciro-prover`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ciro_protocol::api::Code;
use ciro_protocol::id::ProviderId;
use ciro_protocol::provider::{DirectKeys, Profile};
use ciro_protocol::sign::SecretKey;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{AddBond, Body, RegisterProvider, SetAsks};
use ciro_protocol::wire::List;
use ciro_sdk::client::{Client, Keystore, Network, Passphrase};
use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::calibrate::calibrate;
use crate::config::{CONFIG_FILE, Config, WorkConfig};
use crate::direct::{self, Preparation};
use crate::executor::{Pool, PoolSettings, child_main};
use crate::init::{InitArgs, init};
use crate::journal::Journal;
use crate::shell::{self, Direct, Parts};
use crate::worker::Settings;

/// Attempts that the table keeps.
const ROWS_MAX: usize = 4096;
/// The longest that a child may be at one task; leases end before.
const CHILD_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Runs a provider's worker on Ciro's network.
#[derive(Debug, Parser)]
#[command(name = "ciro-prover", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes `prover.toml`, with every setting explained, into a folder.
    Init(InitArgs),
    /// Proves three models, and says how fast this machine is: `cells_per_s` of the settings.
    Calibrate {
        #[command(flatten)]
        config: ConfigArgs,
        /// Put it into the settings, whose comments stay.
        #[arg(long)]
        write: bool,
    },
    /// Registers the account as a provider, or changes what a registered one takes on and fills up
    /// its bond.
    Register(ConfigArgs),
    /// Claims jobs and proves them until it is told to stop.
    Start(ConfigArgs),
    /// Ends the provider's jail once its time is over, for those who set `unjail = false`.
    Unjail(ConfigArgs),
    /// Shows what the ledger and the table say of the worker.
    Status(ConfigArgs),
    /// Lets the running worker finish what it holds, claim nothing more, and stop.
    Drain(ConfigArgs),
    /// Writes manual pages into a folder.
    #[command(hide = true)]
    Man {
        /// The folder, which is made if it is missing.
        folder: PathBuf,
    },
    /// Proves what the parent asks for on standard input.
    #[command(hide = true)]
    Child {
        #[arg(long)]
        memory_mb: u64,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct ConfigArgs {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,
}

/// Runs the command that the arguments name. An error goes to standard error; the status is 1, and
/// 2 for arguments that make no sense.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Child { memory_mb } => child_main(memory_mb).map_err(anyhow::Error::from),
        Command::Init(args) => init(&args).and_then(|done| print(&done)),
        Command::Man { folder } => man(&folder),
        Command::Calibrate { config: args, write } => block_on(async {
            let config = read(&args)?;
            let settings = write.then_some(args.config.as_path());
            print(&calibrate(&config, &pool(&config.work)?, settings).await?)
        }),
        Command::Register(args) => block_on(async { register(&read(&args)?).await }),
        Command::Start(args) => block_on(async { start(&read(&args)?).await }),
        Command::Unjail(args) => block_on(async { unjail(&read(&args)?).await }),
        Command::Status(args) => block_on(async { status(&read(&args)?).await }),
        Command::Drain(args) => read(&args).and_then(|config| drain(&config)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody hears it if standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // A program that runs several workers has chosen already.
    let _ = subscriber.with_writer(std::io::stderr).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the system gives no threads")?.block_on(work)
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

fn read(args: &ConfigArgs) -> anyhow::Result<Config> {
    Ok(Config::read(&args.config)?)
}

/// Opens the provider's key and connects to its node.
async fn connect(config: &Config) -> anyhow::Result<(Client, SecretKey)> {
    let genesis = Network::read_genesis(&config.genesis)?;
    let passphrase = Passphrase::read(&config.passphrase_file)?;
    let key = Keystore::load(&config.account)?.open(&passphrase)?;
    Ok((Client::connect(&config.node, genesis).await?, key))
}

async fn register(config: &Config) -> anyhow::Result<()> {
    let (client, key) = connect(config).await?;
    let facts = direct::facts(&client, config).await?;
    let keys = direct::keys(config, &facts)?;
    let (asks, bond) = (config.asks(client.sealing_card(&key)?, keys)?, config.provider.bond);
    direct::open_ms_max(&config.work, &asks, (&facts, Preparation::Ahead))?;
    let known = match client.provider(key.address()).await {
        Ok(info) => Some(info),
        Err(error) if error.code() == Some(Code::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let done = match known {
        Some(info) => {
            let missing = bond.saturating_sub(info.whole_bond());
            let same = info.asks == asks;
            if !same {
                client.execute(&key, Body::SetAsks(SetAsks { asks })).await?;
            }
            if !missing.is_zero() {
                client.execute(&key, Body::AddBond(AddBond { amount: missing })).await?;
            }
            match (same, missing.is_zero()) {
                (true, true) => "was registered before",
                (true, false) => "has filled up its bond",
                (false, _) => "takes on what the settings say from now on",
            }
        }
        None => {
            let profile = Profile {
                name: Text::new(config.provider.name.as_str())?,
                region: config.provider.region,
                memory_mb: config.work.memory_mb,
            };
            let body = RegisterProvider { profile, asks, bond };
            client.execute(&key, Body::RegisterProvider(body)).await?;
            "is registered"
        }
    };
    let info = client.provider(key.address()).await?;
    print(&format!("provider {} {done}, with a bond of {} CIRO", info.provider, info.bond))
}

/// The children that prove.
fn pool(work: &WorkConfig) -> anyhow::Result<Pool> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match work.threads {
        0 => (cores / usize::from(work.children)).max(1),
        threads => threads.into(),
    };
    Ok(Pool::new(PoolSettings {
        program: std::env::current_exe().context("this program does not know its own file")?,
        children: work.children.into(),
        memory_mb: work.memory_mb.into(),
        threads,
        time_max: CHILD_TIME_MAX,
    }))
}

async fn start(config: &Config) -> anyhow::Result<()> {
    let (client, key) = connect(config).await?;
    let (provider, asks) = match client.provider(key.address()).await {
        Ok(info) => (info.provider, info.asks),
        Err(error) if error.code() == Some(Code::NotFound) => {
            bail!("account {} is no provider: `ciro-prover register` first", key.address())
        }
        Err(error) => return Err(error.into()),
    };
    let work = &config.work;
    let pool = pool(work)?;
    let facts = direct::facts(&client, config).await?;
    let settings = Settings {
        validity_ms: (client.spec().time.validity_max_ms / 2).min(30_000),
        open_ms_max: direct::open_ms_max(work, &asks, (&facts, Preparation::Measured))?,
        ..settings(work, provider)
    };
    let mut terminated = signal(SignalKind::terminate()).context("no signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("no signals")?;
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    tracing::info!(%provider, node = config.node, "the worker starts");
    let parts = Parts {
        client,
        key,
        settings,
        classes: config.provider.prices.classes(),
        kafka: config.kafka.clone(),
        models: work.models.iter().copied().collect(),
        programs: work.programs.clone(),
        model_bytes_max: work.model_bytes_max(),
        direct: Direct {
            models: config.direct_models().to_vec(),
            input_bytes_max: asks.direct.as_ref().map_or(0, |terms| terms.input_bytes_max),
            keys: asks.direct.map_or(DirectKeys::Listed(List::default()), |terms| terms.keys),
        },
        pool,
        data: config.data.clone(),
    };
    // A drain that was asked for before was for another run.
    let drain = config.data.join("drain");
    if drain.exists() {
        std::fs::remove_file(&drain)?;
    }
    shell::run(parts, stop).await?;
    tracing::info!("the worker stops");
    Ok(())
}

/// What the operator decides, for a network and direct orders that are still to be asked.
fn settings(work: &WorkConfig, provider: ProviderId) -> Settings {
    Settings {
        provider,
        capacity: work.capacity,
        children: work.children,
        rows_max: ROWS_MAX,
        memory_mb: work.memory_mb,
        cells_per_s: work.cells_per_s,
        price_per_gcell: work.price_per_gcell,
        collateral_max: work.collateral_max,
        input_bytes_max: work.input_bytes_max(),
        bytes_per_s: work.bytes_per_s,
        models: BTreeMap::new(),
        listen_only: work.listen_only,
        unjail: work.unjail,
        validity_ms: 0,
        retry_ms: 1_000,
        rank_ms: 25,
        open_ms_max: u64::MAX,
    }
}

async fn unjail(config: &Config) -> anyhow::Result<()> {
    let (client, key) = connect(config).await?;
    let info = client.provider(key.address()).await?;
    let Some(until) = info.jailed_until_ms else {
        return print(&format!("provider {} is not in jail", info.provider));
    };
    let left = until.saturating_sub(client.chain_info().await?.head.time_ms);
    if left > 0 {
        bail!("provider {} is in jail for {} s more", info.provider, left.div_ceil(1_000));
    }
    client.execute(&key, Body::Unjail).await?;
    print(&format!("provider {} may claim again", info.provider))
}

async fn status(config: &Config) -> anyhow::Result<()> {
    let (client, key) = connect(config).await?;
    let info = client.provider(key.address()).await?;
    let mut lines = vec![
        format!("provider  {} ({})", info.provider, &*info.profile.name),
        format!("bond      {} CIRO free, {} CIRO locked", info.bond, info.locked),
        format!("jobs      {} held, {} settled, {} lost", info.held, info.settled, info.lost),
    ];
    let least = client.spec().providers.bond_min;
    if info.whole_bond() < least {
        let what = "nothing is claimed: raise `provider.bond` and run `ciro-prover register`";
        lines.push(format!("bond      is below the network's least, {least} CIRO: {what}"));
    }
    if let Some(until) = info.jailed_until_ms {
        let time_ms = client.chain_info().await?.head.time_ms;
        lines.push(match until.saturating_sub(time_ms) {
            0 => "jail      its time is over; `ciro-prover unjail` ends it".to_owned(),
            left => format!("jail      for {} s more of ledger time", left.div_ceil(1_000)),
        });
    }
    let table = config.data.join("table");
    if table.exists() {
        for row in Journal::peek(&table)?.iter().filter(|row| !row.state.is_end()) {
            lines.push(format!("attempt   {} {} {}", row.job, row.attempt, row.state.name()));
        }
    }
    print(&lines.join("\n"))
}

fn drain(config: &Config) -> anyhow::Result<()> {
    let path = config.data.join("drain");
    std::fs::write(&path, "").with_context(|| format!("cannot write `{}`", path.display()))?;
    print("the worker claims nothing more, and stops once it holds nothing")
}

fn man(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .with_context(|| format!("cannot write manual pages to `{}`", folder.display()))
}
