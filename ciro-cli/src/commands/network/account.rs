//! `ciro account`, `ciro faucet`

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, Transfer};
use ciro_sdk::client::{Home, Session};
use serde::Serialize;

use super::{NetworkArgs, block_on, passphrase};
use crate::context::{Context, Status};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro account`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key and keep it, encrypted
    New {
        /// Its name: letters, digits, `-` and `_`
        name: String,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// List the accounts that are kept here
    List,
    /// Show what an account holds
    Show {
        /// An address [default: the account that signs]
        address: Option<Address>,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Send money to another account
    Send {
        /// To whom
        to: Address,
        /// How much, in CIRO
        amount: Amount,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

/// Arguments of `ciro faucet`.
#[derive(Debug, clap::Args)]
pub(crate) struct FaucetArgs {
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Serialize)]
struct Named {
    name: String,
    address: String,
}

#[derive(Serialize)]
struct Balance {
    address: String,
    balance: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<Amount>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.action {
        Action::New { name, network } => {
            let passphrase = passphrase(network.passphrase_file.as_ref())?;
            let made = Home::of_user()?.new_account(name, &passphrase)?;
            let named = Named { name: name.clone(), address: made.address.to_string() };
            let text = format!(
                "{DIM}account{DIM:#}  {BOLD}{name}{BOLD:#}\n{DIM}address{DIM:#}  {}\n",
                named.address
            );
            context.ui.result(&named, &text)?;
        }
        Action::List => {
            let home = Home::of_user()?;
            let mut found = Vec::new();
            for name in home.accounts()? {
                let address = home.account(&name).with_context(|| format!("account `{name}`"))?;
                found.push(Named { name, address: address.address.to_string() });
            }
            let lines =
                found.iter().map(|it| format!("{BOLD}{}{BOLD:#}  {}\n", it.name, it.address));
            let text: String = lines.collect();
            #[derive(Serialize)]
            struct List {
                accounts: Vec<Named>,
            }
            context.ui.result(&List { accounts: found }, &text)?;
        }
        Action::Show { address, network } => {
            let balance = block_on(async {
                let session = network.open().await?;
                let address = match address {
                    Some(address) => *address,
                    None => session.address()?,
                };
                balance(&session, address, None).await
            })?;
            show(&balance, context)?;
        }
        Action::Send { to, amount, network } => {
            let body = Body::Transfer(Transfer { to: *to, amount: *amount });
            pay(network, body, context)?;
        }
    }
    Ok(Status::Done)
}

pub(crate) fn faucet(args: &FaucetArgs, context: &Context) -> Result<Status> {
    pay(&args.network, Body::Faucet, context)?;
    Ok(Status::Done)
}

fn pay(network: &NetworkArgs, body: Body, context: &Context) -> Result<()> {
    let balance = block_on(async {
        let session = network.open().await?;
        let key = session.key()?;
        let done = session.client.execute(&key, body).await?;
        balance(&session, key.address(), Some((done.id.to_string(), done.receipt.fee))).await
    })?;
    show(&balance, context)
}

async fn balance(
    session: &Session,
    address: Address,
    done: Option<(String, Amount)>,
) -> Result<Balance> {
    let balance = session.client.account(address).await?.balance;
    let (transaction, fee) = done.unzip();
    Ok(Balance { address: address.to_string(), balance, transaction, fee })
}

fn show(balance: &Balance, context: &Context) -> Result<()> {
    let mut text = format!(
        "{DIM}account{DIM:#}  {}\n{DIM}balance{DIM:#}  {BOLD}{}{BOLD:#} CIRO\n",
        balance.address, balance.balance
    );
    if let (Some(transaction), Some(fee)) = (&balance.transaction, balance.fee) {
        text.push_str(&format!("{DIM}sent{DIM:#}     {transaction} for a fee of {fee} CIRO\n"));
    }
    context.ui.result(balance, &text)
}
