//! Floor division and integer square roots.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Relation, Row, constant};

/// `q = floor(a / b)` for `b > 0`, one division in a row: `a = q * b + r`, `0 <= r < b`.
///
/// The identity is checked in two halves of `k` and the remaining bits, so that no product reaches 2^30 whatever the prover writes:
/// with `q = q1 * 2^k + q0` and `a = a1 * 2^k + a0`,
///
/// `q0 * b + r - a0 = c * 2^k` and `q1 * b + c = a1`.
///
/// Fixed: addresses of `a`, `b`, `q`, readers of `q`, `2^k`, offsets that make `q1` and `a1` unsigned, limb widths of the seven range-checked
/// values `q0, q1, a0, a1, c, r, b - 1 - r`. Witness: their limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DivideChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl DivideChip {
    /// Number of range-checked values.
    pub(crate) const CHECKED: usize = 7;
}

impl Chip for DivideChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [at_a, at_b, at_q, readers, power, q_offset, a_offset] =
            std::array::from_fn(|_| row.fixed());
        let checked: [Checked<R>; Self::CHECKED] =
            std::array::from_fn(|_| Checked::read(row, self.limbs));
        let [q0, q1, a0, a1, c, r, gap] = checked.each_ref().map(|checked| checked.value.clone());
        let one = constant::<R>(1);
        let (q1, a1) = (q1 - q_offset, a1 - a_offset);
        let b = r.clone() + gap + one;
        row.constrain(q0.clone() * b.clone() + r - a0.clone() - c.clone() * power.clone());
        row.constrain(q1.clone() * b.clone() + c - a1.clone());
        let a = row.witness();
        let q = row.witness();
        row.constrain(a1 * power.clone() + a0 - a.clone());
        row.constrain(q1 * power + q0 - q.clone());
        read_memory(row, at_a, a);
        read_memory(row, at_b, b);
        row.lookup(Relation::Memory, readers, &[at_q, q]);
        for checked in checked {
            checked.lookup(row);
        }
    }
}

/// `y = floor(sqrt(x))`, one root in a row: `x = y * y + r`, `0 <= r <= 2 * y`.
///
/// Fixed: addresses of `x` and `y`, readers of `y`, limb widths of `y`, `r`, `2 * y - r`. Witness: their limbs. With `y` below 2^15 both sides stay
/// below the modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl RootChip {
    /// Number of range-checked values.
    pub(crate) const CHECKED: usize = 3;
}

impl Chip for RootChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [at_x, at_y, readers] = std::array::from_fn(|_| row.fixed());
        let checked: [Checked<R>; Self::CHECKED] =
            std::array::from_fn(|_| Checked::read(row, self.limbs));
        let [y, r, gap] = checked.each_ref().map(|checked| checked.value.clone());
        row.constrain(y.clone() + y.clone() - r.clone() - gap);
        let x = row.witness();
        row.constrain(y.clone() * y.clone() + r - x.clone());
        read_memory(row, at_x, x);
        row.lookup(Relation::Memory, readers, &[at_y, y]);
        for checked in checked {
            checked.lookup(row);
        }
    }
}

/// A value that is range-checked limb by limb.
struct Checked<R: Row> {
    value: R::F,
    limbs: Vec<[R::F; 2]>,
}

impl<R: Row> Checked<R> {
    fn read(row: &mut R, shape: Limbs) -> Self {
        let limbs: Vec<[R::F; 2]> =
            (0..shape.count()).map(|_| [row.fixed(), row.witness()]).collect();
        let values: Vec<R::F> = limbs.iter().map(|[_, limb]| limb.clone()).collect();
        Self { value: shape.join::<R>(&values), limbs }
    }

    fn lookup(self, row: &mut R) {
        for [range, limb] in self.limbs {
            range_check(row, range, limb);
        }
    }
}
