//! Commands that work with Starknet: skins over the SDK's client.

pub(crate) mod fact;
pub(crate) mod register;
pub(crate) mod submit;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_sdk::starknet::{MAX_FEE_FRI, Paid, Starknet, StarknetSettings};
use serde::Serialize;

use crate::format;

/// Which Starknet, and what it may cost.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Starknet")]
pub(crate) struct StarknetArgs {
    /// Settings: the name of a file in `starknet` of the user's folder, or a path that ends in
    /// `.toml`
    #[arg(long, value_name = "NETWORK")]
    starknet: String,
    #[command(flatten)]
    fee: FeeArgs,
}

/// What a transaction may cost.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct FeeArgs {
    /// The most STRK that a transaction may cost; nothing is sent that may cost more [default: 5]
    #[arg(long, value_name = "STRK", value_parser = strk, requires = "starknet")]
    max_fee: Option<Amount>,
}

impl StarknetArgs {
    /// Connects to the node.
    pub(super) async fn open(&self) -> Result<Starknet> {
        open(&self.starknet).await
    }
}

impl FeeArgs {
    /// In units of 10^-18 STRK.
    pub(super) fn most(self) -> u128 {
        self.max_fee.map_or(MAX_FEE_FRI, Amount::units)
    }
}

/// Connects to the node that settings name.
pub(super) async fn open(name: &str) -> Result<Starknet> {
    Ok(Starknet::connect(StarknetSettings::open(name)?).await?)
}

/// An amount of STRK, which has as many places as CIRO.
fn strk(text: &str) -> Result<Amount, String> {
    let refused =
        || format!("`{text}` is no amount of STRK: expected a number with at most 18 places");
    text.parse().map_err(|_| refused())
}

/// What a transaction cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
    transaction: ciro_sdk::Felt,
    /// In STRK.
    fee: Strk,
    l2_gas: u64,
    block: Option<u64>,
}

/// Units of 10^-18 STRK, written as STRK.
#[derive(Clone, Copy, Debug)]
struct Strk(u128);

impl Serialize for Strk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Strk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // More than there are of any token is no fee of a transaction that succeeded.
        Amount::from_units(self.0).unwrap_or(Amount::SUPPLY).fmt(f)
    }
}

impl Cost {
    pub(super) fn of(paid: &Paid) -> Self {
        let &Paid { transaction, fee, l2_gas, block } = paid;
        Self { transaction, fee: Strk(fee), l2_gas, block }
    }

    pub(super) fn describe(&self) -> String {
        let Self { transaction, fee, l2_gas, .. } = self;
        format!("{fee} STRK for {} of L2 gas, transaction {transaction}", format::count(*l2_gas))
    }
}

/// Seconds since 1970, as Starknet's blocks count them.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
