//! Remainders of two computed tensors.

use super::{binary, compare};
use crate::float::{BinaryFn, Node};
use crate::quantize::casts::narrow;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value};
use crate::quantize::lower::Lowering;
use ciro_model::integer::Interval;
use ciro_model::integer::ops::{Combine, DivFloor, Mul, Requantize};

/// The remainder of a division: with the sign of the divisor (`Mod`) or of the dividend (`Fmod`).
///
/// Both are integers of one scale, so that the remainder is theirs exactly: `s * (s a - floor(s a /
/// |b|) * |b|)` where `s` is the sign of `b`, less `|b|` where `Fmod` asks for the other sign.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    f: BinaryFn,
) -> Result<Expr, QuantizeError> {
    let [mut a, b] = binary::common(cx, [node.operands[0], node.operands[1]])?;
    let (name, shape) = (&node.name, &node.shape);
    let sign = sign(cx, node, b, &format!("{name}.sign"))?;
    let b = times(cx, b, &sign, &format!("{name}.magnitude"))?;
    let b = at_least_one(cx, b, &format!("{name}.divisor"))?;
    if f == BinaryFn::Mod {
        a = times(cx, a, &sign, &format!("{name}.turned"))?;
    }
    let quotient = cx.push(&format!("{name}.quotient"), DivFloor, &[a.id, b.id], 1.0)?;
    let whole = cx.push(&format!("{name}.whole"), Mul, &[quotient, b.id], a.scale)?;
    let left = Combine { coefficients: vec![1, -1], constant: 0 };
    let left = cx.push(&format!("{name}.left"), left, &[a.id, whole], a.scale)?;
    // Interval analysis does not see that this is a remainder.
    let most = narrow(cx.interval(b).hi - 1);
    let id = cx.push(name, Requantize { shift: 0, lo: 0, hi: most }, &[left], a.scale)?;
    let left = Value { id, scale: a.scale };
    if f == BinaryFn::Mod {
        let left = times(cx, left, &sign, &format!("{name}.signed"))?;
        return Ok(Expr::value(shape.clone(), left));
    }
    if cx.interval(a).lo >= 0 {
        return Ok(Expr::value(shape.clone(), left));
    }
    // The remainder of a negative dividend is `|b|` less, unless nothing is left.
    let negative = compare::with_zero(cx, node, BinaryFn::Less, &Expr::value(shape.clone(), a))?;
    let some = compare::with_zero(cx, node, BinaryFn::Greater, &Expr::value(shape.clone(), left))?;
    let mut step = b;
    for truth in [negative, some] {
        let truth = cx.emit(&truth, 1.0, &format!("{name}.truth"))?;
        step.id = cx.push(&format!("{name}.step"), Mul, &[step.id, truth], step.scale)?;
    }
    let step = Expr::value(shape.clone(), step);
    Ok(Expr::value(shape.clone(), left).plus(step.times(-1.0)))
}

/// The sign of a divisor.
enum Sign {
    /// One for all.
    All(i32),
    /// 1 or -1 for each element.
    Each(Value),
}

fn sign(cx: &mut Lowering<'_>, node: &Node, b: Value, name: &str) -> Result<Sign, QuantizeError> {
    let interval = cx.interval(b);
    let seen = cx.divisor_range(node.operands[1]);
    if interval.lo >= 0 || seen.lo > 0.0 {
        return Ok(Sign::All(1));
    }
    if interval.hi <= 0 || seen.hi < 0.0 {
        return Ok(Sign::All(-1));
    }
    let b = Expr::value(node.shape.clone(), b);
    let negative = compare::with_zero(cx, node, BinaryFn::Less, &b)?;
    let negative = cx.emit(&negative, 1.0, &format!("{name}.negative"))?;
    let op = Combine { coefficients: vec![-2], constant: 1 };
    let id = cx.push(name, op, &[negative], 1.0)?;
    Ok(Sign::Each(Value { id, scale: 1.0 }))
}

/// A value times a sign.
fn times(cx: &mut Lowering<'_>, x: Value, sign: &Sign, name: &str) -> Result<Value, QuantizeError> {
    let id = match sign {
        Sign::All(1) => return Ok(x),
        Sign::All(sign) => {
            let op = Combine { coefficients: vec![*sign], constant: 0 };
            cx.push(name, op, &[x.id], x.scale)?
        }
        Sign::Each(sign) => cx.push(name, Mul, &[x.id, sign.id], x.scale)?,
    };
    Ok(Value { id, ..x })
}

/// A divisor that is no less than its unit; one that would be is told.
fn at_least_one(cx: &mut Lowering<'_>, b: Value, name: &str) -> Result<Value, QuantizeError> {
    let interval = cx.interval(b);
    if interval.lo >= 1 {
        return Ok(b);
    }
    let hi = interval.hi.max(1);
    let id = cx.push(name, Requantize { shift: 0, lo: 1, hi: narrow(hi) }, &[b.id], b.scale)?;
    cx.builder.guard(id, Interval::new(1, hi));
    Ok(Value { id, ..b })
}
