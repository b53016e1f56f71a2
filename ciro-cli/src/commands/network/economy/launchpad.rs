//! `ciro launchpad`

use std::fmt::Write as _;

use anyhow::Result;
use ciro_protocol::api::LaunchInfo;
use ciro_protocol::economy::LaunchStatus;
use ciro_protocol::id::LaunchId;
use serde::Serialize;

use super::super::{NetworkArgs, block_on};
use super::{now_ms, open, when};
use crate::context::{Context, Status};
use crate::ui::{BAD, BOLD, DIM, GOOD};

/// Arguments of `ciro launchpad`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List launches
    List {
        /// Those alone that are not over
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Show a launch, and which of its milestones are paid
    Show {
        /// The launch
        launch: LaunchId,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

#[derive(Serialize)]
struct List {
    launches: Vec<LaunchInfo>,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    launch: LaunchInfo,
    time_ms: u64,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.action {
        Action::List { open: only_open, network } => {
            let (mut launches, now) = block_on(async {
                let session = open(network).await?;
                Ok((session.client.all_launches().await?, now_ms(&session.client).await?))
            })?;
            launches.retain(|it| !only_open || it.status == LaunchStatus::Open);
            let text: String = launches.iter().map(|it| line(it, now)).collect();
            context.ui.result(&List { launches }, &text)?;
        }
        Action::Show { launch, network } => {
            let report = block_on(async {
                let session = open(network).await?;
                let launch = session.client.launch(*launch).await?;
                Ok(Report { launch, time_ms: now_ms(&session.client).await? })
            })?;
            context.ui.result(&report, &describe(&report.launch, report.time_ms))?;
        }
    }
    Ok(Status::Done)
}

fn line(info: &LaunchInfo, now_ms: u64) -> String {
    let LaunchInfo { launch, to, paid, milestones, .. } = info;
    let (of, standing) = (milestones.len(), standing(info, now_ms));
    format!("{BOLD}{launch:>4}{BOLD:#}  {standing}: {paid} of {of} milestones paid to {to}\n")
}

fn standing(info: &LaunchInfo, now_ms: u64) -> String {
    match info.status {
        LaunchStatus::Open => format!("open, ends {}", when(info.ends_ms, now_ms)),
        LaunchStatus::Completed => format!("{GOOD}completed{GOOD:#}"),
        LaunchStatus::Ended => format!("{BAD}ended by a vote{BAD:#}"),
        LaunchStatus::Expired => format!("{BAD}expired{BAD:#}"),
    }
}

fn describe(info: &LaunchInfo, now_ms: u64) -> String {
    let LaunchInfo { launch, to, left, milestones, paid, .. } = info;
    let mut text = format!(
        "{DIM}launch{DIM:#}    {BOLD}{launch}{BOLD:#}, {}\n{DIM}to{DIM:#}        {to}\n\
         {DIM}left{DIM:#}      {left} CIRO\n",
        standing(info, now_ms),
    );
    for (number, amount) in milestones.iter().enumerate() {
        let done = if number < usize::from(*paid) { ", paid" } else { "" };
        // A text takes whatever is written to it.
        let _ = writeln!(text, "{DIM}milestone{DIM:#} {number}, {amount} CIRO{done}");
    }
    text
}
