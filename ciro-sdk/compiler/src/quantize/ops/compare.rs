//! Comparisons: the sign of a difference.

use crate::float::{BinaryFn, Node};
use crate::quantize::casts::narrow;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count, rebuilt};
use crate::quantize::grid::ceil_log2;
use crate::quantize::lower::Lowering;
use ciro_model::integer::ops::{Lookup, Mul};
use ciro_model::integer::{Interval, room};
use ciro_model::tensor::Tensor;

/// Tables of signs have about this many bits; the shift keeps the sign of what it drops.
const SIGN_BITS: i32 = 31 - room::SIGN_SHIFT.cast_signed();

/// `a < b` and its kind, exact on the integers that stand for both sides.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    f: BinaryFn,
) -> Result<Expr, QuantizeError> {
    let (a, b) = (cx.expr(node.operands[0])?, cx.expr(node.operands[1])?);
    with_zero(cx, node, f, &a.plus(b.times(-1.0)))
}

/// `difference < 0` and its kind.
pub(super) fn with_zero(
    cx: &mut Lowering<'_>,
    node: &Node,
    f: BinaryFn,
    difference: &Expr,
) -> Result<Expr, QuantizeError> {
    let x = cx.plain(difference, room::SIGNED as f64, &format!("{}.difference", node.name))?;
    let name = &node.name;
    if let Some(truth) = decided(cx, x, f) {
        let truths = vec![f64::from(u8::from(truth)); count(&node.shape)];
        return Ok(Expr::constant(rebuilt(&node.shape, truths)));
    }
    let id = match f {
        BinaryFn::Less => sign(cx, x, name, |q| q < 0)?,
        BinaryFn::GreaterOrEqual => sign(cx, x, name, |q| q >= 0)?,
        BinaryFn::Greater => {
            let x = negated(cx, x, name)?;
            sign(cx, x, name, |q| q < 0)?
        }
        BinaryFn::LessOrEqual => {
            let x = negated(cx, x, name)?;
            sign(cx, x, name, |q| q >= 0)?
        }
        _ => {
            let above = sign(cx, x, &format!("{name}.above"), |q| q >= 0)?;
            let minus = negated(cx, x, name)?;
            let below = sign(cx, minus, &format!("{name}.below"), |q| q >= 0)?;
            cx.push(name, Mul, &[above, below], 1.0)?
        }
    };
    Ok(Expr::value(node.shape.clone(), Value { id, scale: 1.0 }))
}

/// What a comparison with zero gives where no integer that the difference may be gives anything
/// else.
fn decided(cx: &Lowering<'_>, x: Value, f: BinaryFn) -> Option<bool> {
    let Interval { lo, hi } = cx.interval(x);
    let holds = |q: i64| match f {
        BinaryFn::Less => q < 0,
        BinaryFn::LessOrEqual => q <= 0,
        BinaryFn::Greater => q > 0,
        BinaryFn::GreaterOrEqual => q >= 0,
        _ => q == 0,
    };
    let beside = f != BinaryFn::Equal || lo > 0 || hi < 0 || lo == hi;
    (beside && holds(lo) == holds(hi)).then(|| holds(lo))
}

/// `-x`.
pub(super) fn negated(cx: &mut Lowering<'_>, x: Value, name: &str) -> Result<Value, QuantizeError> {
    let op = ciro_model::integer::ops::Combine { coefficients: vec![-1], constant: 0 };
    Ok(Value { id: cx.push(&format!("{name}.negated"), op, &[x.id], x.scale)?, ..x })
}

/// A function of the sign of `x >> shift`, which is negative exactly where `x` is.
fn sign(
    cx: &mut Lowering<'_>,
    x: Value,
    name: &str,
    holds: impl Fn(i64) -> bool,
) -> Result<ciro_model::integer::NodeId, QuantizeError> {
    let interval = cx.interval(x);
    let width = interval.hi.abs_diff(interval.lo) as f64 + 1.0;
    let shift = u32::try_from((ceil_log2(width) - SIGN_BITS).clamp(0, 24)).unwrap_or(0);
    let quotient = interval.shift_right(shift);
    let table = (quotient.lo..=quotient.hi).map(|q| i32::from(holds(q))).collect();
    let table = cx.builder.constant(Tensor::vector(table));
    cx.push(name, Lookup { offset: 0, shift, lo: narrow(quotient.lo), table }, &[x.id], 1.0)
}
