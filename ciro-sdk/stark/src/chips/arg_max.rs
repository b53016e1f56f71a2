//! Positions of maxima.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Relation, Row, constant};

/// One row for each element `a` of a group: exactly one is chosen; it is greater than all before it and not less than all after it.
///
/// Fixed: `keep`, `close` (as in [`MaxChip`](super::MaxChip)), the position of `a` in its group, addresses of `a` and of the result, readers of the
/// result (in the last row), widths of the limbs. Witness: `y` (the maximum), `found` (1 from the chosen element on), the limbs of
/// `y - a - (1 - found)`, the chosen position (constant in the group).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArgMaxChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for ArgMaxChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [keep, close, position, at_a, at_y, readers] = std::array::from_fn(|_| row.fixed());
        let ranges: Vec<R::F> = (0..self.limbs.count()).map(|_| row.fixed()).collect();
        let [y_before, y] = row.witness_with_previous();
        let [found_before, found] = row.witness_with_previous();
        let [chosen_before, chosen] = row.witness_with_previous();
        let limbs: Vec<R::F> = (0..self.limbs.count()).map(|_| row.witness()).collect();
        let one = constant::<R>(1);
        let gap = self.limbs.join::<R>(&limbs);
        let difference = gap + one.clone() - found.clone();

        row.constrain(keep.clone() * (y.clone() - y_before));
        row.constrain(keep.clone() * (chosen.clone() - chosen_before));
        row.constrain(found.clone() * (found.clone() - one.clone()));
        // Once found, always found; found by the end.
        let before = keep * found_before;
        row.constrain(before.clone() * (one.clone() - found.clone()));
        row.constrain(close * (one - found.clone()));
        // Where it is found first, the element is the maximum and its position the chosen one.
        let here = row.witness();
        row.constrain(here.clone() - found + before);
        row.constrain(here.clone() * difference.clone());
        row.constrain(here * (chosen.clone() - position));

        read_memory(row, at_a, y - difference);
        row.lookup(Relation::Memory, readers, &[at_y, chosen]);
        for (range, limb) in ranges.into_iter().zip(limbs) {
            range_check(row, range, limb);
        }
    }
}
