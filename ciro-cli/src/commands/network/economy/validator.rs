//! `ciro validator`

use std::path::{Path, PathBuf};

use anyhow::Result;
use ciro_protocol::amount::Amount;
use ciro_protocol::api::ValidatorInfo;
use ciro_protocol::economy::{Commission, Offence};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::tx::EVIDENCE_BYTES_MAX;
use ciro_protocol::wire::Bytes;
use ciro_sdk::client::{Session, read_key};
use serde::Serialize;

use super::super::{NetworkArgs, block_on};
use super::{Sent, ciro, now_ms, open, percent, when};
use crate::context::{Context, Failure, Status};
use crate::ui::{BAD, BOLD, DIM, GOOD};

/// Arguments of `ciro validator`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List all validators with their stake
    List(NetworkArgs),
    /// Show a validator
    Show {
        /// The validator [default: the one of the account that signs]
        validator: Option<ValidatorId>,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Register the account as the operator of a new validator, which is in jail until `unjail`
    /// says that its node has caught up
    Register {
        /// The key that signs in consensus: the file `node.key` of the node's folder
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Its own stake, in CIRO
        #[arg(long, value_name = "AMOUNT")]
        bond: Amount,
        /// What it takes of the rewards of others, in basis points
        #[arg(long, value_name = "BPS", default_value = "500")]
        commission: u16,
        /// The most that it will ever take
        #[arg(long, value_name = "BPS", default_value = "2000")]
        commission_max: u16,
        /// The most that a change changes
        #[arg(long, value_name = "BPS", default_value = "100")]
        commission_step: u16,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Change what the account's validator takes of the rewards of others
    SetCommission {
        /// What it takes from now on, in basis points
        bps: u16,
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Lead the account's validator out of jail: after its time there, or once a new one's node has
    /// caught up
    Unjail(NetworkArgs),
    /// Report a validator's fault that no block has punished, for a part of what it costs
    Report {
        /// The evidence: bytes, or the hexadecimal text of a node's log
        evidence: PathBuf,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

#[derive(Serialize)]
struct List {
    validators: Vec<ValidatorInfo>,
}

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    #[serde(flatten)]
    validator: ValidatorInfo,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    if let Action::List(network) = &args.action {
        let (validators, now) = block_on(async {
            let session = open(network).await?;
            Ok((session.client.all_validators().await?, now_ms(&session.client).await?))
        })?;
        let text: String = validators.iter().map(|it| line(it, now)).collect();
        context.ui.result(&List { validators }, &text)?;
        return Ok(Status::Done);
    }
    let (report, now) = block_on(act(&args.action))?;
    let sent = report.sent.as_ref().map(Sent::line).unwrap_or_default();
    context.ui.result(&report, &format!("{sent}{}", describe(&report.validator, now)))?;
    Ok(Status::Done)
}

async fn act(action: &Action) -> Result<(Report, u64)> {
    let (Action::List(network)
    | Action::Show { network, .. }
    | Action::Register { network, .. }
    | Action::SetCommission { network, .. }
    | Action::Unjail(network)
    | Action::Report { network, .. }) = action;
    let session = open(network).await?;
    let client = &session.client;
    let done = match action {
        Action::List(_) | Action::Show { .. } => None,
        Action::Register { key, bond, commission, commission_max, commission_step, .. } => {
            let (bps, max_bps, step_bps) = (*commission, *commission_max, *commission_step);
            let terms = Commission { bps, max_bps, step_bps };
            let key = read_key(key).map_err(|error| {
                let hint = "name the file that `ciro-node init` or `ciro-node keys` made";
                Failure::new(ciro_sdk::error_chain(&error), hint)
            })?;
            Some(client.register_validator(&session.key()?, &key, (terms, *bond)).await?)
        }
        Action::SetCommission { bps, .. } => {
            Some(client.set_commission(&session.key()?, *bps).await?)
        }
        Action::Unjail(_) => Some(client.unjail_validator(&session.key()?).await?),
        Action::Report { evidence, .. } => {
            let (evidence, offence) = read_evidence(evidence)?;
            let sent = client.report_offence(&session.key()?, offence.validator, evidence).await?;
            let validator = client.validator(offence.validator).await?;
            let sent = Some(Sent::of(&sent));
            return Ok((Report { sent, validator }, now_ms(client).await?));
        }
    };
    let validator = match action {
        Action::Show { validator: Some(id), .. } => client.validator(*id).await?,
        _ => own(&session).await?,
    };
    Ok((Report { sent: done.as_ref().map(Sent::of), validator }, now_ms(client).await?))
}

/// Reads evidence and says what it is about; whether it holds is for the network to say.
fn read_evidence(path: &Path) -> Result<(Bytes<EVIDENCE_BYTES_MAX>, Offence)> {
    let hint = "take what a node's log says of a validator that broke the protocol";
    let unusable = || Failure::new(format!("`{}` holds no evidence", path.display()), hint);
    let content = ciro_sdk::files::read(path, 4 * EVIDENCE_BYTES_MAX as u64)?;
    let text = std::str::from_utf8(&content).ok().map(str::trim);
    let bytes = text.and_then(|text| hex::decode(text).ok()).unwrap_or(content);
    let offence = Offence::claimed(&bytes).ok_or_else(unusable)?;
    Ok((Bytes::new(bytes).map_err(|_| unusable())?, offence))
}

/// The validator that the account speaks for.
async fn own(session: &Session) -> Result<ValidatorInfo> {
    let found = session.client.validator_of(session.address()?).await?;
    found.ok_or_else(|| {
        let hint = "name one (`ciro validator list`), or register one: `ciro validator register`";
        Failure::new("the account is no validator's operator", hint).into()
    })
}

fn line(info: &ValidatorInfo, now_ms: u64) -> String {
    format!(
        "{BOLD}{:>4}{BOLD:#}  {} CIRO, takes {}, {}\n",
        info.validator,
        info.stake,
        percent(info.commission.bps),
        standing(info, now_ms)
    )
}

fn standing(info: &ValidatorInfo, now_ms: u64) -> String {
    match info.jailed_until_ms {
        _ if info.tombstoned => format!("{BAD}convicted{BAD:#}"),
        Some(until) if until > now_ms => {
            format!("{BAD}in jail{BAD:#}, may leave {}", when(until, now_ms))
        }
        Some(_) => format!("{BAD}in jail{BAD:#}, may leave"),
        None if info.counted && info.next_weight == 0 => "leaves consensus".to_owned(),
        None if info.counted => format!("{GOOD}in consensus{GOOD:#}"),
        None if info.next_weight > 0 => "votes from the next epoch on".to_owned(),
        None => "waits".to_owned(),
    }
}

fn describe(info: &ValidatorInfo, now_ms: u64) -> String {
    let Commission { bps, max_bps, step_bps } = info.commission;
    format!(
        "{DIM}validator{DIM:#}   {BOLD}{}{BOLD:#}, {}\n\
         {DIM}operator{DIM:#}    {}\n\
         {DIM}key{DIM:#}         {}\n\
         {DIM}stake{DIM:#}       {}, {} CIRO of it its operator's\n\
         {DIM}weight{DIM:#}      {}, {} in the next epoch\n\
         {DIM}commission{DIM:#}  {}, never above {}, by {} at a time\n",
        info.validator,
        standing(info, now_ms),
        info.operator,
        info.key,
        ciro(info.stake),
        info.own,
        info.weight,
        info.next_weight,
        percent(bps),
        percent(max_bps),
        percent(step_bps),
    )
}
