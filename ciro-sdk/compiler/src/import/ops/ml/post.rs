//! What is done with scores before they are given out.

use crate::float::scalar::{c, x};
use crate::float::{NodeId, Reducer, ScalarFn, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, bad};

/// A transform of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl Post {
    /// The attribute `post_transform`.
    pub(super) fn read(cx: &Context<'_, '_>) -> Result<Self, Reason> {
        match cx.text("post_transform", "NONE") {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            "SOFTMAX_ZERO" => Ok(Self::SoftmaxZero),
            "PROBIT" => Ok(Self::Probit),
            _ => Err(bad("post_transform", "is not one of ONNX's values")),
        }
    }

    /// Transforms `scores: [.., K]`, two or more of them.
    pub(super) fn apply(self, cx: &mut Context<'_, '_>, scores: NodeId) -> Result<NodeId, Reason> {
        let last = cx.g.rank(scores) - 1;
        match self {
            Self::None => Ok(scores),
            Self::Logistic => cx.g.unary(UnaryFn::Sigmoid, scores),
            Self::Softmax => cx.g.softmax(scores, last),
            Self::SoftmaxZero => softmax_zero(cx, scores, last),
            Self::Probit => cx.g.map(probit(), scores),
        }
    }

    /// Transforms a single score, which only `PROBIT` changes.
    pub(super) fn apply_single(
        self,
        cx: &mut Context<'_, '_>,
        score: NodeId,
    ) -> Result<NodeId, Reason> {
        if self == Self::Probit { cx.g.map(probit(), score) } else { Ok(score) }
    }
}

/// Softmax in which scores of 0 stay 0.
fn softmax_zero(cx: &mut Context<'_, '_>, scores: NodeId, last: usize) -> Result<NodeId, Reason> {
    let max = cx.g.reduce_keep(Reducer::Max, scores, &[last])?;
    let low = cx.g.sub(scores, max)?;
    let powers = cx.g.unary(UnaryFn::Exp, low)?;
    let counts = cx.g.map(c(1e-7).less(x().abs()), scores)?;
    let powers = cx.g.mul(powers, counts)?;
    let sum = cx.g.reduce_keep(Reducer::Sum, powers, &[last])?;
    cx.g.div(powers, sum)
}

/// `sqrt(2) * erfinv(2 x - 1)` by the approximation that onnxruntime uses.
fn probit() -> ScalarFn {
    const A: f64 = 0.147;
    /// What onnxruntime takes for pi.
    #[expect(clippy::approx_constant, reason = "results are compared with onnxruntime's")]
    const PI: f64 = 3.14159;
    let u = c(2.0) * x() - c(1.0);
    let log = ((c(1.0) - u.clone()) * (c(1.0) + u.clone())).log();
    let v = c(2.0 / (PI * A)) + c(0.5) * log.clone();
    let root = (v.clone() * v.clone() - log / c(A)).sqrt();
    let size = (root - v).sqrt();
    let sign = u.less(c(0.0)).choose(c(-1.0), c(1.0));
    c(std::f64::consts::SQRT_2) * (sign * size)
}
