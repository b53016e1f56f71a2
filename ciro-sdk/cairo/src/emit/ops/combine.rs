//! `Combine`: see `kernels/combine.cairo`.

use ciro_model::integer::ops::Combine;

use super::{EmitError, Layer};

pub(super) fn emit(op: &Combine, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let last = op.coefficients.len() - 1;
    for (index, &coefficient) in op.coefficients.iter().enumerate() {
        let operand = layer.operand(index);
        let call = match (index, coefficient) {
            (0, 1) if op.constant == 0 && last > 0 => {
                layer.line(format_args!("let y = {operand};"));
                continue;
            }
            (0, c) => {
                let scale = layer.item("combine", "scale");
                format!("{scale}({operand}, {c}, {})", op.constant)
            }
            (_, 1) => {
                let add = layer.item("combine", "add");
                format!("{add}(y, {operand})")
            }
            (_, -1) => {
                let subtract = layer.item("combine", "subtract");
                format!("{subtract}(y, {operand})")
            }
            (_, c) => {
                let add_scaled = layer.item("combine", "add_scaled");
                format!("{add_scaled}(y, {operand}, {c})")
            }
        };
        if index == last {
            layer.line(call);
        } else {
            layer.line(format_args!("let y = {call};"));
        }
    }
    Ok(())
}
