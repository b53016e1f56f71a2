//! Products with weights that onnxruntime's quantizer packs or scales.

use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::value::{Outputs, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[
    ("com.microsoft.DynamicQuantizeMatMul", 1, dynamic_quantize_mat_mul),
    ("com.microsoft.MatMulIntegerToFloat", 1, mat_mul_integer_to_float),
    ("com.microsoft.MatMulNBits", 1, mat_mul_n_bits),
];

/// `A dequantized(B) + bias`; the rounding of `A` to 8 bits that onnxruntime does on the way is not
/// modelled.
fn dynamic_quantize_mat_mul(cx: &mut Cx<'_, '_>) -> Outputs {
    let a = cx.number(0)?;
    let b = dequantized(cx, 1, (2, 3))?;
    let product = cx.g.mat_mul(a.id, b)?;
    one(a.with(with_bias(cx, product, 4)?))
}

/// `dequantized(A) dequantized(B) + bias`.
fn mat_mul_integer_to_float(cx: &mut Cx<'_, '_>) -> Outputs {
    let scale = cx.tensor(2)?;
    let a = dequantized(cx, 0, (2, 4))?;
    let b = dequantized(cx, 1, (3, 5))?;
    let product = cx.g.mat_mul(a, b)?;
    one(scale.with(with_bias(cx, product, 6)?))
}

/// The real numbers of an input with scale and zero point, of the whole or of each column.
fn dequantized(
    cx: &mut Cx<'_, '_>,
    index: usize,
    (scale, zero): (usize, usize),
) -> Result<NodeId, Reason> {
    let mut x = cx.number(index)?.id;
    if let Some(zero) = cx.optional(zero)? {
        x = cx.g.sub(x, zero.id)?;
    }
    let scale = cx.id(scale)?;
    cx.g.mul(x, scale)
}

fn with_bias(cx: &mut Cx<'_, '_>, product: NodeId, index: usize) -> Result<NodeId, Reason> {
    match cx.optional(index)? {
        Some(bias) => cx.g.add(product, bias.id),
        None => Ok(product),
    }
}

/// `A: [.., K]` times weights `[N, K]` of 4 or 8 bits, in blocks with a scale each: `y = A
/// dequantized(B)^T + bias`.
///
/// # Source
/// onnxruntime, `com.microsoft.MatMulNBits`: `B: [N, blocks, bytes]`, low bits first; zero points
/// are packed alike, or of the scales' type, and half of the range where they are left out.
fn mat_mul_n_bits(cx: &mut Cx<'_, '_>) -> Outputs {
    let a = cx.number(0)?;
    let count = |name| {
        let value = usize::try_from(cx.int(name, 0)).ok().filter(|&value| value > 0);
        value.ok_or_else(|| bad(name, "is not a positive number"))
    };
    let (k, n, block) = (count("K")?, count("N")?, count("block_size")?);
    let bits = match cx.int("bits", 4) {
        4 => 4,
        8 => 8,
        _ => return Err(bad("bits", "is neither 4 nor 8").into()),
    };
    if cx.has(4) {
        return Err(Reason::Unsupported("the groups of its columns are reordered").into());
    }
    cx.g.allow(n.saturating_mul(k))?;
    let blocks = k.div_ceil(block);
    let packed = cx.constant(1)?;
    let scales = cx.constant(2)?;
    let zeros = if cx.has(3) { Some(cx.constant(3)?) } else { None };
    let per_byte = 8 / bits;
    let row = blocks * block.div_ceil(per_byte);
    let zero_row = blocks.div_ceil(per_byte);
    if packed.len() != n * row || scales.len() != n * blocks {
        return Err(cx.g.misfit("the weights are [N, blocks, bytes]", &[cx.id(1)?]).into());
    }
    let digit = |bytes: &[f64], at: usize| -> f64 {
        let byte = bytes.get(at / per_byte).copied().unwrap_or(0.0);
        let shifted = (byte / f64::from(1u32 << (bits * (at % per_byte)))).floor();
        shifted.rem_euclid(f64::from(1u32 << bits))
    };
    let zero = |column: usize, at: usize| match &zeros {
        None => f64::from(1u32 << (bits - 1)),
        Some(zeros) if zeros.len() == n * zero_row && (bits < 8 || zero_row == blocks) => {
            digit(&zeros.data()[column * zero_row..][..zero_row], at)
        }
        Some(zeros) => zeros.data().get(column * blocks + at).copied().unwrap_or(0.0),
    };
    let mut weight = vec![0.0; k * n];
    for column in 0..n {
        let bytes = &packed.data()[column * row..][..row];
        for at in 0..k {
            let inside = (at / block) * block.div_ceil(per_byte) * per_byte + at % block;
            let scale = scales.data()[column * blocks + at / block];
            weight[at * n + column] = (digit(bytes, inside) - zero(column, at / block)) * scale;
        }
    }
    let weight = Tensor::new(vec![k, n], weight);
    let weight = weight.map_err(|error| Reason::TensorData(error.to_string()))?;
    let weight = cx.g.constant(weight)?;
    let product = cx.g.mat_mul(a.id, weight)?;
    one(a.with(with_bias(cx, product, 5)?))
}
