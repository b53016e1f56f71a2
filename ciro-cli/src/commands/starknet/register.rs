//! `ciro deploy --starknet`

use anyhow::{Context as _, Result};
use ciro_sdk::{Felt, Key, printable};
use serde::Serialize;

use super::{Cost, FeeArgs, open};
use crate::commands::network::block_on;
use crate::context::{Context, Status};
use crate::ui::{BOLD, DIM};

#[derive(Serialize)]
struct Report {
    /// The model's id there.
    model: Felt,
    key: String,
    /// The directory.
    models: Option<Felt>,
    /// The contract to ask for facts.
    facts: Felt,
    /// Whether it was registered before.
    known: bool,
    paid: Option<Cost>,
}

/// Registers the key of a model under an address of its files.
pub(crate) fn run(
    key: &Key,
    (network, uri): (&str, &str),
    fee: FeeArgs,
    context: &Context,
) -> Result<Status> {
    let model = key.on_chain().context("the model cannot be registered on Starknet")?;
    let report = block_on(async {
        let starknet = open(network).await?;
        let registered = {
            let _stage = context.ui.stage("waiting for Starknet");
            starknet.payer(fee.most())?.register(&model, uri).await?
        };
        let settings = starknet.settings();
        Ok(Report {
            model: registered.model,
            key: key.digest().to_string(),
            models: settings.models,
            facts: settings.facts,
            known: registered.paid.is_none(),
            paid: registered.paid.as_ref().map(Cost::of),
        })
    })?;
    context.ui.result(&report, &describe(&report, network))?;
    Ok(Status::Done)
}

fn describe(report: &Report, network: &str) -> String {
    let was = if report.known { "was registered before" } else { "is registered" };
    let Report { model, facts, .. } = report;
    let mut text = format!("{BOLD}{model}{BOLD:#} {was} on {}\n", printable(network));
    let mut line = |label: &str, value: String| {
        text.push_str(&format!("{DIM}{label:7}{DIM:#}{value}\n"));
    };
    line("key", report.key.clone());
    if let Some(models) = report.models {
        line("models", models.to_string());
    }
    line("facts", facts.to_string());
    if let Some(paid) = &report.paid {
        line("paid", paid.describe());
    }
    line("use", format!("a contract asks `is_valid` of {facts} for the fact of this model"));
    text
}
