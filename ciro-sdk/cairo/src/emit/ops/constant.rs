//! `Constant`: the tensor's elements as they are.

use ciro_model::integer::ops::Constant;

use super::super::weights::Use;
use super::{EmitError, Layer};

pub(super) fn emit(op: &Constant, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let (_, value) = layer.block(Use::Values(op.value));
    layer.line(value);
    Ok(())
}
