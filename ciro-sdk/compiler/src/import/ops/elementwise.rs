//! Elementwise operators of one operand.

use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, ScalarFn, UnaryFn};
use crate::import::context::{Context, Cx, Family};
use crate::import::data_type::DataType;
use crate::import::value::{Outputs, one};

pub(super) const OPS: Family = &[
    ("Abs", 1, |cx| unary(cx, UnaryFn::Abs)),
    ("Acos", 7, |cx| unary(cx, UnaryFn::Acos)),
    ("Acosh", 9, |cx| unary(cx, UnaryFn::Acosh)),
    ("Asin", 7, |cx| unary(cx, UnaryFn::Asin)),
    ("Asinh", 9, |cx| unary(cx, UnaryFn::Asinh)),
    ("Atan", 7, |cx| unary(cx, UnaryFn::Atan)),
    ("Atanh", 9, |cx| unary(cx, UnaryFn::Atanh)),
    ("Ceil", 1, |cx| unary(cx, UnaryFn::Ceil)),
    ("Celu", 12, celu),
    ("Clip", 1, clip_op),
    ("Cos", 7, |cx| unary(cx, UnaryFn::Cos)),
    ("Cosh", 9, |cx| unary(cx, UnaryFn::Cosh)),
    ("Elu", 1, elu),
    ("Erf", 9, |cx| unary(cx, UnaryFn::Erf)),
    ("Exp", 1, |cx| unary(cx, UnaryFn::Exp)),
    ("Floor", 1, |cx| unary(cx, UnaryFn::Floor)),
    ("Gelu", 20, gelu),
    ("HardSigmoid", 1, hard_sigmoid),
    ("HardSwish", 14, hard_swish),
    ("IsInf", 10, is_inf),
    ("IsNaN", 9, |cx| predicate(cx, UnaryFn::IsNaN)),
    ("LeakyRelu", 1, leaky_relu),
    ("Log", 1, |cx| unary(cx, UnaryFn::Log)),
    ("Mish", 18, mish),
    ("Neg", 1, |cx| unary(cx, UnaryFn::Neg)),
    ("Not", 1, |cx| predicate(cx, UnaryFn::Not)),
    ("PRelu", 1, prelu),
    ("Reciprocal", 1, |cx| unary(cx, UnaryFn::Reciprocal)),
    ("Relu", 1, |cx| unary(cx, UnaryFn::Relu)),
    ("Round", 11, |cx| unary(cx, UnaryFn::Round)),
    ("Selu", 1, selu),
    ("Shrink", 9, shrink),
    ("Sigmoid", 1, |cx| unary(cx, UnaryFn::Sigmoid)),
    ("Sign", 9, |cx| unary(cx, UnaryFn::Sign)),
    ("Sin", 7, |cx| unary(cx, UnaryFn::Sin)),
    ("Sinh", 9, |cx| unary(cx, UnaryFn::Sinh)),
    ("Softplus", 1, |cx| unary(cx, UnaryFn::Softplus)),
    ("Softsign", 1, softsign),
    ("Sqrt", 1, |cx| unary(cx, UnaryFn::Sqrt)),
    ("SwiGLU", 28, swi_glu),
    ("Swish", 24, swish),
    ("Tan", 7, |cx| unary(cx, UnaryFn::Tan)),
    ("Tanh", 1, |cx| unary(cx, UnaryFn::Tanh)),
    ("ThresholdedRelu", 10, thresholded_relu),
    ("com.microsoft.BiasGelu", 1, |cx| bias_gelu(cx, &gelu_erf())),
    ("com.microsoft.FastGelu", 1, |cx| bias_gelu(cx, &gelu_tanh())),
    ("com.microsoft.Gelu", 1, gelu),
    ("com.microsoft.QuickGelu", 1, quick_gelu),
];

/// A primitive; the element type stays.
fn unary(cx: &mut Cx<'_, '_>, f: UnaryFn) -> Outputs {
    scalar(cx, ScalarFn::unary(f))
}

/// A predicate; the result is a truth value.
fn predicate(cx: &mut Cx<'_, '_>, f: UnaryFn) -> Outputs {
    let x = cx.number(0)?;
    Context::give(cx.g.unary(f, x.id)?, DataType::Bool)
}

/// A function given as an expression; the element type stays.
fn scalar(cx: &mut Cx<'_, '_>, f: ScalarFn) -> Outputs {
    let x = cx.number(0)?;
    one(x.with(cx.g.map(f, x.id)?))
}

/// `x` for `x >= 0`, else `alpha * x`.
fn leaky_relu(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 0.01);
    scalar(cx, leaky(alpha))
}

pub(super) fn leaky(alpha: f64) -> ScalarFn {
    x().less(c(0.0)).choose(c(alpha) * x(), x())
}

/// `x` for `x >= 0`, else `alpha * (exp(x) - 1)`.
fn elu(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 1.0);
    scalar(cx, x().less(c(0.0)).choose(c(alpha) * (x().exp() - c(1.0)), x()))
}

/// `gamma * x` for `x > 0`, else `gamma * alpha * (exp(x) - 1)`.
fn selu(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 1.673_263_192_176_818_8);
    let gamma = cx.float("gamma", 1.050_701_022_148_132_3);
    let below = c(gamma * alpha) * (x().exp() - c(1.0));
    scalar(cx, x().less(c(0.0)).choose(below, c(gamma) * x()))
}

/// `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.
fn celu(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 1.0);
    let below = c(alpha) * ((x() / c(alpha)).exp() - c(1.0));
    scalar(cx, x().less(c(0.0)).choose(below, x()))
}

/// `max(0, min(1, alpha * x + beta))`, as an affine function and a clip.
fn hard_sigmoid(cx: &mut Cx<'_, '_>) -> Outputs {
    let (alpha, beta) = (cx.float("alpha", 0.2), cx.float("beta", 0.5));
    let operand = cx.number(0)?;
    let line = cx.g.map(x() * c(alpha) + c(beta), operand.id)?;
    one(operand.with(cx.g.map(x().clip(0.0, 1.0), line)?))
}

/// `x * max(0, min(1, x / 6 + 1 / 2))`.
fn hard_swish(cx: &mut Cx<'_, '_>) -> Outputs {
    scalar(cx, x() * (x() / c(6.0) + c(0.5)).clip(0.0, 1.0))
}

/// `x * tanh(softplus(x))`.
fn mish(cx: &mut Cx<'_, '_>) -> Outputs {
    scalar(cx, x() * x().softplus().tanh())
}

/// `x / (1 + |x|)`.
fn softsign(cx: &mut Cx<'_, '_>) -> Outputs {
    scalar(cx, x() / (c(1.0) + x().abs()))
}

/// `x` for `x > alpha`, else 0.
fn thresholded_relu(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 1.0);
    scalar(cx, c(alpha).less(x()).choose(x(), c(0.0)))
}

/// `x + bias` below `-lambd`, `x - bias` above `lambd`, else 0.
fn shrink(cx: &mut Cx<'_, '_>) -> Outputs {
    let (bias, lambd) = (cx.float("bias", 0.0), cx.float("lambd", 0.5));
    let above = c(lambd).less(x()).choose(x() - c(bias), c(0.0));
    scalar(cx, x().less(c(-lambd)).choose(x() + c(bias), above))
}

/// `x * sigmoid(alpha * x)`.
fn swish(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 1.0);
    scalar(cx, x() * (c(alpha) * x()).sigmoid())
}

/// `a * sigmoid(alpha * a) * b`.
fn swi_glu(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = (cx.number(0)?, cx.id(1)?);
    let alpha = cx.float("alpha", 1.0);
    let gate = cx.g.map(x() * (c(alpha) * x()).sigmoid(), a.id)?;
    one(a.with(cx.g.mul(gate, b)?))
}

/// `com.microsoft.QuickGelu`, whose `alpha` is 1.702 by default.
fn quick_gelu(cx: &mut Cx<'_, '_>) -> Outputs {
    let alpha = cx.float("alpha", 1.702);
    scalar(cx, x() * (c(alpha) * x()).sigmoid())
}

/// `x * (1 + erf(x / sqrt 2)) / 2`, or its approximation by `tanh`.
fn gelu(cx: &mut Cx<'_, '_>) -> Outputs {
    match cx.text("approximate", "none") {
        "tanh" => scalar(cx, gelu_tanh()),
        _ => scalar(cx, gelu_erf()),
    }
}

/// `com.microsoft.FastGelu` and `BiasGelu`: GELU of `x + bias`.
fn bias_gelu(cx: &mut Cx<'_, '_>, f: &ScalarFn) -> Outputs {
    let x = cx.number(0)?;
    let sum = match cx.optional(1)? {
        Some(bias) => cx.g.add(x.id, bias.id)?,
        None => x.id,
    };
    one(x.with(cx.g.map(f.clone(), sum)?))
}

fn gelu_erf() -> ScalarFn {
    let erf = (x() * c(std::f64::consts::FRAC_1_SQRT_2)).erf();
    c(0.5) * x() * (c(1.0) + erf)
}

fn gelu_tanh() -> ScalarFn {
    let cube = c(0.044_715) * (x() * (x() * x()));
    let inner = c((2.0 / std::f64::consts::PI).sqrt()) * (x() + cube);
    c(0.5) * x() * (c(1.0) + inner.tanh())
}

/// `min(max(x, low), high)`; bounds that are not constant become `Max` and `Min` of tensors.
///
/// # Source
/// ONNX `Clip`: attributes before opset 11, inputs since.
fn clip_op(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let mut id = operand.id;
    if cx.opset < 11 {
        let low = cx.attribute("min").map_or(f64::NEG_INFINITY, |a| f64::from(a.f));
        let high = cx.attribute("max").map_or(f64::INFINITY, |a| f64::from(a.f));
        return scalar(cx, x().clip(low, high));
    }
    let bounds = [cx.optional(1)?, cx.optional(2)?];
    let constants = bounds.clone().map(|b| b.map(|b| cx.g.uniform(b.id)));
    if let (None | Some(Some(_)), None | Some(Some(_))) = (constants[0], constants[1]) {
        let low = constants[0].flatten().unwrap_or(f64::NEG_INFINITY);
        let high = constants[1].flatten().unwrap_or(f64::INFINITY);
        return one(operand.with(cx.g.map(x().clip(low, high), id)?));
    }
    for (bound, f) in bounds.into_iter().zip([BinaryFn::Max, BinaryFn::Min]) {
        if let Some(bound) = bound {
            id = cx.g.binary(f, id, bound.id)?;
        }
    }
    one(operand.with(id))
}

/// `x` for `x >= 0`, else `slope * x`, with one slope an element.
fn prelu(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let mut slope = cx.id(1)?;
    if cx.opset < 7 && cx.g.rank(slope) == 1 && cx.g.rank(operand.id) > 2 {
        // Before opset 7 the slope was one number for each channel.
        let mut shape = vec![1; cx.g.rank(operand.id) - 1];
        shape[0] = cx.g.shape(slope)[0];
        slope = cx.g.reshape(slope, &shape)?;
    }
    if let Some(slope) = cx.g.uniform(slope) {
        return scalar(cx, x().less(c(0.0)).choose(c(slope) * x(), x()));
    }
    let above = cx.g.unary(UnaryFn::Relu, operand.id)?;
    let below = cx.g.with(BinaryFn::Min, operand.id, 0.0)?;
    let below = cx.g.mul(below, slope)?;
    one(operand.with(cx.g.add(above, below)?))
}

/// Whether an element is infinite, of the signs that count.
fn is_inf(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let infinite = |sign: f64| x().equal(c(sign * f64::INFINITY));
    let f = match (cx.flag("detect_positive", true), cx.flag("detect_negative", true)) {
        (true, true) => ScalarFn::unary(UnaryFn::IsInf),
        (true, false) => infinite(1.0),
        (false, true) => infinite(-1.0),
        (false, false) => c(0.0) * x().then(UnaryFn::IsInf),
    };
    Context::give(cx.g.map(f, operand.id)?, DataType::Bool)
}
