//! Shape rule and value of every float operator, one family a file.

mod conv;
mod elementwise;
mod gather;
mod mat_mul;
mod reduce;
mod softmax;
mod tree_ensemble;

use super::{EvalError, Op};
use ciro_model::movement::MovementError;
use ciro_model::tensor::Tensor;

/// Why an operator does not take its operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// A rule of the operator.
    Rule(&'static str),
    /// A rule of a movement.
    Movement(MovementError),
}

impl From<MovementError> for Misfit {
    fn from(error: MovementError) -> Self {
        Self::Movement(error)
    }
}

/// Takes exactly `N` operands.
fn take<const N: usize, T: Copy>(operands: &[T]) -> Result<[T; N], Misfit> {
    operands.try_into().map_err(|_| Misfit::Rule("wrong number of operands"))
}

/// The shape of an operator's result; `None` for inputs, whose shape the graph holds.
pub(crate) fn shape(op: &Op, operands: &[&[usize]]) -> Result<Option<Vec<usize>>, Misfit> {
    let shape = match op {
        Op::Input { .. } => {
            take::<0, _>(operands)?;
            return Ok(None);
        }
        Op::Constant(value) => {
            take::<0, _>(operands)?;
            value.shape().to_vec()
        }
        Op::MatMul => mat_mul::shape(operands)?,
        Op::Conv { strides, dilations, pads, groups } => {
            conv::Conv { strides, dilations, pads, groups: *groups }.shape(operands)?
        }
        Op::Unary(_) => take::<1, _>(operands)?[0].to_vec(),
        Op::Binary(_) => elementwise::shape(&take::<2, _>(operands)?)?,
        Op::Where => elementwise::shape(&take::<3, _>(operands)?)?,
        Op::Reduce(reducer) => reduce::shape(*reducer, operands)?,
        Op::Softmax => softmax::shape(operands)?,
        Op::Move(movement) => movement.shape(operands)?,
        Op::Gather => gather::shape(operands)?,
        Op::TreeEnsemble(trees) => tree_ensemble::shape(trees, operands)?,
    };
    Ok(Some(shape))
}

/// The value of an operator whose shape rule holds; inputs have none here.
pub(crate) fn eval(op: &Op, operands: &[&Tensor<f64>]) -> Result<Tensor<f64>, EvalError> {
    Ok(match (op, operands) {
        (Op::Constant(value), _) => value.as_ref().clone(),
        (Op::MatMul, [a, b]) => mat_mul::eval(a, b),
        (Op::Conv { strides, dilations, pads, groups }, [x, w, rest @ ..]) => {
            let conv = conv::Conv { strides, dilations, pads, groups: *groups };
            conv.eval(x, w, rest.first().copied())
        }
        (Op::Unary(f), [x]) => x.map(|&x| f.eval(x)),
        (Op::Binary(f), [a, b]) => elementwise::binary(*f, a, b),
        (Op::Where, [condition, a, b]) => elementwise::select(condition, a, b),
        (Op::Reduce(reducer), [x]) => reduce::eval(*reducer, x),
        (Op::Softmax, [x]) => softmax::eval(x),
        (Op::Move(movement), _) => movement.apply(operands)?,
        (Op::Gather, [table, indices]) => gather::eval(table, indices)?,
        (Op::TreeEnsemble(trees), [x]) => tree_ensemble::eval(trees, x),
        _ => return Err(EvalError::Operands),
    })
}

/// Builds a tensor whose element count holds by the operator's shape rule.
fn tensor(shape: Vec<usize>, data: Vec<f64>) -> Tensor<f64> {
    Tensor::new(shape, data).expect("the shape rule gives the element count")
}
