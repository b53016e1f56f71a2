//! Reductions over the last axis.

use super::{binary, compare, log_sum};
use crate::float::{BinaryFn, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use crate::quantize::casts::narrow;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Term, Value, count, rebuilt};
use crate::quantize::lower::{Hidden, Lowered, Lowering};
use ciro_model::integer::ops::{ArgMax, Combine, Mul, ReduceMax, ReduceSum};
use ciro_model::integer::{BOUND, room};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    reducer: Reducer,
) -> Result<Expr, QuantizeError> {
    match reducer {
        Reducer::Sum => sum(cx, id, 1.0),
        Reducer::Mean => {
            let operand = cx.graph.node(id).operands[0];
            let terms = cx.graph.node(operand).shape.last().copied().unwrap_or(1).max(1);
            sum(cx, id, terms as f64)
        }
        Reducer::Prod => product(cx, id),
        Reducer::Max => greatest(cx, id, 1.0),
        Reducer::Min => greatest(cx, id, -1.0),
        Reducer::ArgMax => position(cx, id, 1.0),
        Reducer::ArgMin => position(cx, id, -1.0),
        Reducer::LogSumExp => log_sum::log_sum_exp(cx, id),
    }
}

/// The exact sum; a mean takes its divisor into the scale.
fn sum(cx: &mut Lowering<'_>, id: NodeId, divisor: f64) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let operand = node.operands[0];
    let terms = cx.graph.node(operand).shape.last().copied().unwrap_or(1).max(1);
    let limit = BOUND as f64 / terms as f64;
    if let Some(sum) = part_by_part(cx, id, limit)? {
        return Ok(sum.times(1.0 / divisor));
    }
    let x = match cx.integers_of(operand)? {
        Some(value) => value,
        None => cx.wide(operand, limit)?,
    };
    let reduced = cx.push(&node.name, ReduceSum, &[x.id], x.scale / divisor)?;
    Ok(Expr::value(node.shape.clone(), Value { id: reduced, scale: x.scale / divisor }))
}

/// The sum of a tensor that is itself a sum of integers of unlike units, each below `limit`: the
/// sum of their sums, so that nothing is rounded; `None` for others, and where it is not worth it.
fn part_by_part(
    cx: &mut Lowering<'_>,
    id: NodeId,
    limit: f64,
) -> Result<Option<Expr>, QuantizeError> {
    let node = cx.graph.node(id);
    let expr = match cx.effort(id) {
        0 => return Ok(None),
        _ => cx.expr(node.operands[0])?,
    };
    let below = |term: &Term| match term.core {
        Core::Value { x, .. } => {
            term.moves.is_empty() && (cx.builder.node(x).interval.max_abs() as f64) < limit
        }
        _ => false,
    };
    if expr.terms.len() < 2 || expr.offset.is_some() || !expr.terms.iter().all(below) {
        return Ok(None);
    }
    let mut sum = Expr { shape: node.shape.clone(), terms: vec![], offset: None };
    for term in expr.terms {
        let Core::Value { x, factor } = term.core else { continue };
        let scale = cx.builder.node(x).scale;
        let x = cx.push(&node.name, ReduceSum, &[x], scale)?;
        sum.terms.push(Term { core: Core::Value { x, factor }, moves: vec![] });
    }
    Ok(Some(sum))
}

fn product(cx: &mut Lowering<'_>, id: NodeId) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let operand = node.operands[0];
    if cx.graph.node(operand).shape.last() != Some(&1) {
        return Err(cx.refuse(Refusal::Product));
    }
    let expr = cx.expr(operand)?;
    cx.moved(expr, &Movement::Reshape { shape: node.shape.clone() })
}

/// `sign * max(sign * x)`.
fn greatest(cx: &mut Lowering<'_>, id: NodeId, sign: f64) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let (mut x, origin) = unmasked(cx, node.operands[0], false)?;
    if sign < 0.0 {
        x = compare::negated(cx, x, &node.name)?;
    }
    let best = cx.push(&node.name, ReduceMax, &[x.id], x.scale)?;
    let best = Expr::value(node.shape.clone(), Value { id: best, scale: x.scale }).times(sign);
    if origin == 0.0 {
        return Ok(best);
    }
    let origin = vec![origin; count(&node.shape)];
    Ok(best.plus_constant(rebuilt(&node.shape, origin)))
}

/// The position of the greatest (least) element, on integers as fine as they come.
///
/// Softmax and increasing functions change no position, and are skipped: the decision is made on
/// exact scores.
fn position(cx: &mut Lowering<'_>, id: NodeId, sign: f64) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let mut operand = node.operands[0];
    loop {
        let inner = cx.graph.node(operand);
        let keeps_order = match &inner.op {
            Op::Softmax => true,
            Op::Unary(f) => increasing(f),
            _ => false,
        };
        if !keeps_order {
            break;
        }
        operand = inner.operands[0];
    }
    let (mut x, _) = unmasked(cx, operand, true)?;
    if sign < 0.0 {
        x = compare::negated(cx, x, &node.name)?;
    }
    let best = cx.push(&node.name, ArgMax, &[x.id], 1.0)?;
    Ok(Expr::value(node.shape.clone(), Value { id: best, scale: 1.0 }))
}

/// Whether a function is strictly increasing by its form.
fn increasing(f: &ScalarFn) -> bool {
    match f {
        ScalarFn::X => true,
        ScalarFn::Unary(
            UnaryFn::Sigmoid
            | UnaryFn::Tanh
            | UnaryFn::Exp
            | UnaryFn::Erf
            | UnaryFn::Softplus
            | UnaryFn::Atan,
            inner,
        ) => increasing(inner),
        ScalarFn::Binary(f, a, b) => match (f, &**a, &**b) {
            (BinaryFn::Add, ScalarFn::Const(_), inner)
            | (BinaryFn::Add | BinaryFn::Sub, inner, ScalarFn::Const(_)) => increasing(inner),
            (BinaryFn::Mul, ScalarFn::Const(c), inner)
            | (BinaryFn::Mul | BinaryFn::Div, inner, ScalarFn::Const(c)) => {
                *c > 0.0 && increasing(inner)
            }
            _ => false,
        },
        _ => false,
    }
}

/// An operand of a maximum, and the real value of its integer 0: hidden positions hold the least
/// integer that a position that counts may hold, or less.
fn unmasked(cx: &mut Lowering<'_>, id: NodeId, exact: bool) -> Result<(Value, f64), QuantizeError> {
    let read = |cx: &mut Lowering<'_>, id| {
        if exact { cx.wide(id, room::COMPARED as f64) } else { cx.narrow(id) }
    };
    let (inner, keep) = match cx.lowered(id) {
        Some(Lowered::Masked(inner, keep)) => (*inner, keep.clone()),
        Some(&Lowered::Hidden(hidden)) => {
            let x = read(cx, hidden.inner)?;
            return above_hidden(cx, x, hidden, 1);
        }
        _ => return Ok((read(cx, id)?, 0.0)),
    };
    let x = read(cx, inner)?;
    let node = cx.graph.node(id);
    let columns = node.shape.last().copied().unwrap_or(1).max(1);
    if keep.chunks(columns).any(|row| !row.contains(&true)) {
        return Err(cx.refuse(Refusal::MaskedRow));
    }
    let least = narrow(cx.interval(x).lo);
    let fill =
        cx.constant(Tensor::vector(vec![least]), x.scale, &format!("{}.hidden", node.name))?;
    let last = u32::try_from(keep.len()).expect("import bounds elements");
    let indices = (0..last).zip(keep.iter()).map(|(at, &keep)| if keep { at } else { last });
    let movement = Movement::Index { shape: node.shape.clone(), indices: indices.collect() };
    let id = cx.push(&node.name, movement, &[x.id, fill], x.scale)?;
    Ok((Value { id, ..x }, 0.0))
}

/// `x` from `distance` on where it counts, 0 where it is hidden; and the real value of that 0.
pub(super) fn above_hidden(
    cx: &mut Lowering<'_>,
    x: Value,
    hidden: Hidden,
    distance: i64,
) -> Result<(Value, f64), QuantizeError> {
    let name = format!("{}.scores", cx.node().name);
    let mut keep = binary::truth(cx, hidden.keep)?.id;
    if hidden.negated {
        let not = Combine { coefficients: vec![-1], constant: 1 };
        keep = cx.push(&format!("{name}.keep"), not, &[keep], 1.0)?;
    }
    let origin = cx.interval(x).lo - distance;
    let above = Combine { coefficients: vec![1], constant: narrow(-origin) };
    let above = cx.push(&format!("{name}.above"), above, &[x.id], x.scale)?;
    let id = cx.push(&format!("{name}.kept"), Mul, &[above, keep], x.scale)?;
    Ok((Value { id, ..x }, origin as f64 * x.scale))
}
