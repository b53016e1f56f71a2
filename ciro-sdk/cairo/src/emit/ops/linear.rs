//! `Linear`: see `kernels/linear.cairo`.

use ciro_model::integer::ops::Linear;

use super::super::slots::hex;
use super::super::weights::Use;
use super::{EmitError, Layer, last};

pub(super) fn emit(op: &Linear, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let linear = layer.item("linear", "linear");
    let (block, weights) = layer.block(Use::Matrix(op.weight));
    let slots = block.slots;
    let columns = last(&layer.node.shape);
    let bias = op.bias.map(|id| layer.constants[id].data());
    let lo = layer.node.interval.lo;
    let biases: Vec<String> = (0..columns)
        .step_by(slots.count)
        .map(|first| {
            let columns = first..(first + slots.count).min(columns);
            hex(slots.pack(columns.map(|n| bias.map_or(0, |bias| bias[n].into()) - lo)))
        })
        .collect();
    let biases = layer.array("bias", "felt252", biases)?;
    let (full, rest) = (layer.layouts.unpack(slots)?, layer.layouts.unpack(slots.last(columns))?);
    let inner = last(layer.shape(0));
    layer.line(format_args!("{linear}::<{full}, {rest}>(x, {inner}, {weights}, {biases}, {lo})"));
    Ok(())
}
