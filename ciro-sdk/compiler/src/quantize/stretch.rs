//! How far beyond what samples have shown ranges have to reach.
//!
//! A range with a margin holds the next value where values are spread evenly. Where they have long
//! tails, and are squared and multiplied on the way, the next sample leaves the ranges of all
//! before it. Samples tell: each part of them is held out in turn, and the float graph runs on it
//! with every tensor cut to what the other parts have shown. Where that moves an output by more
//! than a small part of its spread, margins are stretched until it does not.

use super::calibrate::{Calibration, Range};
use super::facts::whole_numbers;
use super::hold_out::digest;
use super::refine::{self, distance};
use super::scalar::Shape;
use super::settings::Settings;
use crate::float::{BinaryFn, ElementType, Graph, Labels, Node, NodeId, Op, Output, Reducer};
use ciro_model::tensor::Tensor;

/// Into how many parts samples are divided: each half judges the other.
const PARTS: usize = 2;
/// Fewer samples say nothing of those to come.
const FEWEST: usize = 24;
/// As few that are not held out say too little of whether more room is paid for.
const ENOUGH: usize = 16;
/// Numbers that are computed by a graph in which room costs next to nothing.
pub(super) const LITTLE: u64 = 1 << 12;
/// What margins are multiplied by.
const STRETCHES: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
/// Where margins are too narrow for some, they are too narrow for more to come: by so much more.
const SPARE: f64 = 2.0;
/// What an output may be off by, as a part of its spread.
const TOLERABLE: f64 = 0.005;
/// Stretches with errors that differ by less than this factor are equally good.
const ALIKE: f64 = 1.1;

/// What the float graph gave on samples, and the ranges of its nodes for each part of them.
pub(super) struct Parts<'g> {
    graph: &'g Graph,
    ranges: Vec<Vec<Range>>,
    /// How many more samples are to be asked again, so that their outputs are kept.
    wanted: usize,
    /// The values of every output that is a number on the samples that are to be asked again.
    expected: Vec<Vec<f64>>,
}

impl<'g> Parts<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let ranges = vec![vec![Range::EMPTY; graph.nodes.len()]; PARTS];
        let expected = vec![vec![]; numbers(graph).count()];
        Self { graph, ranges, wanted: refine::probes(graph), expected }
    }

    /// Takes in the values of all nodes on one sample.
    pub(super) fn add(&mut self, sample: &[Tensor<f64>], values: &[Tensor<f64>]) {
        for (range, value) in self.ranges[part(sample)].iter_mut().zip(values) {
            *range = range.union(Range::of(value.data()));
        }
        if self.wanted > 0 {
            self.wanted -= 1;
            append(&mut self.expected, self.graph, values);
        }
    }

    /// What a node took on the samples of other parts.
    fn others(&self, part: usize, node: usize) -> Range {
        let others = self.ranges.iter().enumerate().filter(|(at, _)| *at != part);
        others.fold(Range::EMPTY, |range, (_, known)| range.union(known[node]))
    }
}

/// The part that a sample belongs to, whatever its neighbours are.
fn part(sample: &[Tensor<f64>]) -> usize {
    usize::try_from(digest(sample) % PARTS as u64).unwrap_or(0)
}

/// What margins are to be multiplied by, so that samples are right that did not calibrate. The
/// parts have taken in all samples.
pub(super) fn needed(samples: &[Vec<Tensor<f64>>], parts: &Parts<'_>) -> f64 {
    let graph = parts.graph;
    let samples = &samples[..samples.len().min(refine::probes(graph))];
    let seen = |part: &Vec<Range>| part.iter().any(|range| range.lo <= range.hi);
    if samples.len() < FEWEST || !parts.ranges.iter().all(seen) {
        return 1.0;
    }
    let cuts = cuts(graph);
    let error = |stretch: f64| {
        let range = |part: usize, node: usize| match (cuts[node], parts.others(part, node)) {
            (Some(share), seen) if seen.lo <= seen.hi => seen.widen(share * stretch),
            _ => Range::EVERYTHING,
        };
        let ranges = |part: usize| (0..graph.nodes.len()).map(move |node| range(part, node));
        let kept: Vec<Vec<Range>> = (0..PARTS).map(|part| ranges(part).collect()).collect();
        let got = outputs(graph, samples, |sample| &kept[part(sample)])?;
        let expected = parts.expected.iter();
        let errors = got.iter().zip(expected).map(|(got, expected)| distance(got, expected));
        Some(errors.fold(0.0, f64::max))
    };
    let mut known: Vec<(f64, f64)> = vec![];
    for stretch in STRETCHES {
        let error = error(stretch).unwrap_or(f64::INFINITY);
        known.push((stretch, error));
        if error <= TOLERABLE {
            break;
        }
    }
    let least = known.iter().map(|&(_, error)| error).fold(f64::INFINITY, f64::min);
    let good = known.into_iter().find(|&(_, error)| error <= ALIKE * least.max(TOLERABLE / ALIKE));
    match good {
        Some((stretch, _)) if stretch > 1.0 => {
            (SPARE * stretch).min(STRETCHES[STRETCHES.len() - 1])
        }
        _ => 1.0,
    }
}

/// What margins may be multiplied by, the most first: where little is computed, bends and products
/// get all the room that what was seen leaves them; elsewhere as much as samples have needed. Trees
/// get none: they decide by steps, and few samples do not tell what coarser integers do to those.
pub(super) fn worthwhile(graph: &Graph, calibration: &Calibration) -> Vec<f64> {
    if graph.nodes.iter().any(|node| matches!(node.op, Op::TreeEnsemble(_))) {
        return vec![1.0];
    }
    let most = STRETCHES[STRETCHES.len() - 1];
    let bends = graph.nodes.iter().any(|node| tails(graph, node));
    let free = bends
        && calibration.probes.len() >= ENOUGH
        && refine::work(graph) <= LITTLE
        && graph.outputs.iter().all(|output| output.labels == Labels::Real);
    let mut found = vec![calibration.stretch, 1.0];
    if free {
        found.push(most);
    }
    found.sort_by(|a, b| b.total_cmp(a));
    found.dedup();
    found
}

/// Whether values that are spread evenly have long tails after an operator.
fn tails(graph: &Graph, node: &Node) -> bool {
    let computed = || node.operands.iter().all(|&id| graph.constant(id).is_none());
    match &node.op {
        Op::Unary(f) => {
            !matches!(Shape::of(f), Shape::Line(_) | Shape::Compare { .. } | Shape::Rounded(..))
        }
        Op::Binary(BinaryFn::Mul | BinaryFn::Div | BinaryFn::Pow) => computed(),
        _ => false,
    }
}

/// The values of every output that is a number on all samples, with each node inside its range.
fn outputs<'r>(
    graph: &Graph,
    samples: &[Vec<Tensor<f64>>],
    kept: impl Fn(&[Tensor<f64>]) -> &'r Vec<Range>,
) -> Option<Vec<Vec<f64>>> {
    let mut all = vec![vec![]; numbers(graph).count()];
    for sample in samples {
        let ranges = kept(sample);
        let inside = |node: usize, x: f64| x.clamp(ranges[node].lo, ranges[node].hi);
        let values = graph.eval_inside(sample, inside).ok()?;
        append(&mut all, graph, &values);
    }
    Some(all)
}

/// The outputs that are numbers.
fn numbers(graph: &Graph) -> impl Iterator<Item = &Output> {
    graph.outputs.iter().filter(|output| output.labels == Labels::Real)
}

/// Appends the values of every output that is a number on one sample to those on others.
fn append(all: &mut [Vec<f64>], graph: &Graph, values: &[Tensor<f64>]) {
    for (all, output) in all.iter_mut().zip(numbers(graph)) {
        all.extend_from_slice(values[output.node.index()].data());
    }
}

/// For each node, the part of its range that is kept beyond it where its tensor is rounded; `None`
/// for those that are not.
fn cuts(graph: &Graph) -> Vec<Option<f64>> {
    let Settings { margin, input_headroom, .. } = Settings::default();
    let whole = whole_numbers(graph);
    let mut rounded = vec![false; graph.nodes.len()];
    for node in graph.nodes.iter().filter(|node| rounds(graph, node)) {
        node.operands.iter().for_each(|operand| rounded[operand.index()] = true);
    }
    let cut = |(at, node): (usize, &Node)| match &node.op {
        Op::Constant(_) => None,
        _ if whole[at] => None,
        Op::Input { index } => {
            (graph.inputs[*index].element_type == ElementType::Float).then_some(input_headroom)
        }
        Op::Unary(f) if matches!(Shape::of(f), Shape::Line(_) | Shape::Compare { .. }) => {
            rounded[at].then_some(margin)
        }
        Op::Unary(_) => Some(margin),
        _ => rounded[at].then_some(margin),
    };
    graph.nodes.iter().enumerate().map(cut).collect()
}

/// Whether an operator rounds its operands to their ranges: what is linear or compares does not.
fn rounds(graph: &Graph, node: &Node) -> bool {
    let constant = |id: &NodeId| graph.constant(*id).is_some();
    match &node.op {
        Op::Input { .. } | Op::Constant(_) | Op::Move(_) => false,
        Op::Unary(f) => !matches!(Shape::of(f), Shape::Line(_) | Shape::Compare { .. }),
        Op::Binary(BinaryFn::Add | BinaryFn::Sub) => false,
        Op::Binary(BinaryFn::Mul) => !node.operands.iter().any(constant),
        Op::Binary(BinaryFn::Div) => !constant(&node.operands[1]),
        Op::Binary(f) => !f.compares(),
        Op::Reduce(reducer) => matches!(reducer, Reducer::Max | Reducer::Min),
        Op::TreeEnsemble(_) | Op::Gather => false,
        Op::MatMul | Op::Conv { .. } | Op::Where | Op::Softmax => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Input;

    /// `y = (x * x) * (x * x)` of one number.
    fn fourth_power() -> Graph {
        let node = |name: &str, op: Op, operands: &[u32]| Node {
            name: name.to_owned(),
            origin: "Mul".to_owned(),
            op,
            operands: operands.iter().copied().map(NodeId).collect(),
            shape: vec![1],
            unrolled: None,
        };
        let nodes = vec![
            node("x", Op::Input { index: 0 }, &[]),
            node("square", Op::Binary(BinaryFn::Mul), &[0, 0]),
            node("y", Op::Binary(BinaryFn::Mul), &[1, 1]),
        ];
        let (name, element_type) = ("x".to_owned(), ElementType::Float);
        let inputs = vec![Input { name: name.clone(), shape: vec![1], element_type }];
        let outputs = vec![Output { name, node: NodeId(2), labels: Labels::Real }];
        Graph { nodes, inputs, outputs }
    }

    fn of(values: impl Iterator<Item = f64>) -> f64 {
        let graph = fourth_power();
        let samples: Vec<_> = values.map(|x| vec![Tensor::vector(vec![x])]).collect();
        let mut parts = Parts::new(&graph);
        for sample in &samples {
            parts.add(sample, &graph.eval(sample).unwrap());
        }
        needed(&samples, &parts)
    }

    #[test]
    fn values_that_are_spread_evenly_need_no_more_room() {
        assert!((of((0..64).map(|i| f64::from(i) / 64.0)) - 1.0).abs() < 1e-12);
        assert!((of((0..8).map(|i| f64::from(1 << i))) - 1.0).abs() < 1e-12, "so few say nothing");
    }

    #[test]
    fn values_with_a_long_tail_need_more_room() {
        let tail = of((0..64).map(|i| if i == 40 { 9.0 } else { 1.0 + f64::from(i) / 16.0 }));
        assert!(tail > 1.0, "{tail}");
    }
}
