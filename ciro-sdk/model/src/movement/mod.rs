//! Operators that move elements and compute nothing.
//!
//! A [`Movement`] says, for every element of its output, which element of which operand stands
//! there, or that a fill value does. The tensor STARK reads that plan as wiring, which costs
//! nothing; the interpreter and the Cairo route copy.

mod index;
mod windows;

pub use windows::Windows;

use serde::{Deserialize, Serialize};

use crate::tensor::{Tensor, element_count};

/// A rearrangement of tensor elements, with fill values of type `V`.
///
/// The shapes in the descriptions are those of the operands in order, then that of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Movement<V> {
    /// Same elements in the same order: `x: [..] -> shape`.
    Reshape {
        /// The new shape.
        shape: Vec<usize>,
    },
    /// Axis `i` of the result is axis `perm[i]` of the operand.
    Transpose {
        /// A permutation of the axes.
        perm: Vec<usize>,
    },
    /// Repeats axes of extent 1 (or missing leading axes) up to `shape`, by ONNX's broadcasting
    /// rule.
    Expand {
        /// The shape of the result; it must be reachable by broadcasting.
        shape: Vec<usize>,
    },
    /// Joins the operands along `axis`.
    Concat {
        /// The axis that grows.
        axis: usize,
    },
    /// Position `i` of `axis` in the result is position `indices[i]` in the operand.
    ///
    /// Slices, flips, tiles, splits, static gathers and nearest-neighbour resizes are all of this
    /// kind.
    Select {
        /// The axis that is read at other positions.
        axis: usize,
        /// For each position of the result, the position of the operand.
        indices: Vec<u32>,
    },
    /// Adds `pads[axis] = (before, after)` fill values around the operand.
    Pad {
        /// How many fill values come before and after, for each axis.
        pads: Vec<(usize, usize)>,
        /// The value of the new elements.
        fill: V,
    },
    /// Puts `step - 1` fill values between neighbours along `axis` (transposed convolutions).
    Dilate {
        /// The axis that is stretched.
        axis: usize,
        /// The distance of former neighbours, at least 1.
        step: usize,
        /// The value of the new elements.
        fill: V,
    },
    /// Sliding windows for pooling: `x: [N, C, spatial..] -> [N, C, out.., window]`.
    Windows(Windows<V>),
    /// An arbitrary static rearrangement: one operand flattened, one index for each output element.
    Index {
        /// The shape of the result.
        shape: Vec<usize>,
        /// For each element of the result, the flat index into the operands laid one after the
        /// other.
        indices: Vec<u32>,
    },
}

/// Where one element of a movement's result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The element `index` (row-major) of operand number `operand`.
    Element {
        /// Which operand.
        operand: u32,
        /// Row-major index into it.
        index: u32,
    },
    /// The fill value of the movement.
    Fill,
}

/// The full description of a movement for given operand shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovementPlan {
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// One source for each element of the result, in row-major order.
    pub sources: Vec<Source>,
}

/// A movement that does not fit its operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MovementError {
    /// Another number of operands than the movement takes.
    #[error("expected {expected} operand(s), got {got}")]
    Operands {
        /// How many the movement takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A shape that the movement cannot produce or take.
    #[error("{what}: cannot move {from:?} to {to:?}")]
    Shape {
        /// The rule that is broken.
        what: &'static str,
        /// Shape of the operand.
        from: Vec<usize>,
        /// Shape, permutation or indices that were asked for.
        to: Vec<usize>,
    },
    /// More than 2^32 - 1 elements.
    #[error("a tensor of shape {0:?} has more elements than can be indexed")]
    TooLarge(Vec<usize>),
}

impl<V: Clone> Movement<V> {
    /// The fill value, where the movement has one.
    pub fn fill(&self) -> Option<&V> {
        match self {
            Self::Pad { fill, .. } | Self::Dilate { fill, .. } => Some(fill),
            Self::Windows(windows) => Some(&windows.fill),
            _ => None,
        }
    }

    /// Replaces the type and value of the fill.
    pub fn map_fill<U>(&self, f: impl FnOnce(&V) -> U) -> Movement<U> {
        match self {
            Self::Reshape { shape } => Movement::Reshape { shape: shape.clone() },
            Self::Transpose { perm } => Movement::Transpose { perm: perm.clone() },
            Self::Expand { shape } => Movement::Expand { shape: shape.clone() },
            Self::Concat { axis } => Movement::Concat { axis: *axis },
            Self::Select { axis, indices } => {
                Movement::Select { axis: *axis, indices: indices.clone() }
            }
            Self::Pad { pads, fill } => Movement::Pad { pads: pads.clone(), fill: f(fill) },
            Self::Dilate { axis, step, fill } => {
                Movement::Dilate { axis: *axis, step: *step, fill: f(fill) }
            }
            Self::Windows(windows) => Movement::Windows(windows.map_fill(f)),
            Self::Index { shape, indices } => {
                Movement::Index { shape: shape.clone(), indices: indices.clone() }
            }
        }
    }

    /// Computes the shape of the result.
    ///
    /// # Errors
    /// [`MovementError`] if the operands do not fit.
    pub fn shape(&self, operands: &[&[usize]]) -> Result<Vec<usize>, MovementError> {
        index::output_shape(self, operands)
    }

    /// Computes the source of every element of the result.
    ///
    /// # Errors
    /// [`MovementError`] if the operands do not fit.
    pub fn plan(&self, operands: &[&[usize]]) -> Result<MovementPlan, MovementError> {
        let shape = self.shape(operands)?;
        for dims in operands.iter().copied().chain([&shape[..]]) {
            match element_count(dims) {
                Some(count) if u32::try_from(count).is_ok() => {}
                _ => return Err(MovementError::TooLarge(dims.to_vec())),
            }
        }
        let sources = index::sources(self, operands, &shape);
        Ok(MovementPlan { shape, sources })
    }

    /// Moves the elements.
    ///
    /// # Errors
    /// [`MovementError`] if the operands do not fit.
    pub fn apply<T: Clone + From<V>>(
        &self,
        operands: &[&Tensor<T>],
    ) -> Result<Tensor<T>, MovementError> {
        let shapes: Vec<&[usize]> = operands.iter().map(|x| x.shape()).collect();
        if let (Self::Reshape { .. }, [x]) = (self, operands) {
            let shape = self.shape(&shapes)?;
            return Ok(Tensor::new(shape, x.data().to_vec()).expect("shape rule keeps the count"));
        }
        let plan = self.plan(&shapes)?;
        let data = plan
            .sources
            .iter()
            .map(|source| match *source {
                Source::Element { operand, index } => {
                    operands[operand as usize].data()[index as usize].clone()
                }
                Source::Fill => {
                    T::from(self.fill().expect("only movements with a fill plan one").clone())
                }
            })
            .collect();
        Ok(Tensor::new(plan.shape, data).expect("a plan has one source for each element"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iota(shape: &[usize]) -> Tensor<i32> {
        let count = i32::try_from(element_count(shape).unwrap()).unwrap();
        Tensor::new(shape.to_vec(), (0..count).collect()).unwrap()
    }

    #[track_caller]
    fn check(movement: &Movement<i32>, operands: &[&[usize]], shape: &[usize], data: &[i32]) {
        let tensors: Vec<_> = operands.iter().map(|s| iota(s)).collect();
        let result = movement.apply(&tensors.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((result.shape(), result.data()), (shape, data));
    }

    #[test]
    fn transpose_reads_permuted_axes() {
        check(&Movement::Transpose { perm: vec![1, 0] }, &[&[2, 3]], &[3, 2], &[0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn expand_repeats_missing_and_unit_axes() {
        let movement = Movement::Expand { shape: vec![2, 2, 2] };
        check(&movement, &[&[2, 1]], &[2, 2, 2], &[0, 0, 1, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn concat_joins_along_an_inner_axis() {
        let movement = Movement::Concat { axis: 1 };
        check(&movement, &[&[2, 1], &[2, 2]], &[2, 3], &[0, 0, 1, 1, 2, 3]);
    }

    #[test]
    fn select_flips_and_repeats() {
        let movement = Movement::Select { axis: 0, indices: vec![2, 0, 0] };
        check(&movement, &[&[3, 1]], &[3, 1], &[2, 0, 0]);
    }

    #[test]
    fn pad_and_dilate_fill() {
        let pad = Movement::Pad { pads: vec![(1, 0), (0, 1)], fill: 9 };
        check(&pad, &[&[1, 2]], &[2, 3], &[9, 9, 9, 0, 1, 9]);
        let dilate = Movement::Dilate { axis: 0, step: 3, fill: 7 };
        check(&dilate, &[&[2]], &[4], &[0, 7, 7, 1]);
    }

    #[test]
    fn windows_slide_with_stride_and_padding() {
        let windows = Windows {
            kernel: vec![2],
            strides: vec![2],
            dilations: vec![1],
            pads: vec![(1, 0)],
            ceil_mode: false,
            fill: -1,
        };
        check(&Movement::Windows(windows), &[&[1, 1, 3]], &[1, 1, 2, 2], &[-1, 0, 1, 2]);
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        let reshape: Movement<i32> = Movement::Reshape { shape: vec![4] };
        assert!(reshape.shape(&[&[3]]).is_err());
        let transpose: Movement<i32> = Movement::Transpose { perm: vec![0, 0] };
        assert!(transpose.shape(&[&[3, 3]]).is_err());
        let select: Movement<i32> = Movement::Select { axis: 0, indices: vec![3] };
        assert!(select.shape(&[&[3]]).is_err());
        let concat: Movement<i32> = Movement::Concat { axis: 0 };
        assert!(concat.shape(&[]).is_err());
        let index: Movement<i32> = Movement::Index { shape: vec![1], indices: vec![6] };
        assert!(index.shape(&[&[2, 3]]).is_err());
    }
}
