//! `ciro deploy`, `ciro submit`, `ciro order` and `ciro job result` for Cairo programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::tx::SignedTx;
use ciro_sdk::client::{Client, Wish, default_name};
use ciro_sdk::program::job::{
    AnsweredProgram, JOB_STEPS_DEFAULT, JOB_STEPS_MAX, JobProgram, ProgramAnswer,
    ProgramDeployment, ProgramInput, ProgramSubmission,
};
use ciro_sdk::program::{EXECUTABLE_BYTES_MAX, read_arguments};
use ciro_sdk::{OutputFile, files};
use serde::Serialize;

use super::course::{Course, LedgerStages, Stages};
use super::job::JobArgs;
use super::submit::Quoted;
use super::{NetworkArgs, block_on, submit};
use crate::commands::program::describe::{describe, felts};
use crate::context::{Context, Status};
use crate::format;
use crate::key_file::KeyFile;
use crate::ui::{BOLD, DIM, GOOD};

/// How long the runs of a program are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With a Cairo program as the model")]
pub(super) struct StepsArgs {
    /// The most work of a run, in steps: what providers ask a price for. It is part of the key that
    /// jobs are proven under
    #[arg(long, value_name = "N", default_value_t = JOB_STEPS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=JOB_STEPS_MAX))]
    steps: u64,
}

/// What a program is given.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With a Cairo program as the model")]
pub(super) struct ProgramArgs {
    /// The arguments, instead of an input: a JSON list of felts, as for `ciro program run`. MODEL
    /// is the executable then, and has to print its arguments before its answer
    #[arg(long = "arguments", visible_alias = "args", value_name = "FILE", conflicts_with_all = [
        "input", "route", "preset", "private", "sealed", "commit_output", "openings"
    ])]
    pub(super) arguments: Option<PathBuf>,
    #[command(flatten)]
    steps: StepsArgs,
}

/// What is registered of a program, beside its file.
pub(super) struct Card<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) version: &'a str,
    pub(super) licence: &'a str,
    pub(super) price_hint: Amount,
}

#[derive(Serialize)]
struct Deployed<'a> {
    /// The number that it is registered under.
    model: String,
    name: &'a str,
    keys: [String; 1],
    program_key: String,
    steps: u64,
    blob: String,
    bytes: u64,
    known: bool,
}

/// Reads an executable, for runs of so many steps.
fn read(path: &Path, steps: &StepsArgs) -> Result<(Vec<u8>, JobProgram)> {
    let executable = files::read(path, EXECUTABLE_BYTES_MAX as u64)?;
    let program = JobProgram::new(&executable, steps.steps)
        .with_context(|| format!("program `{}`", path.display()))?;
    Ok((executable, program))
}

/// Registers a program.
pub(super) fn deploy(
    (path, steps): (&Path, &StepsArgs),
    card: &Card<'_>,
    network: &NetworkArgs,
    context: &Context,
) -> Result<Status> {
    let (executable, program) = read(path, steps)?;
    let key = program.key();
    let name = match card.name {
        Some(name) => name.to_owned(),
        // Compilers call it `name.executable.json`.
        None => default_name(path)?.trim_end_matches(".executable").to_owned(),
    };
    let deployed = block_on(async {
        let session = network.open().await?;
        let account = session.key()?;
        let deployment = ProgramDeployment {
            executable: &executable,
            keys: std::slice::from_ref(key),
            name: &name,
            version: card.version,
            licence: card.licence,
            providers: &[],
            price_hint: card.price_hint,
        };
        Ok(session.client.deploy_program(&account, &deployment).await?)
    })?;
    let report = Deployed {
        model: deployed.model.to_string(),
        name: &name,
        keys: [key.digest().to_string()],
        program_key: key.program().digest().to_string(),
        steps: key.steps(),
        blob: deployed.card.blob.to_string(),
        bytes: deployed.card.bytes,
        known: deployed.known,
    };
    let was = if report.known { "was registered before" } else { "is registered" };
    let text = format!(
        "{DIM}program{DIM:#}  {BOLD}{}{BOLD:#} {was}\n\
         {DIM}id{DIM:#}       {}\n\
         {DIM}key{DIM:#}      {}, for runs of {} steps at most\n",
        ciro_sdk::printable(report.name),
        report.model,
        report.keys[0],
        format::count(report.steps),
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}

/// A program and its arguments.
struct Prepared {
    program: JobProgram,
    input: ProgramInput,
}

fn prepare(args: &submit::OrderArgs, arguments: &Path) -> Result<Prepared> {
    let (_, program) = read(&args.model.path, &args.program.steps)?;
    let arguments = read_arguments(arguments)
        .with_context(|| format!("arguments `{}`", arguments.display()))?;
    Ok(Prepared { program, input: ProgramInput::new(arguments)? })
}

impl Prepared {
    /// Runs the program as providers of the network do before they take the job: none takes one
    /// that fails there.
    fn check(&self, client: &Client, context: &Context) -> Result<()> {
        let _stage = context.ui.stage("running");
        let bundle_bytes = client.spec().limits.bundle_bytes;
        self.program.check_for(&self.input, context.max_memory, bundle_bytes)?;
        Ok(())
    }

    /// What is ordered, on terms as the user wishes.
    async fn submission(&self, client: &Client, wish: &Wish) -> Result<ProgramSubmission<'_>> {
        let terms = client.program_terms(self.program.key(), wish).await?;
        Ok(ProgramSubmission::new(terms, self.program.key(), &self.input))
    }
}

#[derive(Serialize)]
struct Report {
    job: String,
    model: String,
    program_key: String,
    provider: u32,
    price: Amount,
    refund: Amount,
    fee: Amount,
    #[serde(flatten)]
    answer: Answer,
    stages_ms: Stages,
    ledger_ms: LedgerStages,
    proof: Option<PathBuf>,
    receipt: Option<PathBuf>,
}

/// What a verified proof says.
#[derive(Serialize)]
struct Answer {
    arguments: Vec<String>,
    output: Vec<String>,
    security_bits: u32,
    proven_security_bits: u32,
}

impl Answer {
    fn new(answer: &ProgramAnswer) -> Self {
        let security = &answer.verified.security;
        Self {
            arguments: felts(&answer.arguments),
            output: felts(&answer.output),
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
        }
    }
}

/// Orders a run of a program, and verifies what comes back.
pub(super) fn submit(args: &submit::Args, arguments: &Path, context: &Context) -> Result<Status> {
    let proof = args.output.as_deref().map(OutputFile::create).transpose()?;
    let receipt = args.receipt.as_deref().map(OutputFile::create).transpose()?;
    let prepared = prepare(&args.order, arguments)?;
    let patience = Duration::from_secs(args.patience);
    let (report, answered, certificate) = block_on(async {
        let session = args.order.network.open().await?;
        let (account, client) = (session.key()?, &session.client);
        prepared.check(client, context)?;
        let mut course = Course::begin(context);
        let ordered = prepared.submission(client, &args.order.terms.named()).await?;
        let fee = client.program_fee(&ordered)?;
        let job = client.submit_program(&account, &ordered).await?;
        course.opened((job.id, fee));
        let answered = client.answered(&job, patience, |info| course.seen(info)).await?;
        course.verified();
        let certificate = match args.receipt {
            Some(_) => Some(course.certified((client, job.id), patience).await?),
            None => None,
        };
        Ok((report(args, &answered, (fee, course.stages))?, answered, certificate))
    })?;
    if let Some(file) = proof {
        file.finish(&answered.bundle.proof.to_bytes())?;
    }
    if let (Some(file), Some(bytes)) = (receipt, certificate) {
        file.finish(&bytes)?;
    }
    context.ui.result(&report, &told(&report, &answered.answer))?;
    Ok(Status::Done)
}

fn report(
    args: &submit::Args,
    answered: &AnsweredProgram,
    (fee, stages): (Amount, Stages),
) -> Result<Report> {
    let AnsweredProgram { receipt, answer, .. } = answered;
    let Outcome::Settled(settlement) = &receipt.outcome else {
        anyhow::bail!("the receipt says that the job was refunded");
    };
    Ok(Report {
        job: receipt.job.to_string(),
        model: receipt.model.to_string(),
        program_key: answer.verified.key.to_string(),
        provider: settlement.provider.0,
        price: settlement.price,
        refund: receipt.refund,
        fee,
        answer: Answer::new(answer),
        stages_ms: stages,
        ledger_ms: LedgerStages::of(receipt, settlement),
        proof: args.output.clone(),
        receipt: args.receipt.clone(),
    })
}

fn told(report: &Report, answer: &ProgramAnswer) -> String {
    let mut text = format!(
        "{}\n\
         {DIM}job{DIM:#}       {}\n\
         {DIM}price{DIM:#}     {BOLD}{}{BOLD:#} CIRO to provider {}, {} back\n\
         {DIM}fee{DIM:#}       {} CIRO for the order\n\
         {DIM}time{DIM:#}      {} from order to verified result\n",
        said(answer, "here, against the key made from the program"),
        report.job,
        report.price,
        report.provider,
        report.refund,
        report.fee,
        format::duration(report.stages_ms.verified),
    );
    for (label, path) in [("proof", &report.proof), ("receipt", &report.receipt)] {
        if let Some(path) = path {
            text.push_str(&format!("{DIM}{label:10}{DIM:#}{}\n", path.display()));
        }
    }
    text
}

/// What a program printed, its arguments first, and what that was verified against.
fn said(answer: &ProgramAnswer, against: &str) -> String {
    let security = &answer.verified.security;
    format!(
        "{BOLD}arguments{BOLD:#}\n{}\n\
         {BOLD}output{BOLD:#}\n{}\n\
         {GOOD}verified{GOOD:#}  {against}\n\
         {DIM}security{DIM:#}  {} bits conjectured, {} proven",
        describe(&answer.arguments),
        describe(&answer.output),
        security.whole_conjectured_bits(),
        security.whole_proven_bits(),
    )
}

/// Signs an order of a run, for somebody else to send.
pub(super) fn order(
    args: &submit::OrderFileArgs,
    arguments: &Path,
    context: &Context,
) -> Result<SignedTx> {
    let prepared = prepare(&args.order, arguments)?;
    block_on(async {
        let session = args.order.network.open().await?;
        let (account, client) = (session.key()?, &session.client);
        prepared.check(client, context)?;
        let ordered = prepared.submission(client, &args.order.terms.named()).await?;
        let order = client.order_program(&account, &ordered, args.valid_for()).await?;
        client.upload(&prepared.input.to_bytes()).await?;
        Ok(order)
    })
}

/// Tells what a run would cost, with no arguments: each adds 32 bytes.
pub(super) fn quote(
    (path, steps): (&Path, &StepsArgs),
    wish: &Wish,
    network: &NetworkArgs,
) -> Result<Quoted> {
    let (_, program) = read(path, steps)?;
    let (key, input) = (program.key(), ProgramInput::new(Vec::new())?);
    block_on(async {
        let client = network.open().await?.client;
        let terms = client.program_terms(key, wish).await?;
        let fee = client.program_fee(&ProgramSubmission::new(terms, key, &input))?;
        let (class, input_bytes) = (key.facts().class(), input.to_bytes().len());
        Ok(Quoted { terms, fee, class, input_bytes })
    })
}

#[derive(Serialize)]
struct ResultReport<'a> {
    job: String,
    program_key: String,
    #[serde(flatten)]
    answer: Answer,
    proof: &'a Path,
}

/// Fetches the proof of a settled job about a program, and verifies it.
pub(super) fn result(
    job: &JobArgs,
    (key_file, output): (KeyFile, &Path),
    context: &Context,
) -> Result<Status> {
    let file = OutputFile::create(output)?;
    let against = format!("against {}", key_file.path().display());
    let program = key_file.program()?;
    let AnsweredProgram { bundle, answer, .. } = block_on(async {
        let client = job.network.open().await?.client;
        let job = client.program_job(job.job, &program).await?;
        Ok(client.answered(&job, Duration::from_secs(60), |_| ()).await?)
    })?;
    file.finish(&bundle.proof.to_bytes())?;
    let report = ResultReport {
        job: job.job.to_string(),
        program_key: answer.verified.key.to_string(),
        answer: Answer::new(&answer),
        proof: output,
    };
    let text = format!("{}\n{DIM}proof{DIM:#}     {}\n", said(&answer, &against), output.display());
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
