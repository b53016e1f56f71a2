//! Where functions are steeper than calibration has seen them.
//!
//! Near a pole, a jump or a vertical tangent, less than one step of a function's variable decides
//! what the function is. Samples rarely come as near as the next one does, so that neither a range
//! nor an error measured on them tells. What is judged by them is what is at most as steep as they
//! were; beyond that, a table says of each entry whether a step of its variable could move the
//! function by more than a small part of its range.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibrate::Range;
use super::emit::exponent;
use super::grid::pow2;
use super::lower::Lowering;
use super::ops::input;
use super::scalar::Shape;
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, ScalarFn};
use ciro_model::Interval;
use ciro_model::tensor::Tensor;

/// What a step of the variable may move a function by, as a part of the range that was seen.
pub(super) const TOLERABLE: f64 = 0.02;

/// What counts as steeper than seen, times the greatest slope: slopes are differences.
const STEEPER: f64 = 1.01;

/// The greatest slopes of functions on samples, by the names of their nodes; of quotients those in
/// the dividend, which are one over the divisor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slopes(BTreeMap<String, f64>);

impl Slopes {
    /// Takes in the values of all nodes of a graph on one sample.
    pub(super) fn add(&mut self, graph: &Graph, values: &[Tensor<f64>]) {
        for node in &graph.nodes {
            let (operand, f) = match (&node.op, &node.operands[..]) {
                (Op::Unary(f), &[operand]) if curved(f) => (operand, Some(f)),
                (Op::Binary(BinaryFn::Div), &[_, divisor]) => (divisor, None),
                _ => continue,
            };
            let own = |&x: &f64| f.map_or(x.abs().recip(), |f| slope(f, x));
            let slopes = values[operand.index()].data().iter().map(own);
            let most = slopes.filter(|slope| slope.is_finite()).fold(0.0, f64::max);
            let known = self.0.entry(node.name.clone()).or_default();
            *known = known.max(most);
        }
    }

    /// Sets the greatest slope of the node of a name.
    pub(super) fn set(&mut self, name: &str, slope: f64) {
        self.0.insert(name.to_owned(), slope);
    }

    /// The least magnitude that a node has divided by; `None` if it divides by nothing but zeros.
    pub(super) fn least_divisor(&self, node: &Node) -> Option<f64> {
        let slope = self.of(node).filter(|_| matches!(node.op, Op::Binary(BinaryFn::Div)))?;
        (slope > 0.0).then(|| slope.recip())
    }

    /// The greatest slope of a node; `None` if it is no function that has slopes.
    fn of(&self, node: &Node) -> Option<f64> {
        self.0.get(&node.name).copied()
    }
}

/// Whether a function is more than lines and comparisons.
fn curved(f: &ScalarFn) -> bool {
    matches!(Shape::of(f), Shape::Reciprocal { .. } | Shape::ReciprocalSqrt { .. } | Shape::Other)
}

/// The magnitude of a function's slope at a point, the steeper one where it has two; infinite
/// where it has no value.
fn slope(f: &ScalarFn, x: f64) -> f64 {
    const SMALLEST: f64 = 1e-6;
    let h = x.abs().max(SMALLEST) * pow2(-20);
    let (before, at, after) = (f.eval(x - h), f.eval(x), f.eval(x + h));
    let steeper = [at - before, after - at].map(|change| change.abs() / h);
    // A vertical tangent at the end of a domain has one side.
    let sides = steeper.iter().copied().filter(|slope| slope.is_finite());
    if at.is_finite() { sides.fold(0.0, f64::max) } else { f64::INFINITY }
}

/// A function with what is known of where it has been.
pub(super) struct Steepness<'f> {
    f: &'f ScalarFn,
    /// The greatest slope that samples have judged.
    slope: f64,
    /// The function's range and its variable's, as they were seen.
    width: f64,
    seen: Range,
    /// Half of what the variable may be off by before it is looked up.
    half: f64,
}

impl<'f> Steepness<'f> {
    /// The steepness of a node's function; `exact` if its variable is not rounded before it is
    /// looked up.
    pub(super) fn of(cx: &Lowering<'f>, id: NodeId, exact: bool) -> Option<Self> {
        let node = cx.graph.node(id);
        let (Op::Unary(f), &[operand]) = (&node.op, &node.operands[..]) else { return None };
        let (slope, seen) = (cx.slopes.of(node)?, cx.own_ranges[operand.index()]);
        // What becomes of an inner value is judged by the samples that came to it; an output is
        // wrong where it is.
        let slope = if cx.demands[id.index()].output { 0.0 } else { slope };
        let width = cx.own_ranges[id.index()].width();
        let half = match cx.graph.node(operand).op {
            _ if exact || cx.whole[operand.index()] => 0.0,
            Op::Input { index } => seen.width() * pow2(-exponent(input::bits(cx, index))),
            _ => seen.width() * pow2(-1 - exponent(cx.bits(operand))),
        };
        (width > 0.0).then_some(Self { f, slope, width, seen, half })
    }

    /// Whether what stands for the variable's values in `[lo, hi]` with the function's value `y`
    /// may be wrong, and samples did not judge it.
    pub(super) fn uncertain(&self, lo: f64, hi: f64, y: f64) -> bool {
        let (lo, hi) = (lo - self.half, hi + self.half);
        // What lies at the end of what was seen stands for what was seen there.
        let touches = lo <= self.seen.hi && hi >= self.seen.lo;
        let (lo, hi) = match touches {
            true => (lo.max(self.seen.lo), hi.min(self.seen.hi)),
            false => (lo, hi),
        };
        let change = |x: f64| {
            let change = (self.f.eval(x) - y).abs();
            if change.is_nan() { f64::INFINITY } else { change }
        };
        change(lo).max(change(hi)) > TOLERABLE * self.width
            && slope(self.f, lo).max(slope(self.f, hi)).max(slope(self.f, 0.5 * (lo + hi)))
                > STEEPER * self.slope
    }
}

/// The runs of positions that are marked, counted from `first`.
pub(super) fn runs(marked: &[bool], first: i64) -> Vec<Interval> {
    let mut runs: Vec<Interval> = vec![];
    for (at, _) in marked.iter().enumerate().filter(|(_, marked)| **marked) {
        let at = first + i64::try_from(at).unwrap_or(i64::MAX);
        match runs.last_mut() {
            Some(run) if run.hi + 1 == at => run.hi = at,
            _ => runs.push(Interval::point(at)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::UnaryFn;
    use crate::float::scalar::x;

    #[test]
    fn slopes_are_the_steeper_side_and_infinite_where_there_is_none() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-3, "{got} {want}");
        near(slope(&x().then(UnaryFn::Tan), 1.5), 1.0 / 1.5f64.cos().powi(2));
        near(slope(&x().abs().then(UnaryFn::Exp), 0.0), 1.0);
        near(slope(&x().then(UnaryFn::Reciprocal), 1e-3), 1e6);
        assert!(slope(&x().then(UnaryFn::Reciprocal), 0.0).is_infinite());
        assert!(slope(&x().log(), -1.0).is_infinite());
    }

    #[test]
    fn what_is_steeper_than_seen_and_matters_is_uncertain() {
        let f = x().then(UnaryFn::Reciprocal);
        // Seen down to 0.01, at steps of a thousandth.
        let seen = Range { lo: 0.01, hi: 1.0 };
        let known = Steepness { f: &f, slope: 1e4, width: 99.0, seen, half: 0.0 };
        let at = |x: f64| known.uncertain(x - 5e-4, x + 5e-4, 1.0 / x);
        assert_eq!([0.004, 0.009, 0.0101, 0.5].map(at), [true, true, false, false]);
        assert!(known.uncertain(-5e-4, 5e-4, f64::INFINITY));
    }

    #[test]
    fn marks_are_gathered_into_runs() {
        let marked = [true, true, false, true, false, false, true, true];
        let want = [Interval::new(-3, -2), Interval::point(0), Interval::new(3, 4)];
        assert_eq!(runs(&marked, -3), want);
        assert_eq!(runs(&[], 0), []);
    }
}
