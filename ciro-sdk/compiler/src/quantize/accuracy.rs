//! Integer model against float graph, sample by sample.

use std::collections::BTreeMap;

use super::calibrate::samples_or_random;
use super::error::SampleError;
use crate::float::Graph;
use ciro_model::integer::{
    AccuracyReport, Decoding, Encoding, IntegerModel, LayerAccuracy, NodeId, OutputAccuracy,
};
use ciro_model::tensor::Tensor;

/// Compares an integer model with the float graph that it was made from, on samples of one tensor
/// for each input.
///
/// Without samples, the random ones that [`calibrate`](super::calibrate) would draw are used, and
/// the report says so. Layers are the nodes of both models that have one name and one shape.
///
/// # Errors
/// [`SampleError`] if a sample does not fit the graph or cannot be encoded.
pub fn accuracy(
    graph: &Graph,
    model: &IntegerModel,
    samples: &[Vec<Tensor<f64>>],
) -> Result<AccuracyReport, SampleError> {
    let random = samples.is_empty();
    let samples = &samples_or_random(graph, samples)[..];
    let mut outputs: Vec<Comparison> = vec![Comparison::default(); model.outputs().len()];
    let layers = layers(graph, model);
    let mut errors = vec![Comparison::default(); layers.len()];
    let mut clamped_samples = 0;
    for (sample, inputs) in samples.iter().enumerate() {
        let expected = graph.eval(inputs).map_err(|source| SampleError::Eval { sample, source })?;
        let (integers, clamped) = encode(model, sample, inputs)?;
        clamped_samples += usize::from(clamped > 0);
        let trace = model.trace(&integers).expect("encoded inputs fit their model");
        for ((comparison, output), float) in
            outputs.iter_mut().zip(model.outputs()).zip(&graph.outputs)
        {
            let got = output.decoding.decode(trace.value(output.node));
            let labels = !matches!(output.decoding, Decoding::Real { .. });
            comparison.add(&got, &expected[float.node.index()], labels);
        }
        for (comparison, &(float, id)) in errors.iter_mut().zip(&layers) {
            let scale = model.node(id).scale;
            let got = trace.value(id).map(|&v| f64::from(v) * scale);
            comparison.add(&got, &expected[float], false);
        }
    }
    let named = outputs.into_iter().zip(model.outputs());
    let layered = errors.iter().zip(&layers);
    Ok(AccuracyReport {
        samples: samples.len(),
        random,
        clamped_samples,
        outputs: named.map(|(comparison, output)| comparison.output(&output.name)).collect(),
        layers: layered.map(|(comparison, &(_, id))| comparison.layer(model, id)).collect(),
    })
}

/// The integer inputs of a sample, and how many elements were clamped.
fn encode(
    model: &IntegerModel,
    sample: usize,
    inputs: &[Tensor<f64>],
) -> Result<(Vec<Tensor<i32>>, usize), SampleError> {
    let (expected, got) = (model.inputs().len(), inputs.len());
    if expected != got {
        return Err(SampleError::Inputs { sample, expected, got });
    }
    let mut integers = vec![];
    let mut clamped = 0;
    for (input, real) in model.inputs().iter().zip(inputs) {
        for (_, encoding) in &input.views {
            let encoded = encoding.encode(real).map_err(|source| SampleError::Encoding {
                sample,
                input: input.name.clone(),
                source,
            })?;
            clamped += encoded.clamped;
            integers.push(encoded.tensor);
        }
    }
    Ok((integers, clamped))
}

/// Float nodes and the integer nodes that compute the same tensor.
fn layers(graph: &Graph, model: &IntegerModel) -> Vec<(usize, NodeId)> {
    let floats: BTreeMap<&str, usize> =
        graph.nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
    // The integers of these inputs have no common scale.
    let views = model.inputs().iter().flat_map(|input| &input.views);
    let scaled: Vec<NodeId> = views
        .filter(|(_, encoding)| matches!(encoding, Encoding::Columns { .. }))
        .map(|&(id, _)| id)
        .collect();
    let same = |(id, node): (NodeId, &ciro_model::integer::Node)| {
        if scaled.contains(&id) {
            return None;
        }
        let &at = floats.get(node.name.as_str())?;
        (graph.nodes[at].shape == node.shape).then_some((at, id))
    };
    model.iter().filter_map(same).collect()
}

/// Errors gathered over samples.
#[derive(Clone, Debug, Default)]
struct Comparison {
    errors: Vec<f64>,
    magnitude: f64,
    rows: usize,
    agreeing: usize,
}

impl Comparison {
    fn add(&mut self, got: &Tensor<f64>, expected: &Tensor<f64>, labels: bool) {
        for (got, expected) in got.data().iter().zip(expected.data()) {
            if expected.is_finite() {
                self.errors.push((got - expected).abs());
                self.magnitude += expected.abs();
            }
        }
        let columns = if labels { 1 } else { expected.last_dim().max(1) };
        let rows = got.data().chunks(columns).zip(expected.data().chunks(columns));
        for (got, expected) in rows {
            self.rows += 1;
            let agree = match labels {
                true => (got[0] - expected[0]).abs() < 0.5,
                false => top(got) == top(expected),
            };
            self.agreeing += usize::from(agree);
        }
    }

    fn mean(&self) -> f64 {
        share(self.errors.iter().sum(), self.errors.len() as f64)
    }

    fn relative(&self) -> f64 {
        share(self.errors.iter().sum(), self.magnitude)
    }

    fn output(mut self, name: &str) -> OutputAccuracy {
        self.errors.sort_by(f64::total_cmp);
        OutputAccuracy {
            name: name.to_owned(),
            top1_agreement: share(self.agreeing as f64, self.rows as f64),
            mean_absolute_error: self.mean(),
            max_absolute_error: self.errors.last().copied().unwrap_or(0.0),
            median_absolute_error: self.errors.get(self.errors.len() / 2).copied().unwrap_or(0.0),
            relative_error: self.relative(),
        }
    }

    fn layer(&self, model: &IntegerModel, id: NodeId) -> LayerAccuracy {
        let node = model.node(id);
        LayerAccuracy {
            node: node.name.clone(),
            op: node.op.operator().name().to_owned(),
            mean_absolute_error: self.mean(),
            relative_error: self.relative(),
        }
    }
}

fn top(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
