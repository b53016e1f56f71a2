//! `ciro check`

use std::fmt::Write as _;

use anyhow::Result;
use ciro_sdk::{CostEstimate, RefusedNode, Report, check, printable, printable_message, refusals};
use serde::Serialize;

use crate::args::{ModelArgs, RouteArgs};
use crate::context::{Context, Status};
use crate::ui::{BAD, BOLD, DIM, GOOD};
use crate::{advice, format, model};

/// Arguments of `ciro check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    route: RouteArgs,
    /// Inferences in one proof
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Only look for what the import refuses: quick, whatever the model weighs, and without the
    /// values of weights, ranges and cost
    #[arg(long)]
    fast: bool,
}

#[derive(Serialize)]
struct CheckReport {
    /// `None` where nothing was refused, but not everything was looked at.
    supported: Option<bool>,
    refused: Vec<RefusalReport>,
    estimate: Option<EstimateReport>,
}

#[derive(Serialize)]
struct RefusalReport {
    node: String,
    op: String,
    reason: String,
    hint: Option<String>,
}

#[derive(Serialize)]
struct EstimateReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    prove_ms: f64,
    memory_mb: u64,
    proof_bytes: u64,
    security_bits: u32,
    proven_security_bits: u32,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let path = &args.model.path;
    let prove = args.route.settings(args.batch, None);
    let stage = context.ui.stage(format!("checking {}", path.display()));
    let settings = model::settings(&args.model.compile)?;
    let report = match args.fast {
        true => Report::refused(refusals(path, &settings)?),
        false => check(path, &settings, &prove)?,
    };
    drop(stage);
    context.ui.warn_of(&report.concerns);
    let taken = report.refused.is_empty();
    let text = describe(&report);
    let refusal = |RefusedNode { node, op, reason, advice }| {
        let hint = advice.as_ref().map(advice::spell);
        RefusalReport { node, op, reason, hint }
    };
    let json = CheckReport {
        supported: (!taken || !args.fast).then_some(taken),
        refused: report.refused.into_iter().map(refusal).collect(),
        estimate: report.estimate.map(|estimate| EstimateReport {
            cells: estimate.cells,
            steps: estimate.steps,
            prove_ms: (estimate.prove_ms * 10.0).round() / 10.0,
            memory_mb: estimate.memory_bytes.div_ceil(1_000_000),
            proof_bytes: estimate.proof_bytes,
            security_bits: estimate.security_bits,
            proven_security_bits: estimate.proven_security_bits,
        }),
    };
    context.ui.result(&json, &text)?;
    Ok(if taken { Status::Done } else { Status::Failed })
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    if let Some(estimate) = report.estimate {
        let CostEstimate { cells, steps, prove_ms, memory_bytes, proof_bytes, .. } = estimate;
        let (bits, proven) = (estimate.security_bits, estimate.proven_security_bits);
        let _ = writeln!(text, "{GOOD}supported{GOOD:#}: every operator can be proven");
        let mut line = |label: &str, value: String| {
            let _ = writeln!(text, "{DIM}{label:12}{DIM:#}{value}");
        };
        if let Some(cells) = cells {
            line("cells", format::count(cells));
        }
        if let Some(steps) = steps {
            line("steps", format::count(steps));
        }
        line("prove", format!("about {}", format::duration(prove_ms)));
        line("memory", format!("about {}", format::bytes(memory_bytes)));
        line("proof", format!("about {}", format::bytes(proof_bytes)));
        line("security", format!("{bits} bits conjectured, {proven} proven"));
    } else if report.refused.is_empty() {
        let _ = writeln!(text, "{GOOD}nothing refused{GOOD:#}: the import takes every operator");
        let rest = "weights, ranges and cost are not looked at; without --fast, they are";
        let _ = writeln!(text, "{DIM}{rest}{DIM:#}");
    } else {
        let nodes = format::plural(report.refused.len(), "node");
        let _ = writeln!(text, "{BAD}not supported{BAD:#}: {nodes} cannot be proven");
    }
    for RefusedNode { node, op, reason, advice } in &report.refused {
        let (node, op, reason) = (printable(node), printable(op), printable_message(reason));
        let _ = writeln!(text, "  {BOLD}{node}{BOLD:#} ({op}): {reason}");
        if let Some(advice) = advice {
            let hint = advice::spell(advice);
            let _ = writeln!(text, "    {DIM}{}{DIM:#}", printable_message(&hint));
        }
    }
    text
}
