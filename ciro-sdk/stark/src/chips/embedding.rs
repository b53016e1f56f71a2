//! Rows of constant matrices, chosen by computed indices.

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Relation, Row, are_lanes, columns, constant, read_memory};

columns! {
    fixed EmbedFixed(chip: &EmbedChip) {
        /// Address of the index.
        at_x,
        /// Width of the matrix.
        width,
        /// Number of the function table.
        table,
        /// The first `d`.
        first,
        /// Address of the first result.
        at_y,
        /// For each lane the readers of its result.
        readers[chip.lanes],
    }
}

columns! {
    witness EmbedWitness(chip: &EmbedChip) {
        /// The index.
        x,
        /// Position of the first entry: lookups take linear values, so it has a column of its own.
        position,
        /// For each lane the result.
        values[chip.lanes],
    }
}

/// `y[d] = table[x * width + d]` for a few neighbouring `d`.
///
/// An index past the table has no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EmbedChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
}

impl Chip for EmbedChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "embeddings"
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.lanes)
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let EmbedFixed { at_x, width, table, first, at_y, readers } = EmbedFixed::read(row, self);
        let EmbedWitness { x, position, values } = EmbedWitness::read(row, self);
        row.constrain(x.clone() * width + first - position.clone());
        read_memory(row, at_x, x);
        for (lane, (readers, value)) in (0u32..).zip(readers.into_iter().zip(values)) {
            let step = constant::<R>(lane);
            let entry = [table.clone(), position.clone() + step.clone(), value.clone()];
            row.lookup(Relation::Table, -constant::<R>(1), &entry);
            row.lookup(Relation::Memory, readers, &[at_y.clone() + step, value]);
        }
    }
}
