//! `ciro inspect` of a key file: which proofs it has keys for, and what those show.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use ciro_sdk::{Disclosure, Key, KeyRing, ProofKind, Shown, ShownTensor, printable};
use serde::Serialize;

use crate::commands::key::KeyReport;
use crate::context::{Context, Status};
use crate::format;
use crate::ui::{BOLD, DIM};

#[derive(Serialize)]
struct Report {
    model_digest: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    keys: Vec<Entry>,
    /// Entries of routes that this program leaves out.
    left_out: Vec<Kind>,
    key_bytes: usize,
}

#[derive(Serialize)]
struct Port {
    name: String,
    shape: Vec<usize>,
    /// What the elements of an output are called, if they have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

/// The key for one kind of proof.
#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    key: KeyReport,
    /// Cells that a prover commits to; `null` where the key does not say.
    cells: Option<u64>,
    shows: Vec<ShownReport>,
    /// Whether a proof may, as it chooses, commit to its whole input.
    input_may_be_committed: bool,
}

/// What proofs show of something.
#[derive(Serialize)]
struct ShownReport {
    /// `input`, `output`, `execution` or `model`.
    what: &'static str,
    /// The name of an input or output.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Whether they state a commitment in its place.
    committed: bool,
    /// `stated`, `computable` or `hidden`.
    shown: &'static str,
}

#[derive(Serialize)]
struct Kind {
    route: &'static str,
    preset: &'static str,
    batch: u32,
    hides: bool,
}

pub(super) fn run(path: &Path, context: &Context) -> Result<Status> {
    let ring = KeyRing::load(path).with_context(|| format!("key `{}`", path.display()))?;
    let report = Report::new(&ring);
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

impl Report {
    fn new(ring: &KeyRing) -> Self {
        let interface = ring.interface();
        let port = |name: &String, shape: &[usize], names: &[String]| Port {
            name: name.clone(),
            shape: shape.to_vec(),
            names: names.to_vec(),
        };
        let (inputs, outputs) = (interface.inputs.iter(), interface.outputs.iter());
        Self {
            model_digest: hex::encode(ring.model_digest()),
            inputs: inputs.map(|it| port(&it.name, &it.shape, &[])).collect(),
            outputs: outputs.map(|it| port(&it.name, &it.shape, it.decoding.names())).collect(),
            keys: ring.keys().map(Entry::new).collect(),
            left_out: ring.left_out().map(Kind::new).collect(),
            key_bytes: ring.to_bytes().len(),
        }
    }
}

impl Entry {
    fn new(key: &Key) -> Self {
        let Disclosure { tensors, input_may_be_committed, execution, model } = key.disclosure();
        let tensor = |ShownTensor { side, name, committed, shown }| ShownReport {
            what: side.name(),
            name: Some(name),
            committed,
            shown: shown.name(),
        };
        let whole = |what, shown: Shown| {
            let (name, committed) = (None, false);
            ShownReport { what, name, committed, shown: shown.name() }
        };
        let mut shows: Vec<ShownReport> = tensors.into_iter().map(tensor).collect();
        shows.extend([whole("execution", execution), whole("model", model)]);
        Self { key: KeyReport::new(key), cells: key.cells(), shows, input_may_be_committed }
    }

    fn describe(&self, line: &mut impl FnMut(&str, String)) {
        let KeyReport { model_key, route, preset, batch, hides, .. } = &self.key;
        line("key", format!("{BOLD}{model_key}{BOLD:#}"));
        let hides = format::hiding(*hides);
        line("proofs", format!("route {route}, preset {preset}, batch {batch}{hides}"));
        let KeyReport { security_bits, proven_security_bits: proven, .. } = self.key;
        line("security", format!("{security_bits} bits conjectured, {proven} proven"));
        if let Some(cells) = self.cells {
            line("work", format!("{} cells", format::count(cells)));
        }
        let list = |are: &dyn Fn(&&ShownReport) -> bool| {
            self.shows.iter().filter(are).map(ShownReport::describe).collect::<Vec<_>>().join(", ")
        };
        let mut lines = vec![("committed", list(&|it| it.committed))];
        for shown in Shown::ALL {
            lines.push((shown.name(), list(&|it| it.shown == shown.name())));
        }
        lines.retain(|(_, what)| !what.is_empty());
        lines.into_iter().for_each(|(label, what)| line(label, what));
        if self.input_may_be_committed {
            line("", "a proof may commit to its input instead of stating it".to_owned());
        }
    }
}

impl ShownReport {
    fn describe(&self) -> String {
        match &self.name {
            Some(name) => format!("{} `{}`", self.what, printable(name)),
            None => format!("the {}", self.what),
        }
    }
}

impl Kind {
    fn new(kind: ProofKind) -> Self {
        let ProofKind { route, preset, batch, secrecy } = kind;
        Self { route: route.name(), preset: preset.name(), batch, hides: secrecy.hides() }
    }
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{DIM}{label:12}{DIM:#}{value}");
    };
    line("model", report.model_digest.clone());
    for (label, ports) in [("inputs", &report.inputs), ("outputs", &report.outputs)] {
        for (position, Port { name, shape, names }) in ports.iter().enumerate() {
            let label = if position == 0 { label } else { "" };
            let (name, shape) = (printable(name), format::shape(shape));
            let classes = match names.len() {
                0 => String::new(),
                1 => ", 1 name".to_owned(),
                count => format!(", {} names", format::count(count as u64)),
            };
            line(label, format!("{BOLD}{name}{BOLD:#} {shape}{classes}"));
        }
    }
    line(
        "key shows",
        "names, shapes, scales and classes of these; sizes of what is proven".to_owned(),
    );
    line("", "and a digest of the model, by which a guess of it can be tested".to_owned());
    report.keys.iter().for_each(|entry| entry.describe(&mut line));
    for Kind { route, preset, batch, hides } in &report.left_out {
        let kind = format!("route {route}, preset {preset}, batch {batch}");
        line("left out", format!("{kind}{}: not part of this program", format::hiding(*hides)));
    }
    text
}
