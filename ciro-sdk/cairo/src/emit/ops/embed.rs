//! `Embed`: see `kernels/embed.cairo`.

use ciro_model::integer::ops::Embed;

use super::super::weights::Use;
use super::{EmitError, Layer, last};

pub(super) fn emit(op: &Embed, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let embed = layer.item("embed", "embed");
    let (_, table) = layer.block(Use::Values(op.table));
    let width = last(layer.constants[op.table].shape());
    layer.line(format_args!("{embed}(x, {table}, {width})"));
    Ok(())
}
