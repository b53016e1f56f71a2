//! Commands that work with a network: skins over the SDK's client.

pub(crate) mod account;
pub(crate) mod choose;
mod course;
pub(crate) mod deploy;
pub(crate) mod devnet;
pub(crate) mod economy;
pub(crate) mod job;
pub(crate) mod ordered;
#[cfg(feature = "cairo")]
mod program;
pub(crate) mod receipt;
pub(crate) mod submit;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ciro_sdk::client::{Choice, Home, HomeError, Passphrase, Session};

pub(super) use devnet::program;

/// Which node, and who signs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// A node of the network in use [default: the one of `ciro network use`]
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    /// The account that signs [default: the one of `ciro network use`]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// A file with the account's passphrase, readable by its owner alone
    #[arg(long, value_name = "FILE", env = "CIRO_PASSPHRASE_FILE", hide_env_values = true)]
    passphrase_file: Option<PathBuf>,
}

impl NetworkArgs {
    /// Connects to a node of the network in use.
    pub(super) async fn open(&self) -> Result<Session> {
        let Self { node, account, passphrase_file } = self.clone();
        let choice = Choice { node, account, passphrase_file };
        Ok(Session::open(Home::of_user()?, choice).await?)
    }
}

/// Reads the passphrase from the file that was named.
pub(super) fn passphrase(file: Option<&PathBuf>) -> Result<Passphrase> {
    Ok(Passphrase::read(file.ok_or(HomeError::NoPassphrase)?)?)
}

/// Runs what waits for a node.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("the system gives no threads")?.block_on(work)
}
