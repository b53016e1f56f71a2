//! Reads the tensors of ONNX test cases.

use ciro_model::Tensor;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// The values of a tensor of numbers.
pub(crate) fn values(proto: &TensorProto) -> Option<Tensor<f64>> {
    let shape: Vec<usize> = proto.dims.iter().map(|&dim| usize::try_from(dim).unwrap()).collect();
    let raw = &proto.raw_data;
    fn each<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.chunks_exact(N).map(|chunk| f(chunk.try_into().unwrap())).collect()
    }
    let data = match DataType::try_from(proto.data_type).ok()? {
        DataType::Float if raw.is_empty() => {
            proto.float_data.iter().map(|&x| f64::from(x)).collect()
        }
        DataType::Double if raw.is_empty() => proto.double_data.clone(),
        DataType::Int64 if raw.is_empty() => proto.int64_data.iter().map(|&x| x as f64).collect(),
        DataType::Int32 | DataType::Uint8 | DataType::Int8 | DataType::Bool if raw.is_empty() => {
            proto.int32_data.iter().map(|&x| f64::from(x)).collect()
        }
        DataType::Float => each(raw, |b| f64::from(f32::from_le_bytes(b))),
        DataType::Double => each(raw, f64::from_le_bytes),
        DataType::Int64 => each(raw, |b| i64::from_le_bytes(b) as f64),
        DataType::Uint64 => each(raw, |b| u64::from_le_bytes(b) as f64),
        DataType::Int32 => each(raw, |b| f64::from(i32::from_le_bytes(b))),
        DataType::Uint32 => each(raw, |b| f64::from(u32::from_le_bytes(b))),
        DataType::Int16 => each(raw, |b| f64::from(i16::from_le_bytes(b))),
        DataType::Uint16 => each(raw, |b| f64::from(u16::from_le_bytes(b))),
        DataType::Int8 => each(raw, |b| f64::from(i8::from_le_bytes(b))),
        DataType::Uint8 | DataType::Bool => each(raw, |[b]| f64::from(b)),
        kind @ (DataType::Int4 | DataType::Uint4) => {
            let bytes: Vec<u8> = match raw.is_empty() {
                true => proto.int32_data.iter().map(|&x| u8::try_from(x & 255).unwrap()).collect(),
                false => raw.clone(),
            };
            let nibbles = bytes.iter().flat_map(|b| [b & 15, b >> 4]).map(f64::from);
            let value = |x: f64| if kind == DataType::Int4 && x >= 8.0 { x - 16.0 } else { x };
            nibbles.map(value).take(shape.iter().product()).collect()
        }
        DataType::Float16 => each(raw, |b| half(u16::from_le_bytes(b))),
        DataType::Bfloat16 => {
            each(raw, |b| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)))
        }
        _ => return None,
    };
    Tensor::new(shape, data).ok()
}

fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}
