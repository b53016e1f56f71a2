//! Integer model against float graph, sample by sample.

use std::collections::BTreeMap;

use super::calibrate::{Range, samples_or_random};
use super::error::SampleError;
use super::reference::Reference;
use super::spread::{Judged, Ordinary};
use crate::float::{Graph, Op};
use ciro_model::integer::{
    AccuracyReport, Clip, Decoding, Encoding, IntegerModel, LayerAccuracy, Loss, NodeId,
    OutputAccuracy,
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
    let kinds =
        graph.outputs.iter().zip(model.outputs()).map(|(float, output)| match output.decoding {
            Decoding::Real { .. } if is_scores(graph, float.node) => Kind::Scores,
            Decoding::Real { .. } => Kind::Numbers,
            _ => Kind::Labels,
        });
    let mut outputs: Vec<Comparison> = kinds.map(Comparison::of).collect();
    let layers = layers(graph, model);
    let mut errors = vec![Sums::default(); layers.len()];
    let mut clamped_samples = 0;
    let reference = Reference::of(graph);
    for (sample, inputs) in samples.iter().enumerate() {
        let expected = graph.eval(inputs).map_err(|source| SampleError::Eval { sample, source })?;
        let singles =
            if sample < SINGLE_SAMPLES { reference.in_single_precision(inputs) } else { None };
        let (integers, clamped) = encode(model, sample, inputs)?;
        clamped_samples += usize::from(clamped > 0);
        let trace = model.trace(&integers).expect("encoded inputs fit their model");
        // Values at steep places are no less judged for being told.
        let outside = |clip: &Clip| clip.loss == Loss::Outside;
        let cut = clamped > 0 || model.clips(&trace).iter().any(outside);
        for ((comparison, output), float) in
            outputs.iter_mut().zip(model.outputs()).zip(&graph.outputs)
        {
            let got = output.decoding.decode(trace.value(output.node));
            let at = float.node.index();
            comparison.add(&got, &expected[at], cut);
            if let (Some(singles), false) = (&singles, cut) {
                comparison.compare(&got, &singles[at]);
            }
        }
        for (comparison, &(float, id)) in errors.iter_mut().zip(&layers) {
            let scale = model.node(id).scale;
            let got = trace.value(id).map(|&v| f64::from(v) * scale);
            comparison.add(got.data(), expected[float].data());
        }
    }
    let named = outputs.into_iter().zip(model.outputs());
    let layered = errors.iter().zip(&layers);
    Ok(AccuracyReport {
        samples: samples.len(),
        held_out: 0,
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
        .filter(|(_, encoding)| {
            matches!(encoding, Encoding::Columns { .. } | Encoding::Imputed { .. })
        })
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

/// Whether a node's rows are those of a softmax, perhaps moved.
fn is_scores(graph: &Graph, id: crate::float::NodeId) -> bool {
    let node = graph.node(id);
    match (&node.op, &node.operands[..]) {
        (Op::Softmax, _) => node.shape.last().is_some_and(|&columns| columns > 1),
        (Op::Move(_), &[operand]) => is_scores(graph, operand),
        _ => false,
    }
}

/// The most samples that are computed in float32 too.
const SINGLE_SAMPLES: usize = 256;

/// What an output's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Numbers that are not compared with each other.
    Numbers,
    /// Rows of scores, the greatest of which is the answer.
    Scores,
    /// Labels, positions and other integers.
    Labels,
}

/// Scores that differ by at most this part of the spread are equally good answers.
const TIE: f64 = 0.002;

/// What float32 makes of a value that does not vary is noise up to this part of it.
const NOISE: f64 = 1e-6;

/// Errors of a tensor, added up over samples.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    errors: f64,
    magnitude: f64,
    count: usize,
}

impl Sums {
    fn add(&mut self, got: &[f64], expected: &[f64]) {
        for (got, expected) in got.iter().zip(expected).filter(|(_, it)| it.is_finite()) {
            self.errors += (got - expected).abs();
            self.magnitude += expected.abs();
            self.count += 1;
        }
    }

    fn mean(&self) -> f64 {
        share(self.errors, self.count as f64)
    }

    fn relative(&self) -> f64 {
        share(self.errors, self.magnitude)
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

/// Errors of an output, gathered over samples.
#[derive(Clone, Debug)]
struct Comparison {
    kind: Kind,
    errors: Vec<f64>,
    sums: Sums,
    range: Range,
    /// The values that float32 arithmetic gives.
    singles: Range,
    /// Greatest error of samples that lost no value, `None` if each lost some.
    worst: Option<f64>,
    /// The values of each sample, and its greatest error if it lost none of its own.
    samples: Vec<Judged>,
    rows: usize,
    agreeing: usize,
    /// By how much, in the float model, the greatest score of a row exceeds the integer model's.
    missed: Vec<f64>,
}

impl Comparison {
    fn of(kind: Kind) -> Self {
        let (range, singles, worst) = (Range::EMPTY, Range::EMPTY, None);
        let (errors, samples, missed) = (vec![], vec![], vec![]);
        let (sums, rows, agreeing) = (Sums::default(), 0, 0);
        Self { kind, errors, sums, range, singles, worst, samples, rows, agreeing, missed }
    }

    /// Adds a sample; `cut` if it lost values to a calibrated range.
    fn add(&mut self, got: &Tensor<f64>, expected: &Tensor<f64>, cut: bool) {
        self.range = self.range.union(Range::of(expected.data()));
        self.sums.add(got.data(), expected.data());
        let mut worst = 0.0f64;
        for (got, expected) in got.data().iter().zip(expected.data()) {
            if expected.is_finite() {
                let error = (got - expected).abs();
                worst = worst.max(error);
                self.errors.push(error);
            }
        }
        self.samples.push((Range::of(expected.data()), (!cut).then_some(worst)));
        if !cut {
            self.worst = Some(self.worst.map_or(worst, |known| known.max(worst)));
        }
        match self.kind {
            Kind::Numbers => {}
            Kind::Labels => {
                let pairs = got.data().iter().zip(expected.data());
                self.rows += expected.data().len();
                self.agreeing +=
                    pairs.filter(|(got, expected)| (*got - *expected).abs() < 0.5).count();
            }
            Kind::Scores => {
                let columns = expected.last_dim().max(1);
                let rows = got.data().chunks(columns).zip(expected.data().chunks(columns));
                for (got, expected) in rows {
                    self.rows += 1;
                    self.missed.push(expected[top(expected)] - expected[top(got)]);
                }
            }
        }
    }

    /// Adds a sample's values as float32 arithmetic has them: where those are far from the exact
    /// ones, the model is right and nobody's reference says so.
    fn compare(&mut self, got: &Tensor<f64>, expected: &Tensor<f64>) {
        self.singles = self.singles.union(Range::of(expected.data()));
        let pairs = got.data().iter().zip(expected.data()).filter(|(_, e)| e.is_finite());
        let worst = pairs.map(|(got, expected)| (got - expected).abs()).fold(0.0, f64::max);
        self.worst = Some(self.worst.map_or(worst, |known| known.max(worst)));
    }

    /// The share of rows with the same answer.
    fn agreement(&self) -> Option<f64> {
        let near = TIE * self.spread();
        let missed = self.missed.iter().filter(|&&missed| missed <= near).count();
        (self.rows > 0).then(|| share((self.agreeing + missed) as f64, self.rows as f64))
    }

    /// By how much the values differ; where they do not, by how much float32 lets them, if that is
    /// more than its last bits, else their magnitude.
    fn spread(&self) -> f64 {
        let Range { lo, hi } = self.range;
        let noise = self.singles.width();
        match hi > lo {
            true => hi - lo,
            false if noise > NOISE * self.singles.max_abs() => noise,
            false => self.range.max_abs(),
        }
    }

    fn output(mut self, name: &str) -> OutputAccuracy {
        self.errors.sort_by(f64::total_cmp);
        let worst = self.worst.or(self.errors.last().copied()).unwrap_or(0.0);
        let (spread, worst_error) = match self.kind {
            Kind::Labels => (self.spread(), 0.0),
            _ => Ordinary::of(&self.samples, self.spread())
                .map(|hidden| (hidden.spread, hidden.error))
                .filter(|&(spread, error)| share(error, spread) > share(worst, self.spread()))
                .unwrap_or((self.spread(), worst)),
        };
        OutputAccuracy {
            name: name.to_owned(),
            top1_agreement: self.agreement(),
            mean_absolute_error: self.sums.mean(),
            max_absolute_error: self.errors.last().copied().unwrap_or(0.0),
            median_absolute_error: self.errors.get(self.errors.len() / 2).copied().unwrap_or(0.0),
            relative_error: self.sums.relative(),
            spread,
            worst_error,
        }
    }
}

fn top(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
