//! How close an integer model comes to the float model that it was made from.

use serde::{Deserialize, Serialize};

/// The accuracy of an integer model against its float model, measured on samples.
///
/// Made by the compiler, stored beside the model, shown by `Display` as a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccuracyReport {
    /// How many samples were compared.
    pub samples: usize,
    /// How many of them the figures of the outputs are from: samples that did not calibrate what
    /// they judge. 0 if there were too few to set some apart; then all of them both calibrate and
    /// judge, which flatters.
    pub held_out: usize,
    /// Whether the samples were drawn at random because none were given.
    pub random: bool,
    /// In how many samples at least one input value lay outside the calibrated range and was
    /// clamped.
    pub clamped_samples: usize,
    /// One entry for each output of the model.
    pub outputs: Vec<OutputAccuracy>,
    /// One entry for each node that computes the same tensor in both models.
    pub layers: Vec<LayerAccuracy>,
}

/// The error of one output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputAccuracy {
    /// The ONNX output's name.
    pub name: String,
    /// For rows of a softmax, the share whose greatest element is at the same position in both
    /// models, or at one that the float model holds for as great but for 0.2 % of the spread; for
    /// labels and other integers, the share of equal elements; `None` for other numbers.
    pub top1_agreement: Option<f64>,
    /// Mean of `|integer model - float model|` over all elements.
    pub mean_absolute_error: f64,
    /// Greatest of `|integer model - float model|`.
    pub max_absolute_error: f64,
    /// Median of `|integer model - float model|`.
    pub median_absolute_error: f64,
    /// Mean absolute error divided by the mean of `|float model|`; 0 where both are 0.
    pub relative_error: f64,
    /// The greatest value of the float model less the least, over all samples; the greatest
    /// magnitude where it does not vary. Where outliers make it more than twenty times that of the
    /// ordinary three quarters of the samples, and the worst error of those is a greater part of
    /// theirs, both are theirs.
    pub spread: f64,
    /// Greatest of `|integer model - float model|` over all samples that lost no value to a
    /// calibrated range, which is told where it happens: those that calibrated and those that did
    /// not, and against the float model in double and in single precision, which differ where it is
    /// ill-conditioned. Over all samples if each lost some; 0 for labels and other integers.
    pub worst_error: f64,
}

impl OutputAccuracy {
    /// The worst error as a part of the spread.
    pub fn spread_error(&self) -> f64 {
        if self.spread > 0.0 { self.worst_error / self.spread } else { self.worst_error }
    }
}

impl AccuracyReport {
    /// The report with the outputs' figures from samples that did not calibrate, as `held_out`
    /// found them on a model of the same bits.
    ///
    /// The worst error is that of both: what is wrong on the samples that calibrated is wrong too.
    #[must_use]
    pub fn judged_by(mut self, held_out: Self) -> Self {
        self.held_out = held_out.samples;
        for (output, judged) in self.outputs.iter_mut().zip(held_out.outputs) {
            let spread = output.spread.max(judged.spread);
            let worst_error = output.worst_error.max(judged.worst_error);
            let both = OutputAccuracy { spread, worst_error, ..judged };
            // What is wrong by the spread of those that calibrated alone is wrong too.
            *output = if output.spread_error() > both.spread_error() {
                let (spread, worst_error) = (output.spread, output.worst_error);
                OutputAccuracy { spread, worst_error, ..both }
            } else {
                both
            };
        }
        self
    }
}

/// The error of one inner tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerAccuracy {
    /// The node's name.
    pub node: String,
    /// The operator that computes it.
    pub op: String,
    /// Mean of `|integer model - float model|`.
    pub mean_absolute_error: f64,
    /// Mean absolute error divided by the mean of `|float model|`; 0 where both are 0.
    pub relative_error: f64,
}

impl std::fmt::Display for AccuracyReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origin = if self.random { "random samples" } else { "samples" };
        let judges = match self.held_out {
            0 => String::new(),
            held_out => format!(", {held_out} of which judge and did not calibrate"),
        };
        let (samples, clamped) = (self.samples, self.clamped_samples);
        writeln!(f, "{samples} {origin}{judges}, {clamped} with clamped inputs")?;
        let width = |names: &mut dyn Iterator<Item = &String>| {
            names.map(|name| name.chars().count()).max().unwrap_or(0).max(8)
        };
        let column = width(&mut self.outputs.iter().map(|output| &output.name));
        writeln!(
            f,
            "{:column$}  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}",
            "output", "top-1", "mean err", "median err", "max err", "rel err", "of spread"
        )?;
        for output in &self.outputs {
            writeln!(
                f,
                "{:column$}  {:>8}  {:>10.3e}  {:>10.3e}  {:>10.3e}  {:>9.4}%  {:>9.4}%",
                output.name,
                output.top1_agreement.map_or("-".into(), |share| format!("{:.2}%", 100.0 * share)),
                output.mean_absolute_error,
                output.median_absolute_error,
                output.max_absolute_error,
                100.0 * output.relative_error,
                100.0 * output.spread_error(),
            )?;
        }
        let column = width(&mut self.layers.iter().map(|layer| &layer.node));
        let kinds = width(&mut self.layers.iter().map(|layer| &layer.op));
        writeln!(
            f,
            "{:column$}  {:kinds$}  {:>10}  {:>10}",
            "layer", "operator", "mean err", "rel err"
        )?;
        for layer in &self.layers {
            writeln!(
                f,
                "{:column$}  {:kinds$}  {:>10.3e}  {:>9.4}%",
                layer.node,
                layer.op,
                layer.mean_absolute_error,
                100.0 * layer.relative_error,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_output_and_layer() {
        let report = AccuracyReport {
            samples: 3,
            held_out: 0,
            random: true,
            clamped_samples: 1,
            outputs: vec![OutputAccuracy {
                name: "logits".into(),
                top1_agreement: Some(0.5),
                ..OutputAccuracy::default()
            }],
            layers: vec![LayerAccuracy {
                node: "/fc/Gemm".into(),
                op: "Linear".into(),
                relative_error: 0.01,
                ..LayerAccuracy::default()
            }],
        };
        let table = report.to_string();
        assert!(table.starts_with("3 random samples, 1 with clamped inputs\n"), "{table}");
        assert!(table.contains("logits      50.00%"), "{table}");
        assert!(table.contains("/fc/Gemm  Linear"), "{table}");
        assert!(table.contains("1.0000%"), "{table}");
    }

    #[test]
    fn what_did_not_calibrate_judges_and_the_worst_of_both_stays() {
        let report = |samples, error, worst_error, spread| {
            let output = OutputAccuracy {
                mean_absolute_error: error,
                worst_error,
                spread,
                ..OutputAccuracy::default()
            };
            AccuracyReport { samples, outputs: vec![output], ..AccuracyReport::default() }
        };
        let judged = report(12, 0.1, 0.3, 8.0).judged_by(report(4, 0.2, 0.4, 4.0));
        assert_eq!(judged, AccuracyReport { held_out: 4, ..report(12, 0.2, 0.4, 8.0) });
        assert!((judged.outputs[0].spread_error() - 0.05).abs() < 1e-12);
        assert!(judged.to_string().starts_with("12 samples, 4 of which judge"), "{judged}");
        let judged = report(12, 0.1, 0.9, 8.0).judged_by(report(4, 0.2, 0.4, 4.0));
        assert!((judged.outputs[0].worst_error - 0.9).abs() < 1e-12);
    }
}
