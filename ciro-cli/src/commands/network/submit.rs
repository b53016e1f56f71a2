//! `ciro submit`, `ciro order`, `ciro quote`

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{ModelId, ProviderId};
use ciro_protocol::order::Class;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::Message as _;
use ciro_sdk::client::{
    Client, OrderInput, ProviderName, Recipient, Settled, Submission, Terms, Wish,
};
#[cfg(feature = "cairo")]
use ciro_sdk::program::Executable;
use ciro_sdk::{InputStatement, Key, Model, Opening, OutputFile, ProveSettings, RealOutput};
use serde::Serialize;

use super::course::{Course, LedgerStages, Stages};
#[cfg(feature = "cairo")]
use super::program::{ProgramArgs, StepsArgs};
use super::{NetworkArgs, block_on};
use crate::args::{ModelArgs, RouteArgs};
use crate::commands::outputs;
use crate::context::{Context, Status};
use crate::model::{self, InputFiles, Purpose};
use crate::openings;
use crate::ui::{BOLD, DIM, GOOD};

/// What is ordered, and for how much.
#[derive(Debug, clap::Args)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Input (JSON, .npy, .npz) with one or more samples; may be repeated
    #[cfg_attr(
        feature = "cairo",
        arg(long, value_name = "FILE", required_unless_present = "arguments")
    )]
    #[cfg_attr(not(feature = "cairo"), arg(long, value_name = "FILE", required = true))]
    input: Vec<PathBuf>,
    #[cfg(feature = "cairo")]
    #[command(flatten)]
    pub(super) program: ProgramArgs,
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    seal: SealArgs,
    #[command(flatten)]
    pub(super) terms: TermArgs,
    #[command(flatten)]
    pub(super) network: NetworkArgs,
}

/// What is paid.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Terms")]
pub(crate) struct TermArgs {
    /// The registered model [default: one with the key of MODEL that every provider may prove]
    #[arg(long, value_name = "ID")]
    model_id: Option<ModelId>,
    /// The highest price, in CIRO [default: twice what providers ask for]
    #[arg(long, value_name = "AMOUNT")]
    price_max: Option<Amount>,
    /// The price at first, in CIRO; it rises to the highest within five seconds
    #[arg(long, value_name = "AMOUNT")]
    price_min: Option<Amount>,
    /// Give the job to this provider at once, at its own price
    #[arg(long, value_name = "PROVIDER")]
    direct: Option<u32>,
}

impl TermArgs {
    /// What is asked of the terms, by the compiled bytes of the model if it is not named.
    fn wish(&self, recipients: &[Recipient], model: &Model) -> Wish {
        let bytes = self.model_id.is_none().then(|| model.to_bytes());
        Wish {
            blob: bytes.and_then(|bytes| BlobId::of(&bytes).ok()),
            recipients: recipients.iter().map(|it| it.provider).collect(),
            ..self.named()
        }
    }

    /// What is asked of the terms in so many words.
    pub(super) fn named(&self) -> Wish {
        Wish {
            model: self.model_id,
            price_min: self.price_min,
            price_max: self.price_max,
            direct: self.direct.map(ProviderId),
            ..Wish::default()
        }
    }
}

/// Who may read the input.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sealed inputs")]
pub(crate) struct SealArgs {
    /// Seal the input for these providers, by account (0x...) or number: they alone read it, and
    /// may prove it; the order commits to it and the proof hides it (route tensor). Whose account
    /// a number is, is the node's word
    #[arg(long, value_name = "PROVIDER,...", value_delimiter = ',')]
    sealed: Vec<ProviderName>,
    /// Let the proof commit to the outputs as well
    #[arg(long, requires = "sealed")]
    commit_output: bool,
    /// Write what opens the commitments, for `ciro verify --open`: JSON, one entry for each
    #[arg(long, value_name = "FILE", requires = "sealed")]
    openings: Option<PathBuf>,
}

impl SealArgs {
    /// The settings for proofs of a sealed input, if it is to be sealed.
    fn settings(&self, settings: ProveSettings) -> ProveSettings {
        if self.sealed.is_empty() {
            return settings;
        }
        ProveSettings { commit_output: self.commit_output, ..settings.sealed() }
    }
}

/// Arguments of `ciro submit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The proof that comes back is verified here, against the key that is computed from MODEL, before anything is shown.")]
pub(crate) struct Args {
    /// The proof
    #[arg(short, long, value_name = "PROOF")]
    pub(super) output: Option<PathBuf>,
    /// The receipt with all that proves it, for `ciro verify-receipt`
    #[arg(long, value_name = "FILE")]
    pub(super) receipt: Option<PathBuf>,
    /// Seconds to wait for the result
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) patience: u64,
    #[command(flatten)]
    pub(super) order: OrderArgs,
}

/// Arguments of `ciro order`.
#[derive(Debug, clap::Args)]
pub(crate) struct OrderFileArgs {
    /// The signed order
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Seconds within which the ledger has to see the order [default: all that the network allows]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) valid_for: Option<u64>,
    #[command(flatten)]
    pub(super) order: OrderArgs,
}

#[derive(Serialize)]
struct Report {
    job: String,
    model: String,
    model_key: String,
    provider: u32,
    price: Amount,
    refund: Amount,
    fee: Amount,
    #[serde(flatten)]
    outputs: outputs::Lists,
    security_bits: u32,
    proven_security_bits: u32,
    stages_ms: Stages,
    ledger_ms: LedgerStages,
    proof: Option<PathBuf>,
    receipt: Option<PathBuf>,
}

/// An order that only lacks a network.
struct Prepared {
    model: Model,
    key: Key,
    input: InputStatement,
}

/// What goes in, as it travels.
struct Given {
    input: OrderInput,
    /// For whom it is sealed.
    recipients: Vec<Recipient>,
    /// What opens the commitments of the proof.
    openings: Vec<Opening>,
}

fn prepare(args: &OrderArgs, context: &Context) -> Result<Prepared> {
    let inputs = InputFiles::read(&args.input)?;
    // The model is the deployed one, whatever it is asked.
    let given = inputs.given_shapes();
    let (model, _) = model::opened_for(&args.model, given, Purpose::Use, &context.ui)?;
    let samples = inputs.samples(&model)?;
    context.ui.warn_of(&model.examine(&samples)?.concerns);
    let batch = u32::try_from(samples.len()).context("too many samples for one proof")?;
    let settings = args.seal.settings(args.route.settings(batch, context.max_memory));
    let key = {
        let _stage = context.ui.stage("committing to the model");
        model.key(&settings)?
    };
    let input = InputStatement::encode(&key, &samples)?.statement;
    Ok(Prepared { model, key, input })
}

impl Prepared {
    /// The input of an order that an account signs.
    async fn given(
        &self,
        (client, requester): (&Client, Address),
        args: &SealArgs,
        context: &Context,
    ) -> Result<Given> {
        if args.sealed.is_empty() {
            let input = OrderInput::open(self.input.clone());
            return Ok(Given { input, recipients: Vec::new(), openings: Vec::new() });
        }
        let recipients = client.recipients(&args.sealed).await?;
        for Recipient { provider, account, .. } in &recipients {
            context.ui.note(format_args!("sealed for provider {provider}, account {account}"));
        }
        let (of, between) = ((&self.model, &self.key), (requester, &recipients[..]));
        let (input, openings) = OrderInput::seal(self.input.clone(), of, between)?;
        // What opens the commitments is kept before there is a proof that needs it.
        if let Some(path) = &args.openings {
            openings::write(path, &openings)?;
        }
        Ok(Given { input, recipients, openings })
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    #[cfg(feature = "cairo")]
    if let Some(arguments) = &args.order.program.arguments {
        return super::program::submit(args, arguments, context);
    }
    let proof = args.output.as_deref().map(OutputFile::create).transpose()?;
    let receipt = args.receipt.as_deref().map(OutputFile::create).transpose()?;
    let prepared = prepare(&args.order, context)?;
    let patience = Duration::from_secs(args.patience);
    let (report, bundle, certificate) = block_on(async {
        let session = args.order.network.open().await?;
        let account = session.key()?;
        let mut course = Course::begin(context);
        let asking = (&session.client, account.address());
        let given = prepared.given(asking, &args.order.seal, context).await?;
        let wish = args.order.terms.wish(&given.recipients, &prepared.model);
        let terms = session.client.terms(&prepared.key, &wish).await?;
        let ordered = Submission::new(terms, &prepared.key, &given.input);
        let fee = session.client.fee(&ordered)?;
        let job = session.client.submit(&account, &ordered).await?;
        course.opened((job.id, fee));
        let settled = session.client.settled(&job, patience, |info| course.seen(info)).await?;
        course.verified();
        let certificate = match args.receipt {
            Some(_) => Some(course.certified((&session.client, job.id), patience).await?),
            None => None,
        };
        let bundle = settled.bundle.to_bytes();
        let outputs = settled.outputs(&prepared.key, &given.openings)?;
        Ok((report(args, (&settled, outputs), (fee, course.stages))?, bundle, certificate))
    })?;
    if let Some(file) = proof {
        file.finish(&bundle)?;
    }
    if let (Some(file), Some(bytes)) = (receipt, certificate) {
        file.finish(&bytes)?;
    }
    context.ui.result(&report.0, &describe(&report))?;
    Ok(Status::Done)
}

fn report(
    args: &Args,
    (settled, outputs): (&Settled, Vec<Vec<RealOutput>>),
    (fee, stages): (Amount, Stages),
) -> Result<(Report, String)> {
    let Settled { receipt, verified, .. } = settled;
    let Outcome::Settled(settlement) = &receipt.outcome else {
        anyhow::bail!("the receipt says that the job was refunded");
    };
    let report = Report {
        job: receipt.job.to_string(),
        model: receipt.model.to_string(),
        model_key: verified.model_key.to_string(),
        provider: settlement.provider.0,
        price: settlement.price,
        refund: receipt.refund,
        fee,
        outputs: outputs::Lists::new(&outputs),
        security_bits: verified.security_bits(),
        proven_security_bits: verified.proven_security_bits(),
        stages_ms: stages,
        ledger_ms: LedgerStages::of(receipt, settlement),
        proof: args.output.clone(),
        receipt: args.receipt.clone(),
    };
    Ok((report, outputs::describe(&outputs)))
}

fn describe((report, outputs): &(Report, String)) -> String {
    let mut text = format!(
        "{outputs}\n\
         {GOOD}verified{GOOD:#}  here, against the key computed from the model\n\
         {DIM}job{DIM:#}       {}\n\
         {DIM}price{DIM:#}     {BOLD}{}{BOLD:#} CIRO to provider {}, {} back\n\
         {DIM}fee{DIM:#}       {} CIRO for the order\n\
         {DIM}security{DIM:#}  {} bits conjectured, {} proven\n\
         {DIM}time{DIM:#}      {} from order to verified result\n",
        report.job,
        report.price,
        report.provider,
        report.refund,
        report.fee,
        report.security_bits,
        report.proven_security_bits,
        crate::format::duration(report.stages_ms.verified),
    );
    for (label, path) in [("proof", &report.proof), ("receipt", &report.receipt)] {
        if let Some(path) = path {
            text.push_str(&format!("{DIM}{label:10}{DIM:#}{}\n", path.display()));
        }
    }
    text
}

#[derive(Serialize)]
struct OrderReport {
    job: String,
    fee: Amount,
    valid_until_ms: u64,
    file: PathBuf,
}

/// Signs an order into a file, for whoever sends it.
pub(crate) fn order(args: &OrderFileArgs, context: &Context) -> Result<Status> {
    let file = OutputFile::create(&args.output)?;
    #[cfg(feature = "cairo")]
    if let Some(arguments) = &args.order.program.arguments {
        let order = super::program::order(args, arguments, context)?;
        return ordered(&order, (file, &args.output), context);
    }
    let prepared = prepare(&args.order, context)?;
    let order = block_on(async {
        let session = args.order.network.open().await?;
        let account = session.key()?;
        let asking = (&session.client, account.address());
        let given = prepared.given(asking, &args.order.seal, context).await?;
        let wish = args.order.terms.wish(&given.recipients, &prepared.model);
        let terms = session.client.terms(&prepared.key, &wish).await?;
        let ordered = Submission::new(terms, &prepared.key, &given.input);
        let order = session.client.order(&account, &ordered, args.valid_for()).await?;
        session.client.upload(given.input.bytes()).await?;
        Ok(order)
    })?;
    ordered(&order, (file, &args.output), context)
}

impl OrderFileArgs {
    /// How long whoever sends the order has for it.
    pub(super) fn valid_for(&self) -> Duration {
        self.valid_for.map_or(Duration::MAX, Duration::from_secs)
    }
}

/// Writes an order into its file, and tells of it.
fn ordered(
    order: &SignedTx,
    (file, path): (OutputFile, &Path),
    context: &Context,
) -> Result<Status> {
    file.finish(&order.to_bytes())?;
    let report = OrderReport {
        job: order.body.id().to_string(),
        fee: order.body.header.fee_max,
        valid_until_ms: order.body.header.valid_until_ms,
        file: path.to_owned(),
    };
    let text = format!(
        "{DIM}job{DIM:#}    {}\n{DIM}fee{DIM:#}    {} CIRO\n{DIM}order{DIM:#}  {}\n",
        report.job,
        report.fee,
        report.file.display()
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}

#[derive(Serialize)]
struct Quote {
    model: String,
    class: &'static str,
    price_min: Amount,
    price_max: Amount,
    collateral: Amount,
    fee: Amount,
    input_bytes: usize,
}

/// Arguments of `ciro quote`.
#[derive(Debug, clap::Args)]
pub(crate) struct QuoteArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[cfg(feature = "cairo")]
    #[command(flatten)]
    steps: StepsArgs,
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    terms: TermArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// What an order would be, and cost.
pub(super) struct Quoted {
    pub(super) terms: (ModelId, Terms),
    pub(super) fee: Amount,
    pub(super) class: Class,
    pub(super) input_bytes: usize,
}

/// Tells what an inference would cost.
pub(crate) fn quote(args: &QuoteArgs, context: &Context) -> Result<Status> {
    let Quoted { terms: (id, terms), fee, class, input_bytes } = quoted(args, context)?;
    let Terms { price_min, price_max, collateral, .. } = terms;
    let (class, model) = (class.name(), id.to_string());
    let quote = Quote { model, class, price_min, price_max, collateral, fee, input_bytes };
    let text = format!(
        "{DIM}price{DIM:#}  {BOLD}{price_min}{BOLD:#} to {price_max} CIRO (class {class})\n\
         {DIM}fee{DIM:#}    {fee} CIRO for an order with an input of {input_bytes} bytes\n"
    );
    context.ui.result(&quote, &text)?;
    Ok(Status::Done)
}

fn quoted(args: &QuoteArgs, context: &Context) -> Result<Quoted> {
    #[cfg(feature = "cairo")]
    if Executable::is_executable_file(&args.model.path) {
        let wish = args.terms.named();
        return super::program::quote((&args.model.path, &args.steps), &wish, &args.network);
    }
    let (model, _) = model::opened(&args.model, Purpose::Use, &context.ui)?;
    let key = model.key(&args.route.settings(1, context.max_memory))?;
    let input = OrderInput::sample(&key);
    let wish = args.terms.wish(&[], &model);
    block_on(async {
        let session = args.network.open().await?;
        let terms = session.client.terms(&key, &wish).await?;
        let fee = session.client.fee(&Submission::new(terms, &key, &input))?;
        Ok(Quoted { terms, fee, class: key.class(), input_bytes: input.bytes().len() })
    })
}
