//! Softmax of long rows, and the logarithm of a sum of powers: by subtraction, without a division.
//!
//! With `d = max x - x` and `l = ln sum exp(-d)` a probability is `exp(-(d + l))`, and `ln sum
//! exp(x)` is `max x + l`. Both are one subtraction and one table for each element, and one
//! logarithm for each row. Errors are those of `d` and `l`, which are rounded to a fixed step, so
//! they grow neither with the length of the rows nor with the scale of the scores; the bits of the
//! powers grow with the length, so that what many small ones add up to is not lost.

use super::reduce;
use super::softmax::Places;
use crate::float::{NodeId, UnaryFn};
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Expr, Value, count, rebuilt};
use crate::quantize::grid::{ceil_log2, pow2};
use crate::quantize::lower::{Hidden, Lowered, Lowering};
use ciro_model::integer::BOUND;
use ciro_model::integer::NodeId as IntegerId;
use ciro_model::integer::ops::{Combine, Lookup, ReduceMax, ReduceSum, Requantize};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// The step of differences and logarithms where probabilities leave the model, as a power of two.
const FINE_STEP: i32 = -10;
/// The same inside the model.
const INNER_STEP: i32 = -8;
/// Bits of probabilities inside the model.
const INNER_BITS: u32 = 13;
/// Logarithms are this many bits finer than differences.
const LOG_BITS: i32 = 4;
/// Scores stay below this, so that a maximum can compare any two differences.
const SCORE_MAX: f64 = (1u32 << 28) as f64;
/// Bits of scores below the step.
const SPARE_BITS: i32 = 12;
/// Bits of powers in sums that are added without splitting.
const SUM_BITS: u32 = 29;
/// Sums of parts are split at this many bits, so that more of them can be added.
const SPLIT_BITS: u32 = 15;
/// Bits of the mantissa of which logarithms are taken, at least.
const MANTISSA_BITS: u32 = 11;
/// Octaves that one table of logarithms spans.
const OCTAVES: u32 = 3;
/// Committed cells of a table entry, and of a clip without a table, about.
const ENTRY_CELLS: u64 = 5;
const CLIP_CELLS: u64 = 250;
/// Committed cells of a rounding lane with a table.
const LANE_CELLS: u64 = 18;
/// Entries that a table may have to spare a clip.
const ENTRIES_MAX: u64 = 1 << 15;

/// Rows of scores relative to their greatest.
struct Rows {
    /// `max x - x` of the elements that count, in units of `scale`.
    below: Value,
    /// The shift from that unit to the step of tables.
    shift: u32,
    /// `max x` of every row, in the scores' own units.
    best: Value,
    /// `ln sum exp(x - max x)` of every row.
    log: Value,
}

/// How finely rows are computed.
struct Precision {
    /// The step of differences.
    step: f64,
    /// Bits of the powers that are added: the greatest is `2^bits`.
    bits: u32,
}

impl Precision {
    fn of(cx: &Lowering<'_>, id: NodeId, columns: usize) -> Self {
        let leaves = cx.demands[id.index()].output;
        let log = u32::try_from(ceil_log2(columns.max(1) as f64)).unwrap_or(0);
        let step = pow2(if leaves { FINE_STEP } else { INNER_STEP });
        Self { step, bits: (14 + log).min(25) }
    }

    /// The distance at which a power rounds to zero.
    fn vanishes(&self) -> f64 {
        f64::from(self.bits + 1) * std::f64::consts::LN_2
    }
}

/// `softmax(x)` of the elements that count.
pub(super) fn softmax(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    hidden: Option<&Hidden>,
    places: &Places,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let name = node.name.clone();
    let precision = Precision::of(cx, id, places.columns);
    let scores = scores(cx, operand, hidden, places, &precision)?;
    let rows = rows(cx, scores, places, &precision, &name)?;
    let leaves = cx.demands[id.index()].output;
    let bits = if leaves { precision.bits } else { INNER_BITS };
    // `d + l` in the finer of both units.
    let (below, log) = (rows.below, rows.log);
    let unit = below.scale.min(log.scale);
    let coefficients = [below.scale, log.scale].map(|s| narrow(round_to_i64((s / unit).round())));
    let stretched = places.stretch(cx, log.id, log.scale, &format!("{name}.log.rows"))?;
    let sum = Combine { coefficients: coefficients.to_vec(), constant: 0 };
    let sum = cx.push(&format!("{name}.exponent"), sum, &[below.id, stretched], unit)?;
    let step = below.scale * pow2(exponent(rows.shift));
    let shift = u32::try_from(ceil_log2(step / unit)).unwrap_or(0);
    let label = if places.kept.is_some() { format!("{name}.kept") } else { name.clone() };
    let power = powers(cx, Value { id: sum, scale: unit }, shift, bits, &label)?;
    let spread = places.spread(cx, power, 0, &format!("{name}.rows"))?;
    Ok(Expr::value(node.shape.clone(), Value { id: spread, scale: power.scale }))
}

/// `ln sum exp(x)` over the last axis.
pub(super) fn log_sum_exp(cx: &mut Lowering<'_>, id: NodeId) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let (operand, hidden, keep) = match cx.lowered(node.operands[0]) {
        Some(Lowered::Masked(inner, keep)) => (*inner, None, Some(keep.clone())),
        Some(Lowered::Hidden(hidden)) => (hidden.inner, Some(*hidden), None),
        _ => (node.operands[0], None, None),
    };
    let shape = &cx.graph.node(node.operands[0]).shape;
    let places = Places::new(cx, shape, keep)?;
    let precision = Precision::of(cx, id, places.columns);
    let scores = scores(cx, operand, hidden.as_ref(), &places, &precision)?;
    let rows = rows(cx, scores, &places, &precision, &node.name)?;
    let origin = rebuilt(&node.shape, vec![scores.origin; count(&node.shape)]);
    let best = Expr::value(node.shape.clone(), rows.best).plus_constant(origin);
    Ok(best.plus(Expr::value(node.shape.clone(), rows.log)))
}

/// Scores as integers, and the score that integer 0 stands for.
#[derive(Clone, Copy)]
struct Scores {
    value: Value,
    origin: f64,
}

/// The scores that count, unrounded where they fit; hidden ones lie further below the others than
/// powers reach.
fn scores(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    hidden: Option<&Hidden>,
    places: &Places,
    precision: &Precision,
) -> Result<Scores, QuantizeError> {
    let name = format!("{}.scores", cx.node().name);
    let mut expr = cx.expr(operand)?;
    if let Some(gather) = places.gather() {
        expr = cx.moved(expr, &gather)?;
    }
    let (expr, grid) = cx.grid(&expr, precision.step)?;
    let mut value = Value { id: cx.emit(&expr, grid.unit, &name)?, scale: grid.unit };
    value = cx.within(value, SCORE_MAX - 1.0)?;
    // Units far below the step serve the rounding of weights alone; with a mask a narrow product is
    // worth more.
    let spare = if hidden.is_some() { 2 } else { SPARE_BITS };
    let shift = (-ceil_log2(value.scale / precision.step) - spare).clamp(0, 24);
    if let Some(shift) = u32::try_from(shift).ok().filter(|&shift| shift > 0) {
        let scale = value.scale * pow2(exponent(shift));
        value = Value { id: cx.shift_right(value.id, shift, scale)?, scale };
    }
    let Some(hidden) = hidden else { return Ok(Scores { value, origin: 0.0 }) };
    let distance = round_to_i64((precision.vanishes() / value.scale).ceil()) + 2;
    let (value, origin) = reduce::above_hidden(cx, value, *hidden, distance)?;
    Ok(Scores { value, origin })
}

/// The rows' greatest scores, what is below them, and the logarithms of the sums of powers.
fn rows(
    cx: &mut Lowering<'_>,
    scores: Scores,
    places: &Places,
    precision: &Precision,
    name: &str,
) -> Result<Rows, QuantizeError> {
    let scores = scores.value;
    let lo = narrow(cx.interval(scores).lo);
    let full = places.spread(cx, scores, lo, &format!("{name}.scores.rows"))?;
    let best = cx.push(&format!("{name}.max"), ReduceMax, &[full], scores.scale)?;
    let stretched = places.stretch(cx, best, scores.scale, &format!("{name}.max.rows"))?;
    let op = Combine { coefficients: vec![-1, 1], constant: 0 };
    let label = format!("{name}.below");
    let below = cx.push(&label, op, &[scores.id, stretched], scores.scale)?;
    let below = Value { id: below, ..scores };
    let shift = u32::try_from((-ceil_log2(scores.scale / precision.step)).clamp(0, 24));
    let (below, shift) = clipped(cx, below, shift.unwrap_or(0), precision, &label)?;
    let powers = powers(cx, below, shift, precision.bits, &format!("{name}.exp"))?;
    let full = places.spread(cx, powers, 0, &format!("{name}.exp.rows"))?;
    let sums = sums(cx, full, precision.bits, &format!("{name}.sum"))?;
    let log_unit = below.scale * pow2(exponent(shift)) * pow2(-LOG_BITS);
    let log = logarithms(cx, &sums, log_unit, name)?;
    Ok(Rows { below, shift, best: Value { id: best, ..scores }, log })
}

/// Differences from 0 to where their powers vanish, and the shift from their unit to the step.
///
/// Interval analysis does not see that a difference to the greatest is never negative, nor does
/// anything need differences beyond which powers are zero. A table of powers covers what is left
/// over where that is cheap; else it is clipped.
fn clipped(
    cx: &mut Lowering<'_>,
    below: Value,
    shift: u32,
    precision: &Precision,
    name: &str,
) -> Result<(Value, u32), QuantizeError> {
    let step = below.scale * pow2(exponent(shift));
    let top = round_to_i64((precision.vanishes() / step).ceil()).max(1);
    let interval = cx.interval(below);
    let entries = (interval.hi.abs_diff(interval.lo) >> shift) + 1;
    let elements = count(&cx.builder.node(below.id).shape) as u64;
    let spared = entries.saturating_sub(top.unsigned_abs()) * ENTRY_CELLS;
    if entries <= ENTRIES_MAX && spared <= LANE_CELLS * elements {
        return Ok((below, shift));
    }
    if entries <= 1 << 20 && entries * ENTRY_CELLS <= CLIP_CELLS * elements {
        let op = Requantize { shift, lo: 0, hi: narrow(top) };
        return Ok((Value { id: cx.push(name, op, &[below.id], step)?, scale: step }, 0));
    }
    // So wide a clip goes step by step, which is cheaper in the finer unit: nothing is divided.
    let op = Requantize { shift: 0, lo: 0, hi: narrow((top << shift).min(interval.hi)) };
    Ok((Value { id: cx.push(name, op, &[below.id], below.scale)?, ..below }, shift))
}

/// `round(2^bits exp(-x))` of `x >> shift`, rounded; below 0, which no difference is, the value at
/// 0.
fn powers(
    cx: &mut Lowering<'_>,
    x: Value,
    shift: u32,
    bits: u32,
    name: &str,
) -> Result<Value, QuantizeError> {
    let step = x.scale * pow2(exponent(shift));
    let exp = UnaryFn::Exp;
    let entry = |q: i64| {
        let power = exp.eval(-(q.max(0) as f64) * step) * pow2(exponent(bits));
        narrow(round_to_i64(power.round_ties_even()))
    };
    let (id, quotient) = (x.id, Requantize { shift, lo: 0, hi: 0 }.quotient(cx.interval(x)));
    let table =
        cx.builder.constant(Tensor::vector((quotient.lo..=quotient.hi).map(entry).collect()));
    let offset = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let op = Lookup { offset, shift, lo: narrow(quotient.lo), table };
    let scale = pow2(-exponent(bits));
    Ok(Value { id: cx.push(name, op, &[id], scale)?, scale })
}

/// Sums of rows in units of `2^-bits`, at least `2^bits`.
struct Sums {
    id: IntegerId,
    bits: u32,
}

/// The exact sums of rows of powers, shifted below 2^30.
fn sums(
    cx: &mut Lowering<'_>,
    powers: IntegerId,
    bits: u32,
    name: &str,
) -> Result<Sums, QuantizeError> {
    let shape = cx.builder.node(powers).shape.clone();
    let (lead, columns) = (&shape[..shape.len() - 1], shape[shape.len() - 1].max(1));
    let total = ceil_log2(columns as f64) + exponent(bits);
    if total < exponent(SUM_BITS) {
        let id = cx.push(name, ReduceSum, &[powers], pow2(-exponent(bits)))?;
        return Ok(Sums { id, bits });
    }
    // Parts of rows whose sums stay below 2^29, split in two, so that all parts can be added.
    let length = 1usize << (SUM_BITS - 1).saturating_sub(bits);
    let parts = columns.div_ceil(length);
    let mut pads = vec![(0, 0); shape.len()];
    pads[shape.len() - 1].1 = parts * length - columns;
    let unit = pow2(-exponent(bits));
    let padded = Movement::Pad { pads, fill: 0 };
    let padded = if parts * length == columns {
        powers
    } else {
        cx.push(&format!("{name}.padded"), padded, &[powers], unit)?
    };
    let split = Movement::Reshape { shape: [lead, &[parts, length]].concat() };
    let split = cx.push_move(split, padded, unit, &format!("{name}.parts"))?;
    let part = cx.push(&format!("{name}.part"), ReduceSum, &[split], unit)?;
    let high_unit = unit * pow2(exponent(SPLIT_BITS));
    let high = cx.shift_right(part, SPLIT_BITS, high_unit)?;
    let low = Combine { coefficients: vec![1, -(1 << SPLIT_BITS)], constant: 0 };
    let low = cx.push(&format!("{name}.low"), low, &[part, high], unit)?;
    let half = 1i32 << (SPLIT_BITS - 1);
    // Interval analysis does not see that what is left is a remainder.
    let low = cx.push(
        &format!("{name}.remainder"),
        Requantize { shift: 0, lo: -half, hi: half },
        &[low],
        unit,
    )?;
    let high = cx.push(&format!("{name}.high"), ReduceSum, &[high], high_unit)?;
    let low = cx.push(&format!("{name}.low.sum"), ReduceSum, &[low], unit)?;
    let shift = u32::try_from(total - exponent(SUM_BITS) + 1).unwrap_or(0);
    if shift > SPLIT_BITS || bits < shift + MANTISSA_BITS {
        return Err(cx.refuse(Refusal::NoRoom));
    }
    let scale = unit * pow2(exponent(shift));
    let low = cx.shift_right(low, shift, scale)?;
    let both = Combine { coefficients: vec![1 << (SPLIT_BITS - shift), 1], constant: 0 };
    Ok(Sums { id: cx.push(name, both, &[high, low], scale)?, bits: bits - shift })
}

/// `ln(sum / 2^bits)` in units of `unit`.
///
/// Octaves are taken three at a time: what a sum has within them, no less and no more, goes through
/// one table, and the logarithms add up.
fn logarithms(
    cx: &mut Lowering<'_>,
    sums: &Sums,
    unit: f64,
    name: &str,
) -> Result<Value, QuantizeError> {
    let most = cx.builder.node(sums.id).interval.hi.max(1) as f64;
    let octaves = u32::try_from(ceil_log2(most) - exponent(sums.bits)).unwrap_or(0).max(1);
    let span = octaves.min(OCTAVES);
    let mantissa = MANTISSA_BITS.min(sums.bits);
    let (lo, hi) = (1i64 << mantissa, 1i64 << (mantissa + span));
    let entry = |q: i64| {
        let log = UnaryFn::Log.eval(q as f64 / lo as f64) / unit;
        narrow(round_to_i64(log.round_ties_even()))
    };
    let table = cx.builder.constant(Tensor::vector((lo..=hi).map(entry).collect()));
    let mut parts = vec![];
    for first in (0..octaves).step_by(span as usize) {
        let shift = sums.bits - mantissa + first;
        let op = Requantize { shift, lo: narrow(lo), hi: narrow(hi) };
        let within = cx.push(&format!("{name}.sum.octaves"), op, &[sums.id], 1.0)?;
        let op = Lookup { offset: 0, shift: 0, lo: narrow(lo), table };
        parts.push(cx.push(&format!("{name}.log.octaves"), op, &[within], unit)?);
    }
    let id = match parts[..] {
        [only] => only,
        _ => {
            let op = Combine { coefficients: vec![1; parts.len()], constant: 0 };
            cx.push(&format!("{name}.log"), op, &parts, unit)?
        }
    };
    debug_assert!(cx.builder.node(id).interval.max_abs() < BOUND);
    Ok(Value { id, scale: unit })
}
