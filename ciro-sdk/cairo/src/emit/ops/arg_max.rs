//! `ArgMax`: see `kernels/arg_max.cairo`.

use super::{EmitError, Layer, last};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let arg_max = layer.item("arg_max", "arg_max");
    let extent = last(layer.shape(0));
    // Operands become positive, so that the start value 0 never wins.
    let offset = 1 - layer.interval(0).lo;
    layer.line(format_args!("{arg_max}(x, {extent}, {offset})"));
    Ok(())
}
