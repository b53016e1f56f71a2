//! Functions by rank: tables whose steps follow the function instead of its variable.
//!
//! A table of equal steps resolves a logarithm, a reciprocal or a saturating function badly: where
//! the function is steep its steps are too coarse, where it is flat they are wasted. Ranks among
//! sorted boundaries have steps of any width, so the boundaries are laid where the function has
//! changed by a given amount, whatever the range of the variable is, and the value of a rank is
//! looked up.

use std::ops::RangeInclusive;

use super::walk::{Tolerance, Walk};
use super::{features, input, table};
use crate::float::{ElementType, NodeId, Op, ScalarFn};
use crate::quantize::calibrate::Range;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count, rebuilt, uniform};
use crate::quantize::grid::{pow2, step_at_least};
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::{Break, Parts};
use crate::quantize::steep::Steepness;
use ciro_model::integer::ops::{Bucketize, Lookup};
use ciro_model::integer::{
    ConstId, Interval, NodeId as IntegerId, ORDERED_IMAGE_MAX, ordered_image, room,
};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// A step of the variable that moves the function by more than this part of its range is too
/// coarse.
const TOO_COARSE: f64 = 1.0 / 512.0;
/// The most boundaries of one function.
const BOUNDARIES_MAX: usize = 1 << 14;
/// The least and the most bits that the function's range is resolved to.
const BITS: (u32, u32) = (12, 13);
/// How far a value may be off, as a part of itself, where that is what matters.
const RELATIVE: f64 = 1.0 / 2048.0;
/// A step is at most this part of the range that was seen, or of all.
const STRIDES: i64 = 256;
/// Where a function is probed.
const PROBES: u32 = 256;

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
    // Steep parts lie at an end or at zero more often than not: probes are dense there.
    let linear = (0..=PROBES).map(|i| seen.lo + seen.width() * f64::from(i) / f64::from(PROBES));
    let near =
        |end: f64, sign: f64| (1..=32).map(move |i| end + sign * (seen.hi - seen.lo) * pow2(-i));
    let ends = near(seen.lo, 1.0).chain(near(seen.hi, -1.0));
    let zero = near(0.0, 1.0).chain(near(0.0, -1.0)).filter(|&x| x > seen.lo && x < seen.hi);
    let change = |x: f64| (f((x + 0.5 * step).min(seen.hi)) - f(x.max(seen.lo))).abs();
    let changes = linear.chain(ends).chain(zero).map(change);
    changes.filter(|change| change.is_finite()).fold(0.0, f64::max)
        > TOO_COARSE * width * pow2(-exponent(cx.effort(id)))
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
    let all = Interval::new(-ORDERED_IMAGE_MAX, ORDERED_IMAGE_MAX);
    let value = |image: i64| f64::from(float32(image));
    let domain = Domain::of(all, &value, &parts);
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

/// `1 / |expr|` to a part of itself, whatever the magnitude is, as `[high, low]`, whose sum it is;
/// `None` where the divisor spans too many octaves.
///
/// The range is that of the divisor's magnitude; it may leave it by a factor of 2, and what does is
/// counted.
pub(super) fn inverse(
    cx: &mut Lowering<'_>,
    expr: &Expr,
    range: Range,
) -> Result<Option<[Value; 2]>, QuantizeError> {
    let name = cx.node().name.clone();
    let x = cx.plain(expr, room::RANKED as f64, &format!("{name}.divisor"))?;
    let all = cx.interval(x);
    let unit =
        |real: f64| round_to_i64((real / x.scale).round()).clamp(all.lo.max(1), all.hi.max(1));
    let (first, last) = (unit(0.5 * range.lo), unit(2.0 * range.hi));
    // The boundaries are the last integers of steps, the first of which holds all that is too
    // small.
    let (mut boundaries, mut middles) = (vec![], vec![]);
    let mut from = first;
    while from <= last {
        let to = round_to_i64(from as f64 * (1.0 + 2.0 * RELATIVE)).max(from).min(last);
        middles.push(0.5 * (from as f64 + to as f64));
        boundaries.push(to);
        if boundaries.len() > BOUNDARIES_MAX {
            return Ok(None);
        }
        from = to + 1;
    }
    // What is greater than the last takes the last.
    boundaries.pop();
    let top = 1.0 / (first as f64 * x.scale);
    let scale = step_at_least(1.0, top * pow2(-2 * exponent(INVERSE_BITS)));
    let whole = middles.iter().map(|q| round_to_i64((1.0 / (q * x.scale) / scale).round()));
    let parts = whole.map(|inverse| {
        let high = (inverse + (1 << (INVERSE_BITS - 1))) >> INVERSE_BITS;
        (narrow(high), narrow(inverse - (high << INVERSE_BITS)))
    });
    let (high, low): (Vec<i32>, Vec<i32>) = parts.unzip();
    let shape = expr.shape.clone();
    let column = Movement::Reshape { shape: vec![count(&shape), 1] };
    let x = cx.push_move(column, x.id, x.scale, &format!("{name}.divisor.column"))?;
    let end = i64::try_from(boundaries.len()).unwrap_or(i64::MAX);
    let bucketize = Bucketize { boundaries: vec![boundaries], limbs: false };
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
    if all.lo < first || all.hi > last {
        cx.builder.guard(parts[0].id, inside);
    }
    Ok(parts.try_into().ok())
}

/// Integers, in order, and the variable's value at each.
struct Domain<'a> {
    all: Interval,
    value: &'a dyn Fn(i64) -> f64,
    /// The last integers of the function's parts, but for the last part.
    cuts: Vec<i64>,
    /// Whether the function is a number within each part.
    steps: bool,
}

impl<'a> Domain<'a> {
    fn of(all: Interval, value: &'a dyn Fn(i64) -> f64, parts: &Parts<'_>) -> Self {
        let last = |part: &Break| {
            let before = |q: i64| {
                let x = value(q);
                x < part.at || (part.included && x <= part.at)
            };
            let (mut last, mut beyond) = (all.lo - 1, all.hi + 1);
            while beyond - last > 1 {
                let middle = last.midpoint(beyond);
                *(if before(middle) { &mut last } else { &mut beyond }) = middle;
            }
            last
        };
        let mut cuts: Vec<i64> = parts.breaks.iter().map(last).collect();
        cuts.retain(|cut| (all.lo..all.hi).contains(cut));
        cuts.dedup();
        Self { all, value, cuts, steps: parts.are_steps() }
    }

    /// The end of the part that begins at an integer.
    fn end_of_part(&self, from: i64) -> i64 {
        let next = self.cuts.partition_point(|&cut| cut < from);
        self.cuts.get(next).copied().unwrap_or(self.all.hi)
    }
}

/// Boundaries, and the function's value between them.
struct Steps {
    boundaries: Vec<i64>,
    values: Vec<f64>,
    /// The positions among the values of the range that was seen.
    seen: RangeInclusive<usize>,
}

impl Steps {
    fn of(
        cx: &Lowering<'_>,
        id: NodeId,
        domain: &Domain<'_>,
        (seen, at): (Range, &dyn Fn(f64) -> i64),
        f: &dyn Fn(f64) -> f64,
    ) -> Option<Self> {
        if domain.steps {
            return Self::exact(domain, (seen, at), f);
        }
        // Whole numbers stay whole: the middle of a step that a tolerance allows is none.
        if cx.whole[id.index()] {
            return None;
        }
        let finest = cx.bits(id).clamp(BITS.0, BITS.1 + cx.effort(id));
        let coarsest = finest.min(BITS.0) - 2;
        let width = cx.range(id).width();
        let resolved = |tolerance| Self::resolved(cx.range(id), tolerance, domain, (seen, at), f);
        let absolute = |bits| width * pow2(-exponent(bits));
        if relative(cx, id) {
            let absolute = absolute(cx.bits(id));
            let steps = resolved(Tolerance { absolute, relative: RELATIVE });
            if steps.is_some() {
                return steps;
            }
        }
        let at_bits = |bits| resolved(Tolerance { absolute: absolute(bits), relative: 0.0 });
        // Every bit doubles the number of steps, about.
        let coarse = at_bits(coarsest)?;
        let spare = BOUNDARIES_MAX / (coarse.boundaries.len() + 1);
        let most = finest.min(coarsest + spare.max(1).ilog2());
        (coarsest + 1..=most).rev().find_map(at_bits).or(Some(coarse))
    }

    /// The parts of a function that is a number within each; `None` if they are too many.
    fn exact(
        domain: &Domain<'_>,
        (seen, at): (Range, &dyn Fn(f64) -> i64),
        f: &dyn Fn(f64) -> f64,
    ) -> Option<Self> {
        if domain.cuts.len() > BOUNDARIES_MAX || seen.lo > seen.hi {
            return None;
        }
        let begins = domain.cuts.iter().map(|cut| cut + 1);
        let begins = std::iter::once(domain.all.lo).chain(begins);
        let values = begins.map(|from| f((domain.value)(from))).collect();
        let part = |x: f64| domain.cuts.partition_point(|&cut| cut < at(x));
        let seen = part(seen.lo)..=part(seen.hi);
        Some(Self { boundaries: domain.cuts.clone(), values, seen })
    }

    /// The steps within which the function stays inside a tolerance; `None` if they are too many.
    fn resolved(
        kept: Range,
        tolerance: Tolerance,
        domain: &Domain<'_>,
        (seen, at): (Range, &dyn Fn(f64) -> i64),
        f: &dyn Fn(f64) -> f64,
    ) -> Option<Self> {
        if !(tolerance.absolute > 0.0 && tolerance.absolute.is_finite()) {
            return None;
        }
        let (first, last) = (at(seen.lo), at(seen.hi));
        let inner = (0..=PROBES).map(|i| {
            let share = f64::from(i) / f64::from(PROBES);
            f((domain.value)(first + round_to_i64((last - first) as f64 * share)))
        });
        let hull = Range::of(&inner.collect::<Vec<_>>());
        let ends = table::with_hull(kept, hull).widen(8.0 * tolerance.absolute / kept.width());
        let value = |q: i64| {
            let y = f((domain.value)(q));
            if y.is_nan() { y } else { y.clamp(ends.lo, ends.hi) }
        };
        if !(value(first).is_finite() && value(last).is_finite()) {
            return None;
        }
        let all = domain.all;
        let zero = at(0.0);
        let mut walk = Walk { value: &value, last: all.hi, tolerance, length: 1 };
        let (mut boundaries, mut values): (Vec<i64>, Vec<f64>) = (vec![], vec![]);
        let (mut from, mut begin, mut end) = (all.lo, 0, 0);
        loop {
            // A step never passes what may be a turn of the function, nor much of the domain at
            // once: probes would miss it.
            let cuts = [first - 1, first, zero - 1, zero, last, all.hi];
            let cut = cuts.into_iter().filter(|&cut| cut >= from).min().unwrap_or(all.hi);
            let cut = cut.min(domain.end_of_part(from));
            let stride =
                if (first..=last).contains(&from) { last - first } else { all.hi - all.lo };
            walk.last = cut.min(from + stride / STRIDES);
            let (to, y) = walk.step(from);
            match values.last() {
                Some(known) if known.to_bits() == y.to_bits() => {
                    boundaries.pop();
                }
                _ => values.push(y),
            }
            begin = if from <= first { values.len() - 1 } else { begin };
            end = if from <= last { values.len() - 1 } else { end };
            if to >= all.hi {
                break;
            }
            if boundaries.len() == BOUNDARIES_MAX {
                return None;
            }
            boundaries.push(to);
            from = to + 1;
        }
        let mut steps = Self { boundaries, values, seen: begin..=end };
        steps.define();
        Some(steps)
    }

    /// Values where the function has none: the nearest that it has.
    fn define(&mut self) {
        let Some(first) = self.values.iter().copied().find(|y| !y.is_nan()) else { return };
        let mut known = first;
        for y in &mut self.values {
            known = if y.is_nan() { known } else { *y };
            *y = known;
        }
    }

    /// For each step, whether what it stands for may be wrong, as the function is steeper there
    /// than it was seen; `exact` if the variable is not rounded before.
    fn steep(&self, cx: &Lowering<'_>, id: NodeId, domain: &Domain<'_>, exact: bool) -> Vec<bool> {
        let Some(known) = Steepness::of(cx, id, exact) else { return vec![] };
        let begins = self.boundaries.iter().map(|boundary| boundary + 1);
        let begins = std::iter::once(domain.all.lo).chain(begins);
        let ends = self.boundaries.iter().copied().chain([domain.all.hi]);
        let real = domain.value;
        let steps = begins.zip(ends).zip(&self.values);
        steps.map(|((from, to), &y)| known.uncertain(real(from), real(to), y)).collect()
    }

    /// The rank of every element of `x`, one in a row and perhaps in limbs, and the value of each.
    fn emit(
        self,
        cx: &mut Lowering<'_>,
        id: NodeId,
        (x, limbs): (IntegerId, bool),
        steep: &[bool],
    ) -> Result<Expr, QuantizeError> {
        let node = cx.graph.node(id);
        if let Some(value) = uniform(&Tensor::vector(self.values.clone())) {
            return Ok(Expr::constant(rebuilt(&node.shape, vec![value; count(&node.shape)])));
        }
        let name = format!("{}.ranks", node.name);
        let bucketize = Bucketize { boundaries: vec![self.boundaries], limbs };
        let ranks = cx.push(&name, bucketize, &[x], 1.0)?;
        let shape = Movement::Reshape { shape: node.shape.clone() };
        let ranks = cx.push_move(shape, ranks, 1.0, &format!("{name}.shaped"))?;
        let told = table::Told { values: &self.values, hull: self.seen, steep };
        let op = Lookup { offset: 0, shift: 0, lo: 0, table: ConstId(0) };
        table::emit(cx, id, ranks, &told, &op)
    }
}

/// Whether it is a value's own magnitude that its rounding has to be small beside, as something
/// divides by it or takes its logarithm, and whether that has been found to matter.
pub(super) fn relative(cx: &Lowering<'_>, id: NodeId) -> bool {
    cx.effort(id) > 0 && cx.extra_bits[id.index()] > 1
}

/// The float32 of an ordered image.
fn float32(image: i64) -> f32 {
    let magnitude = f32::from_bits(u32::try_from(image.unsigned_abs()).unwrap_or(0));
    if image < 0 { -magnitude } else { magnitude }
}

#[expect(clippy::cast_possible_truncation, reason = "inputs are encoded as float32")]
fn single(x: f64) -> f32 {
    (x as f32).clamp(f32::MIN, f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::BinaryFn;

    #[test]
    fn a_narrow_turn_is_not_passed_over() {
        // Saturated everywhere but within a thousandth of the domain around zero.
        let value = |q: f64| (q.abs() / 1e3).min(1.0);
        let at = |x: f64| round_to_i64(x);
        let all = Interval::new(-1_000_000, 1_000_000);
        let whole = |q: i64| q as f64;
        let domain = Domain::of(all, &whole, &Parts::default());
        let kept = Range { lo: -0.2, hi: 1.2 };
        let tolerance = Tolerance { absolute: 1e-2, relative: 0.0 };
        let seen = Range { lo: -2e4, hi: 2e4 };
        let steps = Steps::resolved(kept, tolerance, &domain, (seen, &at), &value).unwrap();
        for q in [-1_000_000, -20_000, -700, -1, 0, 3, 450, 999, 5_000, 1_000_000] {
            let rank = steps.boundaries.partition_point(|&boundary| boundary < q);
            let error = (steps.values[rank] - value(q as f64)).abs();
            assert!(error <= 1.001e-2, "{q}: {error}");
        }
    }

    #[test]
    fn steps_end_where_parts_of_the_function_do() {
        let choice = |f, at: f64, a, b| {
            let condition = ScalarFn::binary(f, ScalarFn::X, ScalarFn::Const(at));
            ScalarFn::Where(Box::new(condition), Box::new(a), Box::new(b))
        };
        let [low, high] = [3.0, 8.0].map(ScalarFn::Const);
        let all = Interval::new(-100, 100);
        let half = |q: i64| 0.5 * q as f64;
        let at = |x: f64| round_to_i64(2.0 * x);
        let seen = Range { lo: -2.0, hi: 7.0 };
        for (f, last) in [(BinaryFn::Less, 9), (BinaryFn::LessOrEqual, 10)] {
            let f = choice(f, 5.0, low.clone(), high.clone());
            let domain = Domain::of(all, &half, &Parts::of(&f));
            let steps = Steps::exact(&domain, (seen, &at), &|x| f.eval(x)).unwrap();
            assert_eq!((steps.boundaries, steps.values), (vec![last], vec![3.0, 8.0]));
            assert_eq!(steps.seen, 0..=1);
        }
        // A part that is narrower than anything that is probed.
        let spike =
            choice(BinaryFn::Less, 5.0, low.clone(), choice(BinaryFn::LessOrEqual, 5.0, high, low));
        let all = Interval::new(-1_000_000, 1_000_000);
        let domain = Domain::of(all, &half, &Parts::of(&spike));
        assert_eq!(domain.cuts, [9, 10]);
        let kept = Range { lo: 3.0, hi: 8.0 };
        let tolerance = Tolerance { absolute: 1e-2, relative: 0.0 };
        let seen = Range { lo: -400_000.0, hi: 400_000.0 };
        let steps =
            Steps::resolved(kept, tolerance, &domain, (seen, &at), &|x| spike.eval(x)).unwrap();
        for q in [-1_000_000, 9, 10, 11, 400_000] {
            let rank = steps.boundaries.partition_point(|&boundary| boundary < q);
            assert!((steps.values[rank] - spike.eval(half(q))).abs() < 1e-9, "{q}");
        }
    }

    #[test]
    fn what_the_function_does_not_define_takes_the_nearest_value() {
        let mut steps =
            Steps { boundaries: vec![0, 1], values: vec![f64::NAN, 2.0, f64::NAN], seen: 1..=1 };
        steps.define();
        assert_eq!(steps.values, [2.0, 2.0, 2.0]);
    }
}
