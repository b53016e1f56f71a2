//! Dense, row-major tensors of any rank.

use serde::{Deserialize, Serialize};

/// A dense tensor: a shape and its elements in row-major order.
///
/// A rank-0 tensor (empty shape) has one element.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked<T>")]
pub struct Tensor<T> {
    shape: Vec<usize>,
    data: Vec<T>,
}

/// What a file says of a tensor, before the shape has been compared with the elements.
#[derive(Deserialize)]
struct Unchecked<T> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T> TryFrom<Unchecked<T>> for Tensor<T> {
    type Error = ShapeMismatch;

    fn try_from(raw: Unchecked<T>) -> Result<Self, ShapeMismatch> {
        Self::new(raw.shape, raw.data)
    }
}

/// The number of elements does not fit the shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shape {shape:?} holds {expected} elements, got {got}")]
pub struct ShapeMismatch {
    /// The shape that was asked for.
    pub shape: Vec<usize>,
    /// How many elements that shape holds.
    pub expected: usize,
    /// How many elements came.
    pub got: usize,
}

impl<T> Tensor<T> {
    /// Builds a tensor from its shape and its elements in row-major order.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `data.len()` is not the product of `shape`, or that product overflows.
    pub fn new(shape: Vec<usize>, data: Vec<T>) -> Result<Self, ShapeMismatch> {
        match element_count(&shape) {
            Some(expected) if expected == data.len() => Ok(Self { shape, data }),
            count => {
                Err(ShapeMismatch { shape, expected: count.unwrap_or(usize::MAX), got: data.len() })
            }
        }
    }

    /// Builds a rank-1 tensor.
    pub fn vector(data: Vec<T>) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// Builds a rank-0 tensor.
    pub fn scalar(value: T) -> Self {
        Self { shape: vec![], data: vec![value] }
    }

    /// The extent of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements in row-major order, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements in row-major order.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The extent of the last axis, 1 for a scalar.
    pub fn last_dim(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Gives the same elements another shape.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if the number of elements differs.
    pub fn reshape(self, shape: Vec<usize>) -> Result<Self, ShapeMismatch> {
        Self::new(shape, self.data)
    }

    /// Applies `f` to every element.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor { shape: self.shape.clone(), data: self.data.iter().map(f).collect() }
    }
}

impl<T: Clone> Tensor<T> {
    /// Builds a tensor whose elements are all `value`.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if the product of `shape` overflows.
    pub fn full(shape: Vec<usize>, value: T) -> Result<Self, ShapeMismatch> {
        let count = element_count(&shape).unwrap_or(usize::MAX);
        if count == usize::MAX {
            return Err(ShapeMismatch { shape, expected: count, got: 0 });
        }
        Ok(Self { shape, data: vec![value; count] })
    }
}

/// The number of elements of a shape, or `None` if it overflows.
///
/// It is counted in 64 bits: a shape with an extent of zero behind large ones has no elements on
/// machines of 32 bits too.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    let count = shape.iter().try_fold(1u64, |count, &dim| count.checked_mul(dim as u64))?;
    usize::try_from(count).ok()
}

/// Row-major strides of a shape, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_element_count_is_refused() {
        let error = Tensor::new(vec![2, 3], vec![0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] holds 6 elements, got 5");
        assert!(Tensor::new(vec![usize::MAX, 2], vec![0]).is_err());
    }

    #[test]
    fn a_shape_without_elements_has_none_whatever_its_other_extents() {
        assert_eq!(element_count(&[1 << 31, 1 << 31, 0]), Some(0));
        assert_eq!(element_count(&[usize::MAX, 2]), None);
    }

    #[test]
    fn strides_are_row_major() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(strides(&[]), [0usize; 0]);
    }
}
