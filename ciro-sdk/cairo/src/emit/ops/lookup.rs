//! `Lookup`: see `kernels/lookup.cairo`.

use ciro_model::integer::ops::Lookup;

use super::super::weights::Use;
use super::{EmitError, Layer};

pub(super) fn emit(op: &Lookup, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let (_, table) = layer.block(Use::Values(op.table));
    let (offset, lo) = (i64::from(op.offset), i64::from(op.lo));
    if op.shift == 0 {
        let lookup = layer.item("lookup", "lookup");
        layer.line(format_args!("{lookup}(x, {}, {table})", offset - lo));
        return Ok(());
    }
    let lookup = layer.item("lookup", "lookup_shifted");
    // Shifts by whole divisors move the quotient alone: they make the dividend non-negative.
    let base = op.quotient(layer.interval(0)).lo;
    let divisor = 1i64 << op.shift;
    let lifted = offset - base * divisor;
    layer.line(format_args!("{lookup}(x, {lifted}, {divisor}, {}, {table})", base - lo));
    Ok(())
}
