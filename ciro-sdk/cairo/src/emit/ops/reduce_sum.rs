//! `ReduceSum`: see `kernels/reduce_sum.cairo`.

use super::{EmitError, Layer, last};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let reduce_sum = layer.item("reduce_sum", "reduce_sum");
    let extent = last(layer.shape(0));
    layer.line(format_args!("{reduce_sum}(x, {extent})"));
    Ok(())
}
