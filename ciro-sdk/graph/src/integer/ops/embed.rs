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
}
