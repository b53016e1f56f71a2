//! Unary functions by table.

use serde::{Deserialize, Serialize};

use crate::integer::operator::take;
use crate::integer::{ConstId, Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = table[((x + offset) >> shift) - lo]`, arithmetic shift.
///
/// The table covers every quotient that the operand's interval allows: nothing is clamped or masked to fit.
///
/// # Shapes
/// `table: [entries]`; the result has the operand's shape.
///
/// # Source
/// ONNX `Sigmoid`, `Tanh`, `Erf`, `Exp`, `Log`, ...; comparisons with zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Added before the shift (`2^(shift - 1)` rounds to nearest).
    pub offset: i32,
    /// How many low bits are dropped, at most 30.
    pub shift: u32,
    /// The quotient that the first entry belongs to.
    pub lo: i32,
    /// The values.
    pub table: ConstId,
}

impl Lookup {
    /// The most entries that a table may have.
    pub const MAX_ENTRIES: usize = 1 << 16;

    /// The quotients for an operand interval.
    pub fn quotient(&self, x: Interval) -> Interval {
        x.add(Interval::point(self.offset.into())).shift_right(self.shift)
    }
}

impl Operator for Lookup {
    fn name(&self) -> &'static str {
        "Lookup"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        if self.shift > 30 {
            return Err(OperatorError::Attribute("the shift is at most 30"));
        }
        let table = constants.get(self.table)?;
        if table.rank() != 1 || table.is_empty() || table.len() > Self::MAX_ENTRIES {
            return Err(OperatorError::Attribute("the table is a vector of 1 to 2^16 entries"));
        }
        Ok(x.to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        let table = constants.get(self.table)?;
        let shifted = x.add(Interval::point(self.offset.into()));
        if !shifted.in_bound() {
            return Err(OperatorError::Domain {
                what: "offset operand",
                interval: shifted,
                domain: Interval::new(1 - super::super::BOUND, super::super::BOUND - 1),
            });
        }
        let (lo, entries) = (i64::from(self.lo), i64::try_from(table.len()).unwrap_or(i64::MAX));
        let domain = Interval::new(lo, lo + entries - 1);
        let quotient = self.quotient(x);
        if !domain.contains(quotient) {
            return Err(OperatorError::Domain {
                what: "table index",
                interval: quotient,
                domain,
            });
        }
        let reached = usize::try_from(quotient.lo - lo).expect("inside the domain")
            ..=usize::try_from(quotient.hi - lo).expect("inside the domain");
        let values = table.data()[reached].iter().map(|&v| i64::from(v));
        Ok(Interval::of(values).expect("an interval has at least one value"))
    }

    fn eval(&self, operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32> {
        let table = constants[self.table].data();
        operands[0].map(|&x| {
            let quotient = (i64::from(x) + i64::from(self.offset)) >> self.shift;
            let entry = usize::try_from(quotient - i64::from(self.lo));
            table[entry.expect("the interval rule keeps quotients inside the table")]
        })
    }
}
