//! The public inputs and outputs.

use serde::{Deserialize, Serialize};
use stwo::core::fields::qm31::SecureField;

use crate::air::{Challenges, Chip, Relation, Row, combine, constant};

/// Ties tensor elements to the statement.
///
/// Fixed: for each lane `(address, multiplicity)`: the number of readers for an input, -1 for an output, 0 in unused lanes.
/// Witness: the values. The fold over all lanes, last row first, is `sum_i t^i * value_i`; the verifier computes the same sum from the
/// statement, so every lane holds the statement's value and unused lanes hold 0.
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

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        let lanes = self.lanes as usize;
        let cells: Vec<_> = (0..lanes).map(|_| [row.fixed(), row.fixed(), row.witness()]).collect();
        let values: Vec<R::F> = cells.iter().map(|[_, _, value]| value.clone()).collect();
        let not_first = constant::<R>(1) - row.first();
        let sum = row.fold(
            R::EF::from(challenges.t[lanes]) * not_first,
            combine::<R>(&challenges.t, &values),
        );
        row.total(sum);
        for [address, multiplicity, value] in cells {
            row.lookup(Relation::Memory, multiplicity, &[address, value]);
        }
    }
}
