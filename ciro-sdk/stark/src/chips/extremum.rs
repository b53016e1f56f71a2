//! Maxima of groups, and their positions.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use crate::air::{Challenges, Chip, Relation, Row, columns, constant, read_memory};

columns! {
    fixed MaxFixed(chip: &MaxChip) {
        /// Not the first element of its group.
        keep,
        /// The last element of its group.
        close,
        /// Address of the element.
        at_a,
        /// Address of the maximum.
        at_y,
        /// Readers of the maximum, in the last row.
        readers,
        /// Widths of the limbs.
        widths(chip.limbs),
    }
}

columns! {
    witness MaxWitness(chip: &MaxChip) {
        /// The maximum.
        y: twice,
        /// Running product of the differences.
        product: twice,
        /// Limbs of `y - a`.
        limbs(chip.limbs),
    }
}

/// One row for each element `a` of a group: the maximum `y` is at least every `a` and equal to one.
///
/// # Soundness
/// `y - a` is range-checked to be below 2^30 and not negative; the product of all differences is 0,
/// so `y` is one of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MaxChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for MaxChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "maxima"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let MaxFixed { keep, close, at_a, at_y, readers, widths } = MaxFixed::read(row, self);
        let MaxWitness { y: [y_before, y], product: [product_before, product], limbs } =
            MaxWitness::read(row, self);
        let difference = self.limbs.join::<R>(&limbs);

        row.constrain(keep.clone() * (y.clone() - y_before));
        let factor = keep.clone() * product_before + constant::<R>(1) - keep;
        row.constrain(product.clone() - factor * difference.clone());
        row.constrain(close * product);

        read_memory(row, at_a, y.clone() - difference);
        row.lookup(Relation::Memory, readers, &[at_y, y]);
        for (range, limb) in widths.into_iter().zip(limbs) {
            range_check(row, range, limb);
        }
    }
}

columns! {
    fixed ArgMaxFixed(chip: &ArgMaxChip) {
        /// Not the first element of its group.
        keep,
        /// The last element of its group.
        close,
        /// Position of the element in its group.
        position,
        /// Address of the element.
        at_a,
        /// Address of the result.
        at_y,
        /// Readers of the result, in the last row.
        readers,
        /// Widths of the limbs.
        widths(chip.limbs),
    }
}

columns! {
    witness ArgMaxWitness(chip: &ArgMaxChip) {
        /// The maximum.
        y: twice,
        /// 1 from the chosen element on.
        found: twice,
        /// The chosen position, constant in the group.
        chosen: twice,
        /// Limbs of `y - a - (1 - found)`.
        limbs(chip.limbs),
        /// 1 at the chosen element.
        here,
    }
}

/// One row for each element `a` of a group: exactly one is chosen; it is greater than all before it
/// and not less than all after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArgMaxChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for ArgMaxChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "positions of maxima"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let ArgMaxFixed { keep, close, position, at_a, at_y, readers, widths } =
            ArgMaxFixed::read(row, self);
        let ArgMaxWitness {
            y: [y_before, y],
            found: [found_before, found],
            chosen: [chosen_before, chosen],
            limbs,
            here,
        } = ArgMaxWitness::read(row, self);
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
        row.constrain(here.clone() - found + before);
        row.constrain(here.clone() * difference.clone());
        row.constrain(here * (chosen.clone() - position));

        read_memory(row, at_a, y - difference);
        row.lookup(Relation::Memory, readers, &[at_y, chosen]);
        for (range, limb) in widths.into_iter().zip(limbs) {
            range_check(row, range, limb);
        }
    }
}
