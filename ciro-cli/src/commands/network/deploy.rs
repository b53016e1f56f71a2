//! `ciro deploy`

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_sdk::client::{self, Deployment};
use serde::Serialize;

use super::{NetworkArgs, block_on};
use crate::args::{CommitArgs, KindArgs, ModelArgs};
use crate::context::{Context, Status};
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
    #[command(flatten)]
    network: NetworkArgs,
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
