//! Proven inputs as real numbers.

use ciro_model::integer::{ClaimError, InputPort};
use ciro_model::{Interface, Tensor};

/// A real input that the proven integers stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct RealInput {
    /// The ONNX input's name.
    pub name: String,
    /// The tensor's shape.
    pub shape: Vec<usize>,
    /// One real number for each element, which the model takes for exactly the proven integers:
    /// what trees compare as it is, otherwise the middle of the numbers that the model cannot tell
    /// apart. `None` if no output depends on the input, so that the proof says nothing of it.
    ///
    /// Texts are their codes here.
    pub values: Option<Tensor<f64>>,
    /// For an input of text, the text of each element; `None` for one that the model tells from no
    /// other text that it does not know.
    pub texts: Option<Vec<Option<String>>>,
}

impl RealInput {
    /// The values, zeros where no output depends on them.
    pub fn values_or_zeros(&self) -> Tensor<f64> {
        let zeros = || Tensor::full(self.shape.clone(), 0.0).ok();
        self.values.clone().or_else(zeros).unwrap_or_else(|| Tensor::vector(Vec::new()))
    }

    /// The inputs that integers stand for, in the interface's order.
    pub(crate) fn all(
        interface: &Interface,
        integers: &[Tensor<i32>],
    ) -> Result<Vec<Self>, ClaimError> {
        let reals = interface.real_inputs(integers)?;
        let named = interface.inputs.iter().zip(reals);
        let real = |(port, values): (&InputPort, Option<Tensor<f64>>)| {
            let (name, shape) = (port.name.clone(), port.shape.clone());
            let texts = port.dictionary().zip(values.as_ref()).map(|(dictionary, codes)| {
                codes.data().iter().map(|&code| dictionary.word(code).cloned()).collect()
            });
            Self { name, shape, values, texts }
        };
        Ok(named.map(real).collect())
    }
}
