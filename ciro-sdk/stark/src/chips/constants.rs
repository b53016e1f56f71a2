//! Constants as tensor elements.

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Relation, Row, are_lanes, columns};

columns! {
    /// One lane: a constant and its readers.
    fixed ConstantsLane(_chip: &ConstantsChip) {
        address,
        value,
        readers,
    }
}

/// Adds constants to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConstantsChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
}

impl Chip for ConstantsChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "constants"
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.lanes)
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        for _ in 0..self.lanes {
            let ConstantsLane { address, value, readers } = ConstantsLane::read(row, self);
            row.lookup(Relation::Memory, readers, &[address, value]);
        }
    }
}
