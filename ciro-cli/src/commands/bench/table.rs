//! The measurements as a table.

use std::fmt::Write as _;

use ciro_sdk::printable_message;

use super::{Measured, Ratios, Report, Row};
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
        let Row { model, params, macs, measured, plain, ratios, accuracy, predicted } = row;
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
            let (prove, memory) = (predicted.prove_ms, format!("{} MB", predicted.memory_mb));
            let (prove, bytes) = (format::duration(prove), format::bytes(predicted.proof_bytes));
            let figures = [String::new(), prove, String::new(), bytes, memory];
            beside(&mut text, width, "  predicted", &figures);
        }
        if let Some(plain) = plain {
            beside(&mut text, width, "  plain", &figures(plain));
        }
        if let Some(ratios) = ratios {
            beside(&mut text, width, "  ratio", &multiples(ratios));
        }
    }
    let ratios = report.rows.iter().filter_map(|row| row.ratios.as_ref());
    if let Some(mean) = Ratios::mean(ratios) {
        beside(&mut text, width, "mean", &multiples(&mean));
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

/// A line below a model's: work, times of prover and verifier, size, memory.
fn beside(text: &mut String, width: usize, label: &str, figures: &[String; 5]) {
    let [work, prove, verify, proof, memory] = figures;
    let _ = writeln!(
        text,
        "{DIM}{label:width$}  {:>9}  {:>11}  {work:>11}  {prove:>9}  {verify:>8}  {proof:>8}  {memory:>8}{DIM:#}",
        "", "",
    );
}

fn figures(measured: &Measured) -> [String; 5] {
    let memory = measured.peak_memory_mb.map(|mb| format!("{mb} MB"));
    [
        work(measured),
        format::duration(measured.prove_ms),
        format::duration(measured.verify_ms),
        format::bytes(measured.proof_bytes as u64),
        memory.unwrap_or_default(),
    ]
}

fn multiples(ratios: &Ratios) -> [String; 5] {
    let Ratios { prove, verify, proof_bytes, memory } = *ratios;
    let [prove, verify, bytes] = [prove, verify, proof_bytes].map(|ratio| format!("{ratio:.2}x"));
    let memory = memory.map(|ratio| format!("{ratio:.2}x"));
    [String::new(), prove, verify, bytes, memory.unwrap_or_default()]
}

/// Cells of the tensor route, steps of the Cairo route.
fn work(measured: &Measured) -> String {
    match (measured.cells, measured.steps) {
        (Some(cells), _) => format!("{} cells", format::count(cells)),
        (None, Some(steps)) => format!("{} steps", format::count(steps)),
        (None, None) => String::new(),
    }
}
