//! Elementwise arithmetic, rounded or raw.

use serde::{Deserialize, Serialize};

use super::limbs::Limbs;
use super::quantize::{Rounding, read_memory};
use crate::air::{Challenges, Chip, Relation, Row};

/// `x = p * a * b + q * a + r * b + c` on tensor elements `a` and `b`, then rounded or written as it is.
///
/// Fixed, shared by the lanes of a row: `p, q, r, c`, the rounding. For each lane: addresses of `a`, `b` and the result, readers of the result.
/// Witness: for each lane `a`, `b`, the rounding's columns. Lanes without work read the constant 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArithmeticChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
    /// How values are rounded; `None` for raw values.
    pub(crate) limbs: Option<Limbs>,
}

impl Chip for ArithmeticChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [p, q, r, c] = std::array::from_fn(|_| row.fixed());
        let rounding = self.limbs.map(|limbs| Rounding::read(row, limbs));
        for _ in 0..self.lanes {
            let [at_a, at_b, at_y, readers] = std::array::from_fn(|_| row.fixed());
            let (a, b) = (row.witness(), row.witness());
            let linear = q.clone() * a.clone() + r.clone() * b.clone() + c.clone();
            let product = a.clone() * b.clone();
            let lane = rounding.as_ref().map(|rounding| rounding.lane(row));
            let y = match &lane {
                Some(lane) => {
                    row.constrain(p.clone() * product + linear - lane.input.clone());
                    lane.output.clone()
                }
                None => {
                    let y = row.witness();
                    row.constrain(p.clone() * product + linear - y.clone());
                    y
                }
            };
            read_memory(row, at_a, a);
            read_memory(row, at_b, b);
            row.lookup(Relation::Memory, readers, &[at_y, y]);
            if let (Some(rounding), Some(lane)) = (&rounding, &lane) {
                rounding.lookup(row, lane);
            }
        }
    }
}
