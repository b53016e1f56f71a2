//! What every integer operator answers: shape rule, interval rule, value.

use super::{BOUND, ConstId, Constants, Interval};
use crate::movement::MovementError;
use crate::tensor::Tensor;

/// An integer operator.
///
/// `shape` and `interval` check everything that `eval` relies on: once both have succeeded for a
/// node, `eval` is total on operands of those shapes and intervals.
pub trait Operator {
    /// The operator's name in error messages and reports.
    fn name(&self) -> &'static str;

    /// Computes the shape of the result.
    ///
    /// # Errors
    /// [`OperatorError`] if the operands' shapes or the operator's attributes do not fit.
    fn shape(
        &self,
        operands: &[&[usize]],
        constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError>;

    /// Computes an interval that holds every element of the result.
    ///
    /// The caller checks that the result stays inside [`BOUND`](super::BOUND).
    ///
    /// # Errors
    /// [`OperatorError`] if the operator is not defined on the operands' intervals.
    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        constants: &Constants,
    ) -> Result<Interval, OperatorError>;

    /// Computes the result.
    ///
    /// # Panics
    /// May panic if `shape` or `interval` would have refused the operands.
    fn eval(&self, operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32>;

    /// The number of multiply-accumulate operations, 0 for everything but matrix products and
    /// convolutions.
    fn macs(&self, _operands: &[&[usize]], _constants: &Constants) -> u64 {
        0
    }

    /// The constants that are weights of the model (not tables of functions).
    fn weights(&self) -> Vec<ConstId> {
        vec![]
    }

    /// The number of weights that the operator holds itself.
    fn own_parameters(&self) -> usize {
        0
    }
}

/// An operator that does not fit its operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// Another number of operands than the operator takes.
    #[error("expected {expected} operand(s), got {got}")]
    Operands {
        /// How many the operator takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// Shapes that do not fit together.
    #[error("{what}: expected {expected:?}, got {got:?}")]
    Shape {
        /// Which shape is meant.
        what: &'static str,
        /// What the operator needs.
        expected: Vec<usize>,
        /// What came.
        got: Vec<usize>,
    },
    /// Attributes that contradict each other or the operator's definition.
    #[error("{0}")]
    Attribute(&'static str),
    /// A constant that is not in the model.
    #[error("constant {0} is not in the model")]
    Constant(u32),
    /// Operand values outside the operator's domain.
    #[error("{what}: operand interval {interval} is outside {domain}")]
    Domain {
        /// What is asked of the operand.
        what: &'static str,
        /// The operand's interval.
        interval: Interval,
        /// What is allowed.
        domain: Interval,
    },
    /// A movement that does not fit.
    #[error(transparent)]
    Movement(#[from] MovementError),
}

/// Takes exactly `N` operands.
pub(super) fn take<const N: usize, T: Copy>(operands: &[T]) -> Result<[T; N], OperatorError> {
    operands.try_into().map_err(|_| OperatorError::Operands { expected: N, got: operands.len() })
}

/// Checks that two shapes are equal.
pub(super) fn same(
    what: &'static str,
    expected: &[usize],
    got: &[usize],
) -> Result<(), OperatorError> {
    if expected == got {
        return Ok(());
    }
    Err(OperatorError::Shape { what, expected: expected.to_vec(), got: got.to_vec() })
}

/// Checks that an interval stays strictly inside `(-2^30, 2^30)`.
pub(super) fn bounded(what: &'static str, interval: Interval) -> Result<(), OperatorError> {
    if interval.in_bound() {
        return Ok(());
    }
    let domain = Interval::new(1 - BOUND, BOUND - 1);
    Err(OperatorError::Domain { what, interval, domain })
}

/// The product of extents as a count of operations.
pub(super) fn count(extents: impl IntoIterator<Item = usize>) -> u64 {
    extents.into_iter().map(|extent| extent as u64).fold(1, u64::saturating_mul)
}

/// Narrows a value that the interval rule has bounded.
pub(super) fn narrow(value: i64) -> i32 {
    i32::try_from(value).expect("interval analysis keeps every value below 2^30")
}
