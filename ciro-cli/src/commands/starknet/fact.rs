//! `ciro fact`

use anyhow::Result;
use ciro_sdk::{Felt, Key, ProofBundle};
use serde::Serialize;

use super::{open, seconds};
use crate::commands::network::block_on;
use crate::context::{Context, Status};
use crate::ui::{BAD, DIM, GOOD};

/// Arguments of `ciro fact`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The node is believed in what it says. The fact of a proof is printed by `ciro verify --calldata` and by `ciro submit-proof`;\n\
`ciro verify --onchain` computes it from a proof, and asks. Exit code 1: the fact was not proven.")]
pub(crate) struct Args {
    /// The fact
    fact: Felt,
    /// Settings: the name of a file in `starknet` of the user's folder, or a path that ends in
    /// `.toml`
    #[arg(long, value_name = "NETWORK")]
    starknet: String,
}

/// What the contract says of a fact.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OnChain {
    fact: Felt,
    facts: Felt,
    /// Seconds since 1970; `null` if it was not proven.
    proven_at: Option<u64>,
}

impl OnChain {
    /// Asks the contract.
    fn ask(fact: Felt, network: &str) -> Result<Self> {
        block_on(async {
            let starknet = open(network).await?;
            let proven_at = starknet.proven_at(fact).await?.map(seconds);
            Ok(Self { fact, facts: starknet.settings().facts, proven_at })
        })
    }

    /// Asks for the fact that a proof shows.
    pub(crate) fn of_proof((bundle, key): (&ProofBundle, &Key), network: &str) -> Result<Self> {
        Self::ask(bundle.calldata(key)?.fact, network)
    }

    /// Whether the fact was proven there.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven_at.is_some()
    }

    pub(crate) fn describe(&self) -> String {
        let Self { fact, facts, proven_at } = self;
        match proven_at {
            Some(at) => format!("{fact} was proven at {at} (seconds since 1970), says {facts}"),
            None => format!("{fact} was not proven, says {facts}"),
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let found = OnChain::ask(args.fact, &args.starknet)?;
    let verdict = match found.is_proven() {
        true => format!("{GOOD}proven{GOOD:#}"),
        false => format!("{BAD}not proven{BAD:#}"),
    };
    context.ui.result(&found, &format!("{verdict}\n{DIM}fact{DIM:#}  {}\n", found.describe()))?;
    Ok(if found.is_proven() { Status::Done } else { Status::Failed })
}
