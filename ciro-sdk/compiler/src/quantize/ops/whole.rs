//! Functions of whole numbers, exact.

use super::{compare, unary};
use crate::float::{BinaryFn, NodeId, ScalarFn, UnaryFn};
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value};
use crate::quantize::facts::whole;
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::{Shape, Steps, peel};
use ciro_model::integer::ops::{Combine, DivFloor, Lookup, Requantize};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// Integers of a wider interval are divided rather than looked up.
const TABLE_MAX: u64 = 1 << 14;
/// The widest interval that a table covers.
const ENTRIES_MAX: u64 = 1 << 16;

/// A function of one variable that maps whole numbers to whole numbers; `None` if another form is
/// exact already, or none is.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    f: &ScalarFn,
) -> Result<Option<Expr>, QuantizeError> {
    let shape = Shape::of(f);
    let exact = matches!(shape, Shape::Line(_) | Shape::Compare { .. });
    if exact || !(cx.whole[id.index()] && cx.whole[operand.index()]) {
        return Ok(None);
    }
    let Some(x) = cx.integers_of(operand)? else { return Ok(None) };
    if let Shape::Steps(form) = &shape
        && keeps_units(form)
    {
        return clamp(cx, id, x, form).map(Some);
    }
    let interval = cx.interval(x);
    let (outer, core) = peel(f);
    if interval.width() > TABLE_MAX
        && whole(outer.slope)
        && whole(outer.offset)
        && let Some((kind, divisor)) = division(core)
        && (kind != Division::Truncated || interval.lo >= 0 || interval.max_abs() < 1 << 29)
    {
        return divided(cx, id, x, kind, divisor).map(|expr| Some(unary::along(expr, outer)));
    }
    if interval.width() > ENTRIES_MAX {
        return Ok(None);
    }
    let values: Vec<f64> = (interval.lo..=interval.hi).map(|q| f.eval(q as f64)).collect();
    if !values.iter().all(|&v| whole(v) && v.abs() < f64::from(1 << 30)) {
        return Ok(None);
    }
    let table = values.into_iter().map(|v| narrow(round_to_i64(v))).collect();
    let table = cx.builder.constant(Tensor::vector(table));
    let node = cx.graph.node(id);
    let op = Lookup { offset: 0, shift: 0, lo: narrow(interval.lo), table };
    let id = cx.push(&node.name, op, &[x.id], 1.0)?;
    Ok(Some(Expr::value(node.shape.clone(), Value { id, scale: 1.0 })))
}

/// Whether a clamp moves and mirrors whole numbers, no more.
fn keeps_units(form: &Steps) -> bool {
    let bound = |x: f64| x.is_infinite() || (whole(x) && x.abs() < f64::from(1 << 30));
    let unit = |slope: f64| (slope.abs() - 1.0).abs() == 0.0;
    let (before, after) = (form.before, form.after);
    unit(before.slope)
        && whole(before.offset)
        && bound(form.lo)
        && bound(form.hi)
        && whole(after.slope)
        && whole(after.offset)
}

/// `clamp(x, lo, hi)` of whole numbers.
fn clamp(cx: &mut Lowering<'_>, id: NodeId, x: Value, form: &Steps) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let expr = unary::along(Expr::value(node.shape.clone(), x), form.before);
    let sum = cx.emit(&expr, 1.0, &format!("{}.sum", node.name))?;
    let interval = cx.interval(Value { id: sum, scale: 1.0 });
    let bound = |x: f64| narrow(round_to_i64(x.clamp(interval.lo as f64, interval.hi as f64)));
    let op = Requantize { shift: 0, lo: bound(form.lo), hi: bound(form.hi) };
    let id = cx.push(&node.name, op, &[sum], 1.0)?;
    Ok(unary::along(Expr::value(node.shape.clone(), Value { id, scale: 1.0 }), form.after))
}

/// What is asked of a division by a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Division {
    /// The quotient, rounded down.
    Floored,
    /// The quotient, rounded toward zero.
    Truncated,
    /// What is left of the quotient that is rounded down.
    Remainder,
}

/// The division that a function is, and its divisor.
fn division(f: &ScalarFn) -> Option<(Division, i32)> {
    let divisor = |c: &ScalarFn| match *c {
        ScalarFn::Const(c) if whole(c) && (1.0..f64::from(1 << 28)).contains(&c) => {
            Some(narrow(round_to_i64(c)))
        }
        _ => None,
    };
    match f {
        ScalarFn::Unary(f @ (UnaryFn::Floor | UnaryFn::Truncate), inner) => match &**inner {
            ScalarFn::Binary(BinaryFn::Div, x, c) if **x == ScalarFn::X => {
                let floored = *f == UnaryFn::Floor;
                let kind = if floored { Division::Floored } else { Division::Truncated };
                Some((kind, divisor(c)?))
            }
            _ => None,
        },
        ScalarFn::Binary(BinaryFn::Mod, x, c) if **x == ScalarFn::X => {
            Some((Division::Remainder, divisor(c)?))
        }
        _ => None,
    }
}

fn divided(
    cx: &mut Lowering<'_>,
    id: NodeId,
    x: Value,
    kind: Division,
    divisor: i32,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let (name, shape) = (&node.name, &node.shape);
    let mut dividend = x.id;
    if kind == Division::Truncated && cx.interval(x).lo < 0 {
        // Rounding down what is `divisor - 1` greater where it is negative is rounding toward zero.
        let expr = Expr::value(shape.clone(), x);
        let negative = compare::with_zero(cx, node, BinaryFn::Less, &expr)?;
        let sum = expr.plus(negative.times(f64::from(divisor - 1)));
        dividend = cx.emit(&sum, 1.0, &format!("{name}.dividend"))?;
    }
    let constant = cx.constant(Tensor::vector(vec![divisor]), 1.0, &format!("{name}.divisor"))?;
    let stretched = Movement::Expand { shape: shape.clone() };
    let constant = cx.push_move(stretched, constant, 1.0, &format!("{name}.divisor.rows"))?;
    let quotient = cx.push(&format!("{name}.quotient"), DivFloor, &[dividend, constant], 1.0)?;
    if kind != Division::Remainder {
        return Ok(Expr::value(shape.clone(), Value { id: quotient, scale: 1.0 }));
    }
    let left = Combine { coefficients: vec![1, -divisor], constant: 0 };
    let left = cx.push(&format!("{name}.left"), left, &[x.id, quotient], 1.0)?;
    // Interval analysis does not see that this is a remainder.
    let op = Requantize { shift: 0, lo: 0, hi: divisor - 1 };
    let id = cx.push(name, op, &[left], 1.0)?;
    Ok(Expr::value(shape.clone(), Value { id, scale: 1.0 }))
}
