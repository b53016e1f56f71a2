//! The public inputs and outputs.

use serde::{Deserialize, Serialize};
use stwo::core::fields::qm31::SecureField;

use crate::air::{Challenges, Chip, Relation, Row, Total, are_lanes, columns, combine, constant};

columns! {
    /// One lane.
    fixed IoLane(_chip: &IoChip) {
        address,
        /// The number of readers of an input, -1 for an output, 0 in unused lanes.
        multiplicity,
    }
}

columns! {
    witness IoWitness(chip: &IoChip) {
        /// For each lane the public value.
        values[chip.lanes],
    }
}

/// Ties tensor elements to the statement.
///
/// The fold over all lanes, last row first, is `sum_i t^i * value_i`; the verifier computes the
/// same sum from the statement, so every lane holds the statement's value and unused lanes hold 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IoChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
}

impl IoChip {
    /// What the fold must come to for the public values, inputs first.
    pub(crate) fn public_total(
        values: impl DoubleEndedIterator<Item = i32>,
        challenges: &Challenges,
    ) -> SecureField {
        let t = challenges.t[1];
        let zero = SecureField::from(0u32);
        values.rev().fold(zero, |sum, value| sum * t + crate::field::embed(value))
    }
}

impl Chip for IoChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "public values"
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.lanes)
    }

    fn total(&self) -> Total {
        Total::PublicValues
    }

    fn folding_degree(&self) -> u32 {
        self.lanes
    }

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        let lanes = self.lanes as usize;
        let cells: Vec<_> = (0..lanes).map(|_| IoLane::read(row, self)).collect();
        let IoWitness { values } = IoWitness::read(row, self);
        let not_first = constant::<R>(1) - row.first();
        row.total(
            R::EF::from(challenges.t[lanes]) * not_first,
            combine::<R>(&challenges.t, &values),
        );
        for (IoLane { address, multiplicity }, value) in cells.into_iter().zip(values) {
            row.lookup(Relation::Memory, multiplicity, &[address, value]);
        }
    }
}
