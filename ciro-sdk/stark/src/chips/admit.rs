//! Committed inputs: what the verifier checks of a public value, as constraints.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use crate::air::{Challenges, Chip, Relation, Row, columns, constant};

columns! {
    fixed AdmitFixed(chip: &AdmitChip) {
        /// Address of the element.
        address,
        readers,
        /// The least value that the element may have.
        lo,
        /// The greatest less the least.
        spread,
        /// Widths of the limbs.
        widths(chip.limbs),
    }
}

columns! {
    witness AdmitWitness(chip: &AdmitChip) {
        /// Limbs of `x - lo`.
        above(chip.limbs),
        /// Limbs of `hi - x`.
        below(chip.limbs),
    }
}

columns! {
    fixed ImageFixed(_chip: &AdmitChip) {
        /// 1 where the element is the low limb of an image whose high limb stands in the row
        /// before.
        low,
    }
}

columns! {
    witness ImageWitness(_chip: &AdmitChip) {
        /// `x - lo`.
        gap: twice,
        /// In rows of low limbs, the inverse of both limbs' gaps together.
        inverse,
    }
}

/// One row for each element of a committed input: it lies in the interval of its encoding, and is
/// given to whoever reads it.
///
/// # Soundness
/// `x - lo` and `hi - x` are range-checked, and together they are `hi - lo`, which is less than
/// 2^30. Of the images of float32 numbers, whose limbs lie in intervals of their own, one pair is
/// no finite number's: both limbs at their least, `-infinity`. There the sum of both gaps, which is
/// below the modulus, is 0 and has no inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdmitChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
    /// Whether some elements are limbs of images.
    pub(crate) images: bool,
}

impl Chip for AdmitChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "admitted inputs"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let AdmitFixed { address, readers, lo, spread, widths } = AdmitFixed::read(row, self);
        let AdmitWitness { above, below } = AdmitWitness::read(row, self);
        let [gap, rest] = [&above, &below].map(|limbs| self.limbs.join::<R>(limbs));
        row.constrain(gap.clone() + rest - spread);
        if self.images {
            let ImageFixed { low } = ImageFixed::read(row, self);
            let ImageWitness { gap: [high, now], inverse } = ImageWitness::read(row, self);
            row.constrain(now.clone() - gap.clone());
            let one = constant::<R>(1);
            row.constrain(low.clone() * ((high + now) * inverse.clone() - one.clone()));
            row.constrain((one - low) * inverse);
        }
        row.lookup(Relation::Memory, readers, &[address, lo + gap]);
        for (range, limbs) in widths.into_iter().zip(above.into_iter().zip(below)) {
            range_check(row, range.clone(), limbs.0);
            range_check(row, range, limbs.1);
        }
    }
}
