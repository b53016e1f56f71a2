//! Shape rules and index plans, one arm for each kind of movement.

use super::{Movement, MovementError, Source};
use crate::tensor::{element_count, strides};

pub(super) fn element_or_fill(operand: usize, index: Option<usize>) -> Source {
    match index {
        Some(index) => Source::Element {
            operand: u32::try_from(operand).expect("operand count is small"),
            index: u32::try_from(index).expect("plans are made for tensors below 2^32 elements"),
        },
        None => Source::Fill,
    }
}

/// Computes the shape of a movement's result, checking every rule on the way.
pub(super) fn output_shape<V>(
    movement: &Movement<V>,
    operands: &[&[usize]],
) -> Result<Vec<usize>, MovementError> {
    if let Movement::Concat { axis } = movement {
        return concat_shape(*axis, operands);
    }
    if let Movement::Index { shape, indices } = movement {
        return index_shape(shape, indices, operands);
    }
    let &[from] = operands else {
        return Err(MovementError::Operands { expected: 1, got: operands.len() });
    };
    let refuse =
        |what, to: &[usize]| MovementError::Shape { what, from: from.to_vec(), to: to.to_vec() };
    match movement {
        Movement::Reshape { shape } => {
            if element_count(shape) != element_count(from) {
                return Err(refuse("reshape keeps the number of elements", shape));
            }
            Ok(shape.clone())
        }
        Movement::Transpose { perm } => {
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..from.len()) {
                return Err(refuse("transpose needs a permutation of the axes", perm));
            }
            Ok(perm.iter().map(|&axis| from[axis]).collect())
        }
        Movement::Expand { shape } => {
            let fits = shape.len() >= from.len()
                && shape.iter().rev().zip(from.iter().rev()).all(|(&to, &f)| f == to || f == 1);
            if !fits {
                return Err(refuse("expand broadcasts axes of extent 1 alone", shape));
            }
            Ok(shape.clone())
        }
        Movement::Select { axis, indices } => {
            let mut shape = from.to_vec();
            let extent = *shape.get(*axis).ok_or_else(|| refuse("no such axis", &[*axis]))?;
            if let Some(&bad) = indices.iter().find(|&&i| i as usize >= extent) {
                return Err(refuse("index past the end of the axis", &[*axis, bad as usize]));
            }
            shape[*axis] = indices.len();
            Ok(shape)
        }
        Movement::Pad { pads, .. } => {
            if pads.len() != from.len() {
                return Err(refuse("pad needs two counts an axis", &[pads.len()]));
            }
            let padded = from
                .iter()
                .zip(pads)
                .map(|(dim, (before, after))| dim.checked_add(*before)?.checked_add(*after));
            padded.collect::<Option<_>>().ok_or_else(|| refuse("padding overflows", &[]))
        }
        Movement::Dilate { axis, step, .. } => {
            let mut shape = from.to_vec();
            let dim = shape.get_mut(*axis).ok_or_else(|| refuse("no such axis", &[*axis]))?;
            if *step == 0 {
                return Err(refuse("the step is at least 1", &[*step]));
            }
            if let Some(gaps) = dim.checked_sub(1) {
                let stretched = gaps.checked_mul(*step).and_then(|d| d.checked_add(1));
                *dim = stretched.ok_or_else(|| refuse("dilation overflows", &[*step]))?;
            }
            Ok(shape)
        }
        Movement::Windows(windows) => windows.output_shape(from),
        Movement::Concat { .. } | Movement::Index { .. } => {
            unreachable!("movements of many operands returned above")
        }
    }
}

fn concat_shape(axis: usize, operands: &[&[usize]]) -> Result<Vec<usize>, MovementError> {
    let Some((&first, rest)) = operands.split_first() else {
        return Err(MovementError::Operands { expected: 1, got: 0 });
    };
    let mut shape = first.to_vec();
    if axis >= shape.len() {
        return Err(MovementError::Shape { what: "no such axis", from: shape, to: vec![axis] });
    }
    for &operand in rest {
        let same = operand.len() == first.len()
            && (0..first.len()).all(|a| a == axis || operand[a] == first[a]);
        if !same {
            return Err(MovementError::Shape {
                what: "concat needs equal shapes outside its axis",
                from: operand.to_vec(),
                to: first.to_vec(),
            });
        }
        shape[axis] = shape[axis]
            .checked_add(operand[axis])
            .ok_or_else(|| MovementError::TooLarge(operand.to_vec()))?;
    }
    Ok(shape)
}

fn index_shape(
    shape: &[usize],
    indices: &[u32],
    operands: &[&[usize]],
) -> Result<Vec<usize>, MovementError> {
    let refuse = |what| MovementError::Shape {
        what,
        from: operands.iter().filter_map(|s| element_count(s)).collect(),
        to: shape.to_vec(),
    };
    let total = operands
        .iter()
        .try_fold(0usize, |sum, s| sum.checked_add(element_count(s)?))
        .ok_or_else(|| refuse("operands are too large"))?;
    if element_count(shape) != Some(indices.len()) {
        return Err(refuse("index needs one source for each element"));
    }
    if indices.iter().any(|&i| i as usize >= total) {
        return Err(refuse("index past the end of the operands"));
    }
    Ok(shape.to_vec())
}

/// Lists the source of every output element; shapes have been checked by [`output_shape`].
pub(super) fn sources<V>(
    movement: &Movement<V>,
    operands: &[&[usize]],
    shape: &[usize],
) -> Vec<Source> {
    match movement {
        Movement::Reshape { .. } => {
            let count: usize = shape.iter().product();
            (0..count).map(|i| element_or_fill(0, Some(i))).collect()
        }
        Movement::Transpose { perm } => {
            let from = strides(operands[0]);
            let steps: Vec<usize> = perm.iter().map(|&axis| from[axis]).collect();
            strided(shape, &steps)
        }
        Movement::Expand { .. } => {
            let from = strides(operands[0]);
            let lead = shape.len() - operands[0].len();
            let steps: Vec<usize> = (0..shape.len())
                .map(|axis| match axis.checked_sub(lead) {
                    Some(a) if operands[0][a] != 1 => from[a],
                    _ => 0,
                })
                .collect();
            strided(shape, &steps)
        }
        Movement::Select { axis, indices } => {
            let from = strides(operands[0]);
            each(shape, |at| {
                offset(at, &from, |a, i| Some(if a == *axis { indices[i] as usize } else { i }))
                    .map(|index| (0, index))
            })
        }
        Movement::Pad { pads, .. } => {
            let from = strides(operands[0]);
            each(shape, |at| {
                offset(at, &from, |a, i| i.checked_sub(pads[a].0).filter(|&i| i < operands[0][a]))
                    .map(|index| (0, index))
            })
        }
        Movement::Dilate { axis, step, .. } => {
            let from = strides(operands[0]);
            each(shape, |at| {
                offset(at, &from, |a, i| {
                    if a != *axis { Some(i) } else { (i % step == 0).then_some(i / step) }
                })
                .map(|index| (0, index))
            })
        }
        Movement::Windows(windows) => windows.sources(operands[0], shape),
        Movement::Concat { axis } => concat_sources(*axis, operands, shape),
        Movement::Index { indices, .. } => {
            let mut flat = Vec::new();
            for (operand, dims) in operands.iter().enumerate() {
                let count: usize = dims.iter().product();
                flat.extend((0..count).map(|index| (operand, index)));
            }
            indices
                .iter()
                .map(|&i| {
                    let (operand, index) = flat[i as usize];
                    element_or_fill(operand, Some(index))
                })
                .collect()
        }
    }
}

fn concat_sources(axis: usize, operands: &[&[usize]], shape: &[usize]) -> Vec<Source> {
    let mut origin = Vec::with_capacity(shape[axis]);
    for (operand, dims) in operands.iter().enumerate() {
        origin.extend((0..dims[axis]).map(|i| (operand, i)));
    }
    let all_strides: Vec<_> = operands.iter().map(|dims| strides(dims)).collect();
    each(shape, |at| {
        let (operand, along) = origin[at[axis]];
        offset(at, &all_strides[operand], |a, i| Some(if a == axis { along } else { i }))
            .map(|index| (operand, index))
    })
}

/// The flat index of `at` after `place` has moved each coordinate, or `None` where it falls
/// outside.
fn offset(
    at: &[usize],
    strides: &[usize],
    place: impl Fn(usize, usize) -> Option<usize>,
) -> Option<usize> {
    at.iter().enumerate().try_fold(0, |sum, (axis, &i)| Some(sum + place(axis, i)? * strides[axis]))
}

/// Calls `source` with every coordinate of `shape` in row-major order.
fn each(shape: &[usize], source: impl Fn(&[usize]) -> Option<(usize, usize)>) -> Vec<Source> {
    let count: usize = shape.iter().product();
    let mut at = vec![0; shape.len()];
    let mut sources = Vec::with_capacity(count);
    for _ in 0..count {
        sources.push(match source(&at) {
            Some((operand, index)) => element_or_fill(operand, Some(index)),
            None => Source::Fill,
        });
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    sources
}

fn strided(shape: &[usize], steps: &[usize]) -> Vec<Source> {
    each(shape, |at| Some((0, at.iter().zip(steps).map(|(i, step)| i * step).sum())))
}
