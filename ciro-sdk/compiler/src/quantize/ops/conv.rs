//! Convolutions.

use crate::float::Node;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Geometry};
use crate::quantize::lower::Lowering;

/// Convolution with a constant kernel; the bias may be computed.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    geometry: &Geometry,
) -> Result<Expr, QuantizeError> {
    let kernel = cx.constant_of(node.operands[1]);
    let weight = kernel.ok_or_else(|| cx.refuse(Refusal::ComputedKernel))?;
    let bias = match node.operands.get(2) {
        Some(&bias) => {
            let bias = cx.constant_of(bias).ok_or_else(|| cx.refuse(Refusal::ComputedKernel))?;
            Some(bias.data().to_vec())
        }
        None => None,
    };
    let x = cx.narrow(node.operands[0])?;
    let mut product: Option<Expr> = None;
    for part in cx.parts(node.operands[0], x)? {
        // The bias is added once.
        let bias = if product.is_none() { bias.clone() } else { None };
        let (x, weight) = (part.id, weight.map(|w| w * part.scale));
        let core = Core::Conv { x, weight, bias, geometry: geometry.clone() };
        let part = Expr::core(node.shape.clone(), core);
        product = Some(match product {
            Some(product) => product.plus(part),
            None => part,
        });
    }
    Ok(product.expect("there is a part"))
}
