//! The commands of `ciro-node`.

mod dlq;
mod doctor;
mod init;
mod kafka;
mod network;
mod start;
mod status;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

pub use init::{InitError, InitSettings, init, keys};
pub use network::network;

/// Runs a node of Ciro's network.
#[derive(Debug, Parser)]
#[command(name = "ciro-node", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a node's folder: its key, its settings, and the genesis of its network.
    Init {
        /// The folder, which must be empty or absent.
        folder: PathBuf,
        /// The genesis of a network to join; without it, a devnet of this validator alone begins.
        #[arg(long, value_name = "FILE", conflicts_with = "spec")]
        genesis: Option<PathBuf>,
        /// The specification of the new network (JSON), whose only validator becomes this node.
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        /// Derives the key from a text instead of drawing it: for networks that are thrown away.
        #[arg(long, value_name = "TEXT")]
        seed: Option<String>,
        /// Where another validator listens: a multiaddr that ends in `/p2p/` and its peer id.
        #[arg(long = "peer", value_name = "ADDRESS")]
        peers: Vec<String>,
        /// Where this node listens for other validators: a multiaddr.
        #[arg(long = "net-listen", value_name = "ADDRESS")]
        listen: Vec<String>,
        /// The number under which the key is registered, for a validator that is not in the
        /// genesis.
        #[arg(long, value_name = "NUMBER", requires = "genesis")]
        validator: Option<u32>,
    },
    /// Makes the keys of a node's folder, and prints what the genesis and other nodes say of them.
    Keys {
        /// The folder, which must be empty or absent.
        folder: PathBuf,
        /// Derives the keys from a text instead of drawing them: for networks that are thrown away.
        #[arg(long, value_name = "TEXT")]
        seed: Option<String>,
    },
    /// Makes the folders of a network whose validators all run on this machine.
    Network {
        /// Where the folders `node0`, `node1` and so on are made.
        folder: PathBuf,
        /// How many validators.
        #[arg(long, value_name = "N", default_value = "4",
              value_parser = clap::value_parser!(u8).range(1..=64))]
        validators: u8,
        /// The specification of the network (JSON), whose validators become these.
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        /// Derives all keys from a text instead of drawing them: for networks that are thrown away.
        #[arg(long, value_name = "TEXT")]
        seed: Option<String>,
    },
    /// Runs the node of a folder until it is told to stop.
    Start {
        /// The folder.
        folder: PathBuf,
        /// Where the interface listens, before what `node.toml` says.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// Prints the genesis of a folder's network: all that a light client trusts.
    Genesis {
        /// The folder.
        folder: PathBuf,
        /// Prints the specification alone, to make another network of.
        #[arg(long)]
        spec: bool,
    },
    /// Asks a running node how it is; fails while it is not ready.
    Status {
        /// The folder.
        folder: PathBuf,
        /// Prints what the node answers, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Looks for what keeps the node of a folder from running well.
    Doctor {
        /// The folder.
        folder: PathBuf,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Writes manual pages into a folder.
    #[command(hide = true)]
    Man {
        /// The folder, which is made if it is missing.
        folder: PathBuf,
    },
    /// Looks after records of Kafka that nobody could take care of.
    Dlq {
        #[command(subcommand)]
        action: dlq::Action,
    },
    /// Makes topics, or the files of a Kafka cluster.
    Kafka {
        #[command(subcommand)]
        action: kafka::Action,
    },
}

/// Runs the command that the arguments name. An error goes to standard error; the status is 1, and
/// 2 for arguments that make no sense.
#[must_use]
pub fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let done = match command {
        Command::Init { folder, genesis, spec, seed, peers, listen, validator } => {
            let settings = InitSettings { genesis, spec, seed, peers, listen, validator };
            init(&folder, &settings).map_err(anyhow::Error::from).and_then(|made| print(&made))
        }
        Command::Keys { folder, seed } => {
            keys(&folder, seed.as_deref()).map_err(Into::into).and_then(|it| print(&it))
        }
        Command::Network { folder, validators, spec, seed } => {
            let made = network(&folder, validators, (spec.as_deref(), seed.as_deref()));
            made.map_err(Into::into).and_then(|it| print(&it))
        }
        Command::Man { folder } => man(&folder),
        Command::Start { folder, listen } => start::start(&folder, listen),
        Command::Genesis { folder, spec } => init::genesis(&folder, spec).and_then(|it| print(&it)),
        Command::Status { folder, json } => return told(status::status(&folder, json)),
        Command::Dlq { action } => dlq::run(&action).and_then(|it| match it.as_str() {
            // No letters are no lines.
            "" => Ok(()),
            text => print(text),
        }),
        Command::Kafka { action } => kafka::run(&action).and_then(|it| print(&it)),
        Command::Doctor { folder, json } => return told(doctor::doctor(&folder, json)),
    };
    told(done.map(|()| (String::new(), true)))
}

/// Prints what a command has to say, and makes the exit code of whether all is well.
fn told(done: anyhow::Result<(String, bool)>) -> ExitCode {
    let printed = done.and_then(|(text, well)| match text.as_str() {
        "" => Ok(well),
        text => print(text).map(|()| well),
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody hears it if standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

fn man(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .with_context(|| format!("cannot write manual pages to `{}`", folder.display()))
}
