//! The reference interpreter: the meaning of an integer model.

use super::{Encoding, IntegerModel, Interval, NodeId};
use crate::tensor::Tensor;

/// The value of every node for one run of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    values: Vec<Tensor<i32>>,
}

impl Trace {
    /// The tensor that a node computed.
    pub fn value(&self, id: NodeId) -> &Tensor<i32> {
        &self.values[id.index()]
    }

    /// All tensors, in the order of the model's nodes.
    pub fn values(&self) -> &[Tensor<i32>] {
        &self.values
    }
}

/// Integer inputs that a model does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another number of tensors than the model has input views.
    #[error("the model takes {expected} input tensor(s), got {got}")]
    Inputs {
        /// How many the model takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A tensor of another shape.
    #[error("input `{name}`: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// The input node's name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        got: Vec<usize>,
    },
    /// A value outside the model's interval.
    #[error("input `{name}`: element {index} is {value}, outside {interval}")]
    Range {
        /// The input node's name.
        name: String,
        /// Row-major index.
        index: usize,
        /// The offending value.
        value: i32,
        /// What the model allows.
        interval: Interval,
    },
}

impl IntegerModel {
    /// Runs the model on integer inputs and keeps the value of every node.
    ///
    /// `inputs` holds one tensor for each of [`IntegerModel::input_nodes`], in that order.
    ///
    /// # Errors
    /// [`RunError`] if an input has another shape than the model's or is outside its interval.
    pub fn trace(&self, inputs: &[Tensor<i32>]) -> Result<Trace, RunError> {
        let views: Vec<NodeId> = self.input_nodes().map(|(id, _)| id).collect();
        if views.len() != inputs.len() {
            return Err(RunError::Inputs { expected: views.len(), got: inputs.len() });
        }
        for ((id, encoding), input) in self.input_nodes().zip(inputs) {
            self.check_input(id, encoding, input)?;
        }
        let mut values: Vec<Tensor<i32>> = Vec::with_capacity(self.nodes().len());
        for (id, node) in self.iter() {
            let value = match views.iter().position(|&view| view == id) {
                Some(position) => inputs[position].clone(),
                None => {
                    let operands: Vec<_> =
                        node.operands.iter().map(|operand| &values[operand.index()]).collect();
                    node.op.operator().eval(&operands, self.constants())
                }
            };
            debug_assert_eq!(value.shape(), node.shape, "node `{}`", node.name);
            debug_assert!(
                value.data().iter().all(|&v| node.interval.contains(Interval::point(v.into()))),
                "node `{}` left its interval",
                node.name
            );
            values.push(value);
        }
        Ok(Trace { values })
    }

    /// Runs the model on integer inputs and returns its outputs.
    ///
    /// # Errors
    /// As [`IntegerModel::trace`].
    pub fn run(&self, inputs: &[Tensor<i32>]) -> Result<Vec<Tensor<i32>>, RunError> {
        let trace = self.trace(inputs)?;
        Ok(self.outputs().iter().map(|output| trace.value(output.node).clone()).collect())
    }

    fn check_input(
        &self,
        id: NodeId,
        encoding: &Encoding,
        input: &Tensor<i32>,
    ) -> Result<(), RunError> {
        let node = self.node(id);
        if input.shape() != node.shape {
            return Err(RunError::Shape {
                name: node.name.clone(),
                expected: node.shape.clone(),
                got: input.shape().to_vec(),
            });
        }
        match encoding.first_inadmissible(input) {
            None => Ok(()),
            Some(index) => Err(RunError::Range {
                name: node.name.clone(),
                index,
                value: input.data()[index],
                interval: node.interval,
            }),
        }
    }
}
