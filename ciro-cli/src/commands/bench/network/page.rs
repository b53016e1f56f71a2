//! The report as one page without scripts: tables, and plots as SVG.

use std::fmt::Write as _;

use super::Report;
use super::figures::{Added, Latencies, count};

/// What a measurement on one machine does not say.
pub(super) const LOOPBACK: &str =
    "node and client share a machine: loopback, not a claim about a wide-area network";

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #8884}\
td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}svg text{font:12px system-ui;fill:currentColor}\
.line{fill:none;stroke:#3b82f6;stroke-width:2}.axis{stroke:#8888}.note{opacity:.75}code{word-break:break-word}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut body = format!(
        "<h1>{} jobs on {}</h1><p>{} settled and verified, {:.1} arrived in a second; {}.</p>",
        report.jobs,
        escaped(&report.network),
        report.settled,
        report.rate_per_s,
        escaped(&report.models.join(", ")),
    );
    body.push_str(&latencies(report));
    body.push_str(&totals(report));
    let mut times: Vec<f64> =
        report.samples.iter().filter_map(|it| it.stages).map(|it| it.end_to_end).collect();
    times.sort_by(f64::total_cmp);
    let share = |at: usize| count(at + 1) / count(times.len()) * 100.0;
    let spread: Vec<(f64, f64)> =
        times.iter().enumerate().map(|(at, &ms)| (ms, share(at))).collect();
    body.push_str("<h2>Share of jobs that ended within a time</h2>");
    body.push_str(&plot(&spread, ("ms", "%")));
    body.push_str("<h2>Jobs that ended in each second</h2>");
    body.push_str(&plot(&per_second(report), ("s", "jobs")));
    let _ = write!(
        body,
        "<p class=note>{}, commit {}, <code>{}</code></p>",
        escaped(&report.machine.to_string()),
        escaped(report.commit.as_deref().unwrap_or("unknown")),
        escaped(&report.command),
    );
    if report.loopback {
        let _ = write!(body, "<p class=note>{LOOPBACK}</p>");
    }
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>ciro bench network</title><style>{STYLE}</style><body>{body}</body></html>\n"
    )
}

fn latencies(report: &Report) -> String {
    let Some(kafka) = &report.kafka else { return times("milliseconds", &report.latencies) };
    let mut table = times("orders to the node, ms", &kafka.by_http);
    table.push_str(&times("orders through Kafka, ms", &kafka.by_kafka));
    table.push_str("<table><tr><th>what Kafka adds, ms<th>p50<th>p95</tr>");
    for Added { stage, p50, p95 } in &kafka.added {
        let _ = write!(table, "<tr><td>{stage}<td>{p50:+.1}<td>{p95:+.1}</tr>");
    }
    table + "</table>"
}

/// The times of each stage.
fn times(title: &str, latencies: &Latencies) -> String {
    let mut table = format!("<table><tr><th>{title}<th>p50<th>p95<th>p99<th>greatest</tr>");
    for row in latencies.rows() {
        let figures = row.figures().map(|ms| format!("<td>{ms:.1}")).concat();
        let _ = write!(table, "<tr><td>{}{figures}</tr>", row.stage);
    }
    table + "</table>"
}

fn totals(report: &Report) -> String {
    let throughput = &report.throughput;
    let mut rows = vec![
        ("jobs an hour", format!("{:.0}", throughput.jobs_per_hour)),
        ("the same in the slowest ten seconds", format!("{:.0}", throughput.slowest_per_hour)),
        ("jitter, p95 less p50", format!("{:.1} ms", report.latencies.jitter_ms)),
        ("jitter, from one job to the next", format!("{:.1} ms", report.latencies.successive_ms)),
        ("consensus transactions", report.consensus_ops.count.to_string()),
        ("compute submissions", report.compute_ops.count.to_string()),
    ];
    if let Some(burst) = report.kafka.as_ref().and_then(|kafka| kafka.burst) {
        let (written, executed) = (burst.written_per_minute, burst.executed_per_minute);
        rows.push(("orders a minute that Kafka took at once", format!("{written:.0}")));
        rows.push(("orders a minute that the ledger took", format!("{executed:.0}")));
    }
    rows.extend(report.failed.iter().map(|(reason, many)| (reason.as_str(), many.to_string())));
    let row = |(name, value): &(&str, String)| format!("<tr><td>{}<td>{value}</tr>", escaped(name));
    format!("<table>{}</table>", rows.iter().map(row).collect::<String>())
}

/// For each second, how many jobs ended within it.
fn per_second(report: &Report) -> Vec<(f64, f64)> {
    let mut counts: std::collections::BTreeMap<u64, usize> = std::collections::BTreeMap::new();
    for sample in report.samples.iter().filter(|sample| sample.stages.is_some()) {
        let at = std::time::Duration::from_secs_f64(sample.ended_ms.max(0.0) / 1e3).as_secs();
        *counts.entry(at).or_default() += 1;
    }
    let last = counts.keys().last().copied().unwrap_or_default();
    let second = |at: u64| std::time::Duration::from_secs(at).as_secs_f64();
    (0..=last).map(|at| (second(at), count(counts.get(&at).copied().unwrap_or(0)))).collect()
}

/// A line through points, the axes from zero.
fn plot(points: &[(f64, f64)], (x_unit, y_unit): (&str, &str)) -> String {
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(1e-9, f64::max);
    let (x_most, y_most) = (most(|point| point.0), most(|point| point.1));
    let (left, bottom) = (50.0, HEIGHT - 30.0);
    let place = |&(x, y): &(f64, f64)| {
        let x = left + x / x_most * (WIDTH - left - 10.0);
        format!("{x:.1},{:.1} ", bottom - y / y_most * (bottom - 15.0))
    };
    let line: String = points.iter().map(place).collect();
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img>\
         <line class=axis x1={left} y1={bottom} x2={WIDTH} y2={bottom} />\
         <line class=axis x1={left} y1=10 x2={left} y2={bottom} />\
         <polyline class=line points=\"{line}\" />\
         <text x={left} y={HEIGHT} dy=-8>0</text>\
         <text x={WIDTH} y={HEIGHT} dy=-8 text-anchor=end>{x_most:.0} {x_unit}</text>\
         <text x={left} y=20 dx=-6 text-anchor=end>{y_most:.0} {y_unit}</text></svg>"
    )
}

/// Text that means nothing to a browser.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in ciro_sdk::printable(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            letter => safe.push(letter),
        }
    }
    safe
}
