//! `ciro job`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use ciro_protocol::api::{JobInfo, JobState};
use ciro_protocol::id::JobId;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::wire::Message as _;
use ciro_sdk::client::{Job, Settled};
use ciro_sdk::{OutputFile, Policy};
use serde::Serialize;

use super::{NetworkArgs, block_on};
use crate::commands::outputs;
use crate::context::{Context, Failure, Status};
use crate::key_file::KeyFile;
use crate::ui::{BOLD, DIM, GOOD};

/// Arguments of `ciro job`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the account's jobs, the newest first
    List(NetworkArgs),
    /// Show how a job stands
    Status(JobArgs),
    /// Show how a job goes on, until it ends
    Watch(JobArgs),
    /// Fetch the proof of a settled job and verify it
    Result {
        /// The key file that the proof is verified with
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The proof
        #[arg(short, long, value_name = "PROOF")]
        output: PathBuf,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Fetch a job's receipt with all that proves it
    Receipt {
        /// The receipt
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Take an order back that nobody has claimed
    Cancel(JobArgs),
}

/// Which job.
#[derive(Debug, clap::Args)]
pub(super) struct JobArgs {
    /// The job
    pub(super) job: JobId,
    #[command(flatten)]
    pub(super) network: NetworkArgs,
}

#[derive(Serialize)]
struct Jobs {
    jobs: Vec<JobInfo>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.action {
        Action::List(network) => {
            let jobs = block_on(async {
                let session = network.open().await?;
                let address = session.address()?;
                Ok(session.client.jobs_of(address, None).await?.items)
            })?;
            let text: String = jobs.iter().map(line).collect();
            context.ui.result(&Jobs { jobs }, &text)?;
        }
        Action::Status(job) => {
            let info =
                block_on(async { Ok(job.network.open().await?.client.job_info(job.job).await?) })?;
            context.ui.result(&info, &line(&info))?;
        }
        Action::Watch(job) => {
            let info = block_on(watch(job, context))?;
            context.ui.result(&info, &line(&info))?;
        }
        Action::Result { job, key, output } => return result(job, (key, output), context),
        Action::Receipt { job, output } => {
            let file = OutputFile::create(output)?;
            let proof = block_on(async {
                let session = job.network.open().await?;
                session.client.job_info(job.job).await?;
                Ok(session.client.receipt(job.job, Duration::from_secs(60)).await?)
            })?;
            file.finish(&proof.to_bytes())?;
            let text = format!("{GOOD}certified{GOOD:#}  {}\n", output.display());
            context.ui.result(&proof.receipt, &text)?;
        }
        Action::Cancel(job) => {
            let info = block_on(async {
                let session = job.network.open().await?;
                session.client.cancel(&session.key()?, job.job).await?;
                Ok(session.client.job_info(job.job).await?)
            })?;
            context.ui.result(&info, &line(&info))?;
        }
    }
    Ok(Status::Done)
}

fn line(info: &JobInfo) -> String {
    let state = state(info.state);
    let price = match info.receipt.as_ref().map(|receipt| &receipt.outcome) {
        Some(Outcome::Settled(settled)) => {
            format!(", {} CIRO to provider {}", settled.price, settled.provider)
        }
        Some(Outcome::Refunded { reason }) => format!(", {reason:?}"),
        None => String::new(),
    };
    format!("{}  {BOLD}{state}{BOLD:#}, attempt {}{price}\n", info.job, info.attempt)
}

fn state(state: JobState) -> &'static str {
    match state {
        JobState::Open => "open",
        JobState::Claimed => "claimed",
        JobState::Settled => "settled",
        JobState::Refunded => "refunded",
    }
}

async fn watch(job: &JobArgs, context: &Context) -> Result<JobInfo> {
    const PATIENCE: Duration = Duration::from_secs(3600);
    let session = job.network.open().await?;
    let (begun, mut told) = (Instant::now(), None);
    loop {
        let info = session.client.job_info(job.job).await?;
        if told.replace((info.state, info.attempt)) != Some((info.state, info.attempt)) {
            context.ui.note(format_args!("{}, attempt {}", state(info.state), info.attempt));
        }
        if matches!(info.state, JobState::Settled | JobState::Refunded) {
            return Ok(info);
        }
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new("the job did not end within an hour", "watch it again").into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[derive(Serialize)]
struct ResultReport {
    job: String,
    model_key: String,
    #[serde(flatten)]
    outputs: outputs::Lists,
    proof: PathBuf,
}

fn result(
    job: &JobArgs,
    (keys, output): (&PathBuf, &PathBuf),
    context: &Context,
) -> Result<Status> {
    let key_file = KeyFile::read(keys);
    #[cfg(feature = "cairo")]
    if key_file.is_of_program() {
        return super::program::result(job, (key_file, output), context);
    }
    let file = OutputFile::create(output)?;
    let ring = key_file.ring()?;
    let Settled { bundle, verified, .. } = block_on(async {
        let session = job.network.open().await?;
        // The id that the user holds is the hash of this order: key and input are no node's word.
        let info = session.client.job_info(job.job).await?;
        let key = ring.keys().find(|key| info.order.key == key.digest().into());
        let key = key.cloned().ok_or_else(|| {
            Failure::new(
                format!("the key file has no key {}", info.order.key),
                "make it from the model: `ciro key MODEL -o model.key`",
            )
        })?;
        let input = info.order.input.statement;
        let job = Job { id: job.job, key, input, policy: Policy::default() };
        Ok(session.client.settled(&job, Duration::from_secs(60), |_| ()).await?)
    })?;
    file.finish(&bundle.to_bytes())?;
    let outputs: Vec<_> = verified.samples.iter().map(|sample| sample.outputs.clone()).collect();
    let report = ResultReport {
        job: job.job.to_string(),
        model_key: verified.model_key.to_string(),
        outputs: outputs::Lists::new(&outputs),
        proof: output.clone(),
    };
    let text = format!(
        "{}\n{GOOD}verified{GOOD:#}  against {}\n{DIM}proof{DIM:#}     {}\n",
        outputs::describe(&outputs),
        keys.display(),
        output.display()
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
