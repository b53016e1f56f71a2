//! `Isqrt`: see `kernels/isqrt.cairo`.

use super::{EmitError, Layer};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let isqrt = layer.item("isqrt", "isqrt");
    layer.line(format_args!("{isqrt}(x)"));
    Ok(())
}
