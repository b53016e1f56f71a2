//! What a proof claims, and whether its integers are an inference of a model: shapes, ranges, and a
//! real input behind them.

use serde::{Deserialize, Serialize};

use super::Interval;
use super::context::Context;
use super::interface::{InputPort, Interface, OutputPort};
use super::preimage::{Element, common_real};
use crate::tensor::{Tensor, element_count};

/// What a proof states, for a model: every one of these claims is what the model computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// One claim for each inference of the proof.
    pub claims: Vec<Claim>,
    /// What the proof is bound to beside the claims.
    pub context: Context,
}

impl Statement {
    /// These claims, bound to nothing else.
    pub fn of(claims: Vec<Claim>) -> Self {
        Self { claims, context: Context::NONE }
    }
}

/// One inference: this input gives these outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The input, or a commitment to it.
    pub input: StatedInput,
    /// The integer outputs, in the model's order.
    pub outputs: Vec<StatedTensor>,
}

/// How a claim shows one integer tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatedTensor {
    /// As it is.
    Public(Tensor<i32>),
    /// As a commitment: the tensor is fixed, but not shown. Only a proof that hides, for a key that
    /// says so, keeps it hidden.
    Committed([u8; 32]),
}

/// How a claim shows its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatedInput {
    /// As it is: one integer tensor for each input view of the model.
    Public(Vec<Tensor<i32>>),
    /// As one commitment to all of it, on routes that make such: the input is fixed, but not shown.
    /// The proof around it hides nothing by design.
    Committed([u8; 32]),
    /// View by view, at least one of them as a commitment; inputs that are shown whole are
    /// [`Self::Public`].
    Mixed(Vec<StatedTensor>),
}

impl Claim {
    /// A claim that shows its input and its outputs.
    pub fn public(input: Vec<Tensor<i32>>, outputs: Vec<Tensor<i32>>) -> Self {
        let outputs = outputs.into_iter().map(StatedTensor::Public).collect();
        Self { input: StatedInput::Public(input), outputs }
    }

    /// The outputs that are shown, in the model's order.
    pub fn public_outputs(&self) -> impl DoubleEndedIterator<Item = &Tensor<i32>> {
        self.outputs.iter().filter_map(StatedTensor::public)
    }
}

impl StatedTensor {
    /// The integers, unless they are committed.
    pub fn public(&self) -> Option<&Tensor<i32>> {
        match self {
            Self::Public(tensor) => Some(tensor),
            Self::Committed(_) => None,
        }
    }

    /// The integers, to be changed.
    pub fn public_mut(&mut self) -> Option<&mut Tensor<i32>> {
        match self {
            Self::Public(tensor) => Some(tensor),
            Self::Committed(_) => None,
        }
    }

    /// The commitment, unless the integers are shown.
    pub fn commitment(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Public(_) => None,
            Self::Committed(commitment) => Some(commitment),
        }
    }
}

impl StatedInput {
    /// The integers of a public input.
    pub fn public(&self) -> Option<&[Tensor<i32>]> {
        match self {
            Self::Public(tensors) => Some(tensors),
            Self::Committed(_) | Self::Mixed(_) => None,
        }
    }

    /// The tensors of an input that is stated view by view, committed or not; `None` where one
    /// commitment is to all of it.
    pub fn tensors(&self) -> Option<Vec<StatedTensor>> {
        match self {
            Self::Public(tensors) => {
                Some(tensors.iter().cloned().map(StatedTensor::Public).collect())
            }
            Self::Committed(_) => None,
            Self::Mixed(tensors) => Some(tensors.clone()),
        }
    }

    /// The integers of a public input, to be changed.
    pub fn public_mut(&mut self) -> Option<&mut [Tensor<i32>]> {
        match self {
            Self::Public(tensors) => Some(tensors),
            Self::Committed(_) | Self::Mixed(_) => None,
        }
    }
}

/// Integers that are no inference of a model with this interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Another number of tensors.
    #[error("expected {expected} {what} tensor(s), got {got}")]
    Count {
        /// Inputs or outputs.
        what: &'static str,
        /// How many the interface has.
        expected: usize,
        /// How many the claim holds.
        got: usize,
    },
    /// A tensor of another shape.
    #[error("{what} `{name}`: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// Input or output.
        what: &'static str,
        /// Its name.
        name: String,
        /// The interface's shape.
        expected: Vec<usize>,
        /// The claim's.
        got: Vec<usize>,
    },
    /// An integer that the model never takes or gives.
    #[error("{what} `{name}`: element {index} is `{value}`, outside of what the model allows")]
    Range {
        /// Input or output.
        what: &'static str,
        /// Its name.
        name: String,
        /// Row-major index.
        index: usize,
        /// The integer.
        value: i32,
    },
    /// An input of which some integer forms are shown and others committed to.
    #[error("input `{name}` is shown in some of its integer forms and committed in others")]
    PartlyCommitted {
        /// The input's name.
        name: String,
    },
    /// No real number becomes these integers, so the claim is about no input.
    #[error(
        "input `{name}`: no real number is encoded as element {index} of its integer tensor(s)"
    )]
    NoReal {
        /// The input's name.
        name: String,
        /// Row-major index into the real tensor.
        index: usize,
    },
}

impl Interface {
    /// Checks that integers have the form of an inference of such a model: shapes, ranges, and for
    /// every input one real tensor that all its views are encodings of.
    ///
    /// Whether the model computes these outputs from these inputs is for a proof to say.
    ///
    /// # Errors
    /// [`ClaimError`] with the first integer or tensor that no inference has.
    pub fn check_claim(
        &self,
        inputs: &[Tensor<i32>],
        outputs: &[Tensor<i32>],
    ) -> Result<(), ClaimError> {
        self.check_outputs(outputs)?;
        self.real_inputs(inputs).map(drop)
    }

    /// As [`Self::check_claim`], where some tensors are only committed to: of those nothing is
    /// checked, which is for a proof to do.
    ///
    /// # Errors
    /// As [`Self::check_claim`]; [`ClaimError::PartlyCommitted`] if an input shows some of its
    /// views and not others.
    pub fn check_stated(
        &self,
        inputs: &[StatedTensor],
        outputs: &[StatedTensor],
    ) -> Result<(), ClaimError> {
        check_count("output", self.outputs.len(), outputs.len())?;
        for (port, output) in self.outputs.iter().zip(outputs) {
            output.public().map_or(Ok(()), |tensor| port.check_tensor(tensor))?;
        }
        check_count("input", self.views().count(), inputs.len())?;
        let mut rest = inputs;
        for port in &self.inputs {
            let (views, others) = rest.split_at(port.views.len());
            rest = others;
            let shown: Vec<_> = views.iter().filter_map(StatedTensor::public).cloned().collect();
            if shown.len() == views.len() {
                port.real(&shown)?;
            } else if !shown.is_empty() {
                return Err(ClaimError::PartlyCommitted { name: port.name.clone() });
            }
        }
        Ok(())
    }

    /// Checks the outputs of a claim alone.
    ///
    /// # Errors
    /// As [`Self::check_claim`].
    pub fn check_outputs(&self, outputs: &[Tensor<i32>]) -> Result<(), ClaimError> {
        check_count("output", self.outputs.len(), outputs.len())?;
        self.outputs.iter().zip(outputs).try_for_each(|(port, tensor)| port.check_tensor(tensor))
    }

    /// The real inputs that integers stand for, `None` for an input that no output depends on.
    ///
    /// The tensors are encoded as exactly these integers. Numbers that an encoding rounds are given
    /// back as the middle of the rounding interval, numbers that it clamps as the end of the range.
    ///
    /// # Errors
    /// [`ClaimError`] if the integers are no input, or the views of one input are about different
    /// real numbers.
    pub fn real_inputs(
        &self,
        inputs: &[Tensor<i32>],
    ) -> Result<Vec<Option<Tensor<f64>>>, ClaimError> {
        check_count("input", self.views().count(), inputs.len())?;
        let mut rest = inputs;
        let mut reals = Vec::with_capacity(self.inputs.len());
        for port in &self.inputs {
            let (views, others) = rest.split_at(port.views.len());
            rest = others;
            reals.push(port.real(views)?);
        }
        Ok(reals)
    }
}

impl OutputPort {
    /// Checks that integers have the output's shape and lie in its interval.
    ///
    /// # Errors
    /// [`ClaimError`] with the first that does not.
    pub fn check_tensor(&self, tensor: &Tensor<i32>) -> Result<(), ClaimError> {
        check_shape("output", &self.name, &self.shape, tensor)?;
        let inside = |&value: &i32| self.interval.contains(Interval::point(value.into()));
        match tensor.data().iter().position(|value| !inside(value)) {
            Some(index) => Err(out_of_range("output", &self.name, index, tensor)),
            None => Ok(()),
        }
    }
}

impl InputPort {
    /// The real tensor behind the integers of every view.
    ///
    /// # Errors
    /// [`ClaimError`] if the integers are no input.
    pub fn real(&self, views: &[Tensor<i32>]) -> Result<Option<Tensor<f64>>, ClaimError> {
        for (encoding, tensor) in self.views.iter().zip(views) {
            check_shape("input", &self.name, &encoding.integer_shape(&self.shape), tensor)?;
            if let Some(index) = encoding.first_inadmissible(tensor) {
                return Err(out_of_range("input", &self.name, index, tensor));
            }
        }
        if views.is_empty() {
            return Ok(None);
        }
        let count = element_count(&self.shape).unwrap_or(0);
        let real = |index| {
            let elements = self.views.iter().zip(views);
            let elements = elements.map(|(view, tensor)| Element::new(view, tensor.data(), index));
            common_real(elements)
                .ok_or_else(|| ClaimError::NoReal { name: self.name.clone(), index })
        };
        let data = (0..count).map(real).collect::<Result<Vec<f64>, _>>()?;
        Ok(Tensor::new(self.shape.clone(), data).ok())
    }
}

fn check_count(what: &'static str, expected: usize, got: usize) -> Result<(), ClaimError> {
    if expected == got { Ok(()) } else { Err(ClaimError::Count { what, expected, got }) }
}

fn check_shape(
    what: &'static str,
    name: &str,
    expected: &[usize],
    tensor: &Tensor<i32>,
) -> Result<(), ClaimError> {
    if tensor.shape() == expected {
        return Ok(());
    }
    let (expected, got) = (expected.to_vec(), tensor.shape().to_vec());
    Err(ClaimError::Shape { what, name: name.to_owned(), expected, got })
}

fn out_of_range(what: &'static str, name: &str, index: usize, tensor: &Tensor<i32>) -> ClaimError {
    ClaimError::Range { what, name: name.to_owned(), index, value: tensor.data()[index] }
}

#[cfg(test)]
mod tests {
    use super::super::interface::tests::two_views;
    use super::*;

    #[test]
    fn views_of_different_inputs_are_no_claim() {
        let encode = |x: f64| {
            let sample = [Tensor::vector(vec![x, x]), Tensor::vector(vec![0.0; 3])];
            two_views().encode(&sample).unwrap().tensors
        };
        let [affine, _] = &encode(1.0)[..] else { panic!("two views") };
        let [_, ordered] = &encode(1.2)[..] else { panic!("two views") };
        let error = two_views().real_inputs(&[affine.clone(), ordered.clone()]).unwrap_err();
        assert_eq!(error, ClaimError::NoReal { name: "x".into(), index: 0 });
    }

    #[test]
    fn outputs_stay_inside_their_interval() {
        let check = |value| two_views().check_outputs(&[Tensor::vector(vec![value])]);
        check(-5).unwrap();
        let (what, name) = ("output", "y".to_owned());
        assert_eq!(check(6), Err(ClaimError::Range { what, name, index: 0, value: 6 }));
    }
}
