//! `ciro verify-receipt`

use std::path::PathBuf;

use anyhow::Result;
use ciro_protocol::light::{Pin, ReceiptProof};
use ciro_protocol::receipt::{Outcome, Receipt};
use ciro_protocol::wire::Message as _;
use ciro_sdk::client::{Certified, Home, Network, verify_receipt};
use ciro_sdk::{KeyRing, MAX_BUNDLE_BYTES, error_chain, files};
use serde::Serialize;

use crate::context::{Context, Status};
use crate::ui::{BAD, BOLD, DIM, GOOD};

/// Arguments of `ciro verify-receipt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is asked of any node: the genesis alone decides whether validators certified the receipt.\n\
Where stake decides who votes, validators of the past have nothing left to lose: with a recent --pin they are not believed.\n\
With --proof and --key, the proof is verified too, and that it is the one of the receipt.")]
pub(crate) struct Args {
    /// The receipt, from `ciro submit --receipt` or `ciro job receipt`
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// The network's genesis, from whom you trust [default: that of the network in use]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Who votes in an epoch, from whom you trust: `EPOCH:0xDIGEST`, as `ciro network show` prints
    /// it
    #[arg(long, value_name = "PIN")]
    pin: Option<Pin>,
    /// The proof that the receipt is about
    #[arg(long, value_name = "PROOF", requires = "key")]
    proof: Option<PathBuf>,
    /// The key file that the proof is verified with
    #[arg(long, value_name = "FILE", requires = "proof")]
    key: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
    proof: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The longest file that is read.
const RECEIPT_BYTES_MAX: u64 = ReceiptProof::BYTES_MAX as u64;

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let genesis = match &args.genesis {
        Some(path) => Network::read_genesis(path)?,
        None => Home::of_user()?.network()?.1,
    };
    let bytes = files::read(&args.receipt, RECEIPT_BYTES_MAX)?;
    let bundle = args.proof.as_ref().map(|path| files::read(path, MAX_BUNDLE_BYTES)).transpose()?;
    let keys = args.key.as_deref().map(KeyRing::load).transpose()?;
    let against = keys.as_ref().zip(bundle.as_deref());
    let checked = verify_receipt((&genesis, args.pin), &bytes, against);
    let proof = bundle.is_some();
    match checked {
        Ok(Certified { height, receipt }) => {
            let text = describe(&receipt, height, proof);
            let (height, receipt) = (Some(height), Some(receipt));
            let report = Report { valid: true, height, receipt, proof, error: None };
            context.ui.result(&report, &text)?;
            Ok(Status::Done)
        }
        Err(error) => {
            let error = error_chain(&error);
            let text = format!("{BAD}invalid{BAD:#}  {}\n", ciro_sdk::printable(&error));
            let error = Some(error);
            let report = Report { valid: false, height: None, receipt: None, proof, error };
            context.ui.result(&report, &text)?;
            Ok(Status::Invalid)
        }
    }
}

fn describe(receipt: &Receipt, height: u64, proof: bool) -> String {
    let outcome = match &receipt.outcome {
        Outcome::Settled(settled) => format!(
            "{BOLD}settled{BOLD:#} by provider {} for {} CIRO",
            settled.provider, settled.price
        ),
        Outcome::Refunded { .. } => format!("{BOLD}refunded{BOLD:#}"),
    };
    let checked = if proof { ", and its proof is verified" } else { "" };
    format!(
        "{GOOD}certified{GOOD:#}  by the validators, as of block {height}{checked}\n\
         {DIM}job{DIM:#}        {}\n\
         {DIM}outcome{DIM:#}    {outcome}\n\
         {DIM}key{DIM:#}        {}\n\
         {DIM}input{DIM:#}      {}\n",
        receipt.job, receipt.key, receipt.input,
    )
}
