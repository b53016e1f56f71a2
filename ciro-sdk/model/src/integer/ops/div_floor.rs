//! Elementwise floor division.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{bounded, narrow, same, take};
use crate::integer::{BOUND, Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = floor(a / b)`, elementwise, for `b > 0`: `a = y * b + r`, `0 <= r < b`.
///
/// # Shapes
/// Both operands and the result have one shape.
///
/// # Source
/// ONNX `Div`, `Softmax`, `LayerNormalization`, `ReduceMean`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DivFloor;

impl Operator for DivFloor {
    fn name(&self) -> &'static str {
        "DivFloor"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [a, b] = take(operands)?;
        same("divisor", a, b)?;
        Ok(a.to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(a, _), (b, _)] = take(operands)?;
        if b.lo < 1 {
            return Err(OperatorError::Domain {
                what: "divisor",
                interval: b,
                domain: Interval::new(1, BOUND - 1),
            });
        }
        // `a = y * b + r` is an identity of the 31-bit field only while `y * b = a - r` stays below
        // the bound too.
        bounded("dividend minus remainder", a + Interval::new(1 - b.hi, 0))?;
        let corners = [a.lo, a.hi].map(|a| [a.div_euclid(b.lo), a.div_euclid(b.hi)]).concat();
        Ok(Interval::of(corners).expect("four corners"))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let (a, b) = (operands[0], operands[1]);
        let quotients =
            a.data().iter().zip(b.data()).map(|(&a, &b)| i64::from(a).div_euclid(i64::from(b)));
        Tensor::new(a.shape().to_vec(), quotients.map(narrow).collect())
            .expect("one quotient for each element")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Operand, refuse, run, tight};
    use super::*;

    #[test]
    fn a_divisor_that_may_be_zero_is_refused() {
        let zero = [tight(&[2], &[1, 1]), tight(&[2], &[0, 3])];
        refuse(&zero, |_| DivFloor.into(), "divisor: operand interval [0, 3]");
        let far = [tight(&[1], &[1 - (1 << 30)]), tight(&[1], &[2])];
        refuse(&far, |_| DivFloor.into(), "dividend minus remainder");
    }

    proptest! {
        #[test]
        fn quotient_and_remainder_make_up_the_dividend(
            a in -1_000_000i32..1_000_000, b in 1i32..2000, (below, above) in (0i32..5, 0i32..5),
        ) {
            let point = |v: i32, lo: i32, hi: i32| Operand { tensor: Tensor::vector(vec![v]), lo, hi };
            let operands = [point(a, a - below, a + above), point(b, (b - below).max(1), b + above)];
            let q = run(&operands, |_| DivFloor.into()).unwrap().data()[0];
            let r = a - q * b;
            prop_assert!((0..b).contains(&r));
        }
    }
}
