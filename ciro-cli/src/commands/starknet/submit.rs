//! `ciro submit-proof`

use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::starknet::Invocation;
use ciro_sdk::{Felt, Policy, ProofBundle, verify_with};
use serde::Serialize;

use super::{Cost, StarknetArgs, seconds};
use crate::commands::network::block_on;
use crate::context::{Context, ErrorReport, Status};
use crate::key_file::KeyFile;
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro submit-proof`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The proof is verified here first. A fact that is known already costs nothing, and neither does an attempt that is made twice: both\n\
carry the same nonce. With `--job` the transaction also claims the price of a job of `JobEscrow`; the proof has to be bound to what\n\
`context_of` of that contract says for the job and the account.")]
pub(crate) struct Args {
    /// The proof
    proof: PathBuf,
    /// The key of the model, with an entry of the preset `chain`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Also claim the price of this job, in the same transaction
    #[arg(long, value_name = "FELT")]
    job: Option<Felt>,
    #[command(flatten)]
    starknet: StarknetArgs,
}

#[derive(Serialize)]
struct Report {
    model: Felt,
    fact: Felt,
    facts: Felt,
    /// Seconds since 1970.
    proven_at: u64,
    felts: usize,
    /// What this call paid; `null` if the fact was known.
    paid: Option<Cost>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let bundle = ProofBundle::load(&args.proof)?;
    let ring = KeyFile::read(&args.key).ring()?;
    let key = ring.find(&bundle)?;
    let calldata = bundle.calldata(key)?;
    if let Err(error) = verify_with(&bundle, key, &Policy::default()) {
        let what = format!("`{}` is not a valid proof, and was not sent", args.proof.display());
        let error = anyhow::Error::from(error).context(what);
        let report = ErrorReport::new(&error);
        context.ui.error(&error, report.hint.as_deref());
        context.ui.result(&report, "")?;
        return Ok(Status::Invalid);
    }
    let report = block_on(async {
        let starknet = args.starknet.open().await?;
        let payer = starknet.payer(args.starknet.fee.most())?;
        let _stage = context.ui.stage("waiting for Starknet");
        let claim = match args.job {
            None => None,
            Some(job) => {
                let (contract, function) = (starknet.escrow().await?, "claim_proven");
                let arguments = vec![job, payer.address(), calldata.output_hash];
                Some(Invocation { contract, function, arguments })
            }
        };
        let proved = payer.prove_and(&calldata, claim.as_slice()).await?;
        Ok(Report {
            model: calldata.model,
            fact: proved.fact,
            facts: starknet.settings().facts,
            proven_at: seconds(proved.at),
            felts: calldata.felts.len(),
            paid: proved.paid.as_ref().map(Cost::of),
        })
    })?;
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

fn describe(report: &Report) -> String {
    let Report { model, fact, facts, paid, .. } = report;
    let paid = match paid {
        Some(paid) => paid.describe(),
        None => "nothing: the fact was known".to_owned(),
    };
    format!(
        "{BOLD}proven{BOLD:#}\n{DIM}fact{DIM:#}   {fact}\n{DIM}model{DIM:#}  {model}\n\
         {DIM}facts{DIM:#}  {facts}\n{DIM}paid{DIM:#}   {paid}\n"
    )
}
