//! Functions by rank: tables whose steps follow the function instead of its variable.
//!
//! A table of equal steps resolves a logarithm, a reciprocal or a saturating function badly: where
//! the function is steep its steps are too coarse, where it is flat they are wasted. Ranks among
//! sorted boundaries have steps of any width, so the boundaries are laid where the function has
//! changed by a given amount, whatever the range of the variable is, and the value of a rank is
//! looked up.

use super::steps::{BOUNDARIES_MAX, Domain, PROBES, RELATIVE, Steps, images, single};
use super::{features, input, zoom};
use crate::float::{ElementType, NodeId, Op, ScalarFn};
use crate::quantize::calibrate::Range;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count};
use crate::quantize::grid::{pow2, step_at_least};
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::Parts;
use crate::quantize::steep::TOLERABLE;
use ciro_model::integer::ops::{Bucketize, Lookup};
use ciro_model::integer::{Interval, ordered_image, room};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// A step of the variable that moves the function by more than this part of its range is too
/// coarse.
pub(super) const TOO_COARSE: f64 = 1.0 / 512.0;

/// Whether a table of equal steps would be too coarse for a function on the range that was seen.
pub(super) fn too_coarse(
    cx: &Lowering<'_>,
    id: NodeId,
    (seen, step): (Range, f64),
    f: &dyn Fn(f64) -> f64,
) -> bool {
    let width = cx.ranges[id.index()].width();
    if seen.lo >= seen.hi || width <= 0.0 {
        return false;
    }
    let change = |x: f64| (f((x + 0.5 * step).min(seen.hi)) - f(x.max(seen.lo))).abs();
    let changes = probes(seen).map(change);
    changes.filter(|change| change.is_finite()).fold(0.0, f64::max)
        > TOO_COARSE * width * pow2(-exponent(cx.effort(id)))
}

/// Where a function is probed on the range that was seen: steep parts lie at an end or at zero more
/// often than not.
pub(super) fn probes(seen: Range) -> impl Iterator<Item = f64> {
    let linear =
        (0..=PROBES).map(move |i| seen.lo + seen.width() * f64::from(i) / f64::from(PROBES));
    let near =
        move |end: f64, sign: f64| (1..=32).map(move |i| end + sign * seen.width() * pow2(-i));
    let ends = near(seen.lo, 1.0).chain(near(seen.hi, -1.0));
    let zero = near(0.0, 1.0).chain(near(0.0, -1.0)).filter(move |&x| x > seen.lo && x < seen.hi);
    linear.chain(ends).chain(zero)
}

/// A function of an input, perhaps moved, by the order-preserving images of float32; `None` where
/// equal steps will do.
pub(super) fn of_input(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    f: &ScalarFn,
) -> Result<Option<Expr>, QuantizeError> {
    let Some((index, movements)) = features::of_input(cx.graph, operand) else {
        return Ok(None);
    };
    let seen = cx.ranges[operand.index()];
    let step = seen.width() * pow2(1 - exponent(input::bits(cx, index)));
    let real = |x: f64| f.eval(x);
    let parts = Parts::of(f);
    if cx.graph.inputs[index].element_type != ElementType::Float
        || cx.truths.get(index) == Some(&true)
        || cx.missing.columns(index).is_some()
        || !(parts.are_steps() || too_coarse(cx, id, (seen, step), &real))
    {
        return Ok(None);
    }
    let domain = images(&parts);
    let at = |x: f64| ordered_image(single(x));
    let Some(steps) = Steps::of(cx, id, &domain, (seen, &at), &real) else { return Ok(None) };
    let elements = count(&cx.graph.node(id).shape);
    let mut x = input::ordered(cx, index)?;
    let flat = Movement::Reshape { shape: vec![elements, 1, 2] };
    let name = format!("{}.images", cx.graph.node(id).name);
    for movement in movements.into_iter().chain([flat]) {
        x = cx.push_move(movement, x, 1.0, &name)?;
    }
    let steep = steps.steep(cx, id, &domain, true);
    steps.emit(cx, id, (x, true), &steep).map(Some)
}

/// A function of an expression, as fine as integers hold it; `None` where too many boundaries would
/// be needed.
pub(super) fn of(
    cx: &mut Lowering<'_>,
    id: NodeId,
    expr: &Expr,
    seen: Range,
    f: &dyn Fn(f64) -> f64,
) -> Result<Option<Expr>, QuantizeError> {
    let name = format!("{}.operand", cx.graph.node(id).name);
    let x = cx.plain(expr, room::RANKED as f64, &name)?;
    if let Some(zoomed) = zoom::of(cx, id, expr, (x, seen), f)? {
        return Ok(Some(zoomed));
    }
    let all = cx.interval(x);
    let parts = match &cx.graph.node(id).op {
        Op::Unary(f) => Parts::of(f),
        _ => Parts::default(),
    };
    let value = |q: i64| q as f64 * x.scale;
    let domain = Domain::of(all, &value, &parts);
    let at = |real: f64| round_to_i64((real / x.scale).round()).clamp(all.lo, all.hi);
    let Some(steps) = Steps::of(cx, id, &domain, (seen, &at), f) else { return Ok(None) };
    let elements = count(&cx.graph.node(id).shape);
    let flat = Movement::Reshape { shape: vec![elements, 1] };
    let x = cx.push_move(flat, x.id, x.scale, &format!("{name}.column"))?;
    let steep = steps.steep(cx, id, &domain, false);
    steps.emit(cx, id, (x, false), &steep).map(Some)
}

/// Bits of each part of an inverse.
const INVERSE_BITS: u32 = 13;

/// What a divisor was at calibration.
#[derive(Clone, Copy)]
pub(super) struct Divisor {
    /// Its magnitude, more than 0.
    pub(super) magnitude: Range,
    /// Whether it had both signs.
    pub(super) both: bool,
}

/// `1 / expr` to a part of itself, whatever the magnitude is, as `[high, low]`, whose sum it is;
/// `None` where the divisor spans too many octaves. A divisor of one sign is positive.
///
/// The divisor may leave its magnitude by a factor of 2, and what does is counted. Nearer to zero
/// than it has been, where it has both signs, it is told.
pub(super) fn inverse(
    cx: &mut Lowering<'_>,
    expr: &Expr,
    divisor: Divisor,
) -> Result<Option<[Value; 2]>, QuantizeError> {
    let name = cx.node().name.clone();
    let x = cx.plain(expr, room::RANKED as f64, &format!("{name}.divisor"))?;
    let all = cx.interval(x);
    let most = if divisor.both { all.max_abs() } else { all.hi };
    let unit = |real: f64| round_to_i64((real / x.scale).round()).clamp(all.lo.max(1), most.max(1));
    let Range { lo, hi } = divisor.magnitude;
    let beyond = 2.0 * cx.stretch;
    let Some(steps) = Octaves::of([unit(lo / beyond), unit(hi * beyond)], divisor.both) else {
        return Ok(None);
    };
    let top = 1.0 / (steps.first as f64 * x.scale);
    let scale = step_at_least(1.0, top * pow2(-2 * exponent(INVERSE_BITS)));
    let whole = steps.inverses.iter().map(|q| round_to_i64((q / x.scale / scale).round()));
    let parts = whole.map(|inverse| {
        let high = (inverse + (1 << (INVERSE_BITS - 1))) >> INVERSE_BITS;
        (narrow(high), narrow(inverse - (high << INVERSE_BITS)))
    });
    let (high, low): (Vec<i32>, Vec<i32>) = parts.unzip();
    let shape = expr.shape.clone();
    let column = Movement::Reshape { shape: vec![count(&shape), 1] };
    let x = cx.push_move(column, x.id, x.scale, &format!("{name}.divisor.column"))?;
    // What half a unit is too much of is uncertain, wherever samples have been.
    let certain = round_to_i64((0.5 / TOLERABLE).ceil());
    let (end, steep) = (steps.end(), steps.nearer(unit(lo).max(certain)));
    let least = if divisor.both { -steps.last } else { steps.first };
    let cuts = all.lo < least || all.hi > steps.last;
    let bucketize = Bucketize { boundaries: vec![steps.boundaries], limbs: false };
    let ranks = cx.push(&format!("{name}.divisor.ranks"), bucketize, &[x], 1.0)?;
    let ranks = cx.push_move(
        Movement::Reshape { shape },
        ranks,
        1.0,
        &format!("{name}.divisor.ranks.shaped"),
    )?;
    let mut parts = vec![];
    for (table, scale) in [(high, scale * pow2(exponent(INVERSE_BITS))), (low, scale)] {
        let table = cx.builder.constant(Tensor::vector(table));
        let op = Lookup { offset: 0, shift: 0, lo: 0, table };
        let id = cx.push(&format!("{name}.inverse"), op, &[ranks], scale)?;
        parts.push(Value { id, scale });
    }
    // The ends stand for what lies within, and a little beyond.
    let inside = Interval::new(1.min(end), (end - 1).max(1.min(end)));
    if cuts {
        cx.builder.guard(parts[0].id, inside);
    }
    cx.builder.steep(parts[0].id, steep.into_iter().collect());
    Ok(parts.try_into().ok())
}

/// Steps of a divisor that are no wider than a part of it.
struct Octaves {
    /// The least and the greatest magnitude.
    first: i64,
    last: i64,
    /// The last integers of all steps but the last.
    boundaries: Vec<i64>,
    /// The inverse of each step's middle; 0 for the step around zero.
    inverses: Vec<f64>,
    /// The greatest integers of the steps of positive divisors, if there are others.
    positive: Option<Vec<i64>>,
}

impl Octaves {
    /// The steps from one magnitude to another, of divisors of `both` signs coarser ones where
    /// there would be too many; `None` if there are too many still.
    fn of([first, last]: [i64; 2], both: bool) -> Option<Self> {
        let (widths, most) = match both {
            false => (&[1.0][..], BOUNDARIES_MAX),
            true => (&[1.0, 2.0][..], BOUNDARIES_MAX / 2 - 1),
        };
        let steps = widths.iter().find_map(|width| {
            let (mut steps, mut from) = (vec![], first);
            while from <= last {
                let to = round_to_i64(from as f64 * (1.0 + 2.0 * width * RELATIVE));
                let to = to.max(from).min(last);
                steps.push((from, to));
                if steps.len() > most {
                    return None;
                }
                from = to + 1;
            }
            Some(steps)
        })?;
        let inverse = |&(from, to): &(i64, i64)| 2.0 / (from as f64 + to as f64);
        let mut boundaries: Vec<i64> = steps.iter().map(|step| step.1).collect();
        let mut inverses: Vec<f64> = steps.iter().map(inverse).collect();
        let positive = both.then(|| boundaries.clone());
        if both {
            let ends = steps.iter().rev().map(|step| -step.0);
            boundaries = ends.chain([first - 1]).chain(boundaries).collect();
            let negative = inverses.iter().rev().map(|inverse| -inverse);
            inverses = negative.chain([0.0]).chain(inverses.iter().copied()).collect();
        }
        // What is greater than the last takes the last.
        boundaries.pop();
        Some(Self { first, last, boundaries, inverses, positive })
    }

    /// The greatest rank.
    fn end(&self) -> i64 {
        i64::try_from(self.boundaries.len()).unwrap_or(i64::MAX)
    }

    /// The ranks of divisors that are nearer to zero than a magnitude, if there are any on both
    /// sides of it.
    fn nearer(&self, magnitude: i64) -> Option<Interval> {
        let positive = self.positive.as_ref()?;
        let near = i64::try_from(positive.partition_point(|&to| to < magnitude)).ok()?;
        let zero = self.end() / 2;
        Some(Interval::new(zero - near, zero + near))
    }
}

/// Whether it is a value's own magnitude that its rounding has to be small beside, as something
/// divides by it or takes its logarithm, and whether that has been found to matter.
pub(super) fn relative(cx: &Lowering<'_>, id: NodeId) -> bool {
    cx.effort(id) > 0 && cx.extra_bits[id.index()] > 1
}
