//! Divisions and reciprocals.

use super::ranked::{self, Divisor};
use crate::float::{Graph, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use crate::quantize::calibrate::Range;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Expr, Value, count};
use crate::quantize::grid::{ceil_log2, pow2, step_at_least};
use crate::quantize::lower::Lowering;
use crate::quantize::steep::TOLERABLE;
use crate::quantize::target::Target;
use ciro_model::integer::ops::{Combine, DivFloor, Mul, Requantize};
use ciro_model::integer::{BOUND, Interval, Op as IntegerOp, room};

/// Bits of the greatest reciprocal.
pub(super) const RECIPROCAL_BITS: u32 = 16;
/// Divisors may be this many times smaller or greater than at calibration.
const ROOM: f64 = 2.0;
/// Bits of a divisor.
pub(super) const DIVISOR_BITS: u32 = 15;
/// The greatest divisor: its quotient needs room in the checks of a division.
const DIVISOR_MAX: i64 = 1 << (DIVISOR_BITS + 6);

/// `a / b`, both computed.
///
/// A divisor that is stretched over many elements (the deviation of a layer norm) is inverted once,
/// before it is stretched; then every element costs a product and a shift. Other quotients are
/// rounded by `floor((2 c a + b) / (2 b))`.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let (a, b) = (node.operands[0], node.operands[1]);
    if normalizes_softmax(cx.graph, a, b) {
        return cx.expr(a);
    }
    let range = cx.divisor_range(b);
    if range.lo <= 0.0 && range.hi >= 0.0 {
        return around_zero(cx, id, range)?.ok_or_else(|| sign_error(cx, range));
    }
    if let Some(expr) = by_parts(cx, id, range)? {
        return Ok(expr);
    }
    let divisor = cx.graph.node(b);
    if let (Op::Move(movement), &[base]) = (&divisor.op, &divisor.operands[..])
        && movement.fill().is_none()
        && count(&divisor.shape) > count(&cx.graph.node(base).shape)
        && cx.lowered(base).is_some()
    {
        let shape = cx.graph.node(base).shape.clone();
        let expr = cx.expr(base)?;
        let inverse = reciprocal(cx, &expr, range, RECIPROCAL_BITS)?;
        let stretched = cx.moved(Expr::value(shape, inverse), movement)?;
        let inverse = cx.plain(&stretched, BOUND as f64, &format!("{}.inverse", node.name))?;
        let factor = cx.factor(a)?;
        let [factor, inverse] = cx.fit([factor, inverse], 1)?;
        let scale = factor.scale * inverse.scale;
        let product = cx.push(&node.name, Mul, &[factor.id, inverse.id], scale)?;
        let expr = Expr::value(node.shape.clone(), Value { id: product, scale });
        return Ok(expr.times(sign(range)));
    }
    quotient(cx, id, a, b)
}

/// Divisors whose greatest magnitude is this many times the least are inverted to a part of
/// themselves, if it matters.
const WIDE: f64 = 16.0;

/// A quotient whose divisor spans several octaves, and which has been found worth it: `a` times the
/// inverse in two parts.
fn by_parts(
    cx: &mut Lowering<'_>,
    id: NodeId,
    range: Range,
) -> Result<Option<Expr>, QuantizeError> {
    let effort = cx.effort(id).max(cx.effort(cx.graph.node(id).operands[1]));
    let magnitude = range.affine(sign(range), 0.0);
    if effort == 0 || magnitude.hi < WIDE * magnitude.lo {
        return Ok(None);
    }
    times_inverse(cx, id, (Divisor { magnitude, both: false }, sign(range)))
}

/// A quotient whose divisor has both signs, and has not come nearer to zero than samples did;
/// `None` where it came too near.
fn around_zero(
    cx: &mut Lowering<'_>,
    id: NodeId,
    range: Range,
) -> Result<Option<Expr>, QuantizeError> {
    let Some(lo) = cx.slopes.least_divisor(cx.graph.node(id)) else { return Ok(None) };
    let magnitude = Range { lo, hi: range.max_abs() };
    times_inverse(cx, id, (Divisor { magnitude, both: true }, 1.0))
}

/// `a` times the inverse of `b`, whose sign is a factor, in two parts.
fn times_inverse(
    cx: &mut Lowering<'_>,
    id: NodeId,
    (range, sign): (Divisor, f64),
) -> Result<Option<Expr>, QuantizeError> {
    let node = cx.graph.node(id);
    let (a, b) = (node.operands[0], node.operands[1]);
    let effort = cx.effort(id).max(cx.effort(b));
    let divisor = cx.graph.node(b);
    // A divisor that is stretched over many elements is inverted before.
    let stretched = match (&divisor.op, &divisor.operands[..]) {
        (Op::Move(movement), &[base])
            if movement.fill().is_none()
                && count(&divisor.shape) > count(&cx.graph.node(base).shape)
                && cx.lowered(base).is_some() =>
        {
            Some((movement, base))
        }
        _ => None,
    };
    let base = stretched.map_or(b, |(_, base)| base);
    let expr = cx.expr(base)?.times(sign);
    let Some(parts) = ranked::inverse(cx, &expr, range)? else { return Ok(None) };
    let factor = cx.factor(a)?;
    let mut sum: Option<Expr> = None;
    for part in parts {
        let mut inverse = Expr::value(expr.shape.clone(), part);
        if let Some((movement, _)) = stretched {
            inverse = cx.moved(inverse, movement)?;
        }
        let name = format!("{}.inverse.rows", node.name);
        let inverse = cx.plain(&inverse, BOUND as f64, &name)?;
        let product = cx.times([factor, inverse], (1, effort))?;
        sum = Some(match sum {
            Some(sum) => sum.plus(product),
            None => product,
        });
    }
    Ok(sum.map(|sum| sum.times(sign)))
}

/// Whether `b` is the sum of the rows of the softmax `a`, which is 1.
#[expect(clippy::float_cmp, reason = "a function that keeps 1 keeps it exactly")]
fn normalizes_softmax(graph: &Graph, a: NodeId, b: NodeId) -> bool {
    let mut at = b;
    loop {
        let node = graph.node(at);
        match (&node.op, &node.operands[..]) {
            (Op::Move(_), &[inner]) => at = inner,
            (Op::Unary(f), &[inner]) if f.eval(1.0) == 1.0 => at = inner,
            (Op::Reduce(Reducer::Sum), &[terms]) => {
                let terms = match (&graph.node(terms).op, &graph.node(terms).operands[..]) {
                    (Op::Unary(f), &[inner]) if *f == ScalarFn::unary(UnaryFn::Abs) => inner,
                    _ => terms,
                };
                return terms == a && matches!(graph.node(a).op, Op::Softmax);
            }
            _ => return false,
        }
    }
}

/// The sign of a range that does not hold zero.
pub(super) fn sign(range: Range) -> f64 {
    if range.hi < 0.0 { -1.0 } else { 1.0 }
}

/// `round(a / b)` at the scale that the calibrated range asks for.
fn quotient(
    cx: &mut Lowering<'_>,
    id: NodeId,
    a: NodeId,
    b: NodeId,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let range = cx.divisor_range(b);
    let expr = cx.expr(b)?;
    let divisor = divisor(cx, &expr, range, &format!("{}.divisor", node.name))?;
    let dividend = cx.factor(a)?;
    let (most, b_most) = (cx.interval(dividend).max_abs() as f64, cx.interval(divisor).hi as f64);
    let width = cx.range(id).width().max(f64::MIN_POSITIVE);
    let bits = cx.bits(id);
    let step = step_at_least(1.0, width * pow2(-exponent(bits)));
    let wanted = ceil_log2(dividend.scale / divisor.scale / step).max(0);
    let most_factor = (room::DIVIDEND.hi as f64 - b_most) / (2.0 * most.max(1.0));
    let most_shift = ceil_log2(most_factor + 1.0) - 1;
    let shift = wanted.min(most_shift);
    if shift < 0 {
        return Err(cx.refuse(Refusal::NoRoom));
    }
    let c = pow2(shift);
    let double = narrow(1i64 << (shift + 1));
    let top = Combine { coefficients: vec![double, 1], constant: 0 };
    let top = cx.push(
        &format!("{}.dividend", node.name),
        top,
        &[dividend.id, divisor.id],
        dividend.scale / (2.0 * c),
    )?;
    let bottom = Combine { coefficients: vec![2], constant: 0 };
    let bottom =
        cx.push(&format!("{}.divisor", node.name), bottom, &[divisor.id], divisor.scale / 2.0)?;
    let scale = dividend.scale / (divisor.scale * c);
    let result = cx.push(&node.name, DivFloor, &[top, bottom], scale)?;
    Ok(Expr::value(node.shape.clone(), Value { id: result, scale }).times(sign(range)))
}

/// `|expr|` as integers from 1, clamped to a little more than the range seen at calibration.
fn divisor(
    cx: &mut Lowering<'_>,
    expr: &Expr,
    range: Range,
    name: &str,
) -> Result<Value, QuantizeError> {
    let expr = expr.clone().times(sign(range));
    let range = range.affine(sign(range), 0.0);
    let beyond = ROOM * cx.stretch;
    let room = Range { lo: range.lo / beyond, hi: range.hi * beyond };
    let bits = DIVISOR_BITS + u32::try_from(ceil_log2(cx.stretch)).unwrap_or(0);
    let target = Target { range: room, bits, clip: Some(room), own: false };
    let mut value = cx.round_to(&expr, &target, name)?;
    if cx.interval(value).hi > DIVISOR_MAX {
        // It hardly varies: its own magnitude counts, not its range.
        value = cx.within(value, DIVISOR_MAX as f64)?;
    }
    let interval = cx.interval(value);
    if interval.lo < 1 {
        let op = Requantize { shift: 0, lo: 1, hi: narrow(interval.hi.max(1)) };
        value.id = cx.push(name, op, &[value.id], value.scale)?;
    }
    if matches!(cx.builder.node(value.id).op, IntegerOp::Requantize(_)) {
        // A divisor below all that were seen, of which half a unit is a good part, moves a
        // quotient by more than is tolerable.
        let least = range.lo / value.scale;
        let limit = least.min((least / (2.0 * TOLERABLE)).sqrt());
        let (from, limit) = (cx.interval(value).lo, round_to_i64(limit.ceil()) - 1);
        let steep = (from <= limit).then(|| Interval::new(from, limit));
        cx.builder.steep(value.id, steep.into_iter().collect());
    }
    Ok(value)
}

/// `1 / |expr|` with `bits` bits where it is greatest.
pub(super) fn reciprocal(
    cx: &mut Lowering<'_>,
    expr: &Expr,
    range: Range,
    bits: u32,
) -> Result<Value, QuantizeError> {
    let name = cx.node().name.clone();
    let value = divisor(cx, expr, range, &format!("{name}.divisor"))?;
    invert(cx, value, bits, &name)
}

/// `round(C / b)` for `b >= 1`, with `C` the power of two for which the result has at most `bits`
/// bits.
pub(super) fn invert(
    cx: &mut Lowering<'_>,
    b: Value,
    bits: u32,
    name: &str,
) -> Result<Value, QuantizeError> {
    let interval = cx.interval(b);
    let least = interval.lo.max(1) as f64;
    let log = (ceil_log2(least + 1.0) - 1 + exponent(bits)).clamp(0, 28);
    let top = Combine { coefficients: vec![1], constant: narrow(1i64 << (log + 1)) };
    let top = cx.push(&format!("{name}.dividend"), top, &[b.id], b.scale)?;
    let bottom = Combine { coefficients: vec![2], constant: 0 };
    let bottom = cx.push(&format!("{name}.divisor"), bottom, &[b.id], b.scale / 2.0)?;
    let scale = 1.0 / (b.scale * pow2(log));
    let id = cx.push(&format!("{name}.inverse"), DivFloor, &[top, bottom], scale)?;
    Ok(Value { id, scale })
}

pub(super) fn sign_error(cx: &Lowering<'_>, range: Range) -> QuantizeError {
    cx.refuse(Refusal::DivisorSign { lo: range.lo.to_string(), hi: range.hi.to_string() })
}
