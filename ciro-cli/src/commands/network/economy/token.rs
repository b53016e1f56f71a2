//! `ciro token`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::api::{EconomyInfo, GrantInfo};
use ciro_protocol::economy::{AirdropShare, VestingSpec};
use ciro_protocol::id::GrantId;
use ciro_protocol::sign::Address;
use ciro_sdk::client::Session;
use ciro_sdk::files;
use serde::Serialize;

use super::super::{NetworkArgs, block_on};
use super::{Sent, address_of, ciro, now_ms, open, params_of, percent};
use crate::context::{Context, Failure, Status};
use crate::ui::{BOLD, DIM};

/// The longest list of shares, in bytes.
const SHARES_BYTES_MAX: u64 = 1 << 30;

/// Arguments of `ciro token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show where the supply is, and how it comes among people
    Supply(NetworkArgs),
    /// Show the grants of an account, and what of them may be taken
    Grants {
        /// An address [default: the account that signs]
        address: Option<Address>,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Take what has vested of a grant
    ClaimGrant {
        /// The grant
        grant: GrantId,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Pay a share of the airdrop out to its owner, whoever that is
    ClaimAirdrop {
        /// All shares, as they were published: a JSON list of index, owner (`to`) and amount
        #[arg(long, value_name = "FILE")]
        shares: PathBuf,
        /// Which of them [default: the account's own]
        #[arg(long, value_name = "N")]
        index: Option<u32>,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

#[derive(Serialize)]
struct Grant {
    #[serde(flatten)]
    info: GrantInfo,
    claimable: Amount,
}

#[derive(Serialize)]
struct Grants {
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    address: String,
    grants: Vec<Grant>,
}

#[derive(Serialize)]
struct Paid {
    sent: Sent,
    share: AirdropShare,
    balance: Amount,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.action {
        Action::Supply(network) => {
            let info = block_on(async {
                let session = open(network).await?;
                Ok(session.client.economy().await?)
            })?;
            context.ui.result(&info, &supply(&info))?;
        }
        Action::Grants { address, network } => {
            let found = block_on(async {
                let session = network.open().await?;
                let address = address_of(&session, *address)?;
                grants(&session, address, None).await
            })?;
            context.ui.result(&found, &describe(&found))?;
        }
        Action::ClaimGrant { grant, network } => {
            let found = block_on(async {
                let session = network.open().await?;
                let done = session.client.claim_grant(&session.key()?, *grant).await?;
                grants(&session, session.address()?, Some(Sent::of(&done))).await
            })?;
            context.ui.result(&found, &describe(&found))?;
        }
        Action::ClaimAirdrop { shares, index, network } => {
            let paid = block_on(claim(network, shares, *index))?;
            let text = format!(
                "{}{DIM}paid{DIM:#}      {} to {}\n{DIM}balance{DIM:#}   {} CIRO\n",
                paid.sent.line(),
                ciro(paid.share.amount),
                paid.share.to,
                paid.balance
            );
            context.ui.result(&paid, &text)?;
        }
    }
    Ok(Status::Done)
}

async fn claim(network: &NetworkArgs, path: &Path, index: Option<u32>) -> Result<Paid> {
    let bytes = files::read(path, SHARES_BYTES_MAX)?;
    let shares: Vec<AirdropShare> = serde_json::from_slice(&bytes)
        .with_context(|| format!("`{}` is no list of shares", path.display()))?;
    let session = network.open().await?;
    let own = session.address()?;
    let wanted = |it: &&AirdropShare| index.map_or(it.to == own, |index| it.index == index);
    let share = *shares.iter().find(wanted).ok_or_else(|| {
        let hint = "name the index of somebody's share: `--index N`";
        Failure::new("the list has no such share", hint)
    })?;
    let done = session.client.claim_airdrop(&session.key()?, &shares, share.index).await?;
    let balance = session.client.account(share.to).await?.balance;
    Ok(Paid { sent: Sent::of(&done), share, balance })
}

async fn grants(session: &Session, address: Address, sent: Option<Sent>) -> Result<Grants> {
    params_of(&session.client).await?;
    let now = now_ms(&session.client).await?;
    let vesting: Option<VestingSpec> = session.client.economy().await?.vesting;
    let found = session.client.stake(address).await?.grants.into_iter();
    let claimable =
        |info: &GrantInfo| vesting.map_or(Amount::ZERO, |vesting| info.claimable(&vesting, now));
    let grants = found.map(|info| Grant { claimable: claimable(&info), info }).collect();
    Ok(Grants { sent, address: address.to_string(), grants })
}

fn describe(found: &Grants) -> String {
    let mut text = found.sent.as_ref().map(Sent::line).unwrap_or_default();
    text.push_str(&format!("{DIM}account{DIM:#}   {}\n", found.address));
    for Grant { info, claimable } in &found.grants {
        text.push_str(&format!(
            "{DIM}grant{DIM:#}     {BOLD}{}{BOLD:#}: {} CIRO, {} CIRO left, {} may be taken\n",
            info.grant,
            info.amount,
            info.left,
            ciro(*claimable)
        ));
    }
    if found.grants.is_empty() {
        text.push_str(&format!("{DIM}grants{DIM:#}    none\n"));
    }
    text
}

fn supply(info: &EconomyInfo) -> String {
    let mut text = String::new();
    for bucket in &info.supply {
        // The words of JSON are the names of the kinds.
        let name = serde_json::to_value(bucket.bucket).unwrap_or_default();
        let name = name.as_str().unwrap_or_default();
        text.push_str(&format!("{DIM}{name:12}{DIM:#}{} CIRO\n", bucket.amount));
    }
    if let Some(params) = &info.params {
        text.push_str(&format!(
            "{DIM}{:12}{DIM:#}{} ppb of the rewards every {} ms, {} of that to the treasury\n",
            "emission",
            params.emission_ppb,
            params.epoch_ms,
            percent(params.treasury_bps)
        ));
    }
    text
}
