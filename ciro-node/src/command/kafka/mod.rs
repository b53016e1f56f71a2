//! `ciro-node kafka`: topics, and a cluster that validators run.

mod cluster;
mod submit;

use std::path::PathBuf;

use ciro_queue::kafka::{KafkaSettings, Topics};
use clap::Subcommand;

use super::dlq::settings;
use crate::config::Config;

/// What is done about Kafka.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Creates the topics that are missing in the cluster of a node's settings.
    Topics {
        /// The node's folder.
        folder: PathBuf,
    },
    /// Writes what a cluster of the validators' own needs: settings of brokers, users, rights.
    Init {
        /// What the cluster is: brokers, providers, passwords' folder (TOML).
        #[arg(long, value_name = "FILE")]
        cluster: PathBuf,
        /// The folder that is written, which must be empty or absent.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Prints an example of the file that `init` reads.
    Example,
    /// Writes signed orders into the topic of submissions, where they need no key and no headers.
    /// One order in hexadecimal on each line of standard input; the number of each line, from 0, is
    /// printed once the brokers have it.
    Submit {
        /// The brokers: `host:port`, with commas between them.
        #[arg(long)]
        brokers: String,
        /// What the names of topics begin with.
        #[arg(long, default_value = "ciro")]
        prefix: String,
    },
}

pub(super) fn run(action: &Action) -> anyhow::Result<String> {
    match action {
        Action::Topics { folder } => {
            let (settings, bus) = (settings(folder)?, Config::read(folder)?.bus);
            let topics = Topics::new(&settings.prefix);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let created = topics.create(&settings, bus.replication.into());
            let created = runtime.block_on(created)?;
            let all = topics.all().len();
            Ok(format!("{} topics created, {all} are there", created.len()))
        }
        Action::Init { cluster, out } => cluster::init(cluster, out),
        Action::Example => Ok(cluster::EXAMPLE.to_owned()),
        Action::Submit { brokers, prefix } => {
            let plain = KafkaSettings::plain(brokers);
            submit::submit(&KafkaSettings { prefix: prefix.clone(), ..plain })
        }
    }
}
