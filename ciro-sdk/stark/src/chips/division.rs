//! Floor division and integer square roots.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use crate::air::{Challenges, Chip, Relation, Row, columns, constant, read_memory};

columns! {
    fixed DivideFixed(chip: &DivideChip) {
        at_a,
        at_b,
        at_q,
        /// Readers of the quotient.
        readers,
        /// `2^k`.
        power,
        /// What makes `q1` unsigned.
        q_offset,
        /// What makes `a1` unsigned.
        a_offset,
        /// Widths of the limbs of what is range-checked.
        q0(chip.limbs),
        q1(chip.limbs),
        a0(chip.limbs),
        a1(chip.limbs),
        carry(chip.limbs),
        r(chip.limbs),
        gap(chip.limbs),
    }
}

columns! {
    witness DivideWitness(chip: &DivideChip) {
        /// Limbs of what is range-checked.
        q0(chip.limbs),
        q1(chip.limbs),
        a0(chip.limbs),
        a1(chip.limbs),
        carry(chip.limbs),
        r(chip.limbs),
        /// `b - 1 - r`.
        gap(chip.limbs),
        /// The dividend.
        a,
        /// The quotient.
        q,
    }
}

/// `q = floor(a / b)` for `b > 0`, one division in a row: `a = q * b + r`, `0 <= r < b`.
///
/// The identity is checked in two halves of `k` and the remaining bits, so that no product reaches
/// 2^30 whatever the prover writes: with `q = q1 * 2^k + q0` and `a = a1 * 2^k + a0`,
///
/// `q0 * b + r - a0 = carry * 2^k` and `q1 * b + carry = a1`.
///
/// All seven values `q0, q1, a0, a1, carry, r, b - 1 - r` are range-checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DivideChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for DivideChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "divisions"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let fixed = DivideFixed::read(row, self);
        let DivideFixed { at_a, at_b, at_q, readers, power, q_offset, a_offset, .. } = fixed;
        let witness = DivideWitness::read(row, self);
        let DivideWitness { a, q, .. } = witness;
        let checked = [
            (fixed.q0, witness.q0),
            (fixed.q1, witness.q1),
            (fixed.a0, witness.a0),
            (fixed.a1, witness.a1),
            (fixed.carry, witness.carry),
            (fixed.r, witness.r),
            (fixed.gap, witness.gap),
        ];
        let [q0, q1, a0, a1, carry, r, gap] =
            checked.each_ref().map(|(_, limbs)| self.limbs.join::<R>(limbs));
        let one = constant::<R>(1);
        let (q1, a1) = (q1 - q_offset, a1 - a_offset);
        let b = r.clone() + gap + one;
        row.constrain(q0.clone() * b.clone() + r - a0.clone() - carry.clone() * power.clone());
        row.constrain(q1.clone() * b.clone() + carry - a1.clone());
        row.constrain(a1 * power.clone() + a0 - a.clone());
        row.constrain(q1 * power + q0 - q.clone());
        read_memory(row, at_a, a);
        read_memory(row, at_b, b);
        row.lookup(Relation::Memory, readers, &[at_q, q]);
        range_checks(row, checked);
    }
}

columns! {
    fixed RootFixed(chip: &RootChip) {
        at_x,
        at_y,
        /// Readers of the root.
        readers,
        /// Widths of the limbs of what is range-checked.
        y(chip.limbs),
        r(chip.limbs),
        gap(chip.limbs),
    }
}

columns! {
    witness RootWitness(chip: &RootChip) {
        /// Limbs of what is range-checked.
        y(chip.limbs),
        r(chip.limbs),
        /// `2 * y - r`.
        gap(chip.limbs),
        /// The radicand.
        x,
    }
}

/// `y = floor(sqrt(x))`, one root in a row: `x = y * y + r`, `0 <= r <= 2 * y`.
///
/// `y`, `r` and `2 * y - r` are range-checked. With `y` below 2^15 both sides stay below the
/// modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for RootChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "square roots"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let RootFixed { at_x, at_y, readers, y: y_widths, r: r_widths, gap: gap_widths } =
            RootFixed::read(row, self);
        let RootWitness { y, r, gap, x } = RootWitness::read(row, self);
        let checked = [(y_widths, y), (r_widths, r), (gap_widths, gap)];
        let [y, r, gap] = checked.each_ref().map(|(_, limbs)| self.limbs.join::<R>(limbs));
        row.constrain(y.clone() + y.clone() - r.clone() - gap);
        row.constrain(y.clone() * y.clone() + r - x.clone());
        read_memory(row, at_x, x);
        row.lookup(Relation::Memory, readers, &[at_y, y]);
        range_checks(row, checked);
    }
}

/// A value that is range-checked: the widths of its limbs, and the limbs.
type WidthsAndLimbs<R> = (Vec<<R as Row>::F>, Vec<<R as Row>::F>);

/// Looks every limb up in the range table of its width.
fn range_checks<R: Row>(row: &mut R, checked: impl IntoIterator<Item = WidthsAndLimbs<R>>) {
    for (widths, limbs) in checked {
        for (width, limb) in widths.into_iter().zip(limbs) {
            range_check(row, width, limb);
        }
    }
}
