//! `ciro network`

use std::path::PathBuf;

use anyhow::Result;
use ciro_protocol::light::Pin;
use ciro_sdk::client::{Client, Home, Network};
use serde::Serialize;

use super::block_on;
use crate::context::{Context, Status};
use crate::ui::DIM;

/// Arguments of `ciro network`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Choose the network that other commands work with
    Use {
        /// The address of a node
        #[arg(value_name = "URL")]
        url: String,
        /// The network's genesis, from whom you trust: nodes of other networks are refused, and
        /// receipts are verified from it alone
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
        /// The account that signs
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
        /// A file with its passphrase
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Show the network in use and where it is
    Show(super::NetworkArgs),
}

#[derive(Serialize)]
struct Report {
    name: String,
    chain: String,
    node: String,
    height: u64,
    certified: u64,
    /// Who votes in the epoch at hand.
    pin: Pin,
    time_ms: u64,
    verifier: u8,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let report = match &args.action {
        Action::Use { url, genesis, account, passphrase_file } => {
            let genesis = Network::read_genesis(genesis)?;
            block_on(async {
                let client = Client::connect(url, genesis.clone()).await?;
                let network = Network {
                    url: url.clone(),
                    chain: client.chain(),
                    account: account.clone(),
                    passphrase_file: passphrase_file.clone(),
                };
                Home::of_user()?.use_network(&network, &genesis)?;
                report(&client, url).await
            })?
        }
        Action::Show(args) => block_on(async {
            let session = args.open().await?;
            report(&session.client, session.url()).await
        })?,
    };
    let text = format!(
        "{DIM}network{DIM:#}  {} ({})\n{DIM}node{DIM:#}     {}\n{DIM}head{DIM:#}     block {}, certified up to {}\n{DIM}pin{DIM:#}      {}\n",
        report.name, report.chain, report.node, report.height, report.certified, report.pin,
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}

async fn report(client: &Client, url: &str) -> Result<Report> {
    let info = client.chain_info().await?;
    Ok(Report {
        name: client.spec().name.to_string(),
        chain: info.chain.to_string(),
        node: url.to_owned(),
        height: info.head.height,
        certified: info.certified,
        pin: info.pin,
        time_ms: info.head.time_ms,
        verifier: client.spec().verifier,
    })
}
