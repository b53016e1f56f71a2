//! What an operator does to tensor elements.

use ciro_model::integer::Op;

/// What an operator does to tensor elements, as far as their addresses and their rounding go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its elements are constants: their addresses are those of the values.
    Constant,
    /// Its elements are its operands', at other places: it has no addresses of its own.
    Moves,
    /// It computes elements in a chip that can round them as well.
    Computes,
    /// Its elements have addresses of their own, and are written as they are.
    Writes,
}

impl Role {
    /// The role of an operator; a new operator does not compile without one.
    pub(crate) fn of(op: &Op) -> Self {
        match op {
            Op::Constant(_) => Self::Constant,
            Op::Move(_) => Self::Moves,
            Op::Linear(_)
            | Op::Conv(_)
            | Op::MatMul(_)
            | Op::ReduceSum(_)
            | Op::Combine(_)
            | Op::Mul(_) => Self::Computes,
            Op::Input(_)
            | Op::Requantize(_)
            | Op::Lookup(_)
            | Op::DivFloor(_)
            | Op::Isqrt(_)
            | Op::ReduceMax(_)
            | Op::ArgMax(_)
            | Op::Embed(_)
            | Op::Bucketize(_)
            | Op::TreeEnsemble(_) => Self::Writes,
        }
    }
}
