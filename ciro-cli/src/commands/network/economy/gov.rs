//! `ciro gov`

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use ciro_protocol::amount::Amount;
use ciro_protocol::api::{ProposalInfo, TallyInfo};
use ciro_protocol::economy::{EconomyParams, Tranche};
use ciro_protocol::event::{Failure as Cause, ProposalStatus};
use ciro_protocol::id::{LaunchId, ProposalId, ValidatorId};
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Action as Effect, VoteOption};
use ciro_protocol::wire::List as Bounded;
use ciro_sdk::client::Session;
use serde::Serialize;

use super::super::{NetworkArgs, block_on};
use super::params::{self, Change};
use super::{Sent, now_ms, open, params_of, when};
use crate::context::{Context, Failure, Status};
use crate::ui::{BAD, BOLD, DIM, GOOD};

/// Arguments of `ciro gov`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List proposals
    List {
        /// Those alone that are voted on
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Show a proposal, and how its vote stands
    Show {
        /// The proposal
        proposal: ProposalId,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Show the parameters in force, by name
    Params(NetworkArgs),
    /// Propose a change, for a deposit that comes back unless the vote vetoes
    Propose {
        #[command(subcommand)]
        what: Proposed,
    },
    /// Vote with the account's stake
    Vote {
        /// The proposal
        proposal: ProposalId,
        /// The vote; a veto is also against the deposit
        choice: Choice,
        /// The validator that has the stake [default: each one that has some]
        #[arg(long, value_name = "N")]
        validator: Option<ValidatorId>,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Proposed {
    /// Other parameters of the economy
    SetParams {
        /// A parameter and its new value, such as `governance.voting_ms=600000`; all others stay
        #[arg(long = "set", value_name = "NAME=VALUE", required = true)]
        changes: Vec<Change>,
        #[command(flatten)]
        terms: Terms,
    },
    /// A payment out of the treasury
    Spend {
        /// To whom
        to: Address,
        /// How much, in CIRO
        amount: Amount,
        #[command(flatten)]
        terms: Terms,
    },
    /// A grant, which vests from its execution on
    Grant {
        /// Whose part of the supply it comes from
        tranche: Pot,
        /// To whom
        to: Address,
        /// How much, in CIRO
        amount: Amount,
        #[command(flatten)]
        terms: Terms,
    },
    /// Money of the treasury that is put aside for a project, and paid by milestones
    OpenLaunch {
        /// To whom
        to: Address,
        /// What a milestone pays, in CIRO; once for each of them, in the order in which they are
        /// paid
        #[arg(long = "milestone", value_name = "AMOUNT", required = true)]
        milestones: Vec<Amount>,
        /// How long milestones may be paid, in seconds from its execution; what is left then is the
        /// treasury's again
        #[arg(long, value_name = "SECONDS")]
        lasts: u64,
        #[command(flatten)]
        terms: Terms,
    },
    /// The next milestone of a launch, to be paid
    PayMilestone {
        /// The launch
        launch: LaunchId,
        /// The milestone, from 0
        milestone: u8,
        #[command(flatten)]
        terms: Terms,
    },
    /// The end of a launch; what is left of it is the treasury's again
    EndLaunch {
        /// The launch
        launch: LaunchId,
        #[command(flatten)]
        terms: Terms,
    },
}

#[derive(Debug, clap::Args)]
struct Terms {
    /// What it is about, for people
    #[arg(long, value_name = "TEXT")]
    title: String,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Choice {
    Yes,
    No,
    Abstain,
    Veto,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Pot {
    Team,
    Investors,
    Public,
}

#[derive(Serialize)]
struct List {
    proposals: Vec<ProposalInfo>,
}

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sent: Vec<Sent>,
    #[serde(flatten)]
    proposal: ProposalInfo,
    time_ms: u64,
}

#[derive(Serialize)]
struct InForce {
    params: EconomyParams,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let report = match &args.action {
        Action::List { open, network } => {
            let (mut proposals, now) = block_on(async {
                let session = super::open(network).await?;
                Ok((session.client.all_proposals().await?, now_ms(&session.client).await?))
            })?;
            proposals.retain(|it| !open || it.status == ProposalStatus::Voting);
            let text: String = proposals.iter().map(|it| line(it, now)).collect();
            context.ui.result(&List { proposals }, &text)?;
            return Ok(Status::Done);
        }
        Action::Params(network) => {
            let params = block_on(async { params_of(&network.open().await?.client).await })?;
            let named = params::list(&params).into_iter();
            let text: String =
                named.map(|(name, value)| format!("{DIM}{name:32}{DIM:#}{value}\n")).collect();
            context.ui.result(&InForce { params }, &text)?;
            return Ok(Status::Done);
        }
        Action::Show { proposal, network } => block_on(async {
            let session = open(network).await?;
            report(&session, *proposal, Vec::new()).await
        })?,
        Action::Propose { what } => block_on(propose(what))?,
        Action::Vote { proposal, choice, validator, network } => block_on(async {
            let session = open(network).await?;
            let sent = vote(&session, *proposal, (*validator, choice.option())).await?;
            report(&session, *proposal, sent).await
        })?,
    };
    let sent: String = report.sent.iter().map(Sent::line).collect();
    let text = format!("{sent}{}", describe(&report.proposal, report.time_ms));
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}

async fn report(session: &Session, id: ProposalId, sent: Vec<Sent>) -> Result<Report> {
    let proposal = session.client.proposal(id).await?;
    Ok(Report { sent, proposal, time_ms: now_ms(&session.client).await? })
}

async fn propose(what: &Proposed) -> Result<Report> {
    let (Proposed::SetParams { terms, .. }
    | Proposed::Spend { terms, .. }
    | Proposed::Grant { terms, .. }
    | Proposed::OpenLaunch { terms, .. }
    | Proposed::PayMilestone { terms, .. }
    | Proposed::EndLaunch { terms, .. }) = what;
    let session = terms.network.open().await?;
    let client = &session.client;
    let in_force = params_of(client).await?;
    let effect = match what {
        Proposed::SetParams { changes, .. } => {
            let tick_ms = client.spec().time.tick_ms;
            Effect::SetParams { params: params::changed(&in_force, changes, tick_ms)? }
        }
        Proposed::Spend { to, amount, .. } => Effect::Spend { to: *to, amount: *amount },
        Proposed::Grant { tranche, to, amount, .. } => {
            Effect::Grant { tranche: tranche.tranche(), to: *to, amount: *amount }
        }
        Proposed::OpenLaunch { to, milestones, lasts, .. } => {
            let milestones = Bounded::new(milestones.clone());
            let milestones = milestones.context("a launch has too many milestones")?;
            Effect::OpenLaunch { to: *to, milestones, lasts_ms: lasts.saturating_mul(1_000) }
        }
        Proposed::PayMilestone { launch, milestone, .. } => {
            Effect::PayMilestone { launch: *launch, milestone: *milestone }
        }
        Proposed::EndLaunch { launch, .. } => Effect::EndLaunch { launch: *launch },
    };
    let (done, proposal) = client.propose(&session.key()?, &terms.title, effect).await?;
    Ok(Report { sent: vec![Sent::of(&done)], proposal, time_ms: now_ms(client).await? })
}

/// Votes with the stake at one validator, or at each one that has some of the account's.
async fn vote(
    session: &Session,
    proposal: ProposalId,
    (validator, choice): (Option<ValidatorId>, VoteOption),
) -> Result<Vec<Sent>> {
    let validators = match validator {
        Some(validator) => vec![validator],
        None => {
            let held = session.client.stake(session.address()?).await?.stakes.into_iter();
            held.filter(|held| !held.amount.is_zero()).map(|held| held.validator).collect()
        }
    };
    if validators.is_empty() {
        let hint = "delegate before the next proposal is made: `ciro stake delegate`";
        return Err(Failure::new("the account has no stake to vote with", hint).into());
    }
    let (key, mut sent) = (session.key()?, Vec::new());
    for validator in validators {
        let done = session.client.vote(&key, (proposal, validator), choice).await?;
        sent.push(Sent::of(&done));
    }
    Ok(sent)
}

impl Choice {
    const fn option(self) -> VoteOption {
        match self {
            Self::Yes => VoteOption::Yes,
            Self::No => VoteOption::No,
            Self::Abstain => VoteOption::Abstain,
            Self::Veto => VoteOption::Veto,
        }
    }
}

impl Pot {
    const fn tranche(self) -> Tranche {
        match self {
            Self::Team => Tranche::Team,
            Self::Investors => Tranche::Investors,
            Self::Public => Tranche::Public,
        }
    }
}

fn line(info: &ProposalInfo, now_ms: u64) -> String {
    let title = ciro_sdk::printable(&info.title);
    format!("{BOLD}{:>4}{BOLD:#}  {}: {title}\n", info.proposal, standing(info, now_ms))
}

fn standing(info: &ProposalInfo, now_ms: u64) -> String {
    match info.status {
        ProposalStatus::Voting => format!("voted on, ends {}", when(info.until_ms, now_ms)),
        ProposalStatus::NoQuorum => format!("{BAD}no quorum{BAD:#}"),
        ProposalStatus::Rejected => format!("{BAD}rejected{BAD:#}"),
        ProposalStatus::Vetoed => format!("{BAD}vetoed{BAD:#}"),
        ProposalStatus::Passed => format!("{GOOD}passed{GOOD:#}, waits for its execution"),
        ProposalStatus::Executed => format!("{GOOD}executed{GOOD:#}"),
        ProposalStatus::Failed => {
            let why = info.failure.map(why).map(|why| format!(": {why}")).unwrap_or_default();
            format!("{BAD}failed{BAD:#}{why}")
        }
    }
}

const fn why(failure: Cause) -> &'static str {
    match failure {
        Cause::ParamsReplaced => "the parameters were replaced since it was made",
        Cause::TreasuryShort => "the treasury has less",
        Cause::SpendLimit => "votes may take less out of the treasury in an epoch",
        Cause::ReserveShort => "less of the tranche is left",
        Cause::LaunchOver => "the launch is over",
        Cause::MilestoneNotNext => "the milestone is not the next one",
    }
}

fn describe(info: &ProposalInfo, now_ms: u64) -> String {
    let mut text = format!(
        "{DIM}proposal{DIM:#}  {BOLD}{}{BOLD:#}, {}\n{DIM}title{DIM:#}     {}\n{DIM}by{DIM:#}        {}\n{DIM}effect{DIM:#}    {}\n",
        info.proposal,
        standing(info, now_ms),
        ciro_sdk::printable(&info.title),
        info.account,
        effect(&info.action),
    );
    if let Some(TallyInfo { yes, no, abstain, veto, stake }) = info.tally {
        // A text takes whatever is written to it.
        let _ = writeln!(
            text,
            "{DIM}votes{DIM:#}     {yes} yes, {no} no, {abstain} abstain, {veto} veto, of {stake} CIRO"
        );
    }
    text
}

fn effect(action: &Effect) -> String {
    match action {
        Effect::SetParams { params } => {
            let named = params::list(params).into_iter();
            let named: Vec<String> = named.map(|(name, value)| format!("{name}={value}")).collect();
            format!("parameters {}", named.join(" "))
        }
        Effect::Spend { to, amount } => format!("{amount} CIRO of the treasury to {to}"),
        Effect::Grant { tranche, to, amount } => {
            format!("a grant of {amount} CIRO of {tranche:?} to {to}")
        }
        Effect::OpenLaunch { to, milestones, lasts_ms } => {
            let amounts: Vec<String> = milestones.iter().map(ToString::to_string).collect();
            let (amounts, lasts_s) = (amounts.join(" + "), lasts_ms / 1_000);
            format!("a launch of {amounts} CIRO by milestones to {to}, for {lasts_s} s")
        }
        Effect::PayMilestone { launch, milestone } => {
            format!("milestone {milestone} of launch {launch} is paid")
        }
        Effect::EndLaunch { launch } => format!("launch {launch} ends"),
    }
}
