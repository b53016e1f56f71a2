//! Outputs of inferences, for people and for programs.

use std::fmt::Write as _;

use ciro_sdk::{Context, RealInput, RealOutput, printable};
use serde::Serialize;

use crate::format;
use crate::ui::{BOLD, DIM};

/// How many samples people are shown.
const SHOWN: usize = 8;

/// The outputs of all samples, as `--json` prints them: one list for each output, samples one
/// behind the other.
#[derive(Debug, Serialize)]
pub(crate) struct Lists {
    /// Real numbers, positions or integer labels.
    output: Vec<Vec<f64>>,
    /// The integers that are proven.
    output_int: Vec<Vec<i32>>,
    /// Names of the outputs.
    output_names: Vec<String>,
    /// Class names, for the outputs that hold them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Vec<String>>,
}

impl Lists {
    /// Gathers the outputs of all samples.
    pub(crate) fn new(samples: &[Vec<RealOutput>]) -> Self {
        let outputs = samples.first().map_or(0, Vec::len);
        let of = |position: usize| samples.iter().filter_map(move |sample| sample.get(position));
        let labels = |position| -> Vec<String> {
            of(position).filter_map(|output| output.labels.clone()).flatten().collect()
        };
        Self {
            output: (0..outputs)
                .map(|position| of(position).flat_map(|o| o.values.data()).copied().collect())
                .collect(),
            output_int: (0..outputs)
                .map(|position| of(position).flat_map(|o| o.integers.data()).copied().collect())
                .collect(),
            output_names: samples.first().into_iter().flatten().map(|o| o.name.clone()).collect(),
            labels: (0..outputs).map(labels).filter(|labels| !labels.is_empty()).collect(),
        }
    }
}

/// The context of a proof; `None` if it is bound to nothing.
pub(crate) fn named(context: Context) -> Option<String> {
    (!context.is_none()).then(|| context.to_string())
}

/// Describes the outputs of all samples, at most the first eight.
pub(crate) fn describe(samples: &[Vec<RealOutput>]) -> String {
    let mut text = String::new();
    for (index, sample) in samples.iter().take(SHOWN).enumerate() {
        if samples.len() > 1 {
            let _ = writeln!(text, "{DIM}sample {index}{DIM:#}");
        }
        for output in sample {
            let RealOutput { name, values, labels, .. } = output;
            let shown = match labels {
                Some(labels) => printable(&labels.join(", ")).into_owned(),
                None => format::values(values.data()),
            };
            let top = output.top1().map(|top| format!("  {DIM}greatest: {top}{DIM:#}"));
            let shape = format::shape(values.shape());
            let (name, top) = (printable(name), top.unwrap_or_default());
            let _ = writeln!(text, "{BOLD}{name}{BOLD:#} {DIM}{shape}{DIM:#}  {shown}{top}");
        }
    }
    if samples.len() > SHOWN {
        let _ = writeln!(text, "{DIM}... {} more samples{DIM:#}", samples.len() - SHOWN);
    }
    text
}

/// The proven inputs of all samples, as `--json` prints them: one list for each input, samples one
/// behind the other, `null` for an input that no output depends on.
pub(crate) fn input_lists(samples: &[Vec<RealInput>]) -> Vec<Option<Vec<InputElement>>> {
    let inputs = samples.first().map_or(0, Vec::len);
    let of = |position: usize| samples.iter().filter_map(move |sample| sample.get(position));
    let values = |position: usize| {
        let parts = of(position).map(|input| Some(elements(input, input.values.as_ref()?.data())));
        Some(parts.collect::<Option<Vec<_>>>()?.concat())
    };
    (0..inputs).map(values).collect()
}

/// An element of a proven input.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum InputElement {
    Number(f64),
    /// `null` for a text that the model does not know.
    Text(Option<String>),
}

fn elements(input: &RealInput, values: &[f64]) -> Vec<InputElement> {
    match &input.texts {
        Some(texts) => texts.iter().cloned().map(InputElement::Text).collect(),
        None => values.iter().copied().map(InputElement::Number).collect(),
    }
}

/// The texts of an input, at most the first eight.
fn texts(texts: &[Option<String>]) -> String {
    let shown = texts.iter().take(SHOWN).map(|text| match text {
        Some(text) => format!("`{}`", printable(text)),
        None => "a text that the model does not know".to_owned(),
    });
    let more = (texts.len() > SHOWN).then(|| "...".to_owned());
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// Describes the proven inputs of all samples, one line for each, at most the first eight samples.
pub(crate) fn describe_inputs(samples: &[Vec<RealInput>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, sample) in samples.iter().take(SHOWN).enumerate() {
        let sample_of = if samples.len() > 1 { format!("sample {index}: ") } else { String::new() };
        for RealInput { name, shape, values, texts: words } in sample {
            let (name, shape) = (printable(name), format::shape(shape));
            let words = words.as_ref().map(|words| texts(words));
            let values = words.or(values.as_ref().map(|values| format::values(values.data())));
            let values = values.unwrap_or_else(|| "any: no output depends on it".to_owned());
            lines.push(format!("{sample_of}{name} {shape}  {values}"));
        }
    }
    if samples.len() > SHOWN {
        lines.push(format!("... {} more samples", samples.len() - SHOWN));
    }
    lines
}
