//! Elementwise arithmetic, rounded or raw.

use serde::{Deserialize, Serialize};

use super::limbs::Limbs;
use super::rounding::Rounding;
use crate::air::{Challenges, Chip, Relation, Row, are_lanes, columns, read_memory};

columns! {
    /// What all lanes of a row share, before the rounding: `x = p * a * b + q * a + r * b + c`.
    fixed ArithmeticFixed(_chip: &ArithmeticChip) {
        p,
        q,
        r,
        c,
    }
}

columns! {
    /// One lane: addresses of the operands and of the result, readers of the result.
    fixed ArithmeticLane(_chip: &ArithmeticChip) {
        at_a,
        at_b,
        at_y,
        readers,
    }
}

columns! {
    /// One lane, before the columns of the rounding or the raw result.
    witness ArithmeticOperands(_chip: &ArithmeticChip) {
        a,
        b,
    }
}

/// `x = p * a * b + q * a + r * b + c` on tensor elements `a` and `b`, then rounded or written as
/// it is.
///
/// The lanes of a row share the formula and the rounding. Lanes without work read the constant 0.
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

    fn name(&self) -> &'static str {
        if self.limbs.is_some() { "rounded arithmetic" } else { "raw arithmetic" }
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.lanes) && self.limbs.is_none_or(Limbs::is_sane)
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let ArithmeticFixed { p, q, r, c } = ArithmeticFixed::read(row, self);
        let rounding = self.limbs.map(|limbs| Rounding::read(row, limbs));
        for _ in 0..self.lanes {
            let ArithmeticLane { at_a, at_b, at_y, readers } = ArithmeticLane::read(row, self);
            let ArithmeticOperands { a, b } = ArithmeticOperands::read(row, self);
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
