//! Unary functions by table.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{bounded, take};
use crate::integer::{ConstId, Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = table[((x + offset) >> shift) - lo]`, arithmetic shift.
///
/// The table covers every quotient that the operand's interval allows: nothing is clamped or masked
/// to fit.
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
        (x + Interval::point(self.offset.into())).shift_right(self.shift)
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
        let shifted = x + Interval::point(self.offset.into());
        bounded("operand plus offset", shifted)?;
        let (lo, entries) = (i64::from(self.lo), i64::try_from(table.len()).unwrap_or(i64::MAX));
        let domain = Interval::new(lo, lo + entries - 1);
        let quotient = self.quotient(x);
        if !domain.contains(quotient) {
            return Err(OperatorError::Domain { what: "table index", interval: quotient, domain });
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

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;
    use crate::integer::{ModelBuilder, Op};

    fn lookup(
        offset: i32,
        shift: u32,
        lo: i32,
        table: &[i32],
    ) -> impl FnOnce(&mut ModelBuilder) -> Op {
        move |builder| {
            let table = builder.constant(Tensor::vector(table.to_vec()));
            Lookup { offset, shift, lo, table }.into()
        }
    }

    #[test]
    fn the_shifted_operand_picks_the_entry() {
        let x = || [tight(&[4], &[-3, -1, 0, 3])];
        check(&x(), lookup(0, 1, -2, &[7, 8, 9, 10]), &[4], &[7, 8, 9, 10]);
        check(&x(), lookup(1, 1, -1, &[7, 8, 9, 10]), &[4], &[7, 8, 8, 10]);
    }

    #[test]
    fn the_sign_of_a_wide_operand_is_exact() {
        let edge = 1 << 29;
        let x = [tight(&[4], &[-edge, -1, 0, edge - 1])];
        check(&x, lookup(0, 29, -1, &[0, 1]), &[4], &[0, 0, 1, 1]);
    }

    #[test]
    fn a_table_that_does_not_cover_the_interval_is_refused() {
        let x = || [tight(&[2], &[0, 4])];
        refuse(&x(), lookup(0, 0, 0, &[1, 2, 3, 4]), "table index: operand interval [0, 4]");
        refuse(&x(), lookup(0, 31, 0, &[1]), "the shift is at most 30");
        refuse(&x(), lookup(0, 0, 0, &[]), "the table is a vector");
        refuse(&[tight(&[1], &[1 << 29])], lookup(1 << 29, 0, 0, &[1]), "operand plus offset");
    }
}
