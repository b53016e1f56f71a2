//! The measurements as a table.

use std::fmt::Write as _;

use ciro_sdk::printable_message;

use super::{Measured, Report, Row};
use crate::format;
use crate::ui::{BAD, BOLD, DIM};

pub(super) fn describe(report: &Report) -> String {
    let mut text = String::new();
    let width = report.rows.iter().map(|row| row.model.len()).max().unwrap_or(0).max(5);
    let _ = writeln!(
        text,
        "{BOLD}{:width$}  {:>9}  {:>11}  {:>11}  {:>9}  {:>8}  {:>8}  {:>8}  {:>6}  {:>8}  {:>8}{BOLD:#}",
        "model",
        "params",
        "MACs",
        "work",
        "prove",
        "verify",
        "proof",
        "memory",
        "top-1",
        "error",
        "bits",
    );
    for row in &report.rows {
        let Row { model, params, macs, measured, accuracy, predicted } = row;
        let top1 = accuracy.and_then(|accuracy| accuracy.top1);
        let error = accuracy.map(|accuracy| format!("{:.3}%", 100.0 * accuracy.relative_error));
        let _ = writeln!(
            text,
            "{model:width$}  {:>9}  {:>11}  {:>11}  {:>9}  {:>8}  {:>8}  {:>8}  {:>6}  {:>8}  {:>8}",
            format::count(*params as u64),
            format::count(*macs),
            work(measured),
            format::duration(measured.prove_ms),
            format::duration(measured.verify_ms),
            format::bytes(measured.proof_bytes as u64),
            measured.peak_memory_mb.map(|mb| format!("{mb} MB")).unwrap_or_default(),
            top1.map(|share| format!("{:.0}%", 100.0 * share)).unwrap_or_default(),
            error.unwrap_or_default(),
            measured.security_bits,
        );
        if let Some(predicted) = predicted {
            let _ = writeln!(
                text,
                "{DIM}{:width$}  {:>9}  {:>11}  {:>11}  {:>9}  {:>8}  {:>8}  {:>8}{DIM:#}",
                "  predicted",
                "",
                "",
                "",
                format::duration(predicted.prove_ms),
                "",
                format::bytes(predicted.proof_bytes),
                format!("{} MB", predicted.memory_mb),
            );
        }
    }
    for failed in &report.failed {
        let error = printable_message(&failed.error);
        let _ = writeln!(text, "{BAD}{}{BAD:#}: {error}", failed.model);
    }
    let commit = report.commit.as_deref().unwrap_or("unknown");
    let _ = writeln!(
        text,
        "\n{DIM}machine  {}\nversion  {} (commit {commit})\ncommand  {}{DIM:#}",
        report.machine, report.version, report.command,
    );
    text
}

/// Cells of the tensor route, steps of the Cairo route.
fn work(measured: &Measured) -> String {
    match (measured.cells, measured.steps) {
        (Some(cells), _) => format!("{} cells", format::count(cells)),
        (None, Some(steps)) => format!("{} steps", format::count(steps)),
        (None, None) => String::new(),
    }
}
