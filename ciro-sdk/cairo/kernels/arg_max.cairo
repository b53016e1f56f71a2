//! Position of the maximum over the last axis.

use super::Tensor;

/// `y[..] = argmax_k x[.., k]`, the lowest position among equals; the last axis has `extent` elements, `offset` makes every
/// operand positive.
pub fn arg_max(mut x: Tensor, extent: usize, offset: felt252) -> Tensor {
    let mut y = array![];
    while !x.is_empty() {
        let mut row = x.slice(0, extent);
        x = x.slice(extent, x.len() - extent);
        // Below every operand, so that the first one wins.
        let mut best: u32 = 0;
        let mut best_position = 0;
        let mut position = 0;
        while let Some(value) = row.pop_front() {
            let value: u32 = (*value + offset).try_into().unwrap();
            if best < value {
                best = value;
                best_position = position;
            }
            position += 1;
        }
        y.append(best_position);
    }
    y.span()
}
