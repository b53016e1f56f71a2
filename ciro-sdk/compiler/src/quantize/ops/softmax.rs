//! Softmax over the last axis.

use std::sync::Arc;

use super::steps::{Domain, Steps};
use super::{divide, log_sum};
use crate::float::NodeId;
use crate::quantize::calibrate::Range;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Expr, Value, count};
use crate::quantize::grid::{QUOTIENT_BITS_MAX, ceil_log2, pow2};
use crate::quantize::lower::{Lowered, Lowering};
use crate::quantize::scalar::Parts;
use crate::quantize::target::Target;
use ciro_model::integer::NodeId as IntegerId;
use ciro_model::integer::ops::{Combine, DivFloor, Lookup, Mul, ReduceMax, ReduceSum, Requantize};
use ciro_model::integer::room;
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// The greatest score whose distance from the greatest of its row is compared.
const DIFFERING: f64 = (room::COMPARED / 2 - 1) as f64;
/// Bits of sums of powers, where powers are as fine as ranks.
const SUM_BITS: i32 = 28;
/// Bits of `exp` and of probabilities that leave the model.
const FINE_BITS: u32 = 14;
/// The same inside the model, where weights of an average need less.
const INNER_BITS: u32 = 12;
/// Tensors of at most this many elements clamp differences first: a smaller table is worth more.
const FEW: usize = 1 << 12;
/// Tensors of at most this many elements may be clamped at full width, which costs more limbs.
const WIDE: usize = 64;
/// Scores in a range of this width are as fine as they need be when they are rounded as they are.
const FAR: f64 = 32.0;
/// Rows from this length on are normalized by subtraction: quotients of sums of many powers leave
/// no room.
const LONG: usize = 64;
/// Entries of a table of `exp` whose operand is rounded for it alone, as a power of two.
const TABLE_BITS: u32 = 14;

/// The elements of a softmax: all of them, or those that no mask hides, one after the other.
pub(super) struct Places {
    shape: Vec<usize>,
    pub(super) columns: usize,
    /// Row-major positions of the elements that count; `None` for all.
    pub(super) kept: Option<Vec<u32>>,
}

/// `exp(x - max x) / sum exp(x - max x)`: the sum is computed, never assumed.
///
/// Elements behind a mask are wired to zero after the exponential, so that nothing is computed for
/// them. Probabilities that leave the model are rounded quotients; inside, each row's sum is
/// inverted once and multiplied.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let (operand, keep, hidden) = match cx.lowered(node.operands[0]) {
        Some(Lowered::Masked(inner, keep)) => (*inner, Some(keep.clone()), None),
        Some(Lowered::Hidden(hidden)) => (hidden.inner, None, Some(*hidden)),
        _ => (node.operands[0], None, None),
    };
    let places = Places::new(cx, &node.shape, keep)?;
    let leaves = cx.demands[id.index()].output;
    if hidden.is_some() || places.columns > LONG || (leaves && places.columns == LONG) {
        return log_sum::softmax(cx, id, operand, hidden.as_ref(), &places);
    }
    if cx.effort(id) > 0
        && places.kept.is_none()
        && let Some(fine) = fine(cx, id, operand, &places)?
    {
        return Ok(fine);
    }
    let name = node.name.clone();
    let bits = if leaves { FINE_BITS } else { INNER_BITS };
    let far = cx.range(operand).width() > FAR && count(&node.shape) <= WIDE;
    let differences = if far && bits == FINE_BITS && places.kept.is_none() {
        exact_differences(cx, operand, &places, bits)?
    } else {
        let scores = scores(cx, operand, &places, bits)?;
        differences(cx, scores, &places, bits)?
    };
    let powers = powers(cx, differences, bits, &format!("{name}.exp"))?;
    let rows = places.spread(cx, powers, 0, &format!("{name}.exp.rows"))?;
    let sums = cx.push(&format!("{name}.sum"), ReduceSum, &[rows], 1.0)?;
    let quotient = if leaves {
        quotients(cx, powers, sums, &places, bits)?
    } else {
        products(cx, powers, sums, &places, bits)?
    };
    let scale = pow2(-exponent(bits));
    let spread = places.spread(cx, Value { id: quotient, scale }, 0, &format!("{name}.rows"))?;
    Ok(Expr::value(node.shape.clone(), Value { id: spread, scale }))
}

/// Probabilities that differ by little: powers and the inverse of their sum as finely as ranks
/// resolve them, and the product of both; `None` where they are too many.
fn fine(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    places: &Places,
) -> Result<Option<Expr>, QuantizeError> {
    let node = cx.graph.node(id);
    let name = &node.name;
    let scores = cx.wide(operand, DIFFERING)?;
    let mut below = below_greatest(cx, scores, scores.id, places, name)?;
    let op = Requantize { shift: 0, lo: narrow(cx.interval(below).lo.min(0)), hi: 0 };
    below.id = cx.push(&format!("{name}.below"), op, &[below.id], below.scale)?;
    let unit = pow2(ceil_log2(places.columns as f64) - SUM_BITS);
    let exp = |x: f64| crate::float::UnaryFn::Exp.eval(x);
    let Some(powers) = resolved(cx, (id, 0), below, &exp) else { return Ok(None) };
    let powers = powers.plainly(cx, (below, unit), &|_| false)?;
    let sum = cx.push(&format!("{name}.sum"), ReduceSum, &[powers.id], unit)?;
    // The greatest alone adds 1.
    let (one, hi) = (narrow(round_to_i64(unit.recip())), cx.builder.node(sum).interval.hi);
    let op = Requantize { shift: 0, lo: one, hi: narrow(hi).max(one) };
    let sum = cx.push(&format!("{name}.sum"), op, &[sum], unit)?;
    let Some(inverse) = resolved(cx, (id, 1), Value { id: sum, scale: unit }, &f64::recip) else {
        return Ok(None);
    };
    let inverse =
        inverse.plainly(cx, (Value { id: sum, scale: unit }, pow2(-SUM_BITS)), &|_| false)?;
    let rows = places.stretch(cx, inverse.id, inverse.scale, &format!("{name}.inverse.rows"))?;
    let factors = [powers, Value { id: rows, ..inverse }];
    cx.times(factors, (1, cx.effort(id))).map(Some)
}

/// The steps of a function on all that its integers may be, as fine as the softmax is worth.
fn resolved(
    cx: &Lowering<'_>,
    (id, which): (NodeId, u64),
    x: Value,
    f: &dyn Fn(f64) -> f64,
) -> Option<Steps> {
    let all = cx.interval(x);
    let value = |q: i64| q as f64 * x.scale;
    let domain = Domain::of(all, &value, &Parts::default());
    let ends = [all.lo, all.hi].map(|q| q as f64 * x.scale);
    let at = |real: f64| round_to_i64((real / x.scale).round()).clamp(all.lo, all.hi);
    let (seen, kept) = (Range::of(&ends), Range { lo: 0.0, hi: 1.0 });
    Steps::within(cx, (id, &[which], kept), &domain, (seen, &at), f)
}

impl Places {
    pub(super) fn new(
        cx: &Lowering<'_>,
        shape: &[usize],
        keep: Option<Arc<Vec<bool>>>,
    ) -> Result<Self, QuantizeError> {
        let columns = shape.last().copied().unwrap_or(1).max(1);
        let kept = match keep {
            None => None,
            Some(keep) => {
                if keep.chunks(columns).any(|row| !row.contains(&true)) {
                    return Err(cx.refuse(Refusal::MaskedRow));
                }
                let kept = (0u32..).zip(keep.iter()).filter(|(_, keep)| **keep);
                Some(kept.map(|(at, _)| at).collect())
            }
        };
        Ok(Self { shape: shape.to_vec(), columns, kept })
    }

    /// The elements that count, out of a tensor of the softmax's shape.
    pub(super) fn gather(&self) -> Option<Movement<f64>> {
        let kept = self.kept.as_ref()?;
        Some(Movement::Index { shape: vec![kept.len()], indices: kept.clone() })
    }

    /// Puts the elements that count back into rows, `fill` everywhere else.
    pub(super) fn spread(
        &self,
        cx: &mut Lowering<'_>,
        x: Value,
        fill: i32,
        name: &str,
    ) -> Result<IntegerId, QuantizeError> {
        let Some(kept) = &self.kept else { return Ok(x.id) };
        let hidden = u32::try_from(kept.len()).expect("import bounds elements");
        let mut indices = vec![hidden; count(&self.shape)];
        for (&at, source) in kept.iter().zip(0..) {
            indices[at as usize] = source;
        }
        let fill = cx.constant(Tensor::vector(vec![fill]), x.scale, &format!("{name}.hidden"))?;
        let movement = Movement::Index { shape: self.shape.clone(), indices };
        cx.push(name, movement, &[x.id, fill], x.scale)
    }

    /// Repeats one value a row for every element that counts.
    pub(super) fn stretch(
        &self,
        cx: &mut Lowering<'_>,
        rows: IntegerId,
        scale: f64,
        name: &str,
    ) -> Result<IntegerId, QuantizeError> {
        let (shape, indices) = match &self.kept {
            Some(kept) => (vec![kept.len()], kept.clone()),
            None => {
                let elements = u32::try_from(count(&self.shape)).expect("import bounds elements");
                (self.shape.clone(), (0..elements).collect())
            }
        };
        let columns = u32::try_from(self.columns).expect("import bounds elements");
        let indices = indices.into_iter().map(|at| at / columns).collect();
        cx.push(name, Movement::Index { shape, indices }, &[rows], scale)
    }
}

/// `x - max x` of scores that have not been rounded, at the step that the table of `exp` is worth.
///
/// However far apart the scores are, only those near the greatest count, and so it is their
/// distance from it that is rounded.
fn exact_differences(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    places: &Places,
    bits: u32,
) -> Result<Value, QuantizeError> {
    let name = cx.node().name.clone();
    let scores = cx.wide(operand, DIFFERING)?;
    let difference = below_greatest(cx, scores, scores.id, places, &name)?;
    let interval = cx.interval(scores);
    let span = (interval.hi - interval.lo) as f64 * scores.scale;
    let span = span.min(f64::from(bits + 2) * std::f64::consts::LN_2);
    let wanted = ceil_log2(span * pow2(-exponent(TABLE_BITS)) / scores.scale);
    let shift = u32::try_from(wanted.clamp(0, 24)).unwrap_or(0);
    let scale = scores.scale * pow2(exponent(shift));
    let lo = narrow(-round_to_i64((span / scale).ceil()).max(1));
    let op = Requantize { shift, lo, hi: 0 };
    Ok(Value { id: cx.push(&format!("{name}.difference"), op, &[difference.id], scale)?, scale })
}

/// The scores less the greatest of their row.
fn below_greatest(
    cx: &mut Lowering<'_>,
    scores: Value,
    rows: IntegerId,
    places: &Places,
    name: &str,
) -> Result<Value, QuantizeError> {
    let best = cx.push(&format!("{name}.max"), ReduceMax, &[rows], scores.scale)?;
    let best = places.stretch(cx, best, scores.scale, &format!("{name}.max.rows"))?;
    let op = Combine { coefficients: vec![1, -1], constant: 0 };
    let label = format!("{name}.difference");
    Ok(Value { id: cx.push(&label, op, &[scores.id, best], scores.scale)?, ..scores })
}

/// The scores that count, as integers of a step at which `exp` is resolved.
fn scores(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    places: &Places,
    bits: u32,
) -> Result<Value, QuantizeError> {
    let expr = cx.expr(operand)?;
    let expr = match places.gather() {
        Some(gather) => cx.moved(expr, &gather)?,
        None => expr,
    };
    let extra = if bits == FINE_BITS { 2 } else { 0 };
    let bits = (cx.settings.table_bits + extra).min(QUOTIENT_BITS_MAX);
    let target = Target { range: cx.range(operand), bits, clip: None, own: true };
    let name = format!("{}.scores", cx.node().name);
    let value = cx.round_to(&expr, &target, &name)?;
    if cx.interval(value).hi.abs_diff(cx.interval(value).lo) < 1 << (QUOTIENT_BITS_MAX - 1) {
        return Ok(value);
    }
    cx.within(value, f64::from(1 << (QUOTIENT_BITS_MAX - 2)))
}

/// `x - max x`, at most 0.
fn differences(
    cx: &mut Lowering<'_>,
    scores: Value,
    places: &Places,
    bits: u32,
) -> Result<Value, QuantizeError> {
    let name = cx.node().name.clone();
    let interval = cx.interval(scores);
    let rows = places.spread(cx, scores, narrow(interval.lo), &format!("{name}.scores.rows"))?;
    let value = below_greatest(cx, scores, rows, places, &name)?;
    let (id, label) = (value.id, format!("{name}.difference"));
    // From here down `exp` rounds to zero.
    let vanishes = f64::from(bits + 2) * std::f64::consts::LN_2 / scores.scale;
    let vanishes = -round_to_i64(vanishes.ceil()).max(1);
    let elements = count(&cx.builder.node(id).shape);
    let wide = cx.interval(value).hi.abs_diff(cx.interval(value).lo) >= 1 << QUOTIENT_BITS_MAX;
    if elements > FEW && !wide {
        return Ok(value);
    }
    let lo = narrow(vanishes.max(interval.lo - interval.hi));
    let op = Requantize { shift: 0, lo, hi: 0 };
    Ok(Value { id: cx.push(&label, op, &[id], scores.scale)?, ..scores })
}

/// `exp(x)` with `bits` bits at 0; above 0, which no difference reaches, the value at 0.
fn powers(cx: &mut Lowering<'_>, x: Value, bits: u32, name: &str) -> Result<Value, QuantizeError> {
    let interval = cx.interval(x);
    let exp = crate::float::UnaryFn::Exp;
    let entry = |q: i64| {
        let power = exp.eval(q.min(0) as f64 * x.scale) * pow2(exponent(bits));
        narrow(round_to_i64(power.round_ties_even()))
    };
    let table = (interval.lo..=interval.hi).map(entry).collect();
    let table = cx.builder.constant(Tensor::vector(table));
    let scale = pow2(-exponent(bits));
    let op = Lookup { offset: 0, shift: 0, lo: narrow(interval.lo), table };
    Ok(Value { id: cx.push(name, op, &[x.id], scale)?, scale })
}

/// `round(2^bits e / s)`.
fn quotients(
    cx: &mut Lowering<'_>,
    powers: Value,
    sums: IntegerId,
    places: &Places,
    bits: u32,
) -> Result<IntegerId, QuantizeError> {
    let name = cx.node().name.clone();
    let sums = clamped(cx, sums, bits, 0, &name)?;
    let twice = Combine { coefficients: vec![2], constant: 0 };
    let bottom = cx.push(&format!("{name}.divisor"), twice, &[sums], 0.5)?;
    let bottom = places.stretch(cx, bottom, 0.5, &format!("{name}.divisor.rows"))?;
    let sums = places.stretch(cx, sums, 1.0, &format!("{name}.sum.rows"))?;
    let top = Combine { coefficients: vec![1 << (bits + 1), 1], constant: 0 };
    let top = cx.push(&format!("{name}.dividend"), top, &[powers.id, sums], 1.0)?;
    let label = label(places, &name);
    cx.push(&label, DivFloor, &[top, bottom], pow2(-exponent(bits)))
}

/// `e * round(C / s)`, shifted to `bits` bits.
fn products(
    cx: &mut Lowering<'_>,
    powers: Value,
    sums: IntegerId,
    places: &Places,
    bits: u32,
) -> Result<IntegerId, QuantizeError> {
    let name = cx.node().name.clone();
    let most = cx.builder.node(sums).interval.hi as f64;
    let shift = (ceil_log2(most + 1.0) - exponent(QUOTIENT_BITS_MAX)).max(0);
    let shift = u32::try_from(shift).unwrap_or(0).min(bits - 4);
    let sums = clamped(cx, sums, bits, shift, &name)?;
    let scale = powers.scale * pow2(exponent(shift));
    let inverse = divide::invert(cx, Value { id: sums, scale }, 28 - bits, &name)?;
    let inverse_rows =
        places.stretch(cx, inverse.id, inverse.scale, &format!("{name}.inverse.rows"))?;
    let scale = powers.scale * inverse.scale;
    let product = cx.push(&format!("{name}.product"), Mul, &[powers.id, inverse_rows], scale)?;
    let shift = ceil_log2(pow2(-exponent(bits)) / scale);
    let shift = u32::try_from(shift).map_err(|_| cx.refuse(Refusal::NoRoom))?;
    let op = Requantize { shift, lo: 0, hi: 1 << bits };
    cx.push(&label(places, &name), op, &[product], pow2(-exponent(bits)))
}

/// The sums, shifted, and never below what the greatest element alone adds.
fn clamped(
    cx: &mut Lowering<'_>,
    sums: IntegerId,
    bits: u32,
    shift: u32,
    name: &str,
) -> Result<IntegerId, QuantizeError> {
    let quotient = Requantize { shift, lo: 0, hi: 0 }.quotient(cx.builder.node(sums).interval);
    let lo = (1i64 << bits) >> shift;
    let op = Requantize { shift, lo: narrow(lo), hi: narrow(quotient.hi.max(lo)) };
    cx.push(&format!("{name}.sum"), op, &[sums], pow2(exponent(shift)))
}

/// The node's own name goes to the tensor of its shape.
fn label(places: &Places, name: &str) -> String {
    if places.kept.is_some() { format!("{name}.kept") } else { name.to_owned() }
}
