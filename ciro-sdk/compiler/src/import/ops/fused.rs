//! Operators that onnxruntime's optimizer makes of several: a linear operator and an activation.

use super::conv::convolution;
use super::linear::product;
use super::recurrent::function;
use crate::float::ScalarFn;
use crate::float::scalar::x;
use crate::import::Reason;
use crate::import::context::{Cx, Family};
use crate::import::value::{Outputs, one};

pub(super) const OPS: Family =
    &[("com.microsoft.FusedConv", 1, fused_conv), ("com.microsoft.FusedGemm", 1, fused_gemm)];

/// `com.microsoft.FusedGemm`.
fn fused_gemm(cx: &mut Cx<'_, '_>) -> Outputs {
    let product = product(cx)?;
    let parameter = |name: &str| cx.attribute(name).map(|a| f64::from(a.f));
    let parameters = [parameter("activation_alpha"), parameter("activation_beta")];
    let f = activation(cx, parameters)?;
    one(product.with(cx.g.map(f, product.id)?))
}

/// `com.microsoft.FusedConv`, which may add a tensor before the activation.
fn fused_conv(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, w) = (cx.number(0)?, cx.number(1)?);
    let bias = cx.optional(2)?.map(|bias| bias.id);
    let mut sum = convolution(cx, x.id, w.id, bias)?;
    if let Some(z) = cx.optional(3)? {
        sum = cx.g.add(sum, z.id)?;
    }
    let parameters = cx.floats("activation_params");
    let f = activation(cx, [0, 1].map(|at| parameters.get(at).copied()))?;
    one(x.with(cx.g.map(f, sum)?))
}

fn activation(cx: &Cx<'_, '_>, [alpha, beta]: [Option<f64>; 2]) -> Result<ScalarFn, Reason> {
    match cx.text("activation", "") {
        "" => Ok(x()),
        "Clip" => Ok(x().clip(alpha.unwrap_or(f64::NEG_INFINITY), beta.unwrap_or(f64::INFINITY))),
        name => function(name, alpha, beta),
    }
}
