//! `ciro stake`, `ciro validator`, `ciro gov`, `ciro launchpad` and `ciro token`: the economy of a
//! network.

pub(crate) mod gov;
pub(crate) mod launchpad;
mod params;
pub(crate) mod stake;
pub(crate) mod token;
pub(crate) mod validator;

use std::str::FromStr;

use anyhow::{Context as _, Result};
use ciro_protocol::amount::{Amount, AmountError};
use ciro_protocol::economy::EconomyParams;
use ciro_protocol::sign::Address;
use ciro_sdk::client::{Client, Executed, Session};
use serde::Serialize;

use super::NetworkArgs;
use crate::context::Failure;
use crate::ui::{BOLD, DIM};

/// What a transaction cost.
#[derive(Clone, Debug, Serialize)]
struct Sent {
    transaction: String,
    height: u64,
    fee: Amount,
}

impl Sent {
    fn of(done: &Executed) -> Self {
        Self { transaction: done.id.to_string(), height: done.height, fee: done.receipt.fee }
    }

    fn line(&self) -> String {
        let Self { transaction, height, fee } = self;
        format!("{DIM}sent{DIM:#}      {transaction} in block {height}, for a fee of {fee} CIRO\n")
    }
}

/// How much of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    Amount(Amount),
}

impl FromStr for Part {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::Amount) }
    }
}

/// Opens a network that has an economy.
async fn open(network: &NetworkArgs) -> Result<Session> {
    let session = network.open().await?;
    params_of(&session.client).await?;
    Ok(session)
}

/// The parameters in force, where there are any.
async fn params_of(client: &Client) -> Result<EconomyParams> {
    let params = client.economy().await?.params;
    params.ok_or_else(|| {
        let hint = "take a network whose specification has an `economy`, such as a devnet";
        Failure::new("the network has no stake, emission or governance", hint).into()
    })
}

/// The address that was named, or the one of the account that signs.
fn address_of(session: &Session, named: Option<Address>) -> Result<Address> {
    match named {
        Some(named) => Ok(named),
        None => Ok(session.address()?),
    }
}

/// A ledger time as a person reads it: how far away it is.
fn when(at_ms: u64, now_ms: u64) -> String {
    let far = |ms: u64| match ms / 1_000 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    };
    if at_ms > now_ms {
        format!("in {}", far(at_ms - now_ms))
    } else {
        format!("{} ago", far(now_ms - at_ms))
    }
}

/// Basis points as a percentage.
fn percent(bps: u16) -> String {
    format!("{} %", f64::from(bps) / 100.0)
}

/// A number of CIRO that is seen first.
fn ciro(amount: Amount) -> String {
    format!("{BOLD}{amount}{BOLD:#} CIRO")
}

/// The node's ledger time.
async fn now_ms(client: &Client) -> Result<u64> {
    let info = client.chain_info().await.context("the network's time is not known")?;
    Ok(info.head.time_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_how_far_away_they_are() {
        assert_eq!(when(5_000, 3_000), "in 2 s");
        assert_eq!(when(3_000, 5_000), "2 s ago");
        assert_eq!(when(600_000, 0), "in 10 min");
        assert_eq!(when(21 * 86_400_000, 0), "in 21 days");
    }

    #[test]
    fn a_part_is_an_amount_or_all() {
        assert_eq!("all".parse(), Ok(Part::All));
        assert_eq!("2".parse(), Ok(Part::Amount(Amount::ciro(2))));
        assert!("most".parse::<Part>().is_err());
    }
}
