//! `ReduceMax`: see `kernels/reduce_max.cairo`.

use super::{EmitError, Layer, last};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let extent = last(layer.shape(0));
    let offset = -layer.interval(0).lo;
    if extent == 4 {
        let reduce_max = layer.item("reduce_max", "reduce_max_4");
        layer.line(format_args!("{reduce_max}(x, {offset})"));
    } else {
        let reduce_max = layer.item("reduce_max", "reduce_max");
        layer.line(format_args!("{reduce_max}(x, {extent}, {offset})"));
    }
    Ok(())
}
