//! Missing values: where a NaN of an input may go.
//!
//! Comparisons of trees and of thresholds know NaN, and imputers replace it. What reaches nothing
//! else has an integer form: a rank of its own for what compares, the imputer's value for
//! arithmetic. An imputer of an input is no operator then: the encoding of the input replaces what
//! is missing, on both sides of a proof, and what is left is a movement.

use std::collections::BTreeMap;

use super::calibrate::Calibration;
use super::error::{QuantizeError, Refusal};
use super::ops::columns::{Column, columns, looked_through};
use super::ops::features::of_input;
use super::ops::threshold::Thresholds;
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

    /// The columns of a tree's features.
    pub(super) fn features<'g>(&self, graph: &'g Graph, id: NodeId) -> Option<Vec<Column<'g>>> {
        columns(graph, &self.imputed, id)
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
    let mut fused = BTreeMap::new();
    for (id, node) in graph.iter() {
        if let Some((x, values)) = imputer(graph, node) {
            if float_input(&copy, x).is_some() {
                let shape = node.shape.clone();
                copy.nodes[id.index()].op = Op::Move(Movement::Reshape { shape });
                copy.nodes[id.index()].operands = vec![x];
                imputed.insert(id, values);
            }
        } else if let Some((f, value)) = fused_imputer(node)
            && float_input(&copy, node.operands[0]).is_some()
        {
            let plain = Node { op: Op::Unary(f.clone()), ..node.clone() };
            // Comparisons know what is missing by themselves.
            if Thresholds::of(&copy, &plain).is_some() {
                continue;
            }
            let all = |value| Tensor::full(node.shape.clone(), value).ok();
            let (Some(put), Some(result)) = (all(value), all(f.eval(value))) else { continue };
            copy.nodes[id.index()] = plain;
            imputed.insert(id, result);
            fused.insert(id, put);
        }
    }
    let seen = |input: usize| calibration.missing.get(input).is_some_and(|m| m.contains(&true));
    let mut may: Vec<bool> = (0..graph.inputs.len()).map(seen).collect();
    if calibration.random {
        // Nobody has said what is never missing.
        let compared = Flow::of(&copy, &vec![true; may.len()], &imputed, &fused).compared();
        may.iter_mut().zip(compared).for_each(|(may, compared)| *may |= compared);
    }
    if imputed.is_empty() && !may.contains(&true) {
        return Ok(None);
    }
    let replaced =
        imputed.keys().map(|&id| if fused.contains_key(&id) { operand(&copy, id) } else { id });
    replaced.filter_map(|id| float_input(&copy, id)).for_each(|index| may[index] = true);
    let flow = Flow::of(&copy, &may, &imputed, &fused);
    let inputs = (0..graph.inputs.len()).map(|index| flow.columns(index, calibration));
    let inputs = inputs.collect::<Result<_, _>>()?;
    Ok(Some((copy, Missing { inputs, imputed })))
}

/// The float input that a node moves.
fn float_input(graph: &Graph, id: NodeId) -> Option<usize> {
    let (index, _) = of_input(graph, id)?;
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

/// The first operand of a node.
fn operand(graph: &Graph, id: NodeId) -> NodeId {
    graph.node(id).operands[0]
}

/// A function of an imputer's result, where import made one function of both: the function itself,
/// and what the imputer puts for what is missing.
fn fused_imputer(node: &Node) -> Option<(ScalarFn, f64)> {
    let Op::Unary(f) = &node.op else { return None };
    let mut value = None;
    let f = without_imputer(f, &mut value)?;
    Some((f, value?))
}

/// A function with its variable for each imputer of it; `None` if it reads the variable elsewhere,
/// or imputers of unlike values.
fn without_imputer(f: &ScalarFn, value: &mut Option<f64>) -> Option<ScalarFn> {
    let mut inner = |f: &ScalarFn| without_imputer(f, value).map(Box::new);
    match f {
        ScalarFn::X => None,
        ScalarFn::Const(_) => Some(f.clone()),
        ScalarFn::Unary(f, a) => Some(ScalarFn::Unary(*f, inner(a)?)),
        ScalarFn::Binary(f, a, b) => Some(ScalarFn::Binary(*f, inner(a)?, inner(b)?)),
        ScalarFn::Where(condition, a, b) => {
            let Some(missing) = tells_missing(condition) else {
                return Some(ScalarFn::Where(inner(condition)?, inner(a)?, inner(b)?));
            };
            let (put, kept) = if missing { (a, b) } else { (b, a) };
            let (ScalarFn::Const(put), ScalarFn::X) = (&**put, &**kept) else { return None };
            let alike = value.is_none_or(|value| value.to_bits() == put.to_bits());
            *value = Some(*put);
            (alike && put.is_finite()).then_some(ScalarFn::X)
        }
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

    /// Where they go in a graph with what imputers put, and those that are one function with what
    /// comes after them.
    fn of(
        graph: &'g Graph,
        may: &'g [bool],
        imputed: &BTreeMap<NodeId, Tensor<f64>>,
        fused: &BTreeMap<NodeId, Tensor<f64>>,
    ) -> Self {
        let mut flow = Self::new(graph, may);
        flow.follow(imputed, fused);
        flow
    }

    /// The inputs of floats that trees or thresholds read, and that nothing computes with.
    fn compared(&self) -> Vec<bool> {
        let graph = self.graph;
        let compares = |node: &Node| {
            matches!(node.op, Op::TreeEnsemble(_)) || Thresholds::of(graph, node).is_some()
        };
        let compares = graph.nodes.iter().any(compares);
        let float = |index: usize| graph.inputs[index].element_type == ElementType::Float;
        let unread = |readers: &Vec<Option<NodeId>>| readers.iter().all(Option::is_none);
        let each = self.readers.iter().enumerate();
        each.map(|(index, readers)| compares && float(index) && unread(readers)).collect()
    }

    fn follow(
        &mut self,
        imputed: &BTreeMap<NodeId, Tensor<f64>>,
        fused: &BTreeMap<NodeId, Tensor<f64>>,
    ) {
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
                Op::Move(_) => {
                    let Some(moved) = self.moved(node) else { continue };
                    match imputed.get(&id) {
                        Some(values) => self.impute(id, &moved, values),
                        None => {
                            self.origins.insert(id, moved);
                        }
                    }
                }
                _ if fused.contains_key(&id) => {
                    let origins = self.origins.get(&node.operands[0]).cloned().unwrap_or_default();
                    self.impute(id, &origins, &fused[&id]);
                }
                _ if !alive[id.index()] || Thresholds::of(graph, node).is_some() => {}
                Op::TreeEnsemble(_) if of_input(graph, node.operands[0]).is_some() => {}
                Op::TreeEnsemble(_) => self.rank(node.operands[0], id),
                _ if self.passes(id) => {}
                _ => node.operands.iter().for_each(|&operand| self.read(operand, id)),
            }
        }
        graph.outputs.iter().for_each(|output| self.read(output.node, output.node));
    }

    /// The origins of a movement's elements; `None` if none is of an input that may miss some.
    fn moved(&self, node: &Node) -> Option<Vec<Option<Origin>>> {
        let operands = &node.operands;
        operands.iter().find(|operand| self.origins.contains_key(operand))?;
        let origin = |source: &Source| match *source {
            Source::Element { operand, index } => {
                self.origins.get(&operands[operand as usize])?[index as usize]
            }
            Source::Fill => None,
        };
        Some(self.graph.sources(node)?.iter().map(origin).collect())
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
        let origins = self.origins.get(&operand).into_iter().flatten().flatten();
        let origins: Vec<Origin> = origins.copied().collect();
        self.note(&origins, reader);
    }

    fn note(&mut self, origins: &[Origin], reader: NodeId) {
        for &(input, at) in origins {
            let column = at as usize % self.readers[input].len();
            self.readers[input][column].get_or_insert(reader);
        }
    }

    /// Whether a node hands missing values on to trees that look through it.
    fn passes(&mut self, id: NodeId) -> bool {
        let origins = looked_through(self.graph, id).and_then(|x| self.origins.get(&x)).cloned();
        let passes = origins.is_some();
        self.origins.extend(origins.map(|origins| (id, origins)));
        passes
    }

    /// Notes what a tree compares but not as it came in.
    fn rank(&mut self, operand: NodeId, tree: NodeId) {
        let nothing = BTreeMap::new();
        let Some(columns) = columns(self.graph, &nothing, operand) else {
            return self.read(operand, tree);
        };
        for column in columns.iter().filter(|column| column.input.is_none()) {
            let origins = self.origins.get(&column.source);
            let origin = |&at: &u32| origins.and_then(|all| all[at as usize]);
            let origins: Vec<Origin> = column.elements.iter().filter_map(origin).collect();
            self.note(&origins, tree);
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
                // Nothing computes with the column: any number will do.
                None => Ok(value.or(seen(at).then_some(0.0))),
            };
        columns.map(column).collect::<Result<_, _>>().map(Some)
    }
}
