//! Moving elements: slices, transpositions, padding and the like, as runs of copies.

use super::Tensor;

/// Appends all of `x`.
pub fn copy(mut x: Tensor, ref y: Array<felt252>) {
    while let Some(x8) = x.multi_pop_front::<8>() {
        let [x0, x1, x2, x3, x4, x5, x6, x7] = (*x8).unbox();
        y.append(x0);
        y.append(x1);
        y.append(x2);
        y.append(x3);
        y.append(x4);
        y.append(x5);
        y.append(x6);
        y.append(x7);
    }
    while let Some(x0) = x.pop_front() {
        y.append(*x0);
    }
}

/// Appends every `row` elements of `x` with `before` and `after` times `value` around them.
pub fn pad_rows(mut x: Tensor, row: usize, before: usize, after: usize, value: felt252) -> Tensor {
    let mut y = array![];
    while !x.is_empty() {
        fill(value, before, ref y);
        copy(x.slice(0, row), ref y);
        fill(value, after, ref y);
        x = x.slice(row, x.len() - row);
    }
    y.span()
}

/// Appends `count` times `value`.
pub fn fill(value: felt252, count: usize, ref y: Array<felt252>) {
    let mut left = count;
    while left != 0 {
        y.append(value);
        left -= 1;
    }
}

/// Appends `x` at `first + i * stride + j` for every `(i, j)` of the axes in row-major order; `axes` lists
/// `(extent, stride)` of each axis, outermost first.
pub fn copy_nested(x: Tensor, first: usize, mut axes: Span<(usize, usize)>, ref y: Array<felt252>) {
    let Some((extent, stride)) = axes.pop_front() else {
        y.append(*x.at(first));
        return;
    };
    if axes.is_empty() && *stride == 1 {
        copy(x.slice(first, *extent), ref y);
        return;
    }
    let mut at = first;
    let end = first + *extent * *stride;
    if axes.is_empty() {
        while at != end {
            y.append(*x.at(at));
            at += *stride;
        }
    } else {
        while at != end {
            copy_nested(x, at, axes, ref y);
            at += *stride;
        }
    }
}

/// Appends `x[indices[i]]` for every `i`.
pub fn gather(x: Tensor, mut indices: Span<usize>, ref y: Array<felt252>) {
    while let Some(index) = indices.pop_front() {
        y.append(*x.at(*index));
    }
}
