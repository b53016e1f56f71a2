//! The ranges that tensors take on samples.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::SampleError;
use super::facts::is_truth;
use super::hold_out::hold_out;
use super::random::Random;
use super::steep::Slopes;
use super::stretch::Parts;
use super::{ops, refine, stretch};
use crate::float::{ElementType, Graph, NodeId, Op, ScalarFn, UnaryFn};
use ciro_model::tensor::Tensor;

/// How many positions a sequence has, where nothing says so.
const POSITIONS: usize = 128;

/// How many random samples stand in for missing ones.
const RANDOM_SAMPLES: u64 = 16;

/// The range of real values that a tensor took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The least value.
    pub lo: f64,
    /// The greatest value.
    pub hi: f64,
}

impl Range {
    /// The range of no value: the neutral element of [`Self::union`].
    pub const EMPTY: Self = Self { lo: f64::INFINITY, hi: f64::NEG_INFINITY };

    /// The range of all values.
    pub(super) const EVERYTHING: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// The smallest range that holds both.
    pub fn union(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// `hi - lo`, 0 if empty.
    pub fn width(self) -> f64 {
        (self.hi - self.lo).max(0.0)
    }

    /// The greatest absolute value, 0 if empty.
    pub fn max_abs(self) -> f64 {
        if self.lo > self.hi { 0.0 } else { self.lo.abs().max(self.hi.abs()) }
    }

    /// The range of finite values.
    pub fn of(values: &[f64]) -> Self {
        let finite = values.iter().filter(|value| value.is_finite());
        finite.fold(Self::EMPTY, |range, &value| range.union(Self { lo: value, hi: value }))
    }

    /// The range with `share` of its width added on each side; a width of 0, but for rounding,
    /// counts as the magnitude.
    pub(super) fn widen(self, share: f64) -> Self {
        const SAME: f64 = 1e-12;
        let varies = self.width() > SAME * self.max_abs();
        let width = if varies { self.width() } else { self.max_abs() };
        Self { lo: self.lo - share * width, hi: self.hi + share * width }
    }

    /// The range under `x -> slope * x + offset`.
    pub(super) fn affine(self, slope: f64, offset: f64) -> Self {
        if self.lo > self.hi {
            return self;
        }
        let (a, b) = (self.lo * slope + offset, self.hi * slope + offset);
        Self { lo: a.min(b), hi: a.max(b) }
    }

    /// The part inside `[lo, hi]`; the nearest bound if there is none.
    pub(super) fn clamp(self, lo: f64, hi: f64) -> Self {
        Self { lo: self.lo.max(lo).min(hi), hi: self.hi.min(hi).max(lo) }
    }
}

/// What calibration found: the range of every node of a float graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// One range for each node; infinities of masks are left out.
    pub ranges: Vec<Range>,
    /// For each input, the range of each place along its last axis.
    pub columns: Vec<Vec<Range>>,
    /// For each input, whether values were missing (NaN), for each place along its last axis.
    pub missing: Vec<Vec<bool>>,
    /// For each input, whether it was 0 or 1 everywhere.
    pub binary: Vec<bool>,
    /// How many samples were run.
    pub samples: usize,
    /// Whether the samples were random because none were given.
    pub random: bool,
    /// How steep functions were.
    pub slopes: Slopes,
    /// What margins beyond the ranges are multiplied by: more than 1 where samples left what others
    /// had shown by so much that an output was wrong.
    pub stretch: f64,
    /// Samples on which bits are measured: the first of those that are not held out to judge, as
    /// many as the graph's size allows.
    pub probes: Vec<Vec<Tensor<f64>>>,
}

/// Runs the float graph on samples, one tensor for each input, and records the range of every node.
///
/// Without samples, 16 random ones are used: floats uniform in `[-1, 1]`, integers uniform in the
/// rows of the table that they index, positions (whose sines are taken) below 128, else 0 or 1.
/// That says little about real data; the calibration remembers it, and quantization leaves more
/// room.
///
/// # Errors
/// [`SampleError`] if a sample does not fit the graph or makes a node's value NaN; what is missing
/// in an input may be moved, compared by trees and imputed.
pub fn calibrate(graph: &Graph, samples: &[Vec<Tensor<f64>>]) -> Result<Calibration, SampleError> {
    let mut ranges = vec![Range::EMPTY; graph.nodes.len()];
    let mut slopes = Slopes::default();
    let mut parts = Parts::new(graph);
    let random = samples.is_empty();
    let samples = samples_or_random(graph, samples);
    let width = |input: &crate::float::Input| input.shape.last().copied().unwrap_or(1);
    let mut columns: Vec<Vec<Range>> =
        graph.inputs.iter().map(|input| vec![Range::EMPTY; width(input)]).collect();
    let mut missing: Vec<Vec<bool>> =
        graph.inputs.iter().map(|input| vec![false; width(input)]).collect();
    // Two codes of a text are no truth values: other samples hold other texts.
    let numbers = |input: &crate::float::Input| !matches!(input.element_type, ElementType::Text(_));
    let mut binary: Vec<bool> = graph.inputs.iter().map(numbers).collect();
    for (index, sample) in samples.iter().enumerate() {
        let values =
            graph.eval(sample).map_err(|source| SampleError::Eval { sample: index, source })?;
        for ((id, node), range) in graph.iter().zip(&mut ranges) {
            if let Some(value) = undefined(graph, id, &values) {
                let (node, op) = (node.name.clone(), node.origin.clone());
                return Err(SampleError::NotFinite { sample: index, node, op, value });
            }
            *range = range.union(Range::of(values[id.index()].data()));
        }
        slopes.add(graph, &values);
        parts.add(sample, &values);
        for (binary, input) in binary.iter_mut().zip(sample) {
            *binary &= input.data().iter().all(|&x| is_truth(x));
        }
        for ((columns, missing), input) in columns.iter_mut().zip(&mut missing).zip(sample) {
            for (at, &value) in input.data().iter().enumerate() {
                let column = at % columns.len();
                missing[column] |= value.is_nan();
                columns[column] = columns[column].union(Range::of(&[value]));
            }
        }
    }
    let probes = match random {
        true => vec![],
        false => {
            let judged = hold_out(&samples);
            judged.calibrate.into_iter().take(refine::probes(graph)).collect()
        }
    };
    let stretch = match random {
        true => 1.0,
        false => stretch::needed(&samples, &parts),
    };
    let samples = samples.len();
    Ok(Calibration { ranges, columns, missing, binary, samples, random, slopes, stretch, probes })
}

/// A NaN that a node makes of numbers, or of a missing value that nothing looks through it.
fn undefined(graph: &Graph, id: NodeId, values: &[Tensor<f64>]) -> Option<f64> {
    let node = graph.node(id);
    let own = values[id.index()].data();
    if matches!(node.op, Op::Input { .. } | Op::Move(_)) || !own.iter().any(|y| y.is_nan()) {
        return None;
    }
    let looked_through = ops::columns::looked_through(graph, id);
    let missing = looked_through.map_or(&[][..], |operand| values[operand.index()].data());
    let is_missing = |at: usize| missing.get(at).is_some_and(|x| x.is_nan());
    own.iter().enumerate().find(|&(at, y)| y.is_nan() && !is_missing(at)).map(|(_, &y)| y)
}

/// The samples, or random ones where there are none.
pub(super) fn samples_or_random<'s>(
    graph: &Graph,
    samples: &'s [Vec<Tensor<f64>>],
) -> Cow<'s, [Vec<Tensor<f64>>]> {
    if samples.is_empty() {
        Cow::Owned((0..RANDOM_SAMPLES).map(|seed| random_sample(graph, seed)).collect())
    } else {
        Cow::Borrowed(samples)
    }
}

/// Draws a sample: the same for the same graph and seed on every machine.
pub fn random_sample(graph: &Graph, seed: u64) -> Vec<Tensor<f64>> {
    let mut random = Random::new(seed);
    let draw = |(index, input): (usize, &crate::float::Input)| {
        let rows = table_rows(graph, index).map(|(least, _)| least);
        let rows = rows.or_else(|| is_angle(graph, index).then_some(POSITIONS));
        let count = input.shape.iter().product();
        let data = (0..count).map(|element| match (&input.element_type, rows) {
            (ElementType::Text(dictionary), _) => {
                let code = i64::try_from(random.below(dictionary.other() + 1)).unwrap_or(0);
                dictionary.nearest(element, code) as f64
            }
            (ElementType::Integer, Some(rows)) => random.below(rows) as f64,
            (ElementType::Integer | ElementType::Bool, _) => random.below(2) as f64,
            (ElementType::Float, _) => 2.0 * random.unit() - 1.0,
        });
        Tensor::new(input.shape.clone(), data.collect()).expect("one number for each element")
    };
    graph.inputs.iter().enumerate().map(draw).collect()
}

/// Whether sines or cosines of an input are taken, perhaps moved and scaled by constants: positions
/// of a sequence.
fn is_angle(graph: &Graph, input: usize) -> bool {
    let mut reached = vec![false; graph.nodes.len()];
    for (id, node) in graph.iter() {
        let comes = node.operands.iter().any(|operand| reached[operand.index()]);
        let alone = || {
            let known = |id: &NodeId| reached[id.index()] || graph.constant(*id).is_some();
            node.operands.iter().all(known)
        };
        reached[id.index()] = match &node.op {
            Op::Input { index } => *index == input,
            Op::Unary(f) if comes && turns(f) => return true,
            Op::Unary(f) => comes && f.affine().is_some(),
            Op::Binary(_) | Op::MatMul | Op::Move(_) => comes && alone(),
            _ => false,
        };
    }
    false
}

/// Whether a function takes a sine or a cosine.
fn turns(f: &ScalarFn) -> bool {
    f.takes(&|f| matches!(f, UnaryFn::Sin | UnaryFn::Cos))
}

/// The rows of the smallest and of the largest constant table that an input indexes, possibly
/// through movements.
pub(super) fn table_rows(graph: &Graph, input: usize) -> Option<(usize, usize)> {
    let mut reached = vec![false; graph.nodes.len()];
    let mut rows = None;
    for (id, node) in graph.iter() {
        reached[id.index()] = match &node.op {
            Op::Input { index } => *index == input,
            Op::Move(_) => node.operands.iter().any(|operand| reached[operand.index()]),
            _ => false,
        };
        if let (Op::Gather, &[table, indices]) = (&node.op, &node.operands[..])
            && reached[indices.index()]
        {
            let height = graph.node(table).shape[0];
            rows = Some(rows.map_or((height, height), |(least, most): (usize, usize)| {
                (least.min(height), most.max(height))
            }));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::scalar::{c, x};
    use crate::float::{Input, Labels, Node, Output};

    fn integers(f: ScalarFn) -> Graph {
        let mut g = Graph::default();
        let (name, shape) = ("i".to_owned(), vec![4]);
        g.inputs.push(Input { name, shape, element_type: ElementType::Integer });
        for (op, operands) in [(Op::Input { index: 0 }, vec![]), (Op::Unary(f), vec![NodeId(0)])] {
            let (name, origin) = (format!("n{}", g.nodes.len()), "Test".to_owned());
            g.nodes.push(Node { name, origin, op, operands, shape: vec![4], unrolled: None });
        }
        g.outputs.push(Output { name: "y".into(), node: NodeId(1), labels: Labels::Real });
        g
    }

    #[test]
    fn positions_are_guessed_to_be_many_and_flags_two() {
        let greatest = |f: ScalarFn| {
            let graph = integers(f);
            let drawn = (0..RANDOM_SAMPLES).flat_map(|seed| random_sample(&graph, seed));
            drawn.flat_map(|tensor| tensor.data().to_vec()).fold(0.0, f64::max)
        };
        assert!(greatest((x() * c(0.5)).then(UnaryFn::Cos)) > 64.0);
        assert!(greatest(c(1.0) - x()) <= 1.0);
    }
}
