//! One run as text or as a page.

use std::fmt::Write;

use crate::plan::Micros;
use crate::trace::{Moment, MomentKind};

/// Returns the timeline as lines of text.
#[must_use]
pub fn text(moments: &[Moment]) -> String {
    let mut out = String::new();
    for moment in moments {
        let node = moment.node.map_or_else(|| "  *".to_owned(), |node| format!("{node:>3}"));
        let line = format!("{} {node}  {}", clock(moment.at), moment.text);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Returns the timeline as a self-contained HTML page: one column for each node, time downward.
#[must_use]
pub fn html(title: &str, moments: &[Moment]) -> String {
    let nodes = moments.iter().filter_map(|moment| moment.node).max().map_or(0, |node| node + 1);
    let mut out =
        format!("<!doctype html><meta charset=\"utf-8\"><title>{}</title>", escape(title));
    out.push_str(STYLE);
    let _ = write!(out, "<h1>{}</h1><table><tr><th>time</th>", escape(title));
    for node in 0..nodes {
        let _ = write!(out, "<th>node {node}</th>");
    }
    out.push_str("</tr>\n");
    for moment in moments {
        let (class, text) = (class(moment.kind), escape(&moment.text));
        let _ = write!(out, "<tr class=\"{class}\"><td>{}</td>", clock(moment.at));
        match moment.node {
            None => {
                let _ = write!(out, "<td colspan=\"{nodes}\">{text}</td>");
            }
            Some(node) => {
                let (before, after) = (node, nodes - node - 1);
                let _ = write!(
                    out,
                    "{}<td>{text}</td>{}",
                    "<td></td>".repeat(before),
                    "<td></td>".repeat(after)
                );
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
    out
}

const STYLE: &str = "<style>\
    body{font:13px/1.4 system-ui,sans-serif;margin:2em}\
    table{border-collapse:collapse}\
    th{position:sticky;top:0;background:#fff;text-align:left}\
    td,th{padding:1px 10px;border-left:1px solid #ddd;vertical-align:top}\
    .send{color:#888}.execute{color:#0a6}.stable{color:#06a;font-weight:600}\
    .view{color:#a50}.fault{background:#f4f0ff}.evidence{background:#fff3d6}\
    .violation{background:#c00;color:#fff;font-weight:600}</style>";

const fn class(kind: MomentKind) -> &'static str {
    match kind {
        MomentKind::Send => "send",
        MomentKind::Execute => "execute",
        MomentKind::Stable => "stable",
        MomentKind::View => "view",
        MomentKind::Fault => "fault",
        MomentKind::Evidence => "evidence",
        MomentKind::Violation => "violation",
    }
}

fn clock(at: Micros) -> String {
    format!("{:>4}.{:06}", at / 1_000_000, at % 1_000_000)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_row_for_each_moment_and_escapes_text() {
        let moments = [
            Moment { at: 1_500_000, node: Some(1), kind: MomentKind::Send, text: "a <b>".into() },
            Moment { at: 2_000_000, node: None, kind: MomentKind::Fault, text: "cut".into() },
        ];
        let page = html("run", &moments);
        assert_eq!(page.matches("<tr").count(), 3);
        assert!(page.contains("a &lt;b&gt;") && page.contains("colspan=\"2\""));
        assert_eq!(text(&moments), "   1.500000   1  a <b>\n   2.000000   *  cut\n");
    }
}
