//! Commands that work with a network: skins over the SDK's client.

pub(crate) mod account;
pub(crate) mod choose;
pub(crate) mod deploy;
pub(crate) mod devnet;
pub(crate) mod job;
pub(crate) mod receipt;
pub(crate) mod submit;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ciro_protocol::sign::SecretKey;
use ciro_sdk::client::{Client, Home, HomeError, Network, Passphrase};

use crate::context::Failure;

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

/// A connection to the network in use.
pub(super) struct Session {
    pub(super) client: Client,
    network: Network,
    home: Home,
    args: NetworkArgs,
}

impl Session {
    /// Connects to a node of the network in use.
    pub(super) async fn open(args: &NetworkArgs) -> Result<Self> {
        let home = Home::of_user()?;
        let (network, genesis) = home.network().map_err(explained)?;
        let url = args.node.as_deref().unwrap_or(&network.url);
        let client = Client::connect(url, genesis).await?;
        Ok(Self { client, network, home, args: args.clone() })
    }

    /// Opens the key of the account that signs.
    pub(super) fn key(&self) -> Result<SecretKey> {
        let named = self.args.account.as_deref().or(self.network.account.as_deref());
        let name = named.ok_or_else(|| explained(HomeError::NoAccount))?;
        let kept = self.network.passphrase_file.as_ref();
        let passphrase = passphrase(self.args.passphrase_file.as_ref().or(kept))?;
        let store = self.home.account(name);
        let store = store.with_context(|| format!("account `{name}`"))?;
        store.open(&passphrase).with_context(|| format!("account `{name}`"))
    }
}

/// Reads the passphrase from the file that was named.
pub(super) fn passphrase(file: Option<&PathBuf>) -> Result<Passphrase> {
    let file = file.ok_or_else(|| {
        Failure::new(
            "no passphrase",
            "write it into a file of mode 600 and name that: `--passphrase-file FILE` or CIRO_PASSPHRASE_FILE",
        )
    })?;
    Ok(Passphrase::read(file)?)
}

/// An error of the user's folder with what to do about it.
pub(super) fn explained(error: HomeError) -> anyhow::Error {
    let hint = match &error {
        HomeError::NoNetwork => {
            "`ciro devnet up` starts one, `ciro network use URL --genesis FILE` chooses one"
        }
        HomeError::NoAccount => {
            "`--account NAME` names one, `ciro account new NAME --passphrase-file FILE` makes one"
        }
        _ => return error.into(),
    };
    Failure::new(error.to_string(), hint).into()
}

/// Runs what waits for a node.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("the system gives no threads")?.block_on(work)
}
