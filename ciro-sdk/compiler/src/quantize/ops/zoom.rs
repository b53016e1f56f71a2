//! Functions of sums that span more magnitudes than one integer holds.
//!
//! A variance or a square of values of many magnitudes, read by a root, a logarithm or a quotient,
//! decides by its last bits near zero and by its first ones far from it. Such a sum is computed
//! twice: as wide as it gets, and near zero in a unit that is some thousand times finer, beyond
//! which it is cut. One table for each gives the function: the fine one where the sum is near zero,
//! and there the other adds nothing.

use super::ranked;
use super::steps::{Domain, Steps};
use crate::float::NodeId;
use crate::quantize::calibrate::Range;
use crate::quantize::casts::round_to_i64;
use crate::quantize::emit::exponent;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value};
use crate::quantize::grid::{Lattice, Reach, pow2, step_at_least};
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::Parts;
use ciro_model::integer::ops::{Combine, Requantize};
use ciro_model::integer::{BOUND, room};

/// By how many bits the unit near zero is finer, at most and at least.
const FINER: (u32, u32) = (6, 15);
/// Bits of what is near zero.
const NEAR_BITS: u32 = 28;

/// A function of an expression in two tables, where one integer is too coarse for it and that has
/// been found to matter.
pub(super) fn of(
    cx: &mut Lowering<'_>,
    id: NodeId,
    expr: &Expr,
    (far, seen): (Value, Range),
    f: &dyn Fn(f64) -> f64,
) -> Result<Option<Expr>, QuantizeError> {
    if cx.effort(id) == 0 || !ranked::too_coarse(cx, id, (seen, far.scale), f) {
        return Ok(None);
    }
    let Some((near, end)) = near_zero(cx, expr, far.scale)? else { return Ok(None) };
    let range = cx.range(id);
    let kept = |x: f64| {
        let y = f(x);
        if y.is_nan() { y } else { y.clamp(range.lo, range.hi) }
    };
    let inside = |x: f64| kept(x.clamp(-end, end));
    let beyond = |x: f64| kept(x) - inside(x);
    let anything = Range { lo: -f64::MAX / 4.0, hi: f64::MAX / 4.0 };
    let is_cut = |x: f64| (f(x) - kept(x)).abs() > 0.0;
    let (cut_near, cut_far) =
        (|x: f64| x.abs() <= end && is_cut(x), |x: f64| x.abs() > end && is_cut(x));
    let near = Part { x: near, seen: seen.clamp(-end, end), f: &inside, is_cut: &cut_near };
    let far = Part { x: far, seen, f: &beyond, is_cut: &cut_far };
    let mut sum = Expr { shape: expr.shape.clone(), terms: vec![], offset: None };
    // Besides the node, both depend on where they meet and on the range that values are cut to.
    let shared = [end, range.lo, range.hi].map(f64::to_bits);
    for (part, Part { x, seen, f, is_cut }) in (0..).zip([near, far]) {
        let all = cx.interval(x);
        let value = |q: i64| q as f64 * x.scale;
        let domain = Domain::of(all, &value, &Parts::default());
        let at = |real: f64| round_to_i64((real / x.scale).round()).clamp(all.lo, all.hi);
        let which = [&[part][..], &shared].concat();
        let steps = Steps::within(cx, (id, &which, anything), &domain, (seen, &at), f);
        let Some(steps) = steps else { return Ok(None) };
        let least = steps.most() * pow2(1 - exponent(NEAR_BITS));
        let scale = step_at_least(1.0, (range.width() * pow2(-exponent(cx.bits(id)))).max(least));
        let value = steps.plainly(cx, (x, scale), is_cut)?;
        sum = sum.plus(Expr::value(expr.shape.clone(), value));
    }
    Ok(Some(sum))
}

/// A sum, what it was at calibration, and what is added for it.
struct Part<'f> {
    x: Value,
    seen: Range,
    f: &'f dyn Fn(f64) -> f64,
    /// Whether the function's value was cut to its range.
    is_cut: &'f dyn Fn(f64) -> bool,
}

/// A sum in a unit finer than `far`, cut where it is far from zero, and up to where it is exact;
/// `None` where its parts do not allow it.
fn near_zero(
    cx: &mut Lowering<'_>,
    expr: &Expr,
    far: f64,
) -> Result<Option<(Value, f64)>, QuantizeError> {
    let expr = cx.apart(expr.clone(), 1)?;
    let lattice = Lattice::of(&expr);
    for bits in (FINER.0..=FINER.1).rev() {
        let finest = if lattice.exact { lattice.base } else { 0.0 };
        let unit = step_at_least(lattice.base, (far * pow2(-exponent(bits))).max(finest));
        if unit >= far * pow2(-exponent(FINER.0)) {
            return Ok(None);
        }
        let [upper, lower] = halves(&expr, unit, bits);
        let coarse = unit * pow2(exponent(bits));
        let fits =
            |expr: &Expr, unit: f64| Reach::of(expr, &cx.builder).units(unit) < BOUND as f64 / 2.0;
        if !fits(&upper, coarse) || !fits(&lower, unit) {
            continue;
        }
        return joined(cx, (&upper, &lower), unit, bits).map(Some);
    }
    Ok(None)
}

/// The expression with every number as `2^bits a + b` units: that of all `a`, and that of all `b`.
fn halves(expr: &Expr, unit: f64, bits: u32) -> [Expr; 2] {
    let coarse = unit * pow2(exponent(bits));
    let upper = move |x: f64| (x / unit / pow2(exponent(bits))).round_ties_even() * coarse;
    let lower = move |x: f64| (x / unit).round_ties_even() * unit - upper(x);
    [expr.clone().mapped(&upper), expr.clone().mapped(&lower)]
}

/// `upper + lower`, cut where it leaves the window that integers of `unit` hold.
fn joined(
    cx: &mut Lowering<'_>,
    (upper, lower): (&Expr, &Expr),
    unit: f64,
    bits: u32,
) -> Result<(Value, f64), QuantizeError> {
    let name = format!("{}.near", cx.node().name);
    let coarse = unit * pow2(exponent(bits));
    let upper = cx.emit(upper, coarse, &format!("{name}.upper"))?;
    let lower = Value { id: cx.emit(lower, unit, &format!("{name}.lower"))?, scale: unit };
    let [carry, rest] = cx.split(lower, bits)?;
    let total = Combine { coefficients: vec![1, 1], constant: 0 };
    let total = cx.push(&format!("{name}.total"), total, &[upper, carry.id], coarse)?;
    let window = 1i32 << (NEAR_BITS - bits);
    let op = Requantize { shift: 0, lo: -window, hi: window };
    let inside = cx.push(&format!("{name}.inside"), op, &[total], coarse)?;
    let sum = Combine { coefficients: vec![1 << bits, 1], constant: 0 };
    let id = cx.push(&name, sum, &[inside, rest.id], unit)?;
    Ok((Value { id, scale: unit }, f64::from(window - 1) * coarse))
}

/// A sum that is cut to a window near zero, in a unit that is finer than its reach allows, where
/// that has been found to matter.
pub(super) fn clipped(
    cx: &mut Lowering<'_>,
    id: NodeId,
    expr: &Expr,
    kept: Range,
) -> Result<Option<Value>, QuantizeError> {
    let (_, far) = match cx.effort(id) {
        0 => return Ok(None),
        _ => cx.finest_unit(expr, room::RANKED as f64)?,
    };
    let fine = kept.width() * pow2(-exponent(cx.bits(id)));
    if expr.terms.is_empty() || kept.max_abs().is_infinite() || far <= fine {
        return Ok(None);
    }
    let near = near_zero(cx, expr, far)?;
    Ok(near.filter(|&(_, end)| kept.max_abs() < end).map(|(value, _)| value))
}
