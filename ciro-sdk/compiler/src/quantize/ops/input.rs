//! Inputs: how real numbers come in.

use crate::float::{ElementType, NodeId};
use crate::quantize::calibrate::table_rows;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Value, count, rebuilt};
use crate::quantize::grid::{pow2, step_at_least};
use crate::quantize::lower::Lowering;
use ciro_model::integer::{BOUND, Encoding, NodeId as IntegerId};

/// Rows of at most this many elements are encoded more finely: they cost little, and tabular data wants it.
const SMALL_ROW: usize = 64;

/// Columns get scales of their own if their magnitudes differ by more than this factor.
const UNLIKE: f64 = 4.0;
/// The most columns with scales of their own: each is part of the model key.
const COLUMNS_MAX: usize = 512;

/// The integer view of an input that arithmetic reads.
///
/// Floats get a power-of-two scale and headroom beyond the calibrated range; integers stay what they are, inside the rows of
/// the table that they index.
pub(in crate::quantize) fn view(
    cx: &mut Lowering<'_>,
    id: NodeId,
    index: usize,
) -> Result<Expr, QuantizeError> {
    let input = &cx.graph.inputs[index];
    let shape = input.shape.clone();
    let range = cx.ranges[id.index()];
    let is_truth = cx.truths.get(index) == Some(&true);
    let encoding = match input.element_type {
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
            let row = input.shape.last().copied().unwrap_or(1);
            let small = row <= SMALL_ROW && count(&input.shape) <= 16 * SMALL_ROW;
            let bits = cx.settings.input_bits.unwrap_or(if small { 14 } else { 12 });
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

/// The encoding with one scale for each column, and the scales, if the columns are unlike each other.
///
/// Each scale resolves the column's greatest magnitude to `bits` bits; one bit more is left for values beyond it. Only rows of tabular data
/// are so encoded: for images and sequences, columns are places and not features.
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
    let bound = 1 << (bits + 1);
    let negative = columns.iter().any(|range| range.lo < 0.0);
    let lo = if negative { -bound } else { 0 };
    Some((Encoding::Columns { scales: scales.clone(), lo, hi: bound }, scales))
}

/// The view of an input that is rounded to integers of a given scale at once (`QuantizeLinear` of an input).
pub(super) fn rounded(
    cx: &mut Lowering<'_>,
    index: usize,
    scale: f64,
    (lo, hi): (f64, f64),
) -> Result<IntegerId, QuantizeError> {
    cx.view(index, affine(scale, lo, hi))
}

/// The view as order-preserving images, which only trees read.
pub(super) fn ordered(cx: &mut Lowering<'_>, index: usize) -> Result<IntegerId, QuantizeError> {
    cx.view(index, Encoding::Ordered)
}

fn affine(scale: f64, lo: f64, hi: f64) -> Encoding {
    let (lo, hi) = (narrow(round_to_i64(lo.floor())), narrow(round_to_i64(hi.ceil())));
    Encoding::Affine { scale, lo, hi }
}
