//! `ciro stake`

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_protocol::api::StakeInfo;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::sign::Address;
use ciro_sdk::client::{Executed, Session};
use serde::Serialize;

use super::super::{NetworkArgs, block_on};
use super::{Part, Sent, address_of, ciro, now_ms, open, when};
use crate::context::{Context, Failure, Status};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro stake`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Put money at a validator's stake: it stays the account's, and earns and loses with it
    Delegate {
        /// The validator
        validator: ValidatorId,
        /// How much, in CIRO
        amount: Amount,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Take money from a validator's stake; it comes to the account by itself, after unbonding
    Undelegate {
        /// The validator
        validator: ValidatorId,
        /// How much, in CIRO, or `all`
        amount: Part,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Move money to another validator's stake, where it arrives by itself, after unbonding
    Redelegate {
        /// The validator that it leaves
        from: ValidatorId,
        /// The validator that it goes to
        to: ValidatorId,
        /// How much, in CIRO, or `all`
        amount: Part,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Take what stake has earned
    Claim {
        /// The validator [default: each one that owes the account something]
        validator: Option<ValidatorId>,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Show what an account has at stake, what it has earned, and what leaves
    Show {
        /// An address [default: the account that signs]
        address: Option<Address>,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

/// Balance and stake of an account, after what was sent.
#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sent: Vec<Sent>,
    balance: Amount,
    #[serde(flatten)]
    stake: StakeInfo,
    time_ms: u64,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let report = block_on(act(&args.action))?;
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

async fn act(action: &Action) -> Result<Report> {
    let (network, named) = match action {
        Action::Show { network, address } => (network, *address),
        Action::Delegate { network, .. }
        | Action::Undelegate { network, .. }
        | Action::Redelegate { network, .. }
        | Action::Claim { network, .. } => (network, None),
    };
    let session = open(network).await?;
    let address = address_of(&session, named)?;
    let done = send(action, &session, address).await?;
    Ok(Report {
        sent: done.iter().map(Sent::of).collect(),
        balance: session.client.account(address).await?.balance,
        stake: session.client.stake(address).await?,
        time_ms: now_ms(&session.client).await?,
    })
}

async fn send(action: &Action, session: &Session, address: Address) -> Result<Vec<Executed>> {
    let client = &session.client;
    let done = match action {
        Action::Show { .. } => return Ok(Vec::new()),
        Action::Delegate { validator, amount, .. } => {
            client.delegate(&session.key()?, *validator, *amount).await?
        }
        Action::Undelegate { validator, amount, .. } => {
            let amount = amount_of(session, address, (*validator, *amount)).await?;
            client.undelegate(&session.key()?, *validator, amount).await?
        }
        Action::Redelegate { from, to, amount, .. } => {
            let amount = amount_of(session, address, (*from, *amount)).await?;
            client.redelegate(&session.key()?, (*from, *to), amount).await?
        }
        Action::Claim { validator: Some(validator), .. } => {
            client.claim_rewards(&session.key()?, *validator).await?
        }
        Action::Claim { validator: None, .. } => return claim_all(session, address).await,
    };
    Ok(vec![done])
}

/// What an account has with a validator, or so much of it.
async fn amount_of(
    session: &Session,
    address: Address,
    (validator, part): (ValidatorId, Part),
) -> Result<Amount> {
    let Part::Amount(amount) = part else {
        let stakes = session.client.stake(address).await?.stakes;
        let held = stakes.iter().find(|held| held.validator == validator);
        let held = held.map(|held| held.amount).filter(|amount| !amount.is_zero());
        return held.ok_or_else(|| {
            let message = format!("the account has nothing at the stake of validator {validator}");
            Failure::new(message, "`ciro stake show` lists what it has, and where").into()
        });
    };
    Ok(amount)
}

async fn claim_all(session: &Session, address: Address) -> Result<Vec<Executed>> {
    let stakes = session.client.stake(address).await?.stakes;
    let owed: Vec<_> = stakes.iter().filter(|held| !held.earned.is_zero()).collect();
    if owed.is_empty() {
        let hint =
            "rewards are counted when an epoch ends: `ciro token supply` says how long that is";
        return Err(Failure::new("no stake of the account has earned anything", hint).into());
    }
    let key = session.key()?;
    let mut done = Vec::with_capacity(owed.len());
    for held in owed {
        done.push(session.client.claim_rewards(&key, held.validator).await?);
    }
    Ok(done)
}

fn describe(report: &Report) -> String {
    let StakeInfo { address, stakes, leaving, .. } = &report.stake;
    let mut text: String = report.sent.iter().map(Sent::line).collect();
    text.push_str(&format!(
        "{DIM}account{DIM:#}   {address}\n{DIM}balance{DIM:#}   {}\n",
        ciro(report.balance)
    ));
    for held in stakes {
        text.push_str(&format!(
            "{DIM}stake{DIM:#}     {} with validator {BOLD}{}{BOLD:#}, {} CIRO earned\n",
            ciro(held.amount),
            held.validator,
            held.earned
        ));
    }
    for it in leaving {
        let to = it.to.map_or_else(String::new, |to| format!(" for validator {to}"));
        text.push_str(&format!(
            "{DIM}leaving{DIM:#}   {} from validator {}{to}, {} at the earliest\n",
            ciro(it.amount),
            it.validator,
            when(it.until_ms, report.time_ms)
        ));
    }
    text
}
