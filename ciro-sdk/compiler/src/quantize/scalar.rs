//! The form of a function of one variable: what is a shift, a clamp, a root, a quotient, and what
//! needs a table.

use crate::float::{BinaryFn, ScalarFn, UnaryFn};

/// `x -> slope * x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) slope: f64,
    pub(super) offset: f64,
}

impl Line {
    const IDENTITY: Self = Self { slope: 1.0, offset: 0.0 };

    fn then(self, slope: f64, offset: f64) -> Self {
        Self { slope: self.slope * slope, offset: self.offset * slope + offset }
    }
}

/// `x -> after(q)` with `q = clamp(before(x), lo, hi)`, rounded to an integer first if `round`.
///
/// Relu, Clip and their chains, and QuantizeLinear followed by DequantizeLinear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps {
    pub(super) before: Line,
    pub(super) round: bool,
    pub(super) lo: f64,
    pub(super) hi: f64,
    pub(super) after: Line,
}

/// How a function is lowered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A change of scale and a constant.
    Line(Line),
    /// Rounding and clamping.
    Steps(Steps),
    /// `outer(sqrt(inner(x)))`.
    Sqrt { inner: Line, outer: Line },
    /// `outer(1 / inner(x))`.
    Reciprocal { inner: Line, outer: Line },
    /// `outer(1 / sqrt(inner(x)))`.
    ReciprocalSqrt { inner: Line, outer: Line },
    /// `outer(inner(x)^2)`.
    Square { inner: Line, outer: Line },
    /// `outer` of the integers that [`Steps`] round to.
    Rounded(Steps, ScalarFn),
    /// `outer(1)` where `f(inner(x), 0)` holds, else `outer(0)`.
    Compare { f: BinaryFn, inner: Line, outer: Line },
    /// Anything else.
    Other,
}

impl Shape {
    pub(super) fn of(f: &ScalarFn) -> Self {
        if let Some((slope, offset)) = f.affine() {
            return Self::Line(Line { slope, offset });
        }
        if let Some(steps) = steps(f) {
            return Self::Steps(steps);
        }
        let (outer, core) = peel(f);
        let line = |f: &ScalarFn| f.affine().map(|(slope, offset)| Line { slope, offset });
        let shape = match core {
            ScalarFn::Binary(f, a, b) if f.compares() => compare(*f, a, b, outer),
            ScalarFn::Where(condition, a, b) => match (&**condition, &**a, &**b) {
                (ScalarFn::Binary(f, x, y), &ScalarFn::Const(a), &ScalarFn::Const(b))
                    if f.compares() =>
                {
                    let choice = Line { slope: a - b, offset: b };
                    compare(*f, x, y, choice.then(outer.slope, outer.offset))
                }
                _ => None,
            },
            ScalarFn::Unary(UnaryFn::Sqrt, inner) => {
                line(inner).map(|inner| Self::Sqrt { inner, outer })
            }
            ScalarFn::Unary(UnaryFn::Reciprocal, inner) => reciprocal(inner, outer),
            ScalarFn::Binary(BinaryFn::Div, top, inner) => match **top {
                ScalarFn::Const(c) => reciprocal(inner, Line { slope: outer.slope * c, ..outer }),
                _ => None,
            },
            ScalarFn::Binary(BinaryFn::Mul, a, b) if a == b => {
                line(a).map(|inner| Self::Square { inner, outer })
            }
            ScalarFn::Binary(BinaryFn::Pow, base, power) => match (line(base), &**power) {
                (Some(inner), &ScalarFn::Const(power)) => power_of(inner, power, outer),
                _ => None,
            },
            _ => None,
        };
        shape.or_else(|| rounded(f)).unwrap_or(Self::Other)
    }
}

fn power_of(inner: Line, power: f64, outer: Line) -> Option<Shape> {
    match power {
        2.0 => Some(Shape::Square { inner, outer }),
        0.5 => Some(Shape::Sqrt { inner, outer }),
        -1.0 => Some(Shape::Reciprocal { inner, outer }),
        -0.5 => Some(Shape::ReciprocalSqrt { inner, outer }),
        _ => None,
    }
}

fn compare(f: BinaryFn, a: &ScalarFn, b: &ScalarFn, outer: Line) -> Option<Shape> {
    let ((slope_a, offset_a), (slope_b, offset_b)) = (a.affine()?, b.affine()?);
    let inner = Line { slope: slope_a - slope_b, offset: offset_a - offset_b };
    (inner.slope != 0.0).then_some(Shape::Compare { f, inner, outer })
}

/// Whether a function is `x + (x == 0)`, which guards a division.
pub(super) fn guards_zero(f: &ScalarFn) -> bool {
    let is_zero = |f: &ScalarFn| {
        let ScalarFn::Binary(BinaryFn::Equal, a, b) = f else { return false };
        matches!((&**a, &**b), (ScalarFn::X, ScalarFn::Const(c)) if *c == 0.0)
    };
    match f {
        ScalarFn::Binary(BinaryFn::Add, a, b) => **a == ScalarFn::X && is_zero(b),
        _ => false,
    }
}

fn reciprocal(inner: &ScalarFn, outer: Line) -> Option<Shape> {
    if let Some((slope, offset)) = inner.affine() {
        return Some(Shape::Reciprocal { inner: Line { slope, offset }, outer });
    }
    let root = match inner {
        ScalarFn::Unary(UnaryFn::Sqrt, root) => root,
        ScalarFn::Binary(BinaryFn::Pow, root, power) if **power == ScalarFn::Const(0.5) => root,
        _ => return None,
    };
    let (slope, offset) = root.affine()?;
    Some(Shape::ReciprocalSqrt { inner: Line { slope, offset }, outer })
}

/// Where a function made of parts passes from one to the next: after everything below a number,
/// and with `included` after that number too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Break {
    pub(super) at: f64,
    pub(super) included: bool,
}

/// A function that is made of parts: choices by comparisons of the variable with constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts<'f> {
    /// In their order.
    pub(super) breaks: Vec<Break>,
    /// One more than breaks.
    pub(super) each: Vec<&'f ScalarFn>,
}

impl<'f> Parts<'f> {
    /// The parts of a function, of which there may be one.
    pub(super) fn of(f: &'f ScalarFn) -> Self {
        // What is missing stays so in any case.
        let f = match f {
            ScalarFn::Where(missing, x, f)
                if **missing == ScalarFn::unary(UnaryFn::IsNaN) && **x == ScalarFn::X =>
            {
                &**f
            }
            f => f,
        };
        let mut parts = Self::default();
        parts.add(f);
        let ordered = |pair: &[Break]| {
            pair[0].at < pair[1].at
                || (pair[0].at <= pair[1].at && pair[1].included && !pair[0].included)
        };
        if parts.breaks.windows(2).all(ordered) {
            return parts;
        }
        Self { breaks: vec![], each: vec![f] }
    }

    fn add(&mut self, f: &'f ScalarFn) {
        if let ScalarFn::Where(condition, a, b) = f
            && let ScalarFn::Binary(f @ (BinaryFn::Less | BinaryFn::LessOrEqual), x, c) =
                &**condition
            && let (ScalarFn::X, &ScalarFn::Const(at)) = (&**x, &**c)
        {
            self.add(a);
            self.breaks.push(Break { at, included: *f == BinaryFn::LessOrEqual });
            return self.add(b);
        }
        self.each.push(f);
    }

    /// Whether all parts are numbers, and there are several.
    pub(super) fn are_steps(&self) -> bool {
        !self.breaks.is_empty() && self.each.iter().all(|f| matches!(f, ScalarFn::Const(_)))
    }
}

/// Splits `f` into an affine function of a core.
pub(super) fn peel(f: &ScalarFn) -> (Line, &ScalarFn) {
    let constant = |f: &ScalarFn| match f.affine() {
        Some((0.0, c)) => Some(c),
        _ => None,
    };
    let (part, inner) = match f {
        ScalarFn::Unary(UnaryFn::Neg, a) => (Some((-1.0, 0.0)), a),
        ScalarFn::Binary(f, a, b) => match (f, constant(a), constant(b)) {
            (BinaryFn::Add, None, Some(c)) => (Some((1.0, c)), a),
            (BinaryFn::Add, Some(c), None) => (Some((1.0, c)), b),
            (BinaryFn::Sub, None, Some(c)) => (Some((1.0, -c)), a),
            (BinaryFn::Sub, Some(c), None) => (Some((-1.0, c)), b),
            (BinaryFn::Mul, None, Some(c)) => (Some((c, 0.0)), a),
            (BinaryFn::Mul, Some(c), None) => (Some((c, 0.0)), b),
            (BinaryFn::Div, None, Some(c)) => (Some((1.0 / c, 0.0)), a),
            _ => (None, a),
        },
        _ => return (Line::IDENTITY, f),
    };
    let Some((slope, offset)) = part else { return (Line::IDENTITY, f) };
    let (line, core) = peel(inner);
    (line.then(slope, offset), core)
}

/// The function as rounding and clamping, if it is of that form.
pub(super) fn steps(f: &ScalarFn) -> Option<Steps> {
    let constant = |f: &ScalarFn| match f.affine() {
        Some((0.0, c)) => Some(c),
        _ => None,
    };
    match f {
        ScalarFn::X => Some(Steps {
            before: Line::IDENTITY,
            round: false,
            lo: f64::NEG_INFINITY,
            hi: f64::INFINITY,
            after: Line::IDENTITY,
        }),
        ScalarFn::Unary(UnaryFn::Neg, a) => steps(a)?.line(-1.0, 0.0),
        ScalarFn::Unary(UnaryFn::Relu, a) => steps(a)?.clamp(0.0, f64::INFINITY),
        ScalarFn::Unary(UnaryFn::Round, a) => steps(a)?.round(),
        ScalarFn::Binary(f, a, b) => match (f, constant(a), constant(b)) {
            (BinaryFn::Add, None, Some(c)) => steps(a)?.line(1.0, c),
            (BinaryFn::Add, Some(c), None) => steps(b)?.line(1.0, c),
            (BinaryFn::Sub, None, Some(c)) => steps(a)?.line(1.0, -c),
            (BinaryFn::Sub, Some(c), None) => steps(b)?.line(-1.0, c),
            (BinaryFn::Mul, None, Some(c)) => steps(a)?.line(c, 0.0),
            (BinaryFn::Mul, Some(c), None) => steps(b)?.line(c, 0.0),
            (BinaryFn::Div, None, Some(c)) => steps(a)?.line(1.0 / c, 0.0),
            (BinaryFn::Max, None, Some(c)) => steps(a)?.clamp(c, f64::INFINITY),
            (BinaryFn::Max, Some(c), None) => steps(b)?.clamp(c, f64::INFINITY),
            (BinaryFn::Min, None, Some(c)) => steps(a)?.clamp(f64::NEG_INFINITY, c),
            (BinaryFn::Min, Some(c), None) => steps(b)?.clamp(f64::NEG_INFINITY, c),
            _ => None,
        },
        _ => None,
    }
}

impl Steps {
    fn line(mut self, slope: f64, offset: f64) -> Option<Self> {
        if slope == 0.0 || !slope.is_finite() || !offset.is_finite() {
            return None;
        }
        if self.round {
            self.after = self.after.then(slope, offset);
            return Some(self);
        }
        self.before = self.before.then(slope, offset);
        let (lo, hi) = (self.lo * slope + offset, self.hi * slope + offset);
        (self.lo, self.hi) = (lo.min(hi), lo.max(hi));
        Some(self)
    }

    fn clamp(mut self, lo: f64, hi: f64) -> Option<Self> {
        let (mut lo, mut hi) = (lo, hi);
        if self.round {
            let back = |y: f64| (y - self.after.offset) / self.after.slope;
            (lo, hi) = (back(lo).min(back(hi)), back(lo).max(back(hi)));
            let whole = |q: f64| q.is_infinite() || (q - q.round()).abs() < 1e-6;
            if !(whole(lo) && whole(hi)) {
                return None;
            }
            (lo, hi) = (lo.round(), hi.round());
        }
        self.lo = self.lo.clamp(lo, hi);
        self.hi = self.hi.clamp(lo, hi);
        Some(self)
    }

    fn round(mut self) -> Option<Self> {
        let whole = |x: f64| (x - x.round()).abs() == 0.0;
        if self.round {
            return (whole(self.after.slope) && whole(self.after.offset)).then_some(self);
        }
        self.round = true;
        self.lo = self.lo.round_ties_even();
        self.hi = self.hi.round_ties_even();
        Some(self)
    }
}

/// Splits off the innermost rounding: what follows is a function of few integers.
fn rounded(f: &ScalarFn) -> Option<Shape> {
    let split = |inner: &ScalarFn| match steps(inner) {
        Some(steps) if steps.round && inner != &ScalarFn::X => {
            Some(Shape::Rounded(steps, ScalarFn::X))
        }
        _ => rounded(inner),
    };
    let wrap = |shape: Shape, wrap: &dyn Fn(ScalarFn) -> ScalarFn| match shape {
        Shape::Rounded(steps, outer) => Shape::Rounded(steps, wrap(outer)),
        other => other,
    };
    match f {
        ScalarFn::Unary(g, a) => {
            split(a).map(|shape| wrap(shape, &|x| ScalarFn::Unary(*g, Box::new(x))))
        }
        ScalarFn::Binary(g, a, b) => match (&**a, &**b) {
            (a, ScalarFn::Const(c)) => split(a).map(|shape| {
                wrap(shape, &|x| ScalarFn::Binary(*g, Box::new(x), Box::new(ScalarFn::Const(*c))))
            }),
            (ScalarFn::Const(c), b) => split(b).map(|shape| {
                wrap(shape, &|x| ScalarFn::Binary(*g, Box::new(ScalarFn::Const(*c)), Box::new(x)))
            }),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(value: f64) -> ScalarFn {
        ScalarFn::Const(value)
    }

    fn bin(f: BinaryFn, a: ScalarFn, b: ScalarFn) -> ScalarFn {
        ScalarFn::Binary(f, Box::new(a), Box::new(b))
    }

    fn un(f: UnaryFn, a: ScalarFn) -> ScalarFn {
        ScalarFn::Unary(f, Box::new(a))
    }

    /// `DequantizeLinear(QuantizeLinear(x))` with scale `s`, zero point `z`, uint8.
    fn quantized(x: ScalarFn, s: f64, z: f64) -> ScalarFn {
        let q = bin(BinaryFn::Add, un(UnaryFn::Round, bin(BinaryFn::Div, x, c(s))), c(z));
        let q = bin(BinaryFn::Min, bin(BinaryFn::Max, q, c(0.0)), c(255.0));
        bin(BinaryFn::Mul, bin(BinaryFn::Sub, q, c(z)), c(s))
    }

    #[test]
    fn relu_and_clip_are_clamps() {
        let relu6 = bin(BinaryFn::Min, un(UnaryFn::Relu, ScalarFn::X), c(6.0));
        let Shape::Steps(steps) = Shape::of(&relu6) else { panic!("a clamp") };
        assert_eq!((steps.round, steps.lo, steps.hi), (false, 0.0, 6.0));
        let negated = un(UnaryFn::Neg, un(UnaryFn::Relu, bin(BinaryFn::Mul, ScalarFn::X, c(2.0))));
        let Shape::Steps(steps) = Shape::of(&negated) else { panic!("a clamp") };
        assert_eq!((steps.before.slope, steps.lo, steps.hi), (-2.0, f64::NEG_INFINITY, 0.0));
    }

    #[test]
    fn quantize_then_dequantize_is_rounding() {
        let Shape::Steps(steps) = Shape::of(&quantized(ScalarFn::X, 0.5, 10.0)) else {
            panic!("rounding")
        };
        assert_eq!((steps.round, steps.lo, steps.hi), (true, -10.0, 245.0));
        assert_eq!((steps.before.slope, steps.before.offset), (2.0, 0.0));
        assert_eq!((steps.after.slope, steps.after.offset), (0.5, 0.0));
        let f = un(UnaryFn::Relu, quantized(ScalarFn::X, 0.5, 10.0));
        let Shape::Steps(steps) = Shape::of(&f) else { panic!("rounding") };
        assert_eq!((steps.lo, steps.hi), (0.0, 245.0));
    }

    #[test]
    fn functions_of_rounded_values_are_split() {
        let f = un(UnaryFn::Tanh, quantized(ScalarFn::X, 0.5, 10.0));
        let Shape::Rounded(steps, outer) = Shape::of(&f) else { panic!("split") };
        for x in [-20.0, -0.3, 0.2, 0.8, 300.0] {
            let q = (x * steps.before.slope).round_ties_even().clamp(steps.lo, steps.hi);
            assert!(
                (outer.eval(steps.after.slope * q + steps.after.offset) - f.eval(x)).abs() < 1e-12,
                "{x}"
            );
        }
    }

    #[test]
    fn thresholds_are_comparisons() {
        let above = bin(BinaryFn::Greater, bin(BinaryFn::Mul, ScalarFn::X, c(2.0)), c(3.0));
        let chosen = ScalarFn::Where(Box::new(above), Box::new(c(7.0)), Box::new(c(5.0)));
        let Shape::Compare { f, inner, outer } = Shape::of(&chosen) else { panic!("comparison") };
        assert_eq!((f, inner.slope, inner.offset), (BinaryFn::Greater, 2.0, -3.0));
        assert_eq!((outer.slope, outer.offset), (2.0, 5.0));
        let guard = bin(BinaryFn::Add, ScalarFn::X, bin(BinaryFn::Equal, ScalarFn::X, c(0.0)));
        assert!(guards_zero(&guard) && !guards_zero(&chosen));
    }

    #[test]
    fn choices_in_the_order_of_the_variable_are_parts() {
        let choice = |f, at, a, b| {
            ScalarFn::Where(Box::new(bin(f, ScalarFn::X, c(at))), Box::new(a), Box::new(b))
        };
        let above = choice(BinaryFn::LessOrEqual, 3.0, ScalarFn::X, c(9.0));
        let f = choice(BinaryFn::Less, 1.0, c(2.0), above.clone());
        let parts = Parts::of(&f);
        let breaks = [(1.0, false), (3.0, true)].map(|(at, included)| Break { at, included });
        assert_eq!(parts.breaks, breaks);
        assert_eq!(parts.each, [&c(2.0), &ScalarFn::X, &c(9.0)]);
        assert!(
            !parts.are_steps()
                && Parts::of(&choice(BinaryFn::Less, 1.0, c(2.0), c(3.0))).are_steps()
        );
        // Of a choice that is never made nothing is known.
        let f = choice(BinaryFn::Less, 5.0, c(2.0), above);
        assert_eq!(Parts::of(&f), Parts { breaks: vec![], each: vec![&f] });
    }

    #[test]
    fn roots_and_quotients_are_found_under_affine_functions() {
        let root = un(UnaryFn::Sqrt, bin(BinaryFn::Add, ScalarFn::X, c(1e-5)));
        let Shape::ReciprocalSqrt { inner, outer } =
            Shape::of(&bin(BinaryFn::Div, c(3.0), root.clone()))
        else {
            panic!("reciprocal root")
        };
        assert_eq!((inner.offset, outer.slope), (1e-5, 3.0));
        assert!(matches!(Shape::of(&bin(BinaryFn::Mul, root, c(2.0))), Shape::Sqrt { .. }));
        let square = bin(BinaryFn::Pow, ScalarFn::X, c(2.0));
        assert!(matches!(Shape::of(&square), Shape::Square { .. }));
        assert!(matches!(
            Shape::of(&un(UnaryFn::Reciprocal, ScalarFn::X)),
            Shape::Reciprocal { .. }
        ));
        assert_eq!(Shape::of(&un(UnaryFn::Erf, ScalarFn::X)), Shape::Other);
    }
}
