//! The float model's values, the reference that quantization is measured against.

use super::scalar::single;
use super::{Graph, GraphError, Op, ops};
use ciro_model::movement::MovementError;
use ciro_model::tensor::Tensor;

/// A graph that cannot be evaluated on what was given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Another number of inputs than the graph has.
    #[error("the model takes {expected} input(s), got {got}")]
    Inputs {
        /// How many the graph has.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// An input of another shape.
    #[error("input `{name}`: expected shape {expected:?}, got {got:?}")]
    InputShape {
        /// The input's name.
        name: String,
        /// The graph's shape.
        expected: Vec<usize>,
        /// The shape that came.
        got: Vec<usize>,
    },
    /// A table is read outside its rows.
    #[error("index {index} is not a row of a table of {rows} rows")]
    Index {
        /// The index.
        index: f64,
        /// How many rows the table has.
        rows: usize,
    },
    /// A node that cannot be evaluated.
    #[error("node `{node}` ({op})")]
    Node {
        /// The node's name.
        node: String,
        /// The ONNX operator.
        op: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// An operator with another number of operands than it takes.
    #[error("wrong number of operands")]
    Operands,
    /// A movement that does not fit its operands.
    #[error(transparent)]
    Movement(#[from] MovementError),
    /// A graph that breaks its own rules.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Graph {
    /// Computes the value of every node, in the order of [`Graph::nodes`].
    ///
    /// All arithmetic is in double precision; trees compare features as float32.
    ///
    /// # Errors
    /// [`EvalError`] if the inputs do not fit, an index is outside its table, or the graph breaks a
    /// rule.
    pub fn eval(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>, EvalError> {
        self.evaluate(inputs, |_, op, operands| ops::eval(op, operands))
    }

    /// As [`Self::eval`], with every value and every step of a function rounded to float32, as ONNX
    /// computes it: how far that is from double precision says how well the model is conditioned.
    /// Nodes that are `whole` hold integers, which are not rounded; inputs are as they come.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn eval_single(
        &self,
        inputs: &[Tensor<f64>],
        whole: &[bool],
    ) -> Result<Vec<Tensor<f64>>, EvalError> {
        self.evaluate(inputs, |at, op, operands| {
            if whole.get(at) == Some(&true) {
                return ops::eval(op, operands);
            }
            let value = match (op, operands) {
                (Op::Unary(f), [x]) => x.map(|&x| f.eval_single(x)),
                _ => ops::eval(op, operands)?,
            };
            Ok(value.map(|&x| single(x)))
        })
    }

    /// As [`Self::eval`], with every element of every node passed through `kept`.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub(crate) fn eval_inside(
        &self,
        inputs: &[Tensor<f64>],
        kept: impl Fn(usize, f64) -> f64,
    ) -> Result<Vec<Tensor<f64>>, EvalError> {
        let mut inputs = inputs.to_vec();
        for (at, node) in self.nodes.iter().enumerate() {
            if let Op::Input { index } = node.op
                && let Some(input) = inputs.get_mut(index)
            {
                *input = input.map(|&x| kept(at, x));
            }
        }
        self.evaluate(
            &inputs,
            |at, op, operands| Ok(ops::eval(op, operands)?.map(|&x| kept(at, x))),
        )
    }

    fn evaluate(
        &self,
        inputs: &[Tensor<f64>],
        compute: impl Fn(usize, &Op, &[&Tensor<f64>]) -> Result<Tensor<f64>, EvalError>,
    ) -> Result<Vec<Tensor<f64>>, EvalError> {
        self.check()?;
        if inputs.len() != self.inputs.len() {
            return Err(EvalError::Inputs { expected: self.inputs.len(), got: inputs.len() });
        }
        for (input, value) in self.inputs.iter().zip(inputs) {
            if input.shape != value.shape() {
                return Err(EvalError::InputShape {
                    name: input.name.clone(),
                    expected: input.shape.clone(),
                    got: value.shape().to_vec(),
                });
            }
        }
        let mut values: Vec<Tensor<f64>> = Vec::with_capacity(self.nodes.len());
        for (at, node) in self.nodes.iter().enumerate() {
            let operands: Vec<_> = node.operands.iter().map(|id| &values[id.index()]).collect();
            let value = match node.op {
                Op::Input { index } => Ok(inputs[index].clone()),
                ref op => compute(at, op, &operands),
            };
            values.push(value.map_err(|source| EvalError::Node {
                node: node.name.clone(),
                op: node.origin.clone(),
                source: Box::new(source),
            })?);
        }
        Ok(values)
    }
}
