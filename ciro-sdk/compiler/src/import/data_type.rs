//! Element types of ONNX.

pub(super) use tract_onnx::pb::tensor_proto::DataType;

use super::Reason;
use crate::float::ElementType;

/// The element type of a number in the protobuf.
pub(super) fn data_type(raw: i32) -> Result<DataType, Reason> {
    match DataType::try_from(raw) {
        Ok(DataType::Undefined) | Err(_) => Err(Reason::ElementType(format!("number {raw}"))),
        Ok(DataType::Complex64 | DataType::Complex128) => {
            Err(Reason::ElementType("complex".to_owned()))
        }
        Ok(known) => Ok(known),
    }
}

/// Whether a type is one of the floating-point types.
pub(super) fn is_float(kind: DataType) -> bool {
    !matches!(kind, DataType::Bool | DataType::String) && integer_range(kind).is_none()
}

/// The least and greatest value of an integer type.
pub(super) fn integer_range(kind: DataType) -> Option<(f64, f64)> {
    let signed = matches!(
        kind,
        DataType::Int4 | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
    );
    integer_bits(kind).map(|bits| match signed {
        true => (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1) - 1.0),
        false => (0.0, 2f64.powi(bits) - 1.0),
    })
}

/// The number of bits of an integer type.
pub(super) fn integer_bits(kind: DataType) -> Option<i32> {
    match kind {
        DataType::Int4 | DataType::Uint4 => Some(4),
        DataType::Int8 | DataType::Uint8 => Some(8),
        DataType::Int16 | DataType::Uint16 => Some(16),
        DataType::Int32 | DataType::Uint32 => Some(32),
        DataType::Int64 | DataType::Uint64 => Some(64),
        _ => None,
    }
}

/// What the encoder of inputs has to know of a type.
pub(super) fn element_type(kind: DataType) -> ElementType {
    match kind {
        DataType::Bool => ElementType::Bool,
        kind if is_float(kind) => ElementType::Float,
        _ => ElementType::Integer,
    }
}
