//! Functions by table.

use std::ops::RangeInclusive;

use super::ranked;
use crate::float::NodeId;
use crate::quantize::calibrate::Range;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Expr, Value, count, rebuilt, uniform};
use crate::quantize::grid::{Lattice, QUOTIENT_BITS_MAX, Reach, pow2, step_at_least};
use crate::quantize::lower::Lowering;
use crate::quantize::steep::{self, Steepness};
use crate::quantize::target::Clamp;
use ciro_model::integer::ops::{Combine, Lookup, Requantize};
use ciro_model::integer::{BOUND, ConstId, Interval, NodeId as IntegerId};
use ciro_model::tensor::Tensor;

/// Tables of operands whose integers are all beyond this are counted from their first entry.
const FAR: i64 = 1 << 18;

/// `f` of an expression whose values were inside `seen` at calibration.
///
/// Entry `q` is `f(q * step)` in double precision, rounded half to even at the output's scale. The
/// table covers every quotient that interval analysis allows; where that would make it more than
/// four times as large as what was seen, the operand is clamped to the calibrated range, with its
/// margin, first.
pub(super) fn of(
    cx: &mut Lowering<'_>,
    id: NodeId,
    expr: &Expr,
    seen: Range,
    f: &dyn Fn(f64) -> f64,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let reach = Reach::of(expr, &cx.builder).range;
    let lattice = Lattice::of(expr);
    let seen = if seen.lo > seen.hi { reach } else { seen };
    let wanted = seen.widen(cx.settings.margin).clamp(reach.lo, reach.hi);
    let effort = cx.effort(id).max(cx.effort(node.operands[0]));
    let steep = cx.extra_bits[node.operands[0].index()] + effort;
    let output = u32::from(cx.demands[id.index()].output);
    let bits = (cx.settings.table_bits + output.max(steep)).min(QUOTIENT_BITS_MAX);
    let width = [wanted.width(), wanted.max_abs(), 1.0]
        .into_iter()
        .find(|width| *width > 0.0)
        .expect("1 is positive");
    let least =
        (width * pow2(-exponent(bits))).max(reach.width() * pow2(-exponent(QUOTIENT_BITS_MAX)));
    let mut step = step_at_least(lattice.base, least);
    if lattice.exact && lattice.fixed {
        step = step.max(lattice.base);
    }
    if (ranked::relative(cx, id) || ranked::too_coarse(cx, id, (seen, step), f))
        && let Some(ranked) = ranked::of(cx, id, expr, seen, f)?
    {
        return Ok(ranked);
    }
    let (expr, grid) = cx.grid(expr, step)?;
    let step = grid.step();
    let direct = reach.width() / step
        < pow2(exponent((cx.settings.table_bits + steep.max(2)).min(QUOTIENT_BITS_MAX)));
    let cell = if direct && grid.shift == 0 { 0.0 } else { 0.5 * step };
    let (operand, shift) = if direct {
        (
            Value { id: cx.emit(&expr, grid.unit, &format!("{}.sum", node.name))?, scale: step },
            grid.shift,
        )
    } else {
        let clamp = Clamp::seen(wanted, Some(not_flat(cx, id, wanted, reach, f)));
        (cx.finish(&expr, grid, Some(clamp), &format!("{}.operand", node.name))?, 0)
    };
    let offset = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let interval = cx.interval(operand);
    let quotient = Requantize { shift, lo: 0, hi: 0 }.quotient(interval);
    let values = entries(cx, (quotient.lo, quotient.hi), step, seen, f)?;
    if let Some(value) = uniform(&Tensor::vector(values.clone())) {
        let constant = vec![value; count(&node.shape)];
        return Ok(Expr::constant(rebuilt(&node.shape, constant)));
    }
    let at = |x: f64| {
        let q = round_to_i64((x / step).round()).clamp(quotient.lo, quotient.hi);
        usize::try_from(q - quotient.lo).unwrap_or(0)
    };
    let hull = at(seen.lo)..=at(seen.hi);
    let steep = match Steepness::of(cx, id, false) {
        Some(known) => {
            let entries = (quotient.lo..=quotient.hi).map(|q| q as f64 * step).zip(&values);
            entries.map(|(x, &y)| known.uncertain(x - cell, x + cell, y)).collect()
        }
        None => vec![],
    };
    let told = Told { values: &values, hull, steep: &steep };
    let op = Lookup { offset, shift, lo: narrow(quotient.lo), table: ConstId(0) };
    emit(cx, id, operand.id, &told, &op)
}

/// The values of a table, and the positions of those that were seen.
pub(super) struct Told<'v> {
    pub(super) values: &'v [f64],
    pub(super) hull: RangeInclusive<usize>,
    /// Which values may be wrong, as the function is steeper there than it was seen; empty for
    /// none.
    pub(super) steep: &'v [bool],
}

/// A table with its values rounded, and what tells where it cuts; `op.table` is filled in.
pub(super) fn emit(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: IntegerId,
    told: &Told<'_>,
    op: &Lookup,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let (operand, op) = &near(cx, operand, op)?;
    let operand = *operand;
    let (values, first) = (told.values, i64::from(op.lo));
    let hull = Range::of(&values[told.hull.clone()]);
    let (scale, table) = round(cx, id, values, hull)?;
    let kept = kept_entries(values, &table, scale, told.hull.clone());
    let cuts = |at: usize| (values[at] - f64::from(table[at]) * scale).abs() > scale;
    let last = i64::try_from(values.len()).unwrap_or(i64::MAX) - 1;
    if !told.hull.clone().any(cuts) {
        let op = Lookup { table: cx.builder.constant(Tensor::vector(table)), ..*op };
        let value = Value { id: cx.push(&node.name, op, &[operand], scale)?, scale };
        if kept != Interval::new(0, last) {
            cx.builder.guard(value.id, Interval::new(first + kept.lo, first + kept.hi));
        }
        cx.builder.steep(value.id, steep::runs(told.steep, first));
        return Ok(Expr::value(cx.builder.node(value.id).shape.clone(), value));
    }
    // It cuts between variables that were seen, so that no interval of them tells where: the values
    // do.
    let (least, most) = (table.iter().min().copied(), table.iter().max().copied());
    let (least, most) = (least.unwrap_or(0), most.unwrap_or(0));
    let beyond = (0..values.len()).map(|at| match cuts(at) {
        true if values[at] > f64::from(table[at]) * scale => most + 1,
        true => least - 1,
        false => table[at],
    });
    let beyond = cx.builder.constant(Tensor::vector(beyond.collect()));
    let name = format!("{}.value", node.name);
    let op = Lookup { table: beyond, ..*op };
    let value = cx.push(&name, op, &[operand], scale)?;
    cx.builder.steep(value, steep::runs(told.steep, first));
    let clamp = Requantize { shift: 0, lo: least, hi: most };
    let value = Value { id: cx.push(&node.name, clamp, &[value], scale)?, scale };
    cx.builder.guard(value.id, Interval::new(least.into(), most.into()));
    Ok(Expr::value(cx.builder.node(value.id).shape.clone(), value))
}

/// The operand counted from the first entry, where it lies so far from zero that a table which
/// holds zero too would be too large.
fn near(
    cx: &mut Lowering<'_>,
    operand: IntegerId,
    op: &Lookup,
) -> Result<(IntegerId, Lookup), QuantizeError> {
    let Interval { lo, hi } = op.quotient(cx.builder.node(operand).interval);
    if lo.max(-hi) < FAR || hi.abs_diff(lo) > Lookup::MAX_ENTRIES as u64 {
        return Ok((operand, op.clone()));
    }
    let (name, scale) = (cx.node().name.clone(), cx.builder.node(operand).scale);
    let first = i64::from(op.lo) << op.shift;
    let moved = Combine { coefficients: vec![1], constant: narrow(-first) };
    let operand = cx.push(&format!("{name}.near"), moved, &[operand], scale)?;
    Ok((operand, Lookup { lo: 0, ..*op }))
}

/// The part of `reach` outside which `f` stays what it is at the ends of `wanted`, to a unit of the
/// result: what a clamp of the operand cuts there, the function cuts itself.
fn not_flat(
    cx: &Lowering<'_>,
    id: NodeId,
    wanted: Range,
    reach: Range,
    f: &dyn Fn(f64) -> f64,
) -> Range {
    const PROBES: i32 = 16;
    let tolerance = cx.range(id).width() * pow2(-exponent(cx.bits(id)));
    let flat = |from: f64, to: f64| {
        let at = |probe: i32| from + (to - from) * f64::from(probe) / f64::from(PROBES);
        (1..=PROBES).all(|probe| (f(at(probe)) - f(from)).abs() <= tolerance)
    };
    Range {
        lo: if flat(wanted.lo, reach.lo) { wanted.lo } else { reach.lo },
        hi: if flat(wanted.hi, reach.hi) { wanted.hi } else { reach.hi },
    }
}

/// The longest run of positions within `hull`, and on around it, whose entries are the function's
/// values, not those at the end of the calibrated range.
pub(super) fn kept_entries(
    values: &[f64],
    table: &[i32],
    scale: f64,
    hull: RangeInclusive<usize>,
) -> Interval {
    let kept = |at: usize| (values[at] - f64::from(table[at]) * scale).abs() <= scale;
    let last = values.len() - 1;
    let (mut best, mut length, mut run) = (*hull.start(), 0, 0);
    for at in hull {
        run = if kept(at) { run + 1 } else { 0 };
        if run > length {
            (best, length) = (at, run);
        }
    }
    let lo = (0..=best).rev().take_while(|&at| kept(at)).last().unwrap_or(best);
    let hi = (best..=last).take_while(|&at| kept(at)).last().unwrap_or(best);
    let position = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    Interval::new(position(lo), position(hi))
}

/// The function's values; outside its domain, and outside what was seen, the nearest finite one.
fn entries(
    cx: &Lowering<'_>,
    (lo, hi): (i64, i64),
    step: f64,
    seen: Range,
    f: &dyn Fn(f64) -> f64,
) -> Result<Vec<f64>, QuantizeError> {
    let mut values: Vec<f64> = (lo..=hi).map(|q| f(q as f64 * step)).collect();
    for (q, value) in (lo..=hi).zip(&values) {
        let x = q as f64 * step;
        if !value.is_finite() && x - step > seen.lo && x + step < seen.hi {
            return Err(cx.refuse(Refusal::NotFinite { at: x.to_string() }));
        }
    }
    let finite: Vec<usize> = (0..values.len()).filter(|&i| values[i].is_finite()).collect();
    let (Some(&first), Some(&last)) = (finite.first(), finite.last()) else {
        return Err(cx.refuse(Refusal::NotFinite { at: seen.lo.to_string() }));
    };
    let mut known = values[first];
    for value in &mut values[..last] {
        known = if value.is_finite() { *value } else { known };
        *value = known;
    }
    let (edge, tail) = (values[last], last + 1..values.len());
    values[tail].fill(edge);
    Ok(values)
}

/// The output's scale and the rounded entries; integers stay what they are.
///
/// What the function takes between variables that were seen, `hull`, is kept too where that costs
/// no more than a bit.
pub(super) fn round(
    cx: &Lowering<'_>,
    id: NodeId,
    values: &[f64],
    hull: Range,
) -> Result<(f64, Vec<i32>), QuantizeError> {
    let range = cx.range(id);
    let whole = |&v: &f64| (v - v.round()).abs() == 0.0 && v.abs() < (1u32 << 20) as f64;
    if values.iter().all(whole) {
        return Ok((1.0, values.iter().map(|&v| narrow(round_to_i64(v))).collect()));
    }
    let reached = Range::of(values);
    let kept = if range.lo > range.hi { reached } else { range.clamp(reached.lo, reached.hi) };
    let width = [kept.width(), kept.max_abs(), 1.0]
        .into_iter()
        .find(|width| *width > 0.0)
        .expect("1 is positive");
    let mut scale = step_at_least(1.0, width * pow2(-exponent(cx.bits(id))));
    let kept = with_hull(kept, hull);
    while kept.max_abs() / scale >= BOUND as f64 / 2.0 {
        scale *= 2.0;
    }
    let entry = |&v: &f64| {
        let v = v.clamp(kept.lo, kept.hi);
        narrow(round_to_i64((v / scale).round_ties_even()))
    };
    Ok((scale, values.iter().map(entry).collect()))
}

/// A range with as much of `hull` as makes it at most twice as wide on each side.
pub(super) fn with_hull(range: Range, hull: Range) -> Range {
    let width = range.width();
    if hull.lo > hull.hi || width <= 0.0 {
        return range;
    }
    range.union(hull.clamp(range.lo - width, range.hi + width))
}
