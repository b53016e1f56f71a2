//! `DivFloor`: see `kernels/div_floor.cairo`.

use super::{EmitError, Layer};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let div_floor = layer.item("div_floor", "div_floor");
    let (a, b) = (layer.interval(0), layer.interval(1));
    // The least multiple of `b` that makes `a` non-negative, whatever `b` is.
    let lift = if a.lo < 0 { -a.lo.div_euclid(b.lo) } else { 0 };
    layer.line(format_args!("{div_floor}(a, b, {lift})"));
    Ok(())
}
