//! Rows of constant matrices, chosen by computed indices.

use serde::{Deserialize, Serialize};

use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Relation, Row, constant};

/// `y[d] = table[x * width + d]` for a few neighbouring `d`.
///
/// Fixed: address of `x`, `width`, number of the function table, first `d`, address of the first result, then for each lane the readers of its
/// result. Witness: `x`, then for each lane the value. An index past the table has no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EmbedChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
}

impl Chip for EmbedChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [at_x, width, table, first, at_y] = std::array::from_fn(|_| row.fixed());
        let x = row.witness();
        // Lookups take linear values: the entry's position has a column of its own.
        let position = row.witness();
        row.constrain(x.clone() * width + first - position.clone());
        let lanes: Vec<[R::F; 2]> = (0..self.lanes).map(|_| [row.fixed(), row.witness()]).collect();
        read_memory(row, at_x, x);
        for (lane, [readers, value]) in (0u32..).zip(lanes) {
            let step = constant::<R>(lane);
            let entry = [table.clone(), position.clone() + step.clone(), value.clone()];
            row.lookup(Relation::Table, -constant::<R>(1), &entry);
            row.lookup(Relation::Memory, readers, &[at_y.clone() + step, value]);
        }
    }
}
