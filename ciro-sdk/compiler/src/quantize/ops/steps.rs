//! Steps of unlike width that follow a function, for its table by ranks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::ranked::relative;
use super::table;
use super::walk::{Tolerance, Walk};
use crate::float::NodeId;
use crate::quantize::calibrate::Range;
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::emit::exponent;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count, rebuilt, uniform};
use crate::quantize::grid::pow2;
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::{Break, Parts};
use crate::quantize::steep::{Steepness, TOLERABLE};
use ciro_model::integer::ops::{Bucketize, Lookup};
use ciro_model::integer::{ConstId, Interval, NodeId as IntegerId, ORDERED_IMAGE_MAX};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// The most boundaries of one function.
pub(super) const BOUNDARIES_MAX: usize = 1 << 14;
/// The least and the most bits that the function's range is resolved to.
const BITS: (u32, u32) = (12, 13);
/// How far a value may be off, as a part of itself, where that is what matters.
pub(super) const RELATIVE: f64 = 1.0 / 2048.0;
/// A step is at most this part of the range that was seen, or of all.
const STRIDES: i64 = 256;
/// Where a function is probed.
pub(super) const PROBES: u32 = 256;

/// The images of float32 numbers.
pub(super) fn images(parts: &Parts<'_>) -> Domain<'static> {
    let all = Interval::new(-ORDERED_IMAGE_MAX, ORDERED_IMAGE_MAX);
    Domain::of(all, &|image| f64::from(float32(image)), parts)
}

/// Integers, in order, and the variable's value at each.
pub(super) struct Domain<'a> {
    pub(super) all: Interval,
    pub(super) value: &'a dyn Fn(i64) -> f64,
    /// The last integers of the function's parts, but for the last part.
    cuts: Vec<i64>,
    /// Whether the function is a number within each part.
    steps: bool,
}

impl<'a> Domain<'a> {
    pub(super) fn of(all: Interval, value: &'a dyn Fn(i64) -> f64, parts: &Parts<'_>) -> Self {
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

/// Steps that were found before, of models of other bits of one graph.
#[derive(Clone, Debug, Default)]
pub(in crate::quantize) struct Known(Rc<RefCell<BTreeMap<Vec<u64>, Option<Steps>>>>);

impl Known {
    /// The most that are kept.
    const MOST: usize = 256;

    /// What was found for a key, or what is found now.
    fn or_find(&self, key: Vec<u64>, find: impl FnOnce() -> Option<Steps>) -> Option<Steps> {
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let found = find();
        let mut all = self.0.borrow_mut();
        if all.len() >= Self::MOST {
            all.clear();
        }
        all.insert(key, found.clone());
        found
    }
}

/// Boundaries, and the function's value between them.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    boundaries: Vec<i64>,
    values: Vec<f64>,
    /// The positions among the values of the range that was seen.
    seen: RangeInclusive<usize>,
}

impl Steps {
    /// The steps that a node's function is worth; `None` where they are too many.
    pub(super) fn of(
        cx: &Lowering<'_>,
        id: NodeId,
        domain: &Domain<'_>,
        (seen, at): (Range, &dyn Fn(f64) -> i64),
        f: &dyn Fn(f64) -> f64,
    ) -> Option<Self> {
        Self::within(cx, (id, &[], cx.range(id)), domain, (seen, at), f)
    }

    /// As [`Self::of`], with values inside a range of their own. `which` tells the function from
    /// all others of the node: what was found for one of them is found again.
    pub(super) fn within(
        cx: &Lowering<'_>,
        (id, which, kept): (NodeId, &[u64], Range),
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
        let function = fingerprint((id, which), kept, domain, (seen, f));
        let resolved = |tolerance: Tolerance| {
            let own = [tolerance.absolute, tolerance.relative].map(f64::to_bits);
            let key = [&function[..], &own].concat();
            cx.known.or_find(key, || Self::resolved(kept, tolerance, domain, (seen, at), f))
        };
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
    pub(super) fn steep(
        &self,
        cx: &Lowering<'_>,
        id: NodeId,
        domain: &Domain<'_>,
        exact: bool,
    ) -> Vec<bool> {
        let Some(known) = Steepness::of(cx, id, exact) else { return vec![] };
        self.spans(domain).map(|(lo, hi, y)| known.uncertain(lo, hi, y)).collect()
    }

    /// For each step, whether a function that samples say nothing of may differ from what stands
    /// for it by what matters, as a part of a width. What was cut is told elsewhere.
    pub(super) fn coarse(
        &self,
        domain: &Domain<'_>,
        (seen, width): (Range, f64),
        f: impl Fn(f64) -> f64,
    ) -> Vec<bool> {
        let kept = Range::of(&self.values);
        let differs = |(lo, hi, y): (f64, f64, f64)| {
            // What lies at the end of what was seen stands for what was seen there.
            let (lo, hi) = match lo <= seen.hi && hi >= seen.lo {
                true => (lo.max(seen.lo), hi.min(seen.hi)),
                false => (lo, hi),
            };
            let change = |x: f64| (f(x).max(kept.lo).min(kept.hi) - y).abs();
            let undefined = f(lo).is_nan() || f(hi).is_nan();
            undefined || change(lo).max(change(hi)) > TOLERABLE * width
        };
        self.spans(domain).map(differs).collect()
    }

    /// The ends of each step, and the function's value in it.
    fn spans(&self, domain: &Domain<'_>) -> impl Iterator<Item = (f64, f64, f64)> {
        let begins = self.boundaries.iter().map(|boundary| boundary + 1);
        let begins = std::iter::once(domain.all.lo).chain(begins);
        let ends = self.boundaries.iter().copied().chain([domain.all.hi]);
        let real = domain.value;
        begins.zip(ends).zip(&self.values).map(move |((from, to), &y)| (real(from), real(to), y))
    }

    /// The rank of every element of `x`, one in a row and perhaps in limbs, and the value of each:
    /// all elements of the node in its shape, some of them one after the other.
    pub(super) fn emit(
        self,
        cx: &mut Lowering<'_>,
        id: NodeId,
        (x, limbs): (IntegerId, bool),
        steep: &[bool],
    ) -> Result<Expr, QuantizeError> {
        let node = cx.graph.node(id);
        let rows = cx.builder.node(x).shape[0];
        let shape = if rows == count(&node.shape) { node.shape.clone() } else { vec![rows] };
        if let Some(value) = uniform(&Tensor::vector(self.values.clone())) {
            return Ok(Expr::constant(rebuilt(&shape, vec![value; rows])));
        }
        let name = format!("{}.ranks", node.name);
        let bucketize = Bucketize { boundaries: vec![self.boundaries], limbs };
        let ranks = cx.push(&name, bucketize, &[x], 1.0)?;
        let shape = Movement::Reshape { shape };
        let ranks = cx.push_move(shape, ranks, 1.0, &format!("{name}.shaped"))?;
        let told = table::Told { values: &self.values, hull: self.seen, steep };
        let op = Lookup { offset: 0, shift: 0, lo: 0, table: ConstId(0) };
        table::emit(cx, id, ranks, &told, &op)
    }
}

impl Steps {
    /// The steps around those that were seen within which nothing was cut.
    fn kept(&self, all: Interval, is_cut: &dyn Fn(i64) -> bool) -> Interval {
        let begin = |step: usize| match step {
            0 => all.lo,
            _ => self.boundaries[step - 1] + 1,
        };
        let end = |step: usize| self.boundaries.get(step).copied().unwrap_or(all.hi);
        let whole = |step: usize| !is_cut(begin(step)) && !is_cut(end(step));
        let (first, last) = (*self.seen.start(), *self.seen.end());
        let lo = (0..first).rev().take_while(|&step| whole(step)).last().unwrap_or(first);
        let hi = (last + 1..self.values.len()).take_while(|&step| whole(step)).last();
        let position = |step: usize| i64::try_from(step).unwrap_or(i64::MAX);
        Interval::new(position(lo), position(hi.unwrap_or(last)))
    }

    /// As [`Self::emit`], of a function that says itself where it was cut, as integers of `scale`.
    pub(super) fn plainly(
        self,
        cx: &mut Lowering<'_>,
        (x, scale): (Value, f64),
        is_cut: &dyn Fn(f64) -> bool,
    ) -> Result<Value, QuantizeError> {
        let kept = self.kept(cx.interval(x), &|q| is_cut(q as f64 * x.scale));
        let shape = cx.builder.node(x.id).shape.clone();
        let name = format!("{}.ranks", cx.node().name);
        let column = Movement::Reshape { shape: vec![count(&shape), 1] };
        let x = cx.push_move(column, x.id, x.scale, &format!("{name}.column"))?;
        let bucketize = Bucketize { boundaries: vec![self.boundaries], limbs: false };
        let ranks = cx.push(&name, bucketize, &[x], 1.0)?;
        let shape = Movement::Reshape { shape };
        let ranks = cx.push_move(shape, ranks, 1.0, &format!("{name}.shaped"))?;
        let whole = self.values.iter().map(|y| narrow(round_to_i64((y / scale).round_ties_even())));
        let table: Vec<i32> = whole.collect();
        let last = i64::try_from(table.len()).unwrap_or(i64::MAX) - 1;
        let table = cx.builder.constant(Tensor::vector(table));
        let op = Lookup { offset: 0, shift: 0, lo: 0, table };
        let id = cx.push(&format!("{name}.value"), op, &[ranks], scale)?;
        if kept != Interval::new(0, last) {
            cx.builder.guard(id, kept);
        }
        Ok(Value { id, scale })
    }

    /// The greatest magnitude of its values.
    pub(super) fn most(&self) -> f64 {
        Range::of(&self.values).max_abs()
    }
}

/// Tells functions and what they are resolved on apart, which values at points alone do not.
fn fingerprint(
    (id, which): (NodeId, &[u64]),
    kept: Range,
    domain: &Domain<'_>,
    (seen, f): (Range, &dyn Fn(f64) -> f64),
) -> Vec<u64> {
    const POINTS: i64 = 64;
    let all = domain.all;
    let mut key = [&[u64::from(id.0), which.len() as u64], which].concat();
    key.extend([kept.lo, kept.hi, seen.lo, seen.hi].map(f64::to_bits));
    key.extend([all.lo, all.hi].iter().chain(&domain.cuts).map(|it| it.cast_unsigned()));
    let stride = ((all.hi - all.lo) / POINTS).max(1);
    let points = (0..=POINTS).map(|i| (all.lo + i * stride).min(all.hi));
    for x in points.map(domain.value).chain([seen.lo, seen.hi]) {
        key.extend([x, f(x)].map(f64::to_bits));
    }
    key
}

/// The float32 of an ordered image.
fn float32(image: i64) -> f32 {
    let magnitude = f32::from_bits(u32::try_from(image.unsigned_abs()).unwrap_or(0));
    if image < 0 { -magnitude } else { magnitude }
}

#[expect(clippy::cast_possible_truncation, reason = "inputs are encoded as float32")]
pub(super) fn single(x: f64) -> f32 {
    (x as f32).clamp(f32::MIN, f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::{BinaryFn, ScalarFn};

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
    fn steps_that_hide_a_jump_or_a_hole_are_coarse_and_cut_ones_are_not() {
        let whole = |q: i64| q as f64;
        let domain = Domain::of(Interval::new(-100, 100), &whole, &Parts::default());
        let steps =
            Steps { boundaries: vec![-50, 0, 50], values: vec![0.0, 0.0, 1.0, 1.0], seen: 1..=2 };
        let seen = (Range { lo: -40.0, hi: 40.0 }, 1.0);
        // Rises within the second step, and goes on far beyond what was seen.
        let f = |x: f64| if x < -20.0 { 0.0 } else { 1.0 + x.max(40.0) - 40.0 };
        assert_eq!(steps.coarse(&domain, seen, f), [false, true, false, false]);
        let hole =
            |x: f64| if x > 50.0 { f64::NAN } else { steps.values[usize::from(x > -1.0) * 2] };
        assert_eq!(steps.coarse(&domain, seen, hole), [false, true, false, true]);
    }

    #[test]
    fn functions_that_agree_at_all_points_are_told_apart() {
        let whole = |q: i64| q as f64;
        let domain = Domain::of(Interval::new(-1 << 20, 1 << 20), &whole, &Parts::default());
        let bump = |at: f64| move |x: f64| (1.0 - (x - at).abs() / 100.0).max(0.0);
        let (kept, seen) = (Range { lo: 0.0, hi: 1.0 }, Range { lo: -2e3, hi: 2e3 });
        let key = |which, f: &dyn Fn(f64) -> f64| {
            fingerprint((NodeId(0), &[which]), kept, &domain, (seen, f))
        };
        let (one, other) = (bump(300.0), bump(700.0));
        assert_eq!(key(0, &one), key(0, &other), "no point lies on either of them");
        assert_ne!(key(0, &one), key(1, &other));
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
