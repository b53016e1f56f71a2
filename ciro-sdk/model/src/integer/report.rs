//! How close an integer model comes to the float model that it was made from.

use serde::{Deserialize, Serialize};

/// The accuracy of an integer model against its float model, measured on samples.
///
/// Made by the compiler, stored beside the model, shown by `Display` as a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccuracyReport {
    /// How many samples were compared.
    pub samples: usize,
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
    /// The share of rows (last axis) whose greatest element is at the same position in both models;
    /// for labels and other integers, the share of equal elements.
    pub top1_agreement: f64,
    /// Mean of `|integer model - float model|` over all elements.
    pub mean_absolute_error: f64,
    /// Greatest of `|integer model - float model|`.
    pub max_absolute_error: f64,
    /// Median of `|integer model - float model|`.
    pub median_absolute_error: f64,
    /// Mean absolute error divided by the mean of `|float model|`; 0 where both are 0.
    pub relative_error: f64,
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
        writeln!(f, "{} {origin}, {} with clamped inputs", self.samples, self.clamped_samples)?;
        let width = |names: &mut dyn Iterator<Item = &String>| {
            names.map(|name| name.chars().count()).max().unwrap_or(0).max(8)
        };
        let column = width(&mut self.outputs.iter().map(|output| &output.name));
        writeln!(
            f,
            "{:column$}  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}",
            "output", "top-1", "mean err", "median err", "max err", "rel err"
        )?;
        for output in &self.outputs {
            writeln!(
                f,
                "{:column$}  {:>7.2}%  {:>10.3e}  {:>10.3e}  {:>10.3e}  {:>9.4}%",
                output.name,
                100.0 * output.top1_agreement,
                output.mean_absolute_error,
                output.median_absolute_error,
                output.max_absolute_error,
                100.0 * output.relative_error,
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
            random: true,
            clamped_samples: 1,
            outputs: vec![OutputAccuracy {
                name: "logits".into(),
                top1_agreement: 0.5,
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
}
