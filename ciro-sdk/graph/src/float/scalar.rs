//! Functions of one and two real variables.

use serde::{Deserialize, Serialize};

/// A real function of one variable `x`, as an expression.
///
/// Chains of elementwise operators with scalar constants are fused into one such function at import, so that
/// `0.5 * x * (1 + erf(x / sqrt(2)))` becomes one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ScalarFn {
    /// The variable.
    X,
    /// A constant.
    Const(f64),
    /// A primitive applied to an expression.
    Unary(UnaryFn, Box<ScalarFn>),
    /// A primitive applied to two expressions.
    Binary(BinaryFn, Box<ScalarFn>, Box<ScalarFn>),
    /// `if condition != 0 { a } else { b }`.
    Where(Box<ScalarFn>, Box<ScalarFn>, Box<ScalarFn>),
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
