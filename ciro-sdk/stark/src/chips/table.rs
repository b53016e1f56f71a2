//! Fixed tables: ranges and unary functions.

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Relation, Row};

/// Adds every table entry as often as it is looked up.
///
/// Fixed: for each lane `(table, in, out)`. Witness: for each lane how often. The multiplicity is the prover's choice, which is
/// sound because a tuple that is no entry can never be balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
}

impl Chip for TableChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        for _ in 0..self.lanes {
            let entry = [row.fixed(), row.fixed(), row.fixed()];
            let count = row.witness();
            row.lookup(Relation::Table, count, &entry);
        }
    }
}
