//! Runs one operator in a model of its own: shape rule, interval rule, value.

use crate::integer::{Decoding, Encoding, ModelBuilder, ModelError, Op};
use crate::tensor::Tensor;

/// An operand: its tensor and the interval that the model knows.
pub(super) struct Operand {
    pub(super) tensor: Tensor<i32>,
    pub(super) lo: i32,
    pub(super) hi: i32,
}

/// An operand whose interval is the tightest around its values.
pub(super) fn tight(shape: &[usize], data: &[i32]) -> Operand {
    let (lo, hi) = (*data.iter().min().unwrap_or(&0), *data.iter().max().unwrap_or(&0));
    Operand { tensor: Tensor::new(shape.to_vec(), data.to_vec()).unwrap(), lo, hi }
}

/// Builds the model, checks it and runs it; the interpreter asserts shape and interval.
pub(super) fn run(
    operands: &[Operand],
    op: impl FnOnce(&mut ModelBuilder) -> Op,
) -> Result<Tensor<i32>, ModelError> {
    let mut builder = ModelBuilder::new();
    let mut ids = vec![];
    for (index, operand) in operands.iter().enumerate() {
        let input = builder.input(format!("x{index}"), operand.tensor.shape().to_vec());
        ids.push(builder.view(input, Encoding::Integer { lo: operand.lo, hi: operand.hi })?);
    }
    let op = op(&mut builder);
    let node = builder.push("y", op, &ids, 1.0)?;
    builder.output("y", node, Decoding::Integer);
    let model = builder.finish()?;
    let inputs: Vec<_> = operands.iter().map(|operand| operand.tensor.clone()).collect();
    Ok(model.run(&inputs).unwrap().swap_remove(0))
}

/// Checks the value of one operator.
#[track_caller]
pub(super) fn check(
    operands: &[Operand],
    op: impl FnOnce(&mut ModelBuilder) -> Op,
    shape: &[usize],
    data: &[i32],
) {
    let result = run(operands, op).unwrap();
    assert_eq!((result.shape(), result.data()), (shape, data));
}

/// Checks that an operator is refused, with a message that holds `what`.
#[track_caller]
pub(super) fn refuse(operands: &[Operand], op: impl FnOnce(&mut ModelBuilder) -> Op, what: &str) {
    let error = run(operands, op).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let message = format!("{error}: {source}");
    assert!(message.contains(what), "`{message}` does not say `{what}`");
}
