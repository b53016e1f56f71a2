//! Constants as tensor elements.

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Relation, Row};

/// Adds constants to memory. Fixed: for each lane `(address, value, readers)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConstantsChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
}

impl Chip for ConstantsChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        for _ in 0..self.lanes {
            let cell = [row.fixed(), row.fixed()];
            let readers = row.fixed();
            row.lookup(Relation::Memory, readers, &cell);
        }
    }
}
