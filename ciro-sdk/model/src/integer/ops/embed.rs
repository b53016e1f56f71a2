//! Rows of a constant matrix, chosen by computed indices.

use serde::{Deserialize, Serialize};

use crate::integer::operator::take;
use crate::integer::{ConstId, Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[.., d] = table[x[..], d]`, for `0 <= x < V`.
///
/// # Shapes
/// `x: [..]`, `table: [V, D]` `-> [.., D]`
///
/// # Source
/// ONNX `Gather` on a constant (embeddings), label tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embed {
    /// The matrix.
    pub table: ConstId,
}

impl Operator for Embed {
    fn name(&self) -> &'static str {
        "Embed"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        let &[_, width] = constants.get(self.table)?.shape() else {
            return Err(OperatorError::Attribute("the table is a matrix"));
        };
        Ok(x.iter().copied().chain([width]).collect())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        let table = constants.get(self.table)?;
        let rows = i64::try_from(table.shape()[0]).unwrap_or(i64::MAX);
        if x.lo < 0 || x.hi >= rows {
            return Err(OperatorError::Domain {
                what: "row index",
                interval: x,
                domain: Interval::new(0, rows - 1),
            });
        }
        let values = table.data().iter().map(|&v| i64::from(v));
        Ok(Interval::of(values).unwrap_or(Interval::point(0)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32> {
        let (x, table) = (operands[0], &constants[self.table]);
        let width = table.shape()[1];
        let mut data = Vec::with_capacity(x.len() * width);
        for &row in x.data() {
            let row = usize::try_from(row).expect("the interval rule keeps indices in the table");
            data.extend_from_slice(&table.data()[row * width..(row + 1) * width]);
        }
        let shape = x.shape().iter().copied().chain([width]).collect();
        Tensor::new(shape, data).expect("one row for each index")
    }

    fn weights(&self) -> Vec<ConstId> {
        vec![self.table]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    fn table(builder: &mut crate::integer::ModelBuilder) -> crate::integer::Op {
        let table = Tensor::new(vec![3, 2], vec![0, 1, 10, 11, 20, 21]).unwrap();
        Embed { table: builder.constant(table) }.into()
    }

    #[test]
    fn rows_follow_the_indices() {
        check(&[tight(&[1, 2], &[2, 0])], table, &[1, 2, 2], &[20, 21, 0, 1]);
    }

    #[test]
    fn indices_past_the_table_are_refused() {
        refuse(&[tight(&[1], &[3])], table, "row index: operand interval [3, 3] is outside [0, 2]");
        refuse(&[tight(&[1], &[-1])], table, "row index");
    }
}
