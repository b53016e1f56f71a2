//! Missing values: where a NaN of an input may go.
//!
//! Comparisons of trees and of thresholds know NaN, and imputers replace it. What reaches nothing
//! else has an integer form: a rank of its own for what compares, the imputer's value for
//! arithmetic. An imputer of an input is no operator then: the encoding of the input replaces what
//! is missing, on both sides of a proof, and what is left is a movement.

use std::collections::BTreeMap;

use super::calibrate::Calibration;
use super::error::{QuantizeError, Refusal};
use super::ops::threshold::Thresholds;
use super::ops::tree_ensemble::features;
use crate::float::{ElementType, Graph, Node, NodeId, Op, ScalarFn, UnaryFn};
use ciro_model::movement::{Movement, Source};
use ciro_model::tensor::Tensor;

/// What missing values of inputs count as.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Missing {
    /// For each input that may have some, what a missing value counts as where it is computed
    /// with, for each place along the last axis.
    inputs: Vec<Option<Vec<Option<f64>>>>,
    /// What imputers, which are movements by now, put for each element of their result.
    imputed: BTreeMap<NodeId, Tensor<f64>>,
}

impl Missing {
    /// What a missing value of an input counts as where it is computed with, for each place along
    /// the last axis; `None` if the input has none.
    pub(super) fn columns(&self, input: usize) -> Option<&[Option<f64>]> {
        self.inputs.get(input)?.as_deref()
    }

    /// What a missing value of an input counts as at each element of a node that moves the input;
    /// `None` where it is still missing.
    pub(super) fn imputed(&self, graph: &Graph, id: NodeId) -> Option<Tensor<f64>> {
        let mut path = vec![];
        let mut at = id;
        while let (Op::Move(movement), &[operand]) =
            (&graph.node(at).op, &graph.node(at).operands[..])
        {
            path.push((at, movement));
            at = operand;
        }
        let mut values: Option<Tensor<f64>> = None;
        for (id, movement) in path.into_iter().rev() {
            values = match (values, self.imputed.get(&id)) {
                (Some(values), _) => Some(movement.apply(&[&values]).ok()?),
                (None, imputed) => imputed.cloned(),
            };
        }
        values
    }
}

/// The graph whose imputers of inputs are movements, and what missing values count as; `None` if
/// there are neither imputers nor missing values.
///
/// # Errors
/// [`Refusal::MissingValues`] if a missing value of the calibration reaches an operator that
/// computes with it.
pub(super) fn rewritten(
    graph: &Graph,
    calibration: &Calibration,
) -> Result<Option<(Graph, Missing)>, QuantizeError> {
    let mut copy = graph.clone();
    let mut imputed = BTreeMap::new();
    for (id, node) in graph.iter() {
        let Some((x, values)) = imputer(graph, node) else { continue };
        if float_input(&copy, x).is_some() {
            let shape = node.shape.clone();
            copy.nodes[id.index()].op = Op::Move(Movement::Reshape { shape });
            copy.nodes[id.index()].operands = vec![x];
            imputed.insert(id, values);
        }
    }
    let seen = |input: usize| calibration.missing.get(input).is_some_and(|m| m.contains(&true));
    if imputed.is_empty() && !(0..graph.inputs.len()).any(seen) {
        return Ok(None);
    }
    let mut may: Vec<bool> = (0..graph.inputs.len()).map(seen).collect();
    imputed.keys().filter_map(|&id| float_input(&copy, id)).for_each(|index| may[index] = true);
    let mut flow = Flow::new(&copy, &may);
    flow.follow(&imputed);
    let inputs = (0..graph.inputs.len()).map(|index| flow.columns(index, calibration));
    let inputs = inputs.collect::<Result<_, _>>()?;
    Ok(Some((copy, Missing { inputs, imputed })))
}

/// The float input that a node moves.
fn float_input(graph: &Graph, id: NodeId) -> Option<usize> {
    let (index, _) = features(graph, id)?;
    (graph.inputs[index].element_type == ElementType::Float).then_some(index)
}

/// Whether a function tells what is missing from what is not, and which of them it is 1 for.
pub(super) fn tells_missing(f: &ScalarFn) -> Option<bool> {
    match f {
        ScalarFn::Unary(UnaryFn::IsNaN, inner) => (**inner == ScalarFn::X).then_some(true),
        ScalarFn::Unary(UnaryFn::Not, inner) => tells_missing(inner).map(|missing| !missing),
        _ => None,
    }
}

/// The operand of an imputer, and what it puts for missing elements.
fn imputer(graph: &Graph, node: &Node) -> Option<(NodeId, Tensor<f64>)> {
    match (&node.op, &node.operands[..]) {
        (Op::Where, &[condition, a, b]) => {
            let (x, missing) = condition_on_missing(graph, condition)?;
            let (value, kept) = if missing { (a, b) } else { (b, a) };
            let values = graph.constant(value).filter(|values| is_finite(values))?;
            (kept == x).then(|| (x, values.as_ref().clone()))
        }
        (Op::Unary(ScalarFn::Where(condition, a, b)), &[x]) => {
            let missing = tells_missing(condition)?;
            let (value, kept) = if missing { (a, b) } else { (b, a) };
            let ScalarFn::Const(value) = **value else { return None };
            let values = Tensor::full(node.shape.clone(), value).ok()?;
            (**kept == ScalarFn::X && is_finite(&values)).then_some((x, values))
        }
        _ => None,
    }
}

/// The tensor whose missing elements a condition tells, and whether it is 1 for them.
fn condition_on_missing(graph: &Graph, id: NodeId) -> Option<(NodeId, bool)> {
    let node = graph.node(id);
    let (Op::Unary(f), &[x]) = (&node.op, &node.operands[..]) else { return None };
    if let Some(missing) = tells_missing(f) {
        return Some((x, missing));
    }
    // `Not` of a node of its own.
    let inner = graph.node(x);
    match (f, &inner.op, &inner.operands[..]) {
        (ScalarFn::Unary(UnaryFn::Not, of), Op::Unary(f), &[x]) if **of == ScalarFn::X => {
            tells_missing(f).map(|missing| (x, !missing))
        }
        _ => None,
    }
}

/// The nodes that an output needs.
fn alive(graph: &Graph) -> Vec<bool> {
    let mut alive = vec![false; graph.nodes.len()];
    graph.outputs.iter().for_each(|output| alive[output.node.index()] = true);
    for (id, node) in graph.iter().collect::<Vec<_>>().into_iter().rev() {
        if alive[id.index()] {
            node.operands.iter().for_each(|operand| alive[operand.index()] = true);
        }
    }
    alive
}

fn is_finite(values: &Tensor<f64>) -> bool {
    values.data().iter().all(|value| value.is_finite())
}

/// An element of an input: the input's number and the row-major index.
type Origin = (usize, u32);

/// Where missing elements of inputs go.
struct Flow<'g> {
    graph: &'g Graph,
    may: &'g [bool],
    /// For each node that holds elements of inputs that are still missing, which.
    origins: BTreeMap<NodeId, Vec<Option<Origin>>>,
    /// For each input and place along its last axis, what an imputer puts.
    values: Vec<Vec<Option<f64>>>,
    /// For each input and place along its last axis, what computes with it as it is.
    readers: Vec<Vec<Option<NodeId>>>,
}

impl<'g> Flow<'g> {
    fn new(graph: &'g Graph, may: &'g [bool]) -> Self {
        let width = |input: &crate::float::Input| input.shape.last().copied().unwrap_or(1);
        let widths: Vec<usize> = graph.inputs.iter().map(width).collect();
        Self {
            graph,
            may,
            origins: BTreeMap::new(),
            values: widths.iter().map(|&width| vec![None; width]).collect(),
            readers: widths.iter().map(|&width| vec![None; width]).collect(),
        }
    }

    fn follow(&mut self, imputed: &BTreeMap<NodeId, Tensor<f64>>) {
        let graph = self.graph;
        let alive = alive(graph);
        for (id, node) in graph.iter() {
            match &node.op {
                Op::Input { index } if self.may[*index] => {
                    let len: usize = node.shape.iter().product();
                    let all =
                        (0..u32::try_from(len).unwrap_or(u32::MAX)).map(|at| Some((*index, at)));
                    self.origins.insert(id, all.collect());
                }
                Op::Move(movement) => {
                    let Some(moved) = self.moved(node, movement) else { continue };
                    match imputed.get(&id) {
                        Some(values) => self.impute(id, &moved, values),
                        None => {
                            self.origins.insert(id, moved);
                        }
                    }
                }
                _ if !alive[id.index()] || Thresholds::of(graph, node).is_some() => {}
                Op::TreeEnsemble(_) if features(graph, node.operands[0]).is_some() => {}
                _ => node.operands.iter().for_each(|&operand| self.read(operand, id)),
            }
        }
        graph.outputs.iter().for_each(|output| self.read(output.node, output.node));
    }

    /// The origins of a movement's elements; `None` if none is of an input that may miss some.
    fn moved(&self, node: &Node, movement: &Movement<f64>) -> Option<Vec<Option<Origin>>> {
        let operands = &node.operands;
        operands.iter().find(|operand| self.origins.contains_key(operand))?;
        let shapes: Vec<&[usize]> =
            operands.iter().map(|&operand| &self.graph.node(operand).shape[..]).collect();
        let plan = movement.plan(&shapes).ok()?;
        let origin = |source: &Source| match *source {
            Source::Element { operand, index } => {
                self.origins.get(&operands[operand as usize])?[index as usize]
            }
            Source::Fill => None,
        };
        Some(plan.sources.iter().map(origin).collect())
    }

    /// Notes what an imputer puts; two of different values for one column leave none.
    fn impute(&mut self, id: NodeId, origins: &[Option<Origin>], values: &Tensor<f64>) {
        for (origin, &value) in origins.iter().zip(values.data()) {
            let Some((input, at)) = *origin else { continue };
            let column = at as usize % self.values[input].len();
            match &mut self.values[input][column] {
                Some(known) if known.to_bits() != value.to_bits() => {
                    self.readers[input][column].get_or_insert(id);
                }
                known => *known = Some(value),
            }
        }
    }

    /// Notes that a node computes with a tensor as it is.
    fn read(&mut self, operand: NodeId, reader: NodeId) {
        for &(input, at) in self.origins.get(&operand).into_iter().flatten().flatten() {
            let column = at as usize % self.readers[input].len();
            self.readers[input][column].get_or_insert(reader);
        }
    }

    /// What missing values of an input count as; `None` if it has none.
    fn columns(
        &self,
        input: usize,
        calibration: &Calibration,
    ) -> Result<Option<Vec<Option<f64>>>, QuantizeError> {
        if !self.may[input] {
            return Ok(None);
        }
        let seen = |column: usize| {
            calibration.missing.get(input).and_then(|m| m.get(column)) == Some(&true)
        };
        let columns = self.values[input].iter().zip(&self.readers[input]).enumerate();
        let column =
            |(at, (&value, &reader)): (usize, (&Option<f64>, &Option<NodeId>))| match reader {
                Some(reader) if seen(at) => {
                    let input = self.graph.inputs[input].name.clone();
                    let reason = Refusal::MissingValues { input, column: at };
                    Err(QuantizeError::refused(self.graph.node(reader), reason))
                }
                Some(_) => Ok(None),
                None => Ok(value),
            };
        columns.map(column).collect::<Result<_, _>>().map(Some)
    }
}
