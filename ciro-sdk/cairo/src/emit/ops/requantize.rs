//! `Requantize`: see `kernels/requantize.cairo`.

use ciro_model::integer::ops::Requantize;

use super::{EmitError, Layer};

pub(super) fn emit(op: &Requantize, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let x = layer.interval(0);
    let quotient = op.quotient(x);
    let (lo, hi) = (i64::from(op.lo), i64::from(op.hi));
    let (below, above) = (quotient.lo < lo, quotient.hi > hi);
    // Bounds of the quotient once it counts from its least value.
    let bound = |value: i64| (value - quotient.lo).clamp(0, i64::from(u32::MAX));
    // A quotient that always exceeds the upper bound is 0 after the clamp below, and counts from
    // that bound.
    let exceeds = quotient.lo > hi;
    if op.shift == 0 && !exceeds {
        if !below && !above {
            layer.line("x");
            return Ok(());
        }
        let (kernel, bounds) = match (below, above) {
            (true, false) => (layer.item("requantize", "at_least"), format!("{}", bound(lo))),
            (false, true) => (layer.item("requantize", "at_most"), format!("{}", bound(hi))),
            _ => (layer.item("requantize", "clamp"), format!("{}, {}", bound(lo), bound(hi))),
        };
        layer.line(format_args!("{kernel}(x, {}, {bounds})", -x.lo));
        return Ok(());
    }
    let shift = layer.item("requantize", "Shift");
    let divisor = 1i64 << op.shift;
    let offset = op.rounding() - quotient.lo * divisor;
    layer.line(format_args!(
        "let by = {shift} {{ offset: {offset}, divisor: {divisor}, base: {} }};",
        quotient.lo.min(hi)
    ));
    if below || above {
        let requantize = layer.item("requantize", "requantize");
        layer.line(format_args!("{requantize}(x, by, {}, {})", bound(lo), bound(hi)));
    } else {
        let shift = layer.item("requantize", "shift");
        layer.line(format_args!("{shift}(x, by)"));
    }
    Ok(())
}
