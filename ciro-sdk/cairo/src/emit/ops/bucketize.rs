//! `Bucketize`: see `kernels/bucketize.cairo`.

use ciro_model::integer::ops::Bucketize;

use super::{EmitError, Layer};

/// Makes every value non-negative: two 16-bit limbs reach down to `-2^31 - 2^15`, single values to
/// `-2^30`.
const LIFT: i64 = (1 << 31) + (1 << 16);

pub(super) fn emit(op: &Bucketize, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let rank = layer.item("bucketize", "rank");
    let value = layer.item("bucketize", if op.limbs { "limbs" } else { "single" });
    layer.line("let mut x = x;");
    layer.line("let mut y = array![];");
    layer.line("while !x.is_empty() {");
    for (feature, boundaries) in op.boundaries.iter().enumerate() {
        if boundaries.is_empty() {
            layer.line(format_args!("    {value}(ref x);"));
            layer.line("    y.append(0);");
            continue;
        }
        let lifted = boundaries.iter().map(|boundary| boundary + LIFT);
        let boundaries = layer.array(&format!("feature_{feature}"), "u64", lifted)?;
        layer.line(format_args!("    y.append({rank}({value}(ref x), {boundaries}));"));
    }
    layer.line("}");
    layer.line("y.span()");
    Ok(())
}
