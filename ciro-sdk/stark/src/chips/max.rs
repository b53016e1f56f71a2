//! Maxima of groups.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Relation, Row, constant};

/// One row for each element `a` of a group: the maximum `y` is at least every `a` and equal to one.
///
/// Fixed: `keep` (not the first of its group), `close` (the last), address of `a`, address of `y`, readers of `y` (in the last row),
/// widths of the limbs. Witness: `y`, the running product of the differences, the limbs of `y - a`.
///
/// # Soundness
/// `y - a` is range-checked to be below 2^30 and not negative; the product of all differences is 0, so `y` is one of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MaxChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for MaxChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [keep, close, at_a, at_y, readers] = std::array::from_fn(|_| row.fixed());
        let ranges: Vec<R::F> = (0..self.limbs.count()).map(|_| row.fixed()).collect();
        let [y_before, y] = row.witness_with_previous();
        let [product_before, product] = row.witness_with_previous();
        let limbs: Vec<R::F> = (0..self.limbs.count()).map(|_| row.witness()).collect();
        let difference = self.limbs.join::<R>(&limbs);

        row.constrain(keep.clone() * (y.clone() - y_before));
        let factor = keep.clone() * product_before + constant::<R>(1) - keep;
        row.constrain(product.clone() - factor * difference.clone());
        row.constrain(close * product);

        read_memory(row, at_a, y.clone() - difference);
        row.lookup(Relation::Memory, readers, &[at_y, y]);
        for (range, limb) in ranges.into_iter().zip(limbs) {
            range_check(row, range, limb);
        }
    }
}
