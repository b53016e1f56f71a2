//! Scales and shifts: which power-of-two steps an expression is computed and rounded at.
//!
//! Every scale that may be chosen is a power of two times the scale of the tensors that come in, so
//! that sums of rounded tensors have exact integer coefficients and every change of scale is a
//! shift. That costs half a bit of the interval on average, and saves the multipliers and
//! coefficient errors of arbitrary ratios.

use super::calibrate::Range;
use super::casts::round_to_i64;
use super::expr::{Core, Expr, Term};
use ciro_model::integer::{BOUND, Interval, ModelBuilder, NodeId};

/// Quotients of shifts stay inside intervals of this many bits where that costs no precision: a
/// table holds them.
pub(super) const QUOTIENT_BITS: u32 = 14;
/// Quotients that go through tables never have more bits.
pub(super) const QUOTIENT_BITS_MAX: u32 = 16;
/// Shifts up to this width leave one limb of remainder.
const ONE_LIMB: u32 = 12;
/// Shifts up to this width leave two.
const TWO_LIMBS: u32 = 20;

/// `2^exponent`, exact; the exponent is kept inside the normal range.
pub(super) fn pow2(exponent: i32) -> f64 {
    let biased = (exponent.clamp(-1022, 1023) + 1023).unsigned_abs();
    f64::from_bits(u64::from(biased) << 52)
}

/// The least `e` with `x <= 2^e`, for positive finite `x`.
pub(super) fn ceil_log2(x: f64) -> i32 {
    let x = x.max(f64::MIN_POSITIVE);
    let exponent = i32::try_from((x.to_bits() >> 52) & 0x7ff).expect("11 bits") - 1023;
    if x > pow2(exponent) { exponent + 1 } else { exponent }
}

/// What is fixed about the scale of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lattice {
    /// The scale that all others are power-of-two multiples of.
    pub(super) base: f64,
    /// Whether some term has a scale already, so that no unit may be coarser than `base`.
    pub(super) fixed: bool,
    /// Whether the terms are exact at `base`.
    pub(super) exact: bool,
    /// Whether the constant that is added is a multiple of `base` too.
    pub(super) whole: bool,
    /// The greatest common divisor of factors and constant, where all of them are whole numbers.
    pub(super) integral: Option<f64>,
}

impl Lattice {
    pub(super) fn of(expr: &Expr) -> Self {
        let factor = |term: &Term| match term.core {
            Core::Value { factor, .. } if factor != 0.0 => Some(factor.abs()),
            _ => None,
        };
        let factors: Vec<f64> = expr.terms.iter().filter_map(factor).collect();
        let Some(base) = factors.iter().copied().reduce(f64::min) else {
            let exact = expr.terms.is_empty();
            return Self { base: 1.0, fixed: false, exact, whole: true, integral: None };
        };
        let whole = |f: &f64| {
            let ratio = f / base;
            (ratio - ratio.round()).abs() <= ratio * 1e-12 && ratio < BOUND as f64
        };
        let exact = factors.len() == expr.terms.len() && factors.iter().all(whole);
        let commensurate = factors.iter().all(whole);
        let constants = || expr.offset.iter().flat_map(|offset| offset.data());
        // Whole factors and constants, as of positions in a flattened tensor, have a common
        // divisor.
        let integral = divisor(factors.iter().chain(constants()));
        if let Some(integral) = integral.filter(|_| !commensurate) {
            let exact = factors.len() == expr.terms.len();
            return Self { base: integral, fixed: true, exact, whole: true, integral: None };
        }
        let whole = constants().map(|c| c / base).all(|c| (c - c.round()).abs() < 1e-3);
        // Incommensurate scales get coefficients of 10 bits or more.
        let base = if commensurate { base } else { base * pow2(-10) };
        Self { base, fixed: true, exact, whole, integral }
    }

    /// The same with a unit at which the constant is exact, or as good as exact for values rounded
    /// to `step`.
    pub(super) fn refined(self, step: f64) -> Self {
        if self.whole || !self.exact || 4.0 * self.base <= step {
            return self;
        }
        let base = self.integral.unwrap_or(self.base * pow2(-4));
        Self { base, whole: true, ..self }
    }
}

/// The greatest common divisor of numbers that are whole, and whole multiples of it that integers
/// hold.
fn divisor<'x>(numbers: impl Iterator<Item = &'x f64>) -> Option<f64> {
    let mut divisor = 0i64;
    for &x in numbers {
        if x.abs() >= BOUND as f64 || (x - x.round()).abs() > 0.0 {
            return None;
        }
        let (mut a, mut b) = (divisor, round_to_i64(x.abs()));
        while b > 0 {
            (a, b) = (b, a % b);
        }
        divisor = a;
    }
    (divisor > 0).then_some(divisor as f64)
}

/// What interval analysis will find for an expression, in real units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    /// All values that the expression may take.
    pub(super) range: Range,
    /// The greatest magnitude of the sum and of every part of it: parts may be larger than what
    /// they cancel to.
    pub(super) most: f64,
    /// By how many units rounded weights may exceed that.
    pub(super) slack: f64,
    /// The shift at which rounded weights stop to matter, 0 without any.
    pub(super) fine_shift: i32,
}

impl Reach {
    pub(super) fn of(expr: &Expr, builder: &ModelBuilder) -> Self {
        Self::with(expr, |term| core_reach(&term.core, |x| builder.node(x).interval))
    }

    /// The same for other ranges of the terms before they are moved.
    fn with(expr: &Expr, core_reach: impl Fn(&Term) -> (Range, f64, i32)) -> Self {
        let start =
            expr.offset.as_ref().map_or(Range { lo: 0.0, hi: 0.0 }, |c| Range::of(c.data()));
        let mut reach = Self { range: start, most: start.max_abs(), slack: 1.0, fine_shift: 0 };
        for term in &expr.terms {
            let (mut range, slack, fine_shift) = core_reach(term);
            if term.moves.iter().any(|movement| movement.fill().is_some()) {
                range = range.union(Range { lo: 0.0, hi: 0.0 });
            }
            reach.range.lo += range.lo;
            reach.range.hi += range.hi;
            if !matches!(term.core, Core::Value { .. }) {
                reach.most = reach.most.max(range.max_abs());
            }
            reach.slack += slack;
            reach.fine_shift = reach.fine_shift.max(fine_shift);
        }
        reach.most = reach.most.max(reach.range.max_abs());
        reach
    }

    /// The greatest absolute integer at unit `t`.
    pub(super) fn units(&self, t: f64) -> f64 {
        self.most / t + self.slack
    }

    /// The largest shift, at most 24, for which `step / 2^shift` keeps every sum and its rounding
    /// below 2^30.
    pub(super) fn shift_max(&self, step: f64) -> Option<u32> {
        let fits = |shift: u32| {
            let half = pow2(i32::try_from(shift).unwrap_or(0) - 1);
            self.units(step * pow2(-i32::try_from(shift).unwrap_or(0))) + half < BOUND as f64
        };
        (0..=24).rev().find(|&shift| fits(shift))
    }

    /// The shift that is worth its limbs: one limb where that is fine enough, else two.
    pub(super) fn shift_wanted(&self) -> u32 {
        if u32::try_from(self.fine_shift).unwrap_or(0) <= ONE_LIMB { ONE_LIMB } else { TWO_LIMBS }
    }
}

/// What interval analysis will find where the operands of all plain products are one tensor, whose
/// interval is their union.
pub(super) fn union_reach(expr: &Expr, builder: &ModelBuilder) -> Reach {
    let operand = |term: &Term| match term.core {
        Core::Linear { x, .. } if term.moves.is_empty() => Some(builder.node(x).interval),
        _ => None,
    };
    let union = expr.terms.iter().filter_map(operand).reduce(Interval::union);
    Reach::with(expr, |term| match union {
        Some(union) if operand(term).is_some() => core_reach(&term.core, |_| union),
        _ => core_reach(&term.core, |x| builder.node(x).interval),
    })
}

fn core_reach(core: &Core, interval: impl Fn(NodeId) -> Interval) -> (Range, f64, i32) {
    match core {
        Core::Value { x, factor } => (real(interval(*x)).affine(*factor, 0.0), 1.0, 0),
        Core::Scaled { x, factors } => {
            let x = interval(*x);
            let range = Range::of(factors.data());
            let range = real(x).affine(range.lo, 0.0).union(real(x).affine(range.hi, 0.0));
            (range, 1.0 + 0.5 * x.max_abs() as f64, noise_shift(1, x))
        }
        Core::Linear { x, weight, bias } => {
            let (x, &[k, n]) = (interval(*x), weight.shape()) else {
                unreachable!("weights of a linear term are a matrix")
            };
            let column = |j: usize| (0..k).map(move |i| weight.data()[i * n + j]);
            let columns = (0..n).map(|j| (column(j), bias.as_ref().map_or(0.0, |b| b[j])));
            let range = columns.map(|(w, b)| sum_range(w, x, b)).fold(Range::EMPTY, Range::union);
            (or_zero(range), 1.0 + 0.5 * k as f64 * x.max_abs() as f64, noise_shift(k, x))
        }
        Core::Conv { x, weight, bias, geometry } => {
            let mut x = interval(*x);
            if geometry.pads.iter().any(|&pads| pads != (0, 0)) {
                x = x.union(Interval::point(0));
            }
            let taps = (weight.len() / weight.shape()[0].max(1)).max(1);
            let channels = weight.data().chunks_exact(taps).enumerate();
            let range = channels
                .map(|(o, w)| sum_range(w.iter().copied(), x, bias.as_ref().map_or(0.0, |b| b[o])))
                .fold(Range::EMPTY, Range::union);
            (or_zero(range), 1.0 + 0.5 * taps as f64 * x.max_abs() as f64, noise_shift(taps, x))
        }
    }
}

/// The shift at which rounding `terms` weights adds less than a third of a unit to a typical sum.
fn noise_shift(terms: usize, x: Interval) -> i32 {
    ceil_log2((terms as f64 / 12.0).sqrt() * x.max_abs() as f64 / 4.0 * 3.0).max(0)
}

fn sum_range(weights: impl Iterator<Item = f64>, x: Interval, bias: f64) -> Range {
    let x = real(x);
    weights.fold(Range { lo: bias, hi: bias }, |sum, w| {
        let term = x.affine(w, 0.0);
        Range { lo: sum.lo + term.lo, hi: sum.hi + term.hi }
    })
}

/// The least power-of-two multiple of `base` that is at least `least`.
pub(super) fn step_at_least(base: f64, least: f64) -> f64 {
    base * pow2(ceil_log2(least / base))
}

pub(super) fn shift_between(fine: f64, coarse: f64) -> u32 {
    u32::try_from(ceil_log2(coarse / fine)).unwrap_or(0)
}

fn or_zero(range: Range) -> Range {
    if range.lo > range.hi { Range { lo: 0.0, hi: 0.0 } } else { range }
}

/// An interval of integers as a range of reals.
pub(super) fn real(interval: Interval) -> Range {
    Range { lo: interval.lo as f64, hi: interval.hi as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn powers_of_two_are_exact() {
        let bits = [0, 3, -2].map(|exponent| pow2(exponent).to_bits());
        assert_eq!(bits, [1.0f64, 8.0, 0.25].map(f64::to_bits));
        assert_eq!(
            [ceil_log2(1.0), ceil_log2(1.1), ceil_log2(0.25), ceil_log2(5.0)],
            [0, 1, -2, 3]
        );
    }

    proptest! {
        #[test]
        fn ceil_log2_is_the_least_exponent(x in 1e-30f64..1e30) {
            let e = ceil_log2(x);
            prop_assert!(x <= pow2(e) && x > pow2(e - 1));
        }
    }
}
