//! `MatMul`: see `kernels/mat_mul.cairo`.

use super::super::slots::{Slots, hex};
use super::{EmitError, Layer, last};

pub(super) fn emit(layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let mat_mul = layer.item("mat_mul", "mat_mul");
    let shape = layer.item("mat_mul", "MatMul");
    let (a, b) = (layer.shape(0), layer.shape(1));
    let (rows, inner, columns) = (a[a.len() - 2], last(a), last(b));
    let interval = layer.node.interval;
    let slots = Slots::for_columns(interval, columns);
    let rest = slots.last(columns);
    let groups = (0..columns).step_by(slots.count);
    let biases = groups.map(|first| {
        let width = slots.count.min(columns - first);
        hex(slots.pack(vec![-interval.lo; width]))
    });
    let biases = layer.array("bias", "felt252", biases.collect::<Vec<_>>())?;
    let layouts = [
        layer.layouts.unpack(slots)?,
        layer.layouts.pack(slots)?,
        layer.layouts.unpack(rest)?,
        layer.layouts.pack(rest)?,
    ];
    layer.line(format_args!(
        "let shape = {shape} {{ rows: {rows}, inner: {inner}, columns: {columns}, width: {} }};",
        slots.count
    ));
    layer.line(format_args!(
        "{mat_mul}::<{}>(a, b, shape, {biases}, {})",
        layouts.join(", "),
        interval.lo
    ));
    Ok(())
}
