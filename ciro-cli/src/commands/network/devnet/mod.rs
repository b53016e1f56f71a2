//! `ciro devnet`: a network of real processes on this machine.

mod chaos;
mod kafka;
mod process;
mod up;

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ciro_sdk::client::Home;
use ciro_sdk::files;
use serde::{Deserialize, Serialize};

pub(in crate::commands) use process::program;

use crate::context::{Context, Failure, Status};
use crate::ui::{BAD, BOLD, DIM, GOOD};

/// Arguments of `ciro devnet`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start a network: validators and providers, with funded accounts
    Up(up::Args),
    /// Show which processes run
    Status(Folder),
    /// Print the end of a process' log
    Logs {
        /// The process, such as `node0` or `prover0`
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Kill a process at once, as a crash would
    Kill {
        /// The process, such as `node0` or `prover0`
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Start a process again
    Restart {
        /// The process, such as `node0` or `prover0`
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Kill and stop processes while jobs flow, and check that everything holds
    Chaos(Box<chaos::Args>),
    /// Stop all processes
    Down(Folder),
}

/// Where the network is.
#[derive(Clone, Debug, clap::Args)]
struct Folder {
    /// The network's folder [default: `devnet` in CIRO_HOME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What CIRO_HOME is set to, within the network's folder.
const HOME: &str = "home";

/// Everything about a running network: `devnet.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Devnet {
    dir: PathBuf,
    url: String,
    /// The interfaces of all validators, in the order of their numbers.
    urls: Vec<String>,
    chain: String,
    genesis: PathBuf,
    /// What CIRO_HOME is set to, to use this network.
    home: PathBuf,
    /// The processes' group.
    group: u32,
    processes: Vec<Process>,
    accounts: Vec<Account>,
    /// What jobs travel through, if it is Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kafka: Option<kafka::Kafka>,
}

/// One process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Process {
    name: String,
    pid: u32,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
}

/// An account of the network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: String,
    address: String,
}

impl Folder {
    fn path(&self) -> Result<PathBuf> {
        match &self.dir {
            Some(dir) => std::path::absolute(dir).context("the folder has no absolute path"),
            None => Ok(of_home(Home::of_user()?.path())),
        }
    }

    fn devnet(&self) -> Result<Devnet> {
        Devnet::read(&self.path()?)
    }
}

/// The devnet's folder that belongs to a home: what `ciro devnet up` tells to export is within it.
fn of_home(home: &Path) -> PathBuf {
    match home.parent() {
        Some(dir) if home.ends_with(HOME) && Devnet::file(dir).is_file() => dir.to_owned(),
        _ => home.join("devnet"),
    }
}

impl Devnet {
    fn file(dir: &Path) -> PathBuf {
        dir.join("devnet.json")
    }

    fn read(dir: &Path) -> Result<Self> {
        let path = Self::file(dir);
        let bytes = std::fs::read(&path).map_err(|error| {
            Failure::new(
                format!("there is no devnet in `{}`: {error}", dir.display()),
                "`ciro devnet up` starts one; `--dir DIR` names another folder",
            )
        })?;
        serde_json::from_slice(&bytes).with_context(|| format!("`{}`", path.display()))
    }

    fn write(&self) -> Result<()> {
        Ok(files::write(&Self::file(&self.dir), &serde_json::to_vec_pretty(self)?)?)
    }

    fn url_of(&self, number: &str) -> Option<&str> {
        self.urls.get(number.parse::<usize>().ok()?).map(String::as_str)
    }

    /// Whether more than two thirds of the validators run.
    fn has_quorum(&self) -> bool {
        let nodes = self.processes.iter().filter(|process| process.name.starts_with("node"));
        3 * nodes.filter(|process| process.is_running()).count() > 2 * self.urls.len()
    }

    fn process(&self, name: &str) -> Result<usize> {
        let place = self.processes.iter().position(|process| process.name == name);
        place.ok_or_else(|| {
            let names: Vec<&str> = self.processes.iter().map(|it| it.name.as_str()).collect();
            let hint = format!("there are: {}", names.join(", "));
            Failure::new(format!("the devnet has no process `{name}`"), hint).into()
        })
    }
}

#[derive(Serialize)]
struct StatusReport {
    dir: PathBuf,
    url: String,
    urls: Vec<String>,
    home: PathBuf,
    ready: bool,
    processes: Vec<Running>,
}

#[derive(Serialize)]
struct Running {
    name: String,
    pid: u32,
    running: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.action {
        Action::Up(args) => return up::run(args, context),
        Action::Chaos(args) => return chaos::run(args, context),
        Action::Status(folder) => show(&folder.devnet()?, context)?,
        Action::Logs { name, folder } => {
            let devnet = folder.devnet()?;
            let log = tail(&devnet.processes[devnet.process(name)?].log)?;
            #[derive(Serialize)]
            struct Log<'l> {
                log: &'l str,
            }
            let shown: String =
                log.lines().map(|line| format!("{}\n", ciro_sdk::printable(line))).collect();
            context.ui.result(&Log { log: &log }, &shown)?;
        }
        Action::Kill { name, folder } => {
            let devnet = folder.devnet()?;
            let process = &devnet.processes[devnet.process(name)?];
            if process.is_running() {
                process.kill()?;
            }
            show(&devnet, context)?;
        }
        Action::Restart { name, folder } => {
            let mut devnet = folder.devnet()?;
            let place = devnet.process(name)?;
            if devnet.processes[place].is_running() {
                devnet.processes[place].stop()?;
            }
            let group = devnet.living_group();
            let pid = devnet.processes[place].start(group)?;
            devnet.processes[place].pid = pid;
            devnet.group = group.unwrap_or(pid);
            devnet.write()?;
            // A node whose network has no quorum runs, and is ready once others are back.
            if let Some(url) = name.strip_prefix("node").and_then(|number| devnet.url_of(number))
                && devnet.has_quorum()
            {
                up::wait_ready(url, Duration::from_secs(30))?;
            }
            show(&devnet, context)?;
        }
        Action::Down(folder) => {
            let devnet = folder.devnet()?;
            down(&devnet)?;
            show(&devnet, context)?;
        }
    }
    Ok(Status::Done)
}

/// Stops all processes: workers before nodes.
fn down(devnet: &Devnet) -> Result<()> {
    for process in devnet.processes.iter().rev().filter(|process| process.is_running()) {
        process.stop()?;
    }
    devnet.kafka.as_ref().map_or(Ok(()), kafka::Kafka::stop)
}

fn show(devnet: &Devnet, context: &Context) -> Result<()> {
    let processes: Vec<Running> = devnet.processes.iter().map(Running::of).collect();
    let ready = processes.iter().all(|process| process.running);
    let mut text = String::new();
    for Running { name, pid, running } in &processes {
        let state = if *running {
            format!("{GOOD}runs{GOOD:#} ({pid})")
        } else {
            format!("{BAD}stopped{BAD:#}")
        };
        text.push_str(&format!("{BOLD}{name:10}{BOLD:#}{state}\n"));
    }
    text.push_str(&format!("{DIM}node{DIM:#}      {}\n", devnet.urls.join(" ")));
    text.push_str(&format!("{DIM}use it{DIM:#}    export CIRO_HOME={}\n", devnet.home.display()));
    let (dir, url, home) = (devnet.dir.clone(), devnet.url.clone(), devnet.home.clone());
    let urls = devnet.urls.clone();
    context.ui.result(&StatusReport { dir, url, urls, home, ready, processes }, &text)
}

impl Running {
    fn of(process: &Process) -> Self {
        Self { name: process.name.clone(), pid: process.pid, running: process.is_running() }
    }
}

/// The last 16 KiB of a file, from the first whole line.
fn tail(path: &Path) -> Result<String> {
    const BYTES: u64 = 16 << 10;
    let failed = || format!("cannot read `{}`", path.display());
    let mut file = std::fs::File::open(path).with_context(failed)?;
    let length = file.metadata().with_context(failed)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES))).with_context(failed)?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes).with_context(failed)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        Some((_, rest)) if length > BYTES => rest.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_a_devnet_names_it_and_another_has_one_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join(HOME);
        assert_eq!(of_home(&home), home.join("devnet"), "there is no devnet beside it");
        std::fs::write(Devnet::file(folder.path()), "{}").unwrap();
        assert_eq!(of_home(&home), folder.path());
        assert_eq!(of_home(folder.path()), folder.path().join("devnet"));
    }
}
