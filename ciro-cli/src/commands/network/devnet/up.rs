//! `ciro devnet up`

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ciro_protocol::api::Health;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::Body;
use ciro_sdk::client::{Client, Home, Network, Passphrase};
use serde::Serialize;

use super::kafka::Kafka;
use super::process::program;
use super::{Account, Devnet, Folder, HOME, Process, down};
use crate::commands::network::block_on;
use crate::context::{Context, Failure, Status};
use crate::ui::{BOLD, DIM, GOOD};

/// How long processes have to become ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `ciro devnet up`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Validators, 1 to 16
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=16))]
    validators: u8,
    /// Providers, 0 to 16
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(0..=16))]
    providers: u16,
    /// Derive all keys from a text: for networks that are thrown away
    #[arg(long, value_name = "TEXT", default_value = "ciro-devnet")]
    seed: String,
    /// The network's specification (JSON), as `ciro-node genesis FOLDER --spec` prints one, whose
    /// validators become these [default: a devnet with an economy]
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Leave the network running and return
    #[arg(long)]
    detach: bool,
    /// Let jobs travel through Apache Kafka at these brokers (HOST:PORT, ...), or start one here
    /// (`auto`: needs Java, Maven and tools/kafka of a checkout)
    #[arg(long, value_name = "BROKERS|auto")]
    kafka: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    devnet: &'a Devnet,
    ready_ms: f64,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    let begun = Instant::now();
    let dir = args.folder.path()?;
    if dir.join("devnet.json").exists() {
        let hint = "`ciro devnet down` stops it; delete the folder, or name another with `--dir`";
        let message = format!("there is a devnet in `{}` already", dir.display());
        return Err(Failure::new(message, hint).into());
    }
    let mut started = Started::default();
    let devnet = start(args, &dir, &mut started, context)?;
    devnet.write()?;
    let ready_ms = begun.elapsed().as_secs_f64() * 1e3;
    started.keep();
    let report = Report { devnet: &devnet, ready_ms };
    context.ui.result(&report, &describe(&devnet, ready_ms))?;
    if !args.detach {
        block_on(async {
            tokio::signal::ctrl_c().await.context("no signals")?;
            Ok(())
        })?;
        down(&devnet)?;
    }
    Ok(Status::Done)
}

/// Processes of a network that is not whole yet: they end with it.
#[derive(Default)]
struct Started {
    processes: Vec<Process>,
    kafka: Option<Kafka>,
}

impl Started {
    /// Lets all of it run on.
    fn keep(&mut self) {
        self.processes.clear();
        self.kafka = None;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(kafka) = &self.kafka {
            let _ = kafka.stop();
        }
        for process in self.processes.iter().rev().filter(|process| process.is_running()) {
            // What went wrong before is what the user is told.
            let _ = process.stop();
        }
    }
}

fn start(args: &Args, dir: &Path, started: &mut Started, context: &Context) -> Result<Devnet> {
    let (node, prover) = (program("ciro-node")?, program("ciro-prover")?);
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    let kafka = args.kafka.as_deref().map(|brokers| {
        let _stage = context.ui.stage("starting Kafka".to_owned());
        Kafka::of(brokers, dir)
    });
    let kafka = kafka.transpose()?;
    started.kafka.clone_from(&kafka);
    let urls = start_nodes((args, dir), &node, started, context)?;
    let mut processes = started.processes.clone();
    let url = urls[0].clone();
    let genesis = dir.join("node0").join("genesis.json");
    let home = Home::at(dir.join(HOME));
    let (chain, accounts) = block_on(accounts(args, (&url, &genesis), &home))?;
    block_on(wait_equal(&urls, &genesis))?;
    let group = processes[0].pid;
    for number in 0..args.providers {
        let _stage = context.ui.stage(format!("starting prover{number}"));
        let own = &urls[usize::from(number) % urls.len()];
        let config = configure(dir, &prover, (number, own, &genesis))?;
        if let Some(kafka) = &kafka {
            kafka.configure_prover(&config)?;
        }
        quiet(&prover, &["register", "--config", text(&config)?])?;
        let mut process = Process {
            name: format!("prover{number}"),
            pid: 0,
            program: prover.clone(),
            arguments: ["start", "--config", text(&config)?].map(str::to_owned).into(),
            log: dir.join(format!("prover{number}.log")),
        };
        process.pid = process.start(Some(group))?;
        started.processes.push(process.clone());
        processes.push(process);
    }
    let home = home.path().to_owned();
    let dir = dir.to_owned();
    Ok(Devnet { dir, url, urls, chain, genesis, home, group, processes, accounts, kafka })
}

/// Makes the validators' folders, starts them, and waits until all are ready. Returns where their
/// interfaces listen.
fn start_nodes(
    (args, dir): (&Args, &Path),
    node: &Path,
    started: &mut Started,
    context: &Context,
) -> Result<Vec<String>> {
    let count = args.validators.to_string();
    let mut make = vec!["network", text(dir)?, "--validators", &count, "--seed", &args.seed];
    if let Some(spec) = &args.spec {
        make.extend(["--spec", text(spec)?]);
    }
    quiet(node, &make)?;
    if let Some(kafka) = &started.kafka {
        for number in 0..args.validators {
            kafka.configure_node(&dir.join(format!("node{number}")).join("node.toml"))?;
        }
    }
    let _stage = context.ui.stage(format!("starting {count} validators"));
    for number in 0..args.validators {
        let group = started.processes.first().map(|first| first.pid);
        started.processes.push(start_node((node, dir), number, group)?);
    }
    let mut urls = Vec::new();
    for (number, process) in started.processes.iter_mut().enumerate() {
        let told = dir.join(format!("node{number}")).join("api.addr");
        let address = wait_for(process, || std::fs::read_to_string(&told).ok())?;
        // The first start takes a free port, later ones the same.
        process.arguments[2] = address.trim().to_owned();
        urls.push(format!("http://{}", address.trim()));
    }
    for url in &urls {
        wait_ready(url, PATIENCE)?;
    }
    Ok(urls)
}

/// Waits until all nodes have executed what the first one has: what was paid there is there too.
async fn wait_equal(urls: &[String], genesis: &Path) -> Result<()> {
    let genesis = Network::read_genesis(genesis)?;
    let mut expected = 0;
    for url in urls {
        let client = Client::connect(url, genesis.clone()).await?;
        let begun = Instant::now();
        loop {
            let height = client.chain_info().await?.head.height;
            if height >= expected {
                // The first one says how far the others must be.
                expected = if expected == 0 { height } else { expected };
                break;
            }
            if begun.elapsed() > PATIENCE {
                bail!("the node at {url} does not come to block {expected}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

/// Starts a validator whose interface takes a free port.
fn start_node((program, dir): (&Path, &Path), number: u8, group: Option<u32>) -> Result<Process> {
    let name = format!("node{number}");
    let folder = dir.join(&name);
    let mut process = Process {
        pid: 0,
        program: program.to_owned(),
        arguments: ["start", "--listen", "127.0.0.1:0", text(&folder)?].map(str::to_owned).into(),
        log: dir.join(format!("{name}.log")),
        name,
    };
    process.pid = process.start(group)?;
    Ok(process)
}

/// Makes the accounts of users, operators and providers and gives them test money.
async fn accounts(
    args: &Args,
    (url, genesis): (&str, &Path),
    home: &Home,
) -> Result<(String, Vec<Account>)> {
    let genesis = Network::read_genesis(genesis)?;
    let client = Client::connect(url, genesis.clone()).await?;
    let mut made = Vec::new();
    let file = home.path().join("passphrase");
    std::fs::create_dir_all(home.path())?;
    // The keys follow from the seed: the passphrase protects nothing that the seed does not tell.
    let passphrase = Passphrase::new(format!("devnet {}", args.seed))?;
    passphrase.write(&file)?;
    let users = ["alice", "bob"].map(|name| (name.to_owned(), name.to_owned()));
    let own = |name: String| (name.clone(), name);
    let providers = (0..args.providers).map(|number| own(format!("prover{number}")));
    // Validators of the genesis are operated by the keys of their nodes.
    let staked = genesis.spec.economy.is_some().then_some(args.validators);
    let operators = (0..staked.unwrap_or(0))
        .map(|number| (format!("validator{number}"), format!("node{number}")));
    for (name, seed) in users.into_iter().chain(providers).chain(operators) {
        let scalar = SecretKey::scalar_from_seed(format!("{} {seed}", args.seed).as_bytes());
        let (store, key) = home.import_account(&name, &scalar, &passphrase)?;
        client.execute(&key, Body::Faucet).await?;
        made.push(Account { name, address: store.address.to_string() });
    }
    let network = Network {
        url: url.to_owned(),
        chain: client.chain(),
        account: Some("alice".to_owned()),
        passphrase_file: Some(file),
    };
    home.use_network(&network, &genesis)?;
    Ok((client.chain().to_string(), made))
}

/// Writes a worker's folder, and returns its settings.
fn configure(
    dir: &Path,
    prover: &Path,
    (number, url, genesis): (u16, &str, &Path),
) -> Result<PathBuf> {
    let folder = dir.join(format!("prover{number}"));
    quiet(prover, &["init", text(&folder)?])?;
    let config = folder.join("prover.toml");
    let home = dir.join(HOME);
    for (from, to) in [
        (genesis.to_owned(), "genesis.json"),
        (home.join("accounts").join(format!("prover{number}.json")), "account.json"),
        (home.join("passphrase"), "passphrase"),
    ] {
        // Copies keep the permissions.
        std::fs::copy(&from, folder.join(to))
            .with_context(|| format!("cannot copy `{}`", from.display()))?;
    }
    let written = std::fs::read_to_string(&config)?;
    let replaced = written
        .replace("http://127.0.0.1:26610", url)
        .replace("name = \"prover\"", &format!("name = \"prover{number}\""))
        // Nobody knows yet what will be deployed here. The first of these is of direct orders.
        .replacen("models = []", "models = \"any\"", 1)
        .replace("programs = []", "programs = \"any\"")
        .replace("# cairo = ", "cairo = ");
    let said = [url, "models = \"any\"", "programs = \"any\"", "\ncairo = "];
    if let Some(missing) = said.into_iter().find(|said| !replaced.contains(said)) {
        bail!("`{}` does not say `{}`", config.display(), missing.trim());
    }
    std::fs::write(&config, replaced)?;
    Ok(config)
}

/// Runs a program to its end; what it said is told if it fails.
fn quiet(program: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{}`", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or_default();
    bail!("`{} {}` failed: {said}", program.display(), arguments.join(" "))
}

/// Waits until a file is there, as long as the process runs.
fn wait_for<T>(process: &Process, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if !process.is_running() || begun.elapsed() > PATIENCE {
            let hint = format!("its log is `{}`", process.log.display());
            let message = format!("process `{}` does not become ready", process.name);
            return Err(Failure::new(message, hint).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a node is ready.
pub(super) fn wait_ready(url: &str, patience: Duration) -> Result<()> {
    block_on(async {
        let begun = Instant::now();
        loop {
            let error = match Client::health(url).await {
                Ok(Health { ready: true, .. }) => return Ok(()),
                Ok(health) => {
                    let bad = health.checks.iter().find(|check| !check.ok);
                    anyhow::anyhow!("{}", bad.map_or("not ready", |check| check.detail.as_str()))
                }
                Err(error) => error.into(),
            };
            if begun.elapsed() > patience {
                return Err(error.context(format!("the node at {url} does not become ready")));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("`{}` is no text", path.display()))
}

fn describe(devnet: &Devnet, ready_ms: f64) -> String {
    let count = devnet.processes.len();
    let noun = if count == 1 { "process" } else { "processes" };
    let mut text = format!(
        "{GOOD}ready{GOOD:#}     {count} {noun} in {}\n{DIM}node{DIM:#}      {BOLD}{}{BOLD:#}\n{DIM}folder{DIM:#}    {}\n",
        crate::format::duration(ready_ms),
        devnet.urls.join(" "),
        devnet.dir.display(),
    );
    if let Some(kafka) = &devnet.kafka {
        text.push_str(&format!("{DIM}kafka{DIM:#}     {}\n", kafka.brokers));
    }
    for account in &devnet.accounts {
        text.push_str(&format!("{DIM}account{DIM:#}   {:10} {}\n", account.name, account.address));
    }
    text.push_str(&format!(
        "\n{DIM}next{DIM:#}      export CIRO_HOME={}\n          ciro deploy MODEL.onnx\n          ciro submit MODEL.onnx --input INPUT.json\n",
        devnet.home.display()
    ));
    text
}
