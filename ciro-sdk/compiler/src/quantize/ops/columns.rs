//! Features of trees, column by column.
//!
//! Pipelines split, impute, scale and join columns before a tree sees them. A column that is a
//! monotone function of one element of an input is compared where it comes in: the threshold is
//! carried back to the input's own float32 values, so that the comparison stays exact. What is
//! computed from more than that keeps the unit of the tensor that it comes from.

use std::collections::{BTreeMap, BTreeSet};

use crate::float::{BinaryFn, ElementType, Graph, NodeId, Op, ScalarFn, UnaryFn};
use crate::quantize::expr::count;
use crate::quantize::scalar::Parts;
use ciro_model::integer::{ORDERED_IMAGE_MAX, ordered_image};
use ciro_model::movement::Source;
use ciro_model::tensor::Tensor;

/// The most elements of a tensor whose columns are followed.
const ELEMENTS_MAX: usize = 1 << 14;

/// The most operators that columns are followed through.
const DEPTH_MAX: usize = 64;

/// A part of a function may begin this part of its value before the end of the one before it.
const SLACK: f64 = 1e-9;

/// One column of a tensor of features.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::quantize) struct Column<'g> {
    /// The input's node if the column only travels, else the node that computes it.
    pub(in crate::quantize) source: NodeId,
    /// The number of the input whose elements travel; `None` for what is computed.
    pub(in crate::quantize) input: Option<usize>,
    /// For each row, the row-major index of the source's element.
    pub(in crate::quantize) elements: Vec<u32>,
    /// What is done to the element on its way.
    pub(super) path: Path<'g>,
    /// What a missing element counts as, NaN where it stays missing; `None` if rows differ in that.
    pub(super) counted: Option<f64>,
}

/// The columns of the features that a tree reads; `None` where they are best taken as they are:
/// none travels, and all are computed by one node. `imputed` is what imputers put.
pub(in crate::quantize) fn columns<'g>(
    graph: &'g Graph,
    imputed: &BTreeMap<NodeId, Tensor<f64>>,
    features: NodeId,
) -> Option<Vec<Column<'g>>> {
    let width = *graph.node(features).shape.last()?;
    let mut walk = Walk { graph, imputed, known: BTreeMap::new() };
    let elements = walk.elements(features, 0);
    let column = |at: usize| {
        let rows = || elements.iter().skip(at).step_by(width);
        let first = rows().next()?;
        let input = first.input;
        let alike = rows().all(|element| element.comes_as(first));
        let own = (at..elements.len()).step_by(width).map(index);
        Some(match alike {
            true => Column {
                source: first.source,
                input,
                elements: rows().map(|element| element.element).collect(),
                path: first.path.clone(),
                counted: rows()
                    .all(|element| element.counted.to_bits() == first.counted.to_bits())
                    .then_some(first.counted),
            },
            false => Column {
                source: features,
                input: None,
                elements: own.collect(),
                path: Path::default(),
                counted: Some(f64::NAN),
            },
        })
    };
    let columns = (0..width).map(column).collect::<Option<Vec<_>>>()?;
    let computed = columns.iter().filter(|column| column.input.is_none());
    let computed: BTreeSet<NodeId> = computed.map(|column| column.source).collect();
    let travel = columns.iter().any(|column| column.input.is_some());
    (travel || computed.len() > 1).then_some(columns)
}

/// The operand of a node that does to each element what trees look through; a missing value stays
/// one.
pub(in crate::quantize) fn looked_through(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let elements = count(&graph.node(id).shape);
    let (x, _) = step(graph, id, 0)?;
    let all = elements <= ELEMENTS_MAX && (1..elements).all(|at| step(graph, id, at).is_some());
    all.then_some(x)
}

/// A chain of monotone functions of one variable, the first first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Path<'g> {
    steps: Vec<Step<'g>>,
    falls: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step<'g> {
    Function(&'g ScalarFn),
    Constant {
        f: BinaryFn,
        value: f64,
        /// Whether the constant is the first operand.
        first: bool,
    },
}

impl Path<'_> {
    /// Whether a greater input gives a smaller feature.
    pub(super) fn falls(&self) -> bool {
        self.falls
    }

    /// The greatest image of an input whose feature is at most `threshold`, or below it if
    /// `strict`. Where the path falls: the greatest whose feature is not.
    pub(super) fn last(&self, threshold: f32, strict: bool) -> i64 {
        if self.steps.is_empty() {
            return ordered_image(threshold) - i64::from(strict);
        }
        let holds = |image: i64| {
            let feature = single(self.eval(real(image)));
            (if strict { feature < threshold } else { feature <= threshold }) != self.falls
        };
        let (mut last, mut beyond) = (-ORDERED_IMAGE_MAX - 1, ORDERED_IMAGE_MAX + 1);
        while beyond - last > 1 {
            let middle = last.midpoint(beyond);
            *(if holds(middle) { &mut last } else { &mut beyond }) = middle;
        }
        last
    }

    fn eval(&self, x: f64) -> f64 {
        self.steps.iter().fold(x, |x, step| step.eval(x))
    }
}

impl Step<'_> {
    fn eval(self, x: f64) -> f64 {
        match self {
            Self::Function(f) => f.eval(x),
            Self::Constant { f, value, first: true } => f.eval(value, x),
            Self::Constant { f, value, first: false } => f.eval(x, value),
        }
    }

    /// Whether it falls; `None` if it does not only rise or only fall, or makes a number of what is
    /// missing.
    fn falls(self) -> Option<bool> {
        let falls = match self {
            Self::Function(f) => falls(f)?,
            Self::Constant { f, value, first } => binary_falls(f, value, first)?,
        };
        self.eval(f64::NAN).is_nan().then_some(falls)
    }
}

/// Whether a function of all real numbers falls; `None` if it does not only rise or only fall.
fn falls(f: &ScalarFn) -> Option<bool> {
    falls_within(f, (f64::NEG_INFINITY, f64::INFINITY))
}

/// Whether a function falls between two numbers.
fn falls_within(f: &ScalarFn, within: (f64, f64)) -> Option<bool> {
    let falls = |f: &ScalarFn| falls_within(f, within);
    let positive = |f: &ScalarFn| [within.0, within.1].iter().all(|&end| f.eval(end) >= 0.0);
    match f {
        ScalarFn::X => Some(false),
        ScalarFn::Unary(UnaryFn::Neg, x) => falls(x).map(|falls| !falls),
        ScalarFn::Unary(UnaryFn::Log | UnaryFn::Sqrt, x) if positive(x) => falls(x),
        ScalarFn::Binary(BinaryFn::Pow, x, power) if positive(x) => match **power {
            ScalarFn::Const(power) if power != 0.0 => Some(falls(x)? != (power < 0.0)),
            _ => None,
        },
        ScalarFn::Unary(
            UnaryFn::Relu
            | UnaryFn::Exp
            | UnaryFn::Erf
            | UnaryFn::Sigmoid
            | UnaryFn::Tanh
            | UnaryFn::Softplus
            | UnaryFn::Atan
            | UnaryFn::Sinh
            | UnaryFn::Asinh
            | UnaryFn::Floor
            | UnaryFn::Ceil
            | UnaryFn::Round
            | UnaryFn::Truncate,
            x,
        ) => falls(x),
        ScalarFn::Binary(f, a, b) => match (&**a, &**b) {
            (ScalarFn::Const(c), x) => Some(binary_falls(*f, *c, true)? != falls(x)?),
            (x, ScalarFn::Const(c)) => Some(binary_falls(*f, *c, false)? != falls(x)?),
            _ => None,
        },
        _ => parts_fall(&Parts::of(f)),
    }
}

/// Whether a function made of parts falls; numbers do neither.
fn parts_fall(parts: &Parts<'_>) -> Option<bool> {
    let varies = |f: &&&ScalarFn| !matches!(f, ScalarFn::Const(_));
    let end = |at: Option<usize>, beyond| {
        at.and_then(|at| parts.breaks.get(at)).map_or(beyond, |part| part.at)
    };
    let within =
        |at: usize| (end(at.checked_sub(1), f64::NEG_INFINITY), end(Some(at), f64::INFINITY));
    let each = parts.each.iter().enumerate().filter(|(_, f)| varies(f));
    let mut known = each.map(|(at, f)| falls_within(f, within(at)));
    let ends = |at: usize| {
        let x = parts.breaks[at].at;
        (parts.each[at].eval(x), parts.each[at + 1].eval(x))
    };
    if parts.breaks.is_empty() {
        return None;
    }
    let all = || 0..parts.breaks.len();
    let falls = match known.next() {
        Some(first) => first?,
        None => all().any(|at| ends(at).0 > ends(at).1),
    };
    // What rounding leaves between two parts is no step back.
    let follows = |at: usize| {
        let (before, after) = ends(at);
        let slack = SLACK * before.abs().max(after.abs());
        if falls { after <= before + slack } else { after + slack >= before }
    };
    (known.all(|own| own == Some(falls)) && all().all(follows)).then_some(falls)
}

fn binary_falls(f: BinaryFn, constant: f64, first: bool) -> Option<bool> {
    let scales = constant != 0.0;
    match f {
        _ if !constant.is_finite() => None,
        BinaryFn::Add | BinaryFn::Max | BinaryFn::Min => Some(false),
        BinaryFn::Sub => Some(first),
        BinaryFn::Mul if scales => Some(constant < 0.0),
        BinaryFn::Div if scales && !first => Some(constant < 0.0),
        _ => None,
    }
}

/// The operand of a node that is a monotone function of it, element by element, and what is done to
/// element number `at`.
fn step(graph: &Graph, id: NodeId, at: usize) -> Option<(NodeId, Step<'_>)> {
    let node = graph.node(id);
    let (x, step) = match (&node.op, &node.operands[..]) {
        (Op::Unary(f), &[x]) => (x, Step::Function(f)),
        (Op::Binary(f), &[a, b]) => {
            let (x, constant, first) = match (graph.constant(a), graph.constant(b)) {
                (None, Some(constant)) => (a, constant, false),
                (Some(constant), None) => (b, constant, true),
                _ => return None,
            };
            (x, Step::Constant { f: *f, value: *constant.data().get(at)?, first })
        }
        _ => return None,
    };
    step.falls().map(|_| (x, step))
}

/// Where one element comes from.
#[derive(Clone, Debug)]
struct Element<'g> {
    source: NodeId,
    input: Option<usize>,
    element: u32,
    path: Path<'g>,
    /// What it counts as where it is missing; NaN where it stays so.
    counted: f64,
}

impl Element<'_> {
    /// Whether both are elements of one tensor, with the same done to them.
    fn comes_as(&self, other: &Self) -> bool {
        self.source == other.source && self.path == other.path
    }
}

struct Walk<'g, 'i> {
    graph: &'g Graph,
    imputed: &'i BTreeMap<NodeId, Tensor<f64>>,
    known: BTreeMap<NodeId, Vec<Element<'g>>>,
}

impl<'g> Walk<'g, '_> {
    fn elements(&mut self, id: NodeId, depth: usize) -> Vec<Element<'g>> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let mut elements = self.followed(id, depth).unwrap_or_else(|| {
            (0..count(&self.graph.node(id).shape)).map(|at| self.own(id, at)).collect()
        });
        for (element, &value) in
            elements.iter_mut().zip(self.imputed.get(&id).into_iter().flat_map(Tensor::data))
        {
            if element.counted.is_nan() {
                element.counted = value;
            }
        }
        self.known.insert(id, elements.clone());
        elements
    }

    /// An element that is followed no further.
    fn own(&self, id: NodeId, at: usize) -> Element<'g> {
        let input = match self.graph.node(id).op {
            Op::Input { index } => Some(index),
            _ => None,
        };
        let is_text =
            |&index: &usize| matches!(self.graph.inputs[index].element_type, ElementType::Text(_));
        let input = input.filter(|index| !is_text(index));
        Element { source: id, input, element: index(at), path: Path::default(), counted: f64::NAN }
    }

    fn followed(&mut self, id: NodeId, depth: usize) -> Option<Vec<Element<'g>>> {
        let graph = self.graph;
        let node = graph.node(id);
        let sizes = node.operands.iter().chain([&id]).map(|&id| count(&graph.node(id).shape));
        if depth == DEPTH_MAX || sizes.max() > Some(ELEMENTS_MAX) {
            return None;
        }
        if let Op::Move(_) = &node.op {
            let sources = graph.sources(node)?;
            let of = |operand: &NodeId| self.elements(*operand, depth + 1);
            let operands: Vec<Vec<Element<'g>>> = node.operands.iter().map(of).collect();
            let element = |(at, source): (usize, &Source)| match *source {
                Source::Element { operand, index } => {
                    operands[operand as usize][index as usize].clone()
                }
                Source::Fill => self.own(id, at),
            };
            return Some(sources.iter().enumerate().map(element).collect());
        }
        let (x, _) = step(graph, id, 0)?;
        let elements = self.elements(x, depth + 1);
        let stepped = |(at, mut element): (usize, Element<'g>)| {
            // What is computed of great integers is exact, and would not be of their float32.
            let is_float = |index: usize| graph.inputs[index].element_type == ElementType::Float;
            let step = step(graph, id, at).filter(|_| element.input.is_some_and(is_float));
            let Some((step, falls)) = step.and_then(|(_, step)| Some((step, step.falls()?))) else {
                return self.own(id, at);
            };
            element.counted = step.eval(element.counted);
            element.path.steps.push(step);
            element.path.falls ^= falls;
            element
        };
        Some(elements.into_iter().enumerate().map(stepped).collect())
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("few elements are followed")
}

/// The finite float32 of an ordered image.
fn real(image: i64) -> f64 {
    let magnitude = f32::from_bits(u32::try_from(image.unsigned_abs()).unwrap_or(0));
    f64::from(if image < 0 { -magnitude } else { magnitude })
}

#[expect(clippy::cast_possible_truncation, reason = "trees compare float32 values")]
fn single(x: f64) -> f32 {
    x as f32
}
