//! `ciro deploy`

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_sdk::client::{self, Deployment};
#[cfg(feature = "cairo")]
use ciro_sdk::program::Executable;
use ciro_sdk::{Preset, ProofKind, Route, Secrecy};
use serde::Serialize;

#[cfg(feature = "cairo")]
use super::program;
use super::{NetworkArgs, block_on};
use crate::args::{CommitArgs, KindArgs, ModelArgs};
use crate::commands::starknet::{FeeArgs, register};
use crate::context::{Context, Failure, Status};
use crate::model::{self, Purpose};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro deploy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Its name on the network [default: the file's]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Its version
    #[arg(long, value_name = "TEXT", default_value = "1")]
    model_version: String,
    /// Its licence
    #[arg(long, value_name = "TEXT", default_value = "unspecified")]
    licence: String,
    /// What an inference is worth, in CIRO, for whoever asks for a price
    #[arg(long, value_name = "AMOUNT", default_value = "0.01")]
    price_hint: Amount,
    #[command(flatten)]
    kinds: KindArgs,
    #[command(flatten)]
    commit: CommitArgs,
    #[cfg(feature = "cairo")]
    #[command(flatten)]
    steps: program::StepsArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    starknet: OnStarknetArgs,
}

/// What registers the model on Starknet instead.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Starknet")]
struct OnStarknetArgs {
    /// Register the model on Starknet instead, for proofs of the preset `chain`: the name of a file
    /// in `starknet` of the user's folder, or a path that ends in `.toml`
    #[arg(long, value_name = "NETWORK", conflicts_with_all = [
        "name", "model_version", "licence", "price_hint", "route", "preset", "private", "node", "account"
    ])]
    starknet: Option<String>,
    /// Where the model's files are: a text that stands beside the model, at most 2,048 bytes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, requires = "starknet", value_parser = uri)]
    uri: String,
    #[command(flatten)]
    fee: FeeArgs,
}

fn uri(text: &str) -> Result<String, String> {
    match text.len() {
        0..=2048 => Ok(text.to_owned()),
        more => Err(format!("it has {more} bytes, the contract takes 2048")),
    }
}

#[derive(Serialize)]
struct Report {
    model: String,
    name: String,
    keys: Vec<String>,
    blob: String,
    bytes: u64,
    known: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.starknet.starknet {
        Some(network) => on_starknet(args, network, context),
        #[cfg(feature = "cairo")]
        None if Executable::is_executable_file(&args.model.path) => of_program(args, context),
        None => on_network(args, context),
    }
}

/// Registers the key for proofs that the contract on Starknet takes.
fn on_starknet(args: &Args, network: &str, context: &Context) -> Result<Status> {
    let [batch] = args.kinds.batch[..] else {
        let message = "a model on Starknet has keys of one batch size each";
        return Err(Failure::new(message, "name one size in `--batch`").into());
    };
    let (route, preset, secrecy) = (Route::Tensor, Preset::Chain, Secrecy::Plain);
    let kind = ProofKind { route, preset, batch, secrecy };
    let (model, _) = model::opened(&args.model, Purpose::Publish, &context.ui)?;
    let ring = {
        let _stage = context.ui.stage("committing to the model");
        let [inputs, outputs] = args.commit.committing();
        model.key_ring(vec![kind], [&inputs, &outputs], context.max_memory)?
    };
    let key = ring.keys().next().context("no key was made")?;
    register::run(key, (network, &args.starknet.uri), args.starknet.fee, context)
}

/// Registers a program, which has one kind of key.
#[cfg(feature = "cairo")]
fn of_program(args: &Args, context: &Context) -> Result<Status> {
    let card = program::Card {
        name: args.name.as_deref(),
        version: &args.model_version,
        licence: &args.licence,
        price_hint: args.price_hint,
    };
    program::deploy((&args.model.path, &args.steps), &card, &args.network, context)
}

fn on_network(args: &Args, context: &Context) -> Result<Status> {
    let kinds = args.kinds.kinds()?;
    let (model, _) = model::opened(&args.model, Purpose::Publish, &context.ui)?;
    let ring = {
        let _stage = context.ui.stage("committing to the model");
        let [inputs, outputs] = args.commit.committing();
        model.key_ring(kinds, [&inputs, &outputs], context.max_memory)?
    };
    let keys: Vec<_> = ring.keys().cloned().collect();
    let bytes = model.to_bytes();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => client::default_name(&args.model.path)?,
    };
    let deployed = block_on(async {
        let session = args.network.open().await?;
        let key = session.key()?;
        let deployment = Deployment {
            model: &bytes,
            keys: &keys,
            name: &name,
            version: &args.model_version,
            licence: &args.licence,
            providers: &[],
            price_hint: args.price_hint,
        };
        Ok(session.client.deploy(&key, &deployment).await?)
    })?;
    let report = Report {
        model: deployed.model.to_string(),
        name,
        keys: keys.iter().map(|key| key.digest().to_string()).collect(),
        blob: deployed.card.blob.to_string(),
        bytes: deployed.card.bytes,
        known: deployed.known,
    };
    let was = if report.known { "was registered before" } else { "is registered" };
    let mut text = format!(
        "{DIM}model{DIM:#}  {BOLD}{}{BOLD:#} {was}\n{DIM}id{DIM:#}     {}\n",
        ciro_sdk::printable(&report.name),
        report.model
    );
    for key in &report.keys {
        text.push_str(&format!("{DIM}key{DIM:#}    {key}\n"));
    }
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
