//! `Mul`: see `kernels/mul.cairo`.

use super::{EmitError, Layer};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let mul = layer.item("mul", "mul");
    layer.line(format_args!("{mul}(a, b)"));
    Ok(())
}
