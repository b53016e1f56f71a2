//! Inputs: how real numbers come in.

use crate::float::{ElementType, NodeId, Op};
use crate::quantize::calibrate::Range;
use crate::quantize::calibrate::table_rows;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Value, count, rebuilt, uniform};
use crate::quantize::grid::{ceil_log2, pow2, step_at_least};
use crate::quantize::lower::Lowering;
use ciro_model::integer::ops::{Bucketize, Requantize};
use ciro_model::integer::{BOUND, Encoding, Interval, NodeId as IntegerId, ordered_image};

/// Rows of at most this many elements are encoded more finely: they cost little, and tabular data
/// wants it.
const SMALL_ROW: usize = 64;

/// The most bits of an input.
const BITS_MAX: u32 = 26;

/// Columns get scales of their own if their magnitudes differ by more than this factor.
const UNLIKE: f64 = 4.0;
/// The most columns with scales of their own: each is part of the model key.
const COLUMNS_MAX: usize = 512;

/// The integer view of an input that arithmetic reads.
///
/// Floats get a power-of-two scale and headroom beyond the calibrated range; integers stay what
/// they are, inside the rows of the table that they index.
pub(in crate::quantize) fn view(
    cx: &mut Lowering<'_>,
    id: NodeId,
    index: usize,
) -> Result<Expr, QuantizeError> {
    let input = &cx.graph.inputs[index];
    let shape = input.shape.clone();
    let range = cx.ranges[id.index()];
    if let Some(missing) = cx.missing.columns(index) {
        let missing = missing.to_vec();
        return imputed(cx, index, &missing);
    }
    let is_truth = cx.truths.get(index) == Some(&true);
    let encoding = match &input.element_type {
        ElementType::Text(dictionary) => Encoding::Text(dictionary.as_ref().clone()),
        ElementType::Integer if is_truth => Encoding::Integer { lo: 0, hi: 1 },
        ElementType::Float if is_truth => affine(1.0, 0.0, 1.0),
        ElementType::Bool => Encoding::Integer { lo: 0, hi: 1 },
        ElementType::Integer => match table_rows(cx.graph, index) {
            Some((_, rows)) => {
                let rows = i64::try_from(rows).unwrap_or(i64::MAX);
                let lo = if range.lo < 0.0 { -rows } else { 0 };
                Encoding::Integer { lo: narrow(lo), hi: narrow(rows - 1) }
            }
            None => {
                if range.max_abs() >= BOUND as f64 {
                    let (lo, hi) = (round_to_i64(range.lo), round_to_i64(range.hi));
                    return Err(cx.refuse(Refusal::WideIntegers { lo, hi }));
                }
                let range = range.widen(cx.settings.input_headroom);
                let (lo, hi) = (round_to_i64(range.lo.floor()), round_to_i64(range.hi.ceil()));
                Encoding::Integer { lo: narrow(lo.min(0)), hi: narrow(hi.max(1)) }
            }
        },
        ElementType::Float => {
            if let Some(expr) = offset_columns(cx, index)? {
                return Ok(expr);
            }
            let bits = bits(cx, index);
            if let Some((encoding, scales)) = by_column(cx, index, bits) {
                let factors = scales.iter().copied().cycle().take(count(&shape)).collect();
                let factors = rebuilt(&shape, factors);
                let x = cx.view(index, encoding)?;
                return Ok(Expr::core(shape, Core::Scaled { x, factors }));
            }
            let range = range.widen(cx.settings.input_headroom);
            let width = if range.width() > 0.0 { range.width() } else { 2.0 };
            let scale = step_at_least(1.0, width * pow2(-exponent(bits)));
            let (lo, hi) = match range.width() > 0.0 {
                true => (range.lo, range.hi),
                false => (-1.0, 1.0),
            };
            affine(scale, lo / scale, hi / scale)
        }
    };
    let scale = encoding.scale();
    Ok(Expr::value(shape, Value { id: cx.view(index, encoding)?, scale }))
}

/// The bits of a float input's interval.
pub(in crate::quantize) fn bits(cx: &Lowering<'_>, index: usize) -> u32 {
    let shape = &cx.graph.inputs[index].shape;
    let row = shape.last().copied().unwrap_or(1);
    let small = row <= SMALL_ROW && count(shape) <= 16 * SMALL_ROW;
    let bits = cx.settings.input_bits.unwrap_or(if small { 14 } else { 12 });
    let node = cx.graph.iter().find(|(_, node)| node.op == Op::Input { index });
    let effort = node.map_or(0, |(id, _)| cx.effort(id));
    let most = BITS_MAX - u32::try_from(ceil_log2(cx.stretch)).unwrap_or(0);
    (bits + effort).min(bits.max(most))
}

/// The encoding with one scale for each column, and the scales, if the columns are unlike each
/// other.
///
/// Each scale resolves the column's greatest magnitude to `bits` bits; one bit more is left for
/// values beyond it. Only rows of tabular data are so encoded: for images and sequences, columns
/// are places and not features.
fn by_column(cx: &Lowering<'_>, index: usize, bits: u32) -> Option<(Encoding, Vec<f64>)> {
    let columns = &cx.columns[index];
    if columns.len() != count(&cx.graph.inputs[index].shape) || columns.len() > COLUMNS_MAX {
        return None;
    }
    let magnitudes: Vec<f64> = columns.iter().map(|range| range.max_abs()).collect();
    let most = magnitudes.iter().copied().fold(0.0, f64::max);
    // A column of zeros says nothing about its magnitude.
    let least = magnitudes.iter().copied().filter(|&m| m > 0.0).fold(most, f64::min);
    if most <= UNLIKE * least {
        return None;
    }
    let scale = |&magnitude: &f64| {
        let magnitude = if magnitude > 0.0 { magnitude } else { most };
        step_at_least(1.0, magnitude * pow2(-exponent(bits)))
    };
    let scales: Vec<f64> = magnitudes.iter().map(scale).collect();
    let bound = bound(cx, bits);
    let negative = columns.iter().any(|range| range.lo < 0.0);
    let lo = if negative { -bound } else { 0 };
    Some((Encoding::Columns { scales: scales.clone(), lo, hi: bound }, scales))
}

/// What integers of `bits` bits reach beyond calibration.
fn bound(cx: &Lowering<'_>, bits: u32) -> i32 {
    1 << (exponent(bits) + 1 + ceil_log2(cx.stretch)).clamp(0, 29)
}

/// The view of an input that may miss values, for arithmetic: they count as what the model's
/// imputer puts for them.
fn imputed(
    cx: &mut Lowering<'_>,
    index: usize,
    missing: &[Option<f64>],
) -> Result<Expr, QuantizeError> {
    let shape = cx.graph.inputs[index].shape.clone();
    let bits = bits(cx, index);
    let ranges: Vec<Range> = cx.columns[index]
        .iter()
        .zip(missing)
        .map(|(range, value)| range.union(Range::of(value.as_slice())))
        .collect();
    let most = ranges.iter().map(|range| range.max_abs()).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let row = ranges.len() == count(&shape) && ranges.len() <= COLUMNS_MAX;
    let scale = |range: &Range| {
        let own = if row && range.max_abs() > 0.0 { range.max_abs() } else { most };
        step_at_least(1.0, own * pow2(-exponent(bits)))
    };
    let scales: Vec<f64> = ranges.iter().map(scale).collect();
    let bound = bound(cx, bits);
    let lo = if ranges.iter().any(|range| range.lo < 0.0) { -bound } else { 0 };
    let integer = |(value, scale): (&Option<f64>, &f64)| {
        value.map(|value| {
            let (lo, hi) = (i64::from(lo), i64::from(bound));
            narrow(round_to_i64((value / scale).round_ties_even()).clamp(lo, hi))
        })
    };
    let missing = missing.iter().zip(&scales).map(integer).collect();
    let factors = rebuilt(&shape, scales.iter().copied().cycle().take(count(&shape)).collect());
    let x = cx.view(index, Encoding::Imputed { scales, missing, lo, hi: bound })?;
    let core = match uniform(&factors) {
        Some(factor) => Core::Value { x, factor },
        None => Core::Scaled { x, factors },
    };
    Ok(Expr::core(shape, core))
}

/// Columns whose values vary by less than this part of their magnitude (times stamps, years) are
/// counted from their least.
const OFFSET: f64 = 1.0 / 64.0;
/// The most numbers that such columns distinguish, all together, as a power of two.
const OFFSET_BITS: u32 = 16;

/// Columns far from zero as ranks among equal steps: range, not magnitude, gets the bits.
///
/// The ranks are those of exact float32 images. What lies outside the calibrated range, with its
/// headroom, is cut, and counted.
fn offset_columns(cx: &mut Lowering<'_>, index: usize) -> Result<Option<Expr>, QuantizeError> {
    let shape = cx.graph.inputs[index].shape.clone();
    let columns = cx.columns[index].clone();
    let offset = |c: &Range| c.width() > 0.0 && c.width() < OFFSET * c.max_abs();
    if columns.len() != count(&shape)
        || columns.len() > SMALL_ROW
        || !columns.iter().any(offset)
        || !columns.iter().all(|c| c.lo <= c.hi && c.max_abs() < f64::from(f32::MAX))
    {
        return Ok(None);
    }
    let log = u32::try_from(ceil_log2(columns.len() as f64)).unwrap_or(0);
    let bits = bits(cx, index).min(OFFSET_BITS - log);
    let (mut boundaries, mut factors, mut origins) = (vec![], vec![], vec![]);
    for column in &columns {
        let range = column.widen(cx.settings.input_headroom);
        let width = if range.width() > 0.0 { range.width() } else { 1.0 };
        let step = width * pow2(-exponent(bits));
        let image = |x: f64| ordered_image(single(x));
        let mut edges: Vec<i64> =
            (0..=1i32 << bits).map(|i| image(range.lo + f64::from(i) * step)).collect();
        edges.dedup();
        // Where float32 is coarser than the step, ranks are not equally far apart.
        if edges.len() <= 1 << bits {
            return Ok(None);
        }
        boundaries.push(edges);
        factors.push(step);
        origins.push(range.lo - 0.5 * step);
    }
    let name = format!("{}.ranks", cx.graph.inputs[index].name);
    let x = ordered(cx, index)?;
    let x = cx.push(&name, Bucketize { boundaries, limbs: true }, &[x], 1.0)?;
    let inside = Requantize { shift: 0, lo: 1, hi: narrow(1i64 << bits) };
    let kept = Interval::new(1, 1i64 << bits);
    let x = cx.push(&format!("{name}.inside"), inside, &[x], 1.0)?;
    cx.builder.guard(x, kept);
    let core = Core::Scaled { x, factors: rebuilt(&shape, factors) };
    Ok(Some(Expr::core(shape.clone(), core).plus_constant(rebuilt(&shape, origins))))
}

#[expect(clippy::cast_possible_truncation, reason = "inputs are encoded as float32")]
fn single(x: f64) -> f32 {
    x as f32
}

/// The view of an input that is rounded to integers of a given scale at once (`QuantizeLinear` of
/// an input).
pub(super) fn rounded(
    cx: &mut Lowering<'_>,
    index: usize,
    scale: f64,
    (lo, hi): (f64, f64),
) -> Result<IntegerId, QuantizeError> {
    cx.view(index, affine(scale, lo, hi))
}

/// The view as order-preserving images, with one of its own for missing values where there may be
/// some: for what compares, and knows what to make of that image.
pub(super) fn compared(cx: &mut Lowering<'_>, index: usize) -> Result<IntegerId, QuantizeError> {
    match cx.missing.columns(index) {
        Some(_) => cx.view(index, Encoding::OrderedOrMissing),
        None => ordered(cx, index),
    }
}

/// The view as order-preserving images of numbers.
pub(super) fn ordered(cx: &mut Lowering<'_>, index: usize) -> Result<IntegerId, QuantizeError> {
    cx.view(index, Encoding::Ordered)
}

fn affine(scale: f64, lo: f64, hi: f64) -> Encoding {
    let (lo, hi) = (narrow(round_to_i64(lo.floor())), narrow(round_to_i64(hi.ceil())));
    Encoding::Affine { scale, lo, hi }
}
