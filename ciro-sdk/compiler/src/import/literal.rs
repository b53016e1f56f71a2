//! Tensors that are in the file: initializers and attributes.

use std::sync::Arc;

use tract_onnx::pb::{SparseTensorProto, TensorProto};

use super::Reason;
use super::data_type::{DataType, data_type};
use super::external::ExternalFiles;
use ciro_model::tensor::{Tensor, element_count};

/// A tensor of the file; strings are positions in a list of names.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub(super) value: Tensor<f64>,
    pub(super) kind: DataType,
    pub(super) names: Option<Arc<Vec<String>>>,
}

impl Literal {
    /// Refuses values that are no numbers.
    pub(super) fn without_nan(self) -> Result<Self, Reason> {
        match self.value.data().iter().find(|x| x.is_nan()) {
            None => Ok(self),
            Some(&first) => {
                let count = self.value.data().iter().filter(|x| x.is_nan()).count();
                Err(Reason::NonFinite { count, first })
            }
        }
    }
}

/// Reads a tensor, and its external data if it has some.
pub(super) fn literal(proto: &TensorProto, external: &ExternalFiles) -> Result<Literal, Reason> {
    let kind = data_type(proto.data_type)?;
    let shape = shape(&proto.dims)?;
    let count = element_count(&shape).ok_or_else(|| Reason::TensorData(too_large(&shape)))?;
    if proto.segment.is_some() {
        return Err(Reason::TensorData("a tensor in segments is not supported".to_owned()));
    }
    if kind == DataType::String {
        return strings(&proto.string_data, shape);
    }
    let raw = if proto.data_location == Some(1) {
        Some(external.slice(&proto.external_data)?)
    } else if proto.raw_data.is_empty() {
        None
    } else {
        Some(&proto.raw_data[..])
    };
    let data = match raw {
        Some(bytes) => from_bytes(kind, bytes, count)?,
        None => from_fields(kind, proto, count)?,
    };
    let got = data.len();
    let value = Tensor::new(shape, data).map_err(|e| {
        Reason::TensorData(format!("a shape of {} elements, data of {got}", e.expected))
    })?;
    Ok(Literal { value, kind, names: None })
}

/// Reads a sparse tensor; positions without a value are 0.
pub(super) fn sparse(
    proto: &SparseTensorProto,
    external: &ExternalFiles,
) -> Result<Literal, Reason> {
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err(Reason::TensorData("a sparse tensor without values or indices".to_owned()));
    };
    let (values, indices) = (literal(values, external)?, literal(indices, external)?);
    let shape = shape(&proto.dims)?;
    // A dense tensor much larger than its values comes from a broken file.
    if element_count(&shape).is_none_or(|count| count > SPARSE_MAX) {
        return Err(Reason::TensorData(too_large(&shape)));
    }
    let mut dense =
        Tensor::full(shape.clone(), 0.0).map_err(|_| Reason::TensorData(too_large(&shape)))?;
    let width = if indices.value.rank() == 2 { indices.value.last_dim() } else { 1 };
    for (at, &value) in indices.value.data().chunks(width.max(1)).zip(values.value.data()) {
        let flat = if indices.value.rank() == 2 {
            at.iter().zip(&shape).fold(0.0, |sum, (i, &dim)| sum * dim as f64 + i)
        } else {
            at[0]
        };
        let position = usize_from(flat).and_then(|i| dense.data_mut().get_mut(i));
        *position.ok_or_else(|| Reason::TensorData("a sparse index is outside".to_owned()))? =
            value;
    }
    Ok(Literal { value: dense, ..values })
}

/// Sparse tensors are made dense up to this many elements.
const SPARSE_MAX: usize = 1 << 24;

/// A list of strings as a tensor of positions.
fn strings(data: &[Vec<u8>], shape: Vec<usize>) -> Result<Literal, Reason> {
    let mut names: Vec<String> = Vec::new();
    let mut positions = Vec::with_capacity(data.len());
    for bytes in data {
        let name = String::from_utf8_lossy(bytes).into_owned();
        let position = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        positions.push(position as f64);
    }
    let value =
        Tensor::new(shape, positions).map_err(|error| Reason::TensorData(error.to_string()))?;
    Ok(Literal { value, kind: DataType::String, names: Some(Arc::new(names)) })
}

fn shape(dims: &[i64]) -> Result<Vec<usize>, Reason> {
    dims.iter()
        .map(|&dim| usize::try_from(dim))
        .collect::<Result<_, _>>()
        .map_err(|_| Reason::TensorData(format!("shape {dims:?} has a negative extent")))
}

fn too_large(shape: &[usize]) -> String {
    format!("a tensor of shape {shape:?} has too many elements")
}

fn from_bytes(kind: DataType, bytes: &[u8], count: usize) -> Result<Vec<f64>, Reason> {
    fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| f(*chunk)).collect()
    }
    let width = match kind {
        DataType::Int4 | DataType::Uint4 => {
            let data: Vec<u8> = bytes.iter().flat_map(|b| [b & 15, b >> 4]).collect();
            if bytes.len() != count.div_ceil(2) {
                return Err(wrong_bytes(bytes.len(), count.div_ceil(2)));
            }
            return Ok(data[..count].iter().map(|&nibble| from_nibble(kind, nibble)).collect());
        }
        DataType::Bool | DataType::Uint8 | DataType::Int8 => 1,
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => 2,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        other => return Err(Reason::ElementType(other.as_str_name().to_lowercase())),
    };
    if count.checked_mul(width) != Some(bytes.len()) {
        return Err(wrong_bytes(bytes.len(), count.saturating_mul(width)));
    }
    Ok(match kind {
        DataType::Bool => each(bytes, |[b]| f64::from(u8::from(b != 0))),
        DataType::Uint8 => each(bytes, |[b]| f64::from(b)),
        DataType::Int8 => each(bytes, |b| f64::from(i8::from_le_bytes(b))),
        DataType::Int16 => each(bytes, |b| f64::from(i16::from_le_bytes(b))),
        DataType::Uint16 => each(bytes, |b| f64::from(u16::from_le_bytes(b))),
        DataType::Float16 => each(bytes, |b| half(u16::from_le_bytes(b))),
        DataType::Bfloat16 => each(bytes, |b| bfloat(u16::from_le_bytes(b))),
        DataType::Int32 => each(bytes, |b| f64::from(i32::from_le_bytes(b))),
        DataType::Uint32 => each(bytes, |b| f64::from(u32::from_le_bytes(b))),
        DataType::Float => each(bytes, |b| f64::from(f32::from_le_bytes(b))),
        DataType::Int64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        DataType::Uint64 => each(bytes, |b| u64::from_le_bytes(b) as f64),
        _ => each(bytes, f64::from_le_bytes),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ONNX keeps 16-bit patterns in the low half of 32-bit fields"
)]
fn from_fields(kind: DataType, proto: &TensorProto, count: usize) -> Result<Vec<f64>, Reason> {
    let narrow = |f: fn(u16) -> f64| proto.int32_data.iter().map(|&x| f(x as u16)).collect();
    Ok(match kind {
        DataType::Float => proto.float_data.iter().map(|&x| f64::from(x)).collect(),
        DataType::Double => proto.double_data.clone(),
        DataType::Int64 => proto.int64_data.iter().map(|&x| x as f64).collect(),
        DataType::Uint64 | DataType::Uint32 => {
            proto.uint64_data.iter().map(|&x| x as f64).collect()
        }
        DataType::Float16 => narrow(half),
        DataType::Bfloat16 => narrow(bfloat),
        DataType::Int4 | DataType::Uint4 => {
            let bytes: Vec<u8> = proto.int32_data.iter().map(|&x| x as u8).collect();
            return from_bytes(kind, &bytes, count);
        }
        DataType::Bool
        | DataType::Int8
        | DataType::Uint8
        | DataType::Int16
        | DataType::Uint16
        | DataType::Int32 => proto.int32_data.iter().map(|&x| f64::from(x)).collect(),
        other => return Err(Reason::ElementType(other.as_str_name().to_lowercase())),
    })
}

fn wrong_bytes(got: usize, expected: usize) -> Reason {
    Reason::TensorData(format!("expected {expected} bytes of data, got {got}"))
}

fn from_nibble(kind: DataType, nibble: u8) -> f64 {
    let value = f64::from(nibble);
    if kind == DataType::Int4 && nibble >= 8 { value - 16.0 } else { value }
}

/// The value of an IEEE 754 half-precision pattern.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// The value of a bfloat16 pattern, the upper half of a float32.
fn bfloat(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be an integer between 0 and 2^53"
)]
pub(super) fn usize_from(value: f64) -> Option<usize> {
    (value.fract() == 0.0 && (0.0..9.0e15).contains(&value)).then_some(value as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_bfloat_patterns_decode() {
        let values = [0x3c00, 0xc000, 0x0001, 0xfc00].map(half).to_vec();
        assert_eq!(values, [1.0, -2.0, 2f64.powi(-24), f64::NEG_INFINITY]);
        assert!(half(0x7e00).is_nan());
        assert_eq!(vec![bfloat(0x3fc0)], [1.5]);
    }

    #[test]
    fn nibbles_are_signed_where_the_type_is() {
        assert_eq!(from_bytes(DataType::Int4, &[0xf1, 0x08], 3).unwrap(), [1.0, -1.0, -8.0]);
        assert_eq!(from_bytes(DataType::Uint4, &[0xf1], 2).unwrap(), [1.0, 15.0]);
    }

    #[test]
    fn data_of_another_length_is_refused() {
        let proto = TensorProto {
            dims: vec![2],
            data_type: DataType::Float as i32,
            raw_data: vec![0; 7],
            ..TensorProto::default()
        };
        let error = literal(&proto, &ExternalFiles::default()).unwrap_err();
        assert_eq!(error.to_string(), "expected 8 bytes of data, got 7");
    }
}
