//! Values as expressions of one variable, where it is known on which side of every comparison it
//! is.

use crate::float::{BinaryFn, Reducer, ScalarFn, UnaryFn};

/// Expressions do not grow beyond this many parts.
const SIZE_MAX: usize = 64;
/// Values that differ by less than this part of the greater are one.
const SAME: f64 = 1e-12;
/// What lines are off by where they cancel, as a part of what cancels.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// Where the variable is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// One number.
    At(f64),
    /// All numbers between two, without them.
    Between(f64, f64),
}

/// A value in a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Symbol {
    /// One number.
    Known(f64),
    /// A function of the variable.
    Function(ScalarFn),
}

/// Why a value has no expression in a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unknown {
    /// A comparison turns at this value of the variable.
    Turns(f64),
    /// It has none.
    Never,
}

impl Place {
    /// The variable itself.
    pub(super) fn variable(self) -> Symbol {
        match self {
            Self::At(x) => Symbol::Known(x),
            Self::Between(..) => Symbol::Function(ScalarFn::X),
        }
    }

    /// A function of a value.
    pub(super) fn apply(self, f: &ScalarFn, x: &Symbol) -> Result<Symbol, Unknown> {
        match f {
            ScalarFn::X => Ok(x.clone()),
            ScalarFn::Const(c) => Ok(Symbol::Known(*c)),
            ScalarFn::Unary(f, a) => self.unary(*f, self.apply(a, x)?),
            ScalarFn::Binary(f, a, b) => self.binary(*f, self.apply(a, x)?, self.apply(b, x)?),
            ScalarFn::Where(condition, a, b) => match self.apply(condition, x)? {
                Symbol::Known(c) => self.apply(if c != 0.0 { a } else { b }, x),
                Symbol::Function(_) => Err(Unknown::Never),
            },
        }
    }

    fn unary(self, f: UnaryFn, x: Symbol) -> Result<Symbol, Unknown> {
        let g = match x {
            Symbol::Known(x) => return Ok(Symbol::Known(f.eval(x))),
            Symbol::Function(g) => g,
        };
        let zero = || Symbol::Known(0.0);
        let is =
            |f| self.compare(f, &Symbol::Function(g.clone()), &zero()).map(|truth| truth != 0.0);
        match f {
            UnaryFn::Abs if is(BinaryFn::Less)? => normal(g.then(UnaryFn::Neg)),
            UnaryFn::Abs => Ok(Symbol::Function(g)),
            UnaryFn::Relu if is(BinaryFn::Less)? => Ok(zero()),
            UnaryFn::Relu => Ok(Symbol::Function(g)),
            UnaryFn::Sign => Ok(Symbol::Known(if is(BinaryFn::Less)? { -1.0 } else { 1.0 })),
            UnaryFn::Not => Ok(Symbol::Known(f64::from(u8::from(is(BinaryFn::Equal)?)))),
            UnaryFn::IsNaN | UnaryFn::IsInf if self.is_number(&g)? => Ok(zero()),
            UnaryFn::IsNaN if self.is_missing(&g)? => Ok(Symbol::Known(1.0)),
            UnaryFn::IsNaN | UnaryFn::IsInf => Err(Unknown::Never),
            _ => normal(g.then(f)),
        }
    }

    /// A function of two values.
    pub(super) fn binary(self, f: BinaryFn, a: Symbol, b: Symbol) -> Result<Symbol, Unknown> {
        let known = |symbol: &Symbol| match symbol {
            Symbol::Known(value) => Some(*value),
            Symbol::Function(_) => None,
        };
        if let (Some(a), Some(b)) = (known(&a), known(&b)) {
            return Ok(Symbol::Known(f.eval(a, b)));
        }
        if [known(&a), known(&b)].into_iter().flatten().any(f64::is_nan) && !f.decides() {
            return Ok(Symbol::Known(f64::NAN));
        }
        match f {
            BinaryFn::And | BinaryFn::Or | BinaryFn::Xor => Err(Unknown::Never),
            f if f.compares() => self.compare(f, &a, &b).map(Symbol::Known),
            BinaryFn::Max | BinaryFn::Min => {
                let less = self.compare(BinaryFn::Less, &a, &b)? != 0.0;
                Ok(if less == (f == BinaryFn::Max) { b } else { a })
            }
            BinaryFn::Mul => match (known(&a), known(&b), &a, &b) {
                (Some(0.0), None, _, Symbol::Function(g))
                | (None, Some(0.0), Symbol::Function(g), _)
                    if self.is_number(g)? =>
                {
                    Ok(Symbol::Known(0.0))
                }
                _ => normal(ScalarFn::binary(f, a.function(), b.function())),
            },
            _ => normal(ScalarFn::binary(f, a.function(), b.function())),
        }
    }

    /// The truth of a comparison of lines, which is one everywhere in the place.
    fn compare(self, f: BinaryFn, a: &Symbol, b: &Symbol) -> Result<f64, Unknown> {
        let line = |symbol: &Symbol| match symbol {
            Symbol::Known(value) => Some((0.0, *value)),
            Symbol::Function(g) => g.affine(),
        };
        let (Some((slope_a, offset_a)), Some((slope_b, offset_b))) = (line(a), line(b)) else {
            return Err(Unknown::Never);
        };
        let (slope, offset) = (slope_a - slope_b, offset_a - offset_b);
        if slope == 0.0 || !offset.is_finite() {
            return Ok(f.eval(offset_a, offset_b));
        }
        let turn = -offset / slope;
        let before = match self {
            Self::At(x) => return Ok(f.eval(slope * x + offset, 0.0)),
            Self::Between(lo, hi) if lo < turn && turn < hi => return Err(Unknown::Turns(turn)),
            Self::Between(_, hi) => hi <= turn,
        };
        Ok(f.eval(if before == (slope > 0.0) { -1.0 } else { 1.0 }, 0.0))
    }
}

/// Where functions have values.
impl Place {
    /// Whether a function has one everywhere in the place, by its form.
    fn is_number(self, f: &ScalarFn) -> Result<bool, Unknown> {
        let both = |a: &ScalarFn, b: &ScalarFn| -> Result<bool, Unknown> {
            Ok(self.is_number(a)? && self.is_number(b)?)
        };
        match f {
            ScalarFn::X => Ok(true),
            ScalarFn::Const(c) => Ok(c.is_finite()),
            ScalarFn::Unary(
                UnaryFn::Neg
                | UnaryFn::Abs
                | UnaryFn::Floor
                | UnaryFn::Ceil
                | UnaryFn::Round
                | UnaryFn::Truncate,
                a,
            ) => self.is_number(a),
            ScalarFn::Unary(UnaryFn::Log, a) => self.is(BinaryFn::Greater, a),
            ScalarFn::Binary(BinaryFn::Pow, a, b) if matches!(**b, ScalarFn::Const(_)) => {
                self.is(BinaryFn::Greater, a)
            }
            ScalarFn::Binary(BinaryFn::Add | BinaryFn::Sub | BinaryFn::Mul, a, b) => both(a, b),
            ScalarFn::Binary(BinaryFn::Div, a, b) if matches!(**b, ScalarFn::Const(c) if c != 0.0) => {
                self.is_number(a)
            }
            _ => Ok(false),
        }
    }

    /// Whether a function has none anywhere in the place.
    fn is_missing(self, f: &ScalarFn) -> Result<bool, Unknown> {
        match f {
            ScalarFn::Unary(UnaryFn::Log, a) => self.is(BinaryFn::Less, a),
            ScalarFn::Unary(_, a) => self.is_missing(a),
            ScalarFn::Binary(BinaryFn::Pow, a, b) => match **b {
                ScalarFn::Const(power) if power.fract() != 0.0 => self.is(BinaryFn::Less, a),
                _ => Ok(false),
            },
            ScalarFn::Binary(f, a, b) if !f.decides() => {
                Ok(self.is_missing(a)? || self.is_missing(b)?)
            }
            _ => Ok(false),
        }
    }

    /// Whether a line is on one side of zero everywhere in the place.
    fn is(self, f: BinaryFn, line: &ScalarFn) -> Result<bool, Unknown> {
        match self.compare(f, &Symbol::Function(line.clone()), &Symbol::Known(0.0)) {
            Err(Unknown::Never) => Ok(false),
            truth => truth.map(|truth| truth != 0.0),
        }
    }
}

impl Symbol {
    fn function(self) -> ScalarFn {
        match self {
            Self::Known(value) => ScalarFn::Const(value),
            Self::Function(f) => f,
        }
    }
}

/// A function in its shortest form.
fn normal(f: ScalarFn) -> Result<Symbol, Unknown> {
    match f.affine() {
        Some((slope, offset)) if !(slope.is_finite() && offset.is_finite()) => Err(Unknown::Never),
        Some((0.0, offset)) => Ok(Symbol::Known(offset)),
        Some((slope, offset)) => Ok(Symbol::Function(line(slope, offset))),
        None if f.size() > SIZE_MAX => Err(Unknown::Never),
        None => Ok(Symbol::Function(f)),
    }
}

fn line(slope: f64, offset: f64) -> ScalarFn {
    ScalarFn::X * ScalarFn::Const(slope) + ScalarFn::Const(offset)
}

/// A function that gives nothing for what is missing.
pub(super) fn keeps_missing(f: ScalarFn) -> ScalarFn {
    if f.eval(f64::NAN).is_nan() {
        return f;
    }
    ScalarFn::unary(UnaryFn::IsNaN).choose(ScalarFn::X, f)
}

/// A function that gives `value` for what is missing.
pub(super) fn with_missing(f: ScalarFn, value: f64) -> ScalarFn {
    if value.is_nan() {
        return keeps_missing(f);
    }
    if f.eval(f64::NAN).to_bits() == value.to_bits() {
        return f;
    }
    ScalarFn::unary(UnaryFn::IsNaN).choose(ScalarFn::Const(value), f)
}

/// What a reduction makes of a row.
pub(super) fn reduced(place: Place, reducer: Reducer, row: &[Symbol]) -> Result<Symbol, Unknown> {
    let fold = |f: BinaryFn| {
        let mut values = row.iter().cloned();
        let first = values.next().ok_or(Unknown::Never)?;
        values.try_fold(first, |sum, value| place.binary(f, sum, value))
    };
    match reducer {
        Reducer::Sum => fold(BinaryFn::Add),
        Reducer::Mean => {
            let count = Symbol::Known(row.len() as f64);
            place.binary(BinaryFn::Div, fold(BinaryFn::Add)?, count)
        }
        Reducer::Prod => fold(BinaryFn::Mul),
        Reducer::Max => fold(BinaryFn::Max),
        Reducer::Min => fold(BinaryFn::Min),
        Reducer::ArgMax | Reducer::ArgMin => {
            let f = if reducer == Reducer::ArgMax { BinaryFn::Greater } else { BinaryFn::Less };
            let mut best = 0;
            for at in 1..row.len() {
                let beats = place.binary(f, row[at].clone(), row[best].clone())?;
                best = if beats == Symbol::Known(1.0) { at } else { best };
            }
            Ok(Symbol::Known(best as f64))
        }
        Reducer::LogSumExp => Err(Unknown::Never),
    }
}

/// A function of numbers as a choice among expressions without choices; `None` if it has no such
/// form.
pub(super) fn in_parts(f: &ScalarFn) -> Option<ScalarFn> {
    const PLACES_MAX: usize = 64;
    let mut left = vec![Place::Between(f64::NEG_INFINITY, f64::INFINITY)];
    let mut found = vec![];
    while let Some(place) = left.pop() {
        match (place.apply(f, &place.variable()), place) {
            (Ok(value), _) => found.push((place, value)),
            (Err(Unknown::Turns(t)), Place::Between(lo, hi))
                if found.len() + left.len() < PLACES_MAX =>
            {
                left.extend([Place::Between(t, hi), Place::At(t), Place::Between(lo, t)]);
            }
            _ => return None,
        }
    }
    joined(found)
}

/// A part of a function: everything up to `to`, with it or without.
struct Part {
    f: ScalarFn,
    to: f64,
    included: bool,
    /// Whether it is `to` alone.
    is_point: bool,
}

/// One function of the values in all places, which follow each other from minus infinity on; `None`
/// if one of them is no number.
pub(super) fn joined(places: Vec<(Place, Symbol)>) -> Option<ScalarFn> {
    let mut parts: Vec<Part> = vec![];
    for (place, symbol) in places {
        let f = symbol.function();
        if matches!(f, ScalarFn::Const(c) if !c.is_finite()) {
            return None;
        }
        match place {
            Place::At(t) => match parts.last_mut() {
                Some(last) if meet(&last.f, &f, t) => last.included = true,
                _ => parts.push(Part { f, to: t, included: true, is_point: true }),
            },
            Place::Between(from, to) => {
                // A number whose value is that of what follows belongs to it.
                if parts.last().is_some_and(|p| p.is_point && meet(&p.f, &f, from)) {
                    parts.pop();
                }
                match parts.last_mut() {
                    Some(last) if last.included && last.f == f => {
                        (last.to, last.included) = (to, false);
                    }
                    _ => parts.push(Part { f, to, included: false, is_point: false }),
                }
            }
        }
    }
    (!parts.is_empty()).then(|| tree(&parts))
}

/// Whether two functions have one value at a number, but for rounding.
fn meet(f: &ScalarFn, g: &ScalarFn, t: f64) -> bool {
    let (a, b) = (f.eval(t), g.eval(t));
    let cancels =
        |f: &ScalarFn| f.affine().map_or(0.0, |(slope, offset)| (slope * t).abs() + offset.abs());
    let gap = (a - b).abs();
    let rounding = ROUNDING * cancels(f).max(cancels(g));
    gap.is_finite() && gap <= rounding.max(SAME * a.abs().max(b.abs()))
}

/// A choice among parts by halves.
fn tree(parts: &[Part]) -> ScalarFn {
    if let [part] = parts {
        return part.f.clone();
    }
    let (before, after) = parts.split_at(parts.len() / 2);
    let last = &before[before.len() - 1];
    let f = if last.included { BinaryFn::LessOrEqual } else { BinaryFn::Less };
    let condition = ScalarFn::binary(f, ScalarFn::X, ScalarFn::Const(last.to));
    condition.choose(tree(before), tree(after))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that functions keep are kept exactly")]
mod tests {
    use super::*;
    use crate::float::scalar::{c, x};

    const ALL: Place = Place::Between(f64::NEG_INFINITY, f64::INFINITY);

    #[test]
    fn a_comparison_turns_where_both_sides_are_equal() {
        let less = x().less(c(3.0));
        assert_eq!(ALL.apply(&less, &ALL.variable()), Err(Unknown::Turns(3.0)));
        for (place, truth) in [
            (Place::Between(f64::NEG_INFINITY, 3.0), 1.0),
            (Place::At(3.0), 0.0),
            (Place::Between(3.0, 4.0), 0.0),
        ] {
            assert_eq!(place.apply(&less, &place.variable()), Ok(Symbol::Known(truth)));
        }
        // A falling line turns the other way round.
        let place = Place::Between(-1.0, 5.0);
        let falling = (c(2.0) - x() * c(0.5)).less(c(0.0));
        assert_eq!(place.apply(&falling, &place.variable()), Err(Unknown::Turns(4.0)));
        let place = Place::Between(4.0, 5.0);
        assert_eq!(place.apply(&falling, &place.variable()), Ok(Symbol::Known(1.0)));
    }

    #[test]
    fn what_has_no_expression_is_said_so() {
        let log = x().log();
        assert_eq!(ALL.apply(&log.clone().less(c(0.0)), &ALL.variable()), Err(Unknown::Never));
        // Zero times what is infinite somewhere is no zero there.
        let product = c(0.0) * log;
        assert_eq!(ALL.apply(&product, &ALL.variable()), Err(Unknown::Turns(0.0)));
        let negative = Place::Between(f64::NEG_INFINITY, 0.0);
        let value = negative.apply(&product, &negative.variable());
        assert!(matches!(value, Ok(Symbol::Function(_))), "{value:?}");
        let positive = Place::Between(0.0, f64::INFINITY);
        assert_eq!(positive.apply(&product, &positive.variable()), Ok(Symbol::Known(0.0)));
        let product = c(0.0) * x().then(UnaryFn::Truncate);
        assert_eq!(ALL.apply(&product, &ALL.variable()), Ok(Symbol::Known(0.0)));
    }

    #[test]
    fn a_power_transform_is_made_of_two_powers() {
        let power = |base: ScalarFn, power: f64| {
            let power = base.pow(c(power));
            power.clone().then(UnaryFn::IsNaN).choose(c(0.0), power)
        };
        let (above, below) = (power(x() + c(1.0), 0.5), power(c(1.0) - x(), 1.5));
        let negative = x().less(c(0.0));
        let positive = negative.clone().then(UnaryFn::Not);
        let f = negative * (-below) + positive * above;
        let parts = in_parts(&f).expect("two parts");
        for x in [-7.0, -1.0, -0.5, 0.0, 0.3, 9.0] {
            assert!((parts.eval(x) - f.eval(x)).abs() < 1e-12, "{x}");
        }
        assert!(parts.size() < f.size());
        assert_eq!(in_parts(&(x().log().less(c(0.0)))), None);
    }

    #[test]
    fn places_are_joined_where_their_values_meet() {
        let between = |lo, hi, f| (Place::Between(lo, hi), Symbol::Function(f));
        let at = |t, value| (Place::At(t), Symbol::Known(value));
        let (lo, hi) = (f64::NEG_INFINITY, f64::INFINITY);
        // Up to 1 the identity, 2 x - 1 from 1 on, at 2 a value of its own.
        let rising = || x() * c(2.0) - c(1.0);
        let places = vec![
            between(lo, 0.0, x()),
            at(0.0, 0.0),
            between(0.0, 1.0, x()),
            at(1.0, 1.0),
            between(1.0, 2.0, rising()),
            at(2.0, 9.0),
            between(2.0, hi, rising()),
        ];
        let f = joined(places).expect("numbers everywhere");
        let values = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0].map(|x| f.eval(x));
        assert_eq!(values, [-1.0, 0.0, 0.5, 1.0, 2.0, 9.0, 5.0]);
        // Three comparisons: what is one expression is one part.
        assert_eq!(f.size(), 3 * 4 + x().size() + c(9.0).size() + 2 * rising().size());
        // A value of what follows begins it.
        let places = vec![
            (Place::Between(lo, 1.0), Symbol::Known(0.0)),
            at(1.0, 5.0),
            (Place::Between(1.0, hi), Symbol::Known(5.0)),
        ];
        let f = joined(places).expect("numbers everywhere");
        assert_eq!([0.9, 1.0, 1.1].map(|x| f.eval(x)), [0.0, 5.0, 5.0]);
        assert_eq!(joined(vec![at(0.0, f64::NAN)]), None);
    }

    #[test]
    fn a_far_value_makes_no_others_the_same() {
        let place = |lo, hi, value| (Place::Between(lo, hi), Symbol::Known(value));
        let at = |t, value| (Place::At(t), Symbol::Known(value));
        let places = vec![
            place(f64::NEG_INFINITY, 1.0, 0.0),
            at(1.0, 5.0),
            place(1.0, 100.0, 5.0),
            at(100.0, 1e30),
            place(100.0, f64::INFINITY, 1e30),
        ];
        let f = joined(places).expect("numbers everywhere");
        assert_eq!([0.0, 1.0, 2.0, 3.0, 100.0].map(|x| f.eval(x)), [0.0, 5.0, 5.0, 5.0, 1e30]);
    }

    #[test]
    fn lines_that_cancel_meet_where_they_do_but_for_rounding() {
        let (rising, turn) = (line(0.1, -0.07), 0.7);
        assert_ne!(rising.eval(turn), 0.0);
        assert!(meet(&rising, &ScalarFn::Const(0.0), turn));
        assert!(!meet(&rising, &ScalarFn::Const(1e-9), turn));
        assert!(!meet(&ScalarFn::Const(0.0), &ScalarFn::Const(f64::MIN_POSITIVE), turn));
    }
}
