//! Functions of one and two real variables.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use serde::{Deserialize, Serialize};

/// A real function of one variable `x`, as an expression.
///
/// Chains of elementwise operators with scalar constants are fused into one such function at
/// import, so that `0.5 * x * (1 + erf(x / sqrt(2)))` becomes one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ScalarFn {
    /// The variable.
    X,
    /// A constant.
    Const(f64),
    /// A primitive applied to an expression.
    Unary(UnaryFn, Box<Self>),
    /// A primitive applied to two expressions.
    Binary(BinaryFn, Box<Self>, Box<Self>),
    /// `if condition != 0 { a } else { b }`.
    Where(Box<Self>, Box<Self>, Box<Self>),
}

/// A primitive of one variable, named as in ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the ONNX operator of its name")]
pub enum UnaryFn {
    Neg,
    Abs,
    Sign,
    Relu,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Erf,
    Sigmoid,
    Tanh,
    Softplus,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Floor,
    Ceil,
    /// Halves to even.
    Round,
    /// Toward zero (casts to integers).
    Truncate,
    /// 1 where the operand is 0, else 0.
    Not,
    IsNaN,
    IsInf,
}

/// A primitive of two variables, named as in ONNX; comparisons and logic give 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the ONNX operator of its name")]
pub enum BinaryFn {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    /// Result has the divisor's sign (ONNX `Mod`, `fmod = 0`).
    Mod,
    /// Result has the dividend's sign (ONNX `Mod`, `fmod = 1`).
    Fmod,
    Max,
    Min,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    And,
    Or,
    Xor,
}

impl UnaryFn {
    /// Computes the function in double precision.
    ///
    /// Transcendental functions come from `libm`, compiled into the program, so that every machine
    /// computes the same bits: tables of the integer model, and with them model keys, are made from
    /// these values.
    pub fn eval(self, x: f64) -> f64 {
        match self {
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Sign if x == 0.0 || x.is_nan() => x,
            Self::Sign => x.signum(),
            Self::Relu if x.is_nan() => x,
            Self::Relu => x.max(0.0),
            Self::Exp => libm::exp(x),
            Self::Log => libm::log(x),
            Self::Sqrt => libm::sqrt(x),
            Self::Reciprocal => x.recip(),
            Self::Erf => libm::erf(x),
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => libm::tanh(x),
            Self::Softplus => x.max(0.0) + libm::log1p(libm::exp(-x.abs())),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Sinh => libm::sinh(x),
            Self::Cosh => libm::cosh(x),
            Self::Asinh => libm::asinh(x),
            Self::Acosh => libm::acosh(x),
            Self::Atanh => libm::atanh(x),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Truncate => x.trunc(),
            Self::Not => truth(x == 0.0),
            Self::IsNaN => truth(x.is_nan()),
            Self::IsInf => truth(x.is_infinite()),
        }
    }
}

impl BinaryFn {
    /// Computes the function in double precision; comparisons and logic give 0 or 1.
    #[expect(clippy::float_cmp, reason = "ONNX `Equal` is exact")]
    pub fn eval(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => libm::pow(a, b),
            Self::Mod => {
                let rest = a % b;
                if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
            }
            Self::Fmod => a % b,
            Self::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Max => a.max(b),
            Self::Min if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => a.min(b),
            Self::Less => truth(a < b),
            Self::LessOrEqual => truth(a <= b),
            Self::Greater => truth(a > b),
            Self::GreaterOrEqual => truth(a >= b),
            Self::Equal => truth(a == b),
            Self::And => truth(a != 0.0 && b != 0.0),
            Self::Or => truth(a != 0.0 || b != 0.0),
            Self::Xor => truth((a != 0.0) != (b != 0.0)),
        }
    }

    /// Whether it only asks which of two numbers is greater.
    pub(crate) const fn compares(self) -> bool {
        matches!(
            self,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual | Self::Equal
        )
    }

    /// Whether it gives 0 or 1, of what is missing too.
    pub(crate) const fn decides(self) -> bool {
        self.compares() || matches!(self, Self::And | Self::Or | Self::Xor)
    }
}

/// The nearest float32.
#[expect(clippy::cast_possible_truncation, reason = "it is rounded")]
pub(super) fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

impl ScalarFn {
    /// Whether one of these functions is taken anywhere in it.
    pub(crate) fn takes(&self, is: &dyn Fn(UnaryFn) -> bool) -> bool {
        match self {
            Self::X | Self::Const(_) => false,
            Self::Unary(f, a) => is(*f) || a.takes(is),
            Self::Binary(_, a, b) => a.takes(is) || b.takes(is),
            Self::Where(condition, a, b) => [condition, a, b].into_iter().any(|f| f.takes(is)),
        }
    }

    /// Computes the function at `x` in double precision.
    pub fn eval(&self, x: f64) -> f64 {
        match self {
            Self::X => x,
            Self::Const(value) => *value,
            Self::Unary(f, a) => f.eval(a.eval(x)),
            Self::Binary(f, a, b) => f.eval(a.eval(x), b.eval(x)),
            Self::Where(condition, a, b) => {
                if condition.eval(x) != 0.0 {
                    a.eval(x)
                } else {
                    b.eval(x)
                }
            }
        }
    }

    /// As [`Self::eval`], every step rounded to float32.
    pub fn eval_single(&self, x: f64) -> f64 {
        single(match self {
            Self::X => x,
            Self::Const(value) => *value,
            Self::Unary(f, a) => f.eval(a.eval_single(x)),
            Self::Binary(f, a, b) => f.eval(a.eval_single(x), b.eval_single(x)),
            Self::Where(condition, a, b) => {
                if condition.eval_single(x) != 0.0 {
                    a.eval_single(x)
                } else {
                    b.eval_single(x)
                }
            }
        })
    }

    /// The primitive `f` of the variable.
    pub fn unary(f: UnaryFn) -> Self {
        Self::Unary(f, Box::new(Self::X))
    }

    /// The primitive `f` of two expressions.
    pub fn binary(f: BinaryFn, a: Self, b: Self) -> Self {
        Self::Binary(f, Box::new(a), Box::new(b))
    }

    /// The function `x -> self(inner(x))`.
    pub fn after(&self, inner: &Self) -> Self {
        let sub = |f: &Self| Box::new(f.after(inner));
        match self {
            Self::X => inner.clone(),
            Self::Const(value) => Self::Const(*value),
            Self::Unary(f, a) => Self::Unary(*f, sub(a)),
            Self::Binary(f, a, b) => Self::Binary(*f, sub(a), sub(b)),
            Self::Where(condition, a, b) => Self::Where(sub(condition), sub(a), sub(b)),
        }
    }

    /// `(slope, offset)` if the function is `x -> slope * x + offset` by its form.
    pub fn affine(&self) -> Option<(f64, f64)> {
        match self {
            Self::X => Some((1.0, 0.0)),
            Self::Const(value) => Some((0.0, *value)),
            Self::Unary(UnaryFn::Neg, a) => a.affine().map(|(slope, offset)| (-slope, -offset)),
            Self::Binary(f, a, b) => {
                let ((slope_a, offset_a), (slope_b, offset_b)) = (a.affine()?, b.affine()?);
                match f {
                    BinaryFn::Add => Some((slope_a + slope_b, offset_a + offset_b)),
                    BinaryFn::Sub => Some((slope_a - slope_b, offset_a - offset_b)),
                    BinaryFn::Mul if slope_b == 0.0 => {
                        Some((slope_a * offset_b, offset_a * offset_b))
                    }
                    BinaryFn::Mul if slope_a == 0.0 => {
                        Some((slope_b * offset_a, offset_b * offset_a))
                    }
                    BinaryFn::Div if slope_b == 0.0 => {
                        Some((slope_a / offset_b, offset_a / offset_b))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The number of primitives, constants and variables of the expression.
    pub fn size(&self) -> usize {
        match self {
            Self::X | Self::Const(_) => 1,
            Self::Unary(_, a) => 1 + a.size(),
            Self::Binary(_, a, b) => 1 + a.size() + b.size(),
            Self::Where(condition, a, b) => 1 + condition.size() + a.size() + b.size(),
        }
    }
}

/// The variable.
pub(crate) fn x() -> ScalarFn {
    ScalarFn::X
}

/// The constant `value`.
pub(crate) fn c(value: f64) -> ScalarFn {
    ScalarFn::Const(value)
}

/// Expressions as they are written in mathematics: `x() * (c(alpha) * x()).sigmoid()`.
///
/// Nothing is simplified: two spellings of one function are two expressions.
impl ScalarFn {
    /// The primitive `f` of this expression.
    pub fn then(self, f: UnaryFn) -> Self {
        Self::Unary(f, Box::new(self))
    }

    /// `|self|`.
    pub fn abs(self) -> Self {
        self.then(UnaryFn::Abs)
    }

    /// `exp(self)`.
    pub fn exp(self) -> Self {
        self.then(UnaryFn::Exp)
    }

    /// The natural logarithm.
    pub fn log(self) -> Self {
        self.then(UnaryFn::Log)
    }

    /// The square root.
    pub fn sqrt(self) -> Self {
        self.then(UnaryFn::Sqrt)
    }

    /// The error function.
    pub fn erf(self) -> Self {
        self.then(UnaryFn::Erf)
    }

    /// `1 / (1 + exp(-self))`.
    pub fn sigmoid(self) -> Self {
        self.then(UnaryFn::Sigmoid)
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Self {
        self.then(UnaryFn::Tanh)
    }

    /// `log(1 + exp(self))`.
    pub fn softplus(self) -> Self {
        self.then(UnaryFn::Softplus)
    }

    /// The nearest integer, halves to even.
    pub fn round(self) -> Self {
        self.then(UnaryFn::Round)
    }

    /// The greatest integer that is not greater.
    pub fn floor(self) -> Self {
        self.then(UnaryFn::Floor)
    }

    /// `self` to the power `exponent`.
    pub fn pow(self, exponent: Self) -> Self {
        Self::binary(BinaryFn::Pow, self, exponent)
    }

    /// The greater of both.
    pub fn max(self, other: Self) -> Self {
        Self::binary(BinaryFn::Max, self, other)
    }

    /// The smaller of both.
    pub fn min(self, other: Self) -> Self {
        Self::binary(BinaryFn::Min, self, other)
    }

    /// `min(max(self, low), high)`; bounds that are infinite or beyond float32 bound nothing.
    pub fn clip(self, low: f64, high: f64) -> Self {
        let limit = f64::from(f32::MAX);
        let above = if low > -limit { self.max(c(low)) } else { self };
        if high < limit { above.min(c(high)) } else { above }
    }

    /// 1 where `self < other`, else 0.
    pub fn less(self, other: Self) -> Self {
        Self::binary(BinaryFn::Less, self, other)
    }

    /// 1 where `self > other`, else 0.
    pub fn greater(self, other: Self) -> Self {
        Self::binary(BinaryFn::Greater, self, other)
    }

    /// 1 where `self == other`, else 0.
    pub fn equal(self, other: Self) -> Self {
        Self::binary(BinaryFn::Equal, self, other)
    }

    /// `a` where `self` is not 0, else `b`.
    pub fn choose(self, a: Self, b: Self) -> Self {
        Self::Where(Box::new(self), Box::new(a), Box::new(b))
    }
}

impl Neg for ScalarFn {
    type Output = Self;

    fn neg(self) -> Self {
        self.then(UnaryFn::Neg)
    }
}

macro_rules! arithmetic {
    ($($operator:ident::$method:ident is $f:ident),*) => {
        $(impl $operator for ScalarFn {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                Self::binary(BinaryFn::$f, self, other)
            }
        })*
    };
}

// The remainder has the divisor's sign, as that of ONNX.
arithmetic!(Add::add is Add, Sub::sub is Sub, Mul::mul is Mul, Div::div is Div, Rem::rem is Mod);

fn sigmoid(x: f64) -> f64 {
    let small = libm::exp(-x.abs());
    if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-15 * expected.abs().max(1e-3), "{got} {expected}");
    }

    #[test]
    fn primitives_have_full_precision() {
        close(UnaryFn::Erf.eval(0.5), 0.520_499_877_813_046_5);
        close(UnaryFn::Sigmoid.eval(-40.0), 4.248_354_255_291_589e-18);
        close(UnaryFn::Softplus.eval(-40.0), 4.248_354_255_291_589e-18);
        close(UnaryFn::Softplus.eval(800.0), 800.0);
        close(UnaryFn::Round.eval(2.5), 2.0);
        close(UnaryFn::Sign.eval(-0.0), 0.0);
    }

    #[test]
    fn mod_takes_the_divisors_sign_and_fmod_the_dividends() {
        close(BinaryFn::Mod.eval(-4.0, 3.0), 2.0);
        close(BinaryFn::Mod.eval(4.0, -3.0), -2.0);
        close(BinaryFn::Fmod.eval(-4.0, 3.0), -1.0);
    }

    #[test]
    fn functions_compose() {
        let (twice, shift) = (x() * c(2.0), x() - c(3.0));
        let both = twice.after(&shift);
        close(both.eval(5.0), 4.0);
        assert_eq!(both.affine(), Some((2.0, -6.0)));
        assert_eq!(ScalarFn::unary(UnaryFn::Exp).after(&both).affine(), None);
        assert_eq!(both.size(), 5);
    }

    #[test]
    fn expressions_are_written_as_in_mathematics() {
        let gate = x() * (c(2.0) * x()).sigmoid();
        close(gate.eval(0.5), 0.5 * UnaryFn::Sigmoid.eval(1.0));
        let steps = x().less(c(0.0)).choose(-x(), x() % c(3.0));
        close(steps.eval(-4.0), 4.0);
        close(steps.eval(4.0), 1.0);
        assert_eq!(x().clip(f64::NEG_INFINITY, 1.0), x().min(c(1.0)));
        assert_eq!(x().clip(0.0, f64::INFINITY), x().max(c(0.0)));
    }
}
