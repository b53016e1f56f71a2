//! How each operator is written in Cairo, one file each.
//!
//! To add one: write its file, then its line in [`emit`], and its kernel in `kernels/`.

mod arg_max;
mod bucketize;
mod combine;
mod constant;
mod conv;
mod div_floor;
mod embed;
mod isqrt;
mod linear;
mod lookup;
mod mat_mul;
mod movement;
mod mul;
mod reduce_max;
mod reduce_sum;
mod requantize;
mod tree_ensemble;

use ciro_model::integer::Op;

use super::EmitError;
use super::layer::Layer;

/// Writes the body of a node's function.
pub(super) fn emit(op: &Op, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    match op {
        Op::Input(_) => Err(layer.refuse("an input has no function".to_owned())),
        Op::Constant(op) => constant::emit(op, layer),
        Op::Linear(op) => linear::emit(op, layer),
        Op::Conv(op) => conv::emit(op, layer),
        Op::MatMul(_) => mat_mul::emit(layer),
        Op::Combine(op) => combine::emit(op, layer),
        Op::Mul(_) => mul::emit(layer),
        Op::Requantize(op) => requantize::emit(op, layer),
        Op::Lookup(op) => lookup::emit(op, layer),
        Op::DivFloor(_) => div_floor::emit(layer),
        Op::Isqrt(_) => isqrt::emit(layer),
        Op::ReduceSum(_) => reduce_sum::emit(layer),
        Op::ReduceMax(_) => reduce_max::emit(layer),
        Op::ArgMax(_) => arg_max::emit(layer),
        Op::Move(op) => movement::emit(op, layer),
        Op::Embed(op) => embed::emit(op, layer),
        Op::Bucketize(op) => bucketize::emit(op, layer),
        Op::TreeEnsemble(op) => tree_ensemble::emit(op, layer),
    }
}

/// The extent of an operand's last axis, 1 for a scalar.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}
