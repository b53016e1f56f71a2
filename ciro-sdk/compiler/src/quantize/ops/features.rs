//! The features of trees as integers: what their comparisons are made of.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{Column, Path};
use super::input;
use crate::float::{BranchMode, Graph, NodeId, Op};
use crate::quantize::casts::round_to_i64;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Term, along, count, rebuilt};
use crate::quantize::lower::Lowering;
use ciro_model::integer::ops::Mul;
use ciro_model::integer::{Interval, NodeId as IntegerId, room};
use ciro_model::movement::Movement;

/// The features of a tree.
pub(super) struct Features<'g> {
    pub(super) parts: Vec<Part>,
    pub(super) images: Vec<Image<'g>>,
    /// For each feature, what a missing value counts as, NaN where it stays missing; `None` for
    /// those that miss none.
    pub(super) missing: Vec<Option<f64>>,
}

/// Features that are one tensor.
pub(super) struct Part {
    /// `[.., columns]`, or `[.., columns, 2]` in limbs.
    pub(super) x: IntegerId,
    pub(super) limbs: bool,
    /// Which features they are.
    pub(super) columns: Vec<usize>,
}

impl Part {
    /// One tensor of all features.
    fn all(x: IntegerId, limbs: bool, width: usize) -> Self {
        Self { x, limbs, columns: (0..width).collect() }
    }
}

/// What the integers of a feature stand for.
#[derive(Clone)]
pub(super) enum Image<'g> {
    /// Order-preserving images of the float32 that the feature is made of.
    Ordered(Path<'g>),
    /// Multiples of a unit.
    Unit(Unit),
}

/// What the integers of one computed feature stand for: `unit * integer + offset`.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    unit: f64,
    offset: f64,
    /// The integers that the feature can be.
    values: Interval,
}

impl Unit {
    /// Whether both are the same.
    fn is(self, other: Self) -> bool {
        [self.unit, self.offset].map(f64::to_bits) == [other.unit, other.offset].map(f64::to_bits)
    }
}

/// The features that a tree reads.
pub(super) fn of<'g>(
    cx: &mut Lowering<'g>,
    operand: NodeId,
    width: usize,
) -> Result<Features<'g>, QuantizeError> {
    if let Some((index, movements)) = of_input(cx.graph, operand) {
        let mut missing = vec![None; width];
        if cx.missing.columns(index).is_some() {
            missing = vec![Some(f64::NAN); width];
            if let Some(values) = cx.missing.imputed(cx.graph, operand) {
                let values = along(&values, values.rank().saturating_sub(1));
                let values = values.ok_or_else(|| cx.refuse(Refusal::TreeOperand))?;
                missing = values.into_iter().map(Some).collect();
            }
        }
        let mut x = input::compared(cx, index)?;
        let name = format!("{}.features", cx.node().name);
        for movement in movements {
            x = cx.push(&name, movement, &[x], 1.0)?;
        }
        let images = vec![Image::Ordered(Path::default()); width];
        return Ok(Features { parts: vec![Part::all(x, true, width)], images, missing });
    }
    if let Some(columns) = cx.missing.features(cx.graph, operand) {
        return by_column(cx, operand, &columns);
    }
    let (x, units) = computed(cx, operand, width)?;
    let images = units.into_iter().map(Image::Unit).collect();
    Ok(Features { parts: vec![Part::all(x, false, width)], images, missing: vec![None; width] })
}

impl Image<'_> {
    /// The greatest integer of a feature that stands for at most `threshold` (below it if
    /// `strict`); where the feature falls, the greatest that does not.
    fn last(&self, threshold: f32, strict: bool) -> i64 {
        match self {
            Self::Ordered(path) => path.last(threshold, strict),
            Self::Unit(Unit { unit, offset, values }) => {
                let units = (f64::from(threshold) - offset) / unit;
                let last = if strict { units.ceil() - 1.0 } else { units.floor() };
                // Below all values, or at the greatest of them, a boundary decides as it does
                // beyond.
                round_to_i64(last).clamp(values.lo - 1, values.hi)
            }
        }
    }

    /// Whether greater integers are smaller features.
    pub(super) fn falls(&self) -> bool {
        matches!(self, Self::Ordered(path) if path.falls())
    }

    /// The boundaries that a comparison needs.
    pub(super) fn boundaries(&self, mode: BranchMode, threshold: f32) -> Vec<i64> {
        let last = |strict| self.last(threshold, strict);
        match mode {
            BranchMode::Leq | BranchMode::Gt => vec![last(false)],
            BranchMode::Lt | BranchMode::Gte => vec![last(true)],
            BranchMode::Eq | BranchMode::Neq => {
                let mut ends = [last(true), last(false)];
                ends.sort_unstable();
                ends.to_vec()
            }
        }
    }
}

/// Features that come from several tensors: elements of inputs as images, all others by the node
/// that computes them.
fn by_column<'g>(
    cx: &mut Lowering<'g>,
    operand: NodeId,
    columns: &[Column<'g>],
) -> Result<Features<'g>, QuantizeError> {
    let (mut parts, mut units, mut missing) = (vec![], vec![None; columns.len()], vec![]);
    for column in columns {
        let may_miss = column.input.is_some_and(|input| cx.missing.columns(input).is_some());
        let counted = || column.counted.ok_or_else(|| cx.refuse(Refusal::TreeOperand));
        missing.push(may_miss.then(counted).transpose()?);
    }
    let travels = |&at: &usize| columns[at].input.is_some();
    let (travelling, others): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(travels);
    if !travelling.is_empty() {
        parts.push(images(cx, operand, columns, travelling)?);
    }
    let sources: BTreeSet<NodeId> = others.iter().map(|&at| columns[at].source).collect();
    for source in sources {
        let own: Vec<usize> =
            others.iter().copied().filter(|&at| columns[at].source == source).collect();
        let width = cx.graph.node(source).shape.last().copied().unwrap_or(1);
        let (mut x, mut of_source) = computed(cx, source, width)?;
        let unit = |of: &[Unit], element: u32| of[element as usize % width.max(1)];
        let alike = |&at: &usize| {
            let mut own = columns[at].elements.iter().map(|&element| unit(&of_source, element));
            own.next().is_none_or(|first| own.all(|unit| unit.is(first)))
        };
        if !own.iter().all(alike) {
            (x, of_source) = of_one_unit(cx, source, width)?;
        }
        own.iter().for_each(|&at| units[at] = Some(unit(&of_source, columns[at].elements[0])));
        let elements = |row: usize| own.iter().map(move |&at| columns[at].elements[row]);
        let indices = (0..columns[own[0]].elements.len()).flat_map(elements).collect();
        let lead = leading(cx, operand);
        let movement = Movement::Index { shape: [&lead[..], &[own.len()]].concat(), indices };
        let name = format!("{}.features", cx.node().name);
        let x = cx.push(&name, movement, &[x], 1.0)?;
        parts.push(Part { x, limbs: false, columns: own });
    }
    let images = columns.iter().zip(units).map(|(column, unit)| match unit {
        Some(unit) => Image::Unit(unit),
        None => Image::Ordered(column.path.clone()),
    });
    Ok(Features { parts, images: images.collect(), missing })
}

/// The axes of features before the last.
fn leading(cx: &Lowering<'_>, operand: NodeId) -> Vec<usize> {
    let shape = &cx.graph.node(operand).shape;
    shape[..shape.len().saturating_sub(1)].to_vec()
}

/// The images of the elements of inputs that some features are.
fn images(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    columns: &[Column<'_>],
    own: Vec<usize>,
) -> Result<Part, QuantizeError> {
    let inputs: BTreeSet<usize> = own.iter().filter_map(|&at| columns[at].input).collect();
    let (mut views, mut starts, mut before) = (vec![], BTreeMap::new(), 0);
    for input in inputs {
        starts.insert(Some(input), before);
        before += 2 * count(&cx.graph.inputs[input].shape);
        views.push(input::compared(cx, input)?);
    }
    let image = |row: usize, at: usize| {
        let Column { input, elements, .. } = &columns[at];
        let high = starts[input] + 2 * elements[row] as usize;
        [place(high), place(high + 1)]
    };
    let row = |row: usize| own.iter().flat_map(move |&at| image(row, at));
    let indices = (0..columns[own[0]].elements.len()).flat_map(row).collect();
    let shape = [&leading(cx, operand)[..], &[own.len(), 2]].concat();
    let name = format!("{}.features", cx.node().name);
    let x = cx.push(&name, Movement::Index { shape, indices }, &views, 1.0)?;
    Ok(Part { x, limbs: true, columns: own })
}

/// The integers of computed features, and what they stand for.
fn computed(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    features: usize,
) -> Result<(IntegerId, Vec<Unit>), QuantizeError> {
    let expr = cx.expr(operand)?;
    if let Some((x, scales)) = scaled(&expr)
        && scales.len() == features
        && cx.builder.node(x).interval.max_abs() < room::RANKED
    {
        let x = oriented(cx, x, &scales)?;
        let values = cx.builder.node(x).interval;
        // A column that does not count is 0, and its values are the offset.
        let unit = |factor: f64| if factor == 0.0 { 1.0 } else { factor.abs() };
        let units = scales.iter().map(|scale| Unit {
            unit: unit(scale.factor),
            offset: scale.offset,
            values,
        });
        return Ok((x, units.collect()));
    }
    of_one_unit(cx, operand, features)
}

/// The integers of computed features in a unit that all of them share.
fn of_one_unit(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    features: usize,
) -> Result<(IntegerId, Vec<Unit>), QuantizeError> {
    let value = cx.wide(operand, room::RANKED as f64)?;
    let unit = Unit { unit: value.scale, offset: 0.0, values: cx.interval(value) };
    Ok((value.id, vec![unit; features]))
}

/// What the integers of one column stand for: `factor * x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::quantize) struct Scale {
    factor: f64,
    offset: f64,
}

/// The tensor of an expression that is one tensor, scaled and shifted column by column, and the
/// scale of each column.
pub(in crate::quantize) fn scaled(expr: &Expr) -> Option<(IntegerId, Vec<Scale>)> {
    let [Term { core, moves }] = &expr.terms[..] else { return None };
    if !moves.is_empty() {
        return None;
    }
    let last = expr.shape.len().checked_sub(1)?;
    let columns = *expr.shape.last()?;
    let (x, factors) = match core {
        Core::Value { x, factor } => (*x, vec![*factor; columns]),
        Core::Scaled { x, factors } => (*x, along(factors, last)?),
        Core::Linear { .. } | Core::Conv { .. } => return None,
    };
    let offsets = match &expr.offset {
        Some(offset) => along(offset, last)?,
        None => vec![0.0; columns],
    };
    let scales = factors.into_iter().zip(offsets);
    Some((x, scales.map(|(factor, offset)| Scale { factor, offset }).collect()))
}

/// The tensor with the columns of negative factors negated: features grow with their integers.
fn oriented(
    cx: &mut Lowering<'_>,
    x: IntegerId,
    scales: &[Scale],
) -> Result<IntegerId, QuantizeError> {
    if scales.iter().all(|scale| scale.factor > 0.0) {
        return Ok(x);
    }
    let sign = |scale: &Scale| match scale.factor {
        factor if factor > 0.0 => 1,
        factor if factor < 0.0 => -1,
        _ => 0,
    };
    let node = cx.builder.node(x);
    let (shape, scale, name) = (node.shape.clone(), node.scale, node.name.clone());
    let signs = scales.iter().map(sign).cycle().take(shape.iter().product()).collect();
    let label = format!("{name}.signs");
    let signs = cx.constant(rebuilt(&shape, signs), 1.0, &label)?;
    cx.push(&format!("{name}.oriented"), Mul, &[x, signs], scale)
}

/// The input behind a node that only moves its elements, and the movements of its two-limb images.
pub(in crate::quantize) fn of_input(
    graph: &Graph,
    id: NodeId,
) -> Option<(usize, Vec<Movement<i32>>)> {
    let node = graph.node(id);
    match (&node.op, &node.operands[..]) {
        (Op::Input { index }, _) => Some((*index, vec![])),
        (Op::Move(movement), &[operand]) => {
            let (index, mut movements) = of_input(graph, operand)?;
            movements.push(limbs(movement, graph.node(operand).shape.len())?);
            Some((index, movements))
        }
        _ => None,
    }
}

/// The same movement of a tensor with one more axis, of two limbs; `None` where it fills.
fn limbs(movement: &Movement<f64>, rank: usize) -> Option<Movement<i32>> {
    let with_limbs = |shape: &[usize]| [shape, &[2]].concat();
    match movement {
        Movement::Reshape { shape } => Some(Movement::Reshape { shape: with_limbs(shape) }),
        Movement::Expand { shape } if shape.len() == rank => {
            Some(Movement::Expand { shape: with_limbs(shape) })
        }
        Movement::Transpose { perm } => {
            Some(Movement::Transpose { perm: perm.iter().copied().chain([perm.len()]).collect() })
        }
        Movement::Select { axis, indices } => {
            Some(Movement::Select { axis: *axis, indices: indices.clone() })
        }
        _ => None,
    }
}

pub(super) fn place(at: usize) -> u32 {
    u32::try_from(at).expect("few features are taken apart")
}
