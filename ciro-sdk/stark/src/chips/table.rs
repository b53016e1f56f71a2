//! Fixed tables.

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Relation, Row, are_lanes, columns};

columns! {
    /// One lane: an entry.
    fixed TableLane(chip: &TableChip) {
        entry[chip.kind.width()],
    }
}

columns! {
    witness TableWitness(chip: &TableChip) {
        /// For each lane, how often its entry is looked up.
        counts[chip.lanes],
    }
}

/// Adds every entry of a table as often as it is looked up.
///
/// The multiplicity is the prover's choice, which is sound because a
/// tuple that is no entry can never be balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
    pub(crate) kind: TableKind,
}

/// What a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum TableKind {
    /// `(table, in, out)`: ranges and unary functions.
    Functions,
    /// `(feature, rank, lower high, lower low, upper high, upper low)`: boundaries between ranks.
    Boundaries,
    /// `(node, feature, threshold, left, right)`: nodes of decision trees.
    TreeNodes,
    /// `(node, output, weight)`: leaves of decision trees.
    Leaves,
}

impl TableKind {
    #[cfg(feature = "prove")]
    pub(crate) const ALL: [Self; 4] =
        [Self::Functions, Self::Boundaries, Self::TreeNodes, Self::Leaves];

    /// Number of values of an entry.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Functions | Self::Leaves => 3,
            Self::Boundaries => 6,
            Self::TreeNodes => 5,
        }
    }

    fn relation(self) -> Relation {
        match self {
            Self::Functions => Relation::Table,
            Self::Boundaries => Relation::Boundary,
            Self::TreeNodes => Relation::TreeNode,
            Self::Leaves => Relation::Leaf,
        }
    }
}

impl Chip for TableChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        match self.kind {
            TableKind::Functions => "function tables",
            TableKind::Boundaries => "boundary table",
            TableKind::TreeNodes => "tree nodes",
            TableKind::Leaves => "tree leaves",
        }
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.lanes)
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let lanes: Vec<_> = (0..self.lanes).map(|_| TableLane::read(row, self)).collect();
        let TableWitness { counts } = TableWitness::read(row, self);
        for (TableLane { entry }, count) in lanes.into_iter().zip(counts) {
            row.lookup(self.kind.relation(), count, &entry);
        }
    }
}
