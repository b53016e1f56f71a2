//! Compares a model's outputs with those that onnxruntime gave.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ciro_sdk::{Model, RealOutput};
use serde::Serialize;

use super::read_inputs;

/// How well outputs agree with the expected ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Accuracy {
    /// Samples that were compared.
    pub(crate) samples: usize,
    /// The share of rows of scores with the same greatest element, and of equal labels; `None` if
    /// there are neither.
    pub(crate) top1: Option<f64>,
    /// Mean of the differences over the mean of the expected values.
    pub(crate) relative_error: f64,
    /// The greatest difference.
    pub(crate) max_error: f64,
}

/// Sums over samples.
#[derive(Default)]
struct Sums {
    rows: usize,
    agreeing: usize,
    difference: f64,
    magnitude: f64,
    max: f64,
}

impl Accuracy {
    /// Runs the model on all samples of `input` and compares with the arrays `out_0`, `out_1`, ...
    /// of `expected`.
    pub(super) fn measure(model: &Model, input: &Path, expected: &Path) -> Result<Self> {
        let samples = read_inputs(input)?.samples(&model.input_specs())?;
        let expected = read_inputs(expected)?;
        let mut sums = Sums::default();
        for (index, sample) in samples.iter().enumerate() {
            for (position, output) in model.run(sample)?.iter().enumerate() {
                let name = format!("out_{position}");
                let all =
                    expected.array_named(&name).with_context(|| format!("no array `{name}`"))?;
                let count = output.values.len();
                let numbers = all.data.as_numbers();
                let numbers = numbers.with_context(|| format!("array `{name}` holds text"))?;
                let row = numbers.get(index * count..(index + 1) * count);
                let row = row.with_context(|| format!("array `{name}` holds too few samples"))?;
                sums.add(output, row);
            }
        }
        ensure!(!samples.is_empty(), "there are no samples");
        Ok(sums.finish(samples.len()))
    }
}

impl Sums {
    fn add(&mut self, output: &RealOutput, expected: &[f64]) {
        let got = output.values.data();
        let columns = output.values.last_dim().max(1);
        let labels = got.iter().chain(expected).all(|value| value.fract() == 0.0) && columns == 1;
        if labels {
            let equal = got.iter().zip(expected).filter(|(a, b)| (*a - *b).abs() < 0.5).count();
            self.rows += expected.len();
            self.agreeing += equal;
            return;
        }
        if columns > 1 {
            for (got, expected) in got.chunks(columns).zip(expected.chunks(columns)) {
                self.rows += 1;
                self.agreeing += usize::from(top(got) == top(expected));
            }
        }
        for (got, expected) in got.iter().zip(expected) {
            let difference = (got - expected).abs();
            self.difference += difference;
            self.magnitude += expected.abs();
            self.max = self.max.max(difference);
        }
    }

    fn finish(&self, samples: usize) -> Accuracy {
        #[expect(clippy::cast_precision_loss, reason = "there are few rows")]
        let share = (self.rows > 0).then(|| self.agreeing as f64 / self.rows as f64);
        let relative = if self.magnitude > 0.0 { self.difference / self.magnitude } else { 0.0 };
        Accuracy { samples, top1: share, relative_error: relative, max_error: self.max }
    }
}

fn top(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}
