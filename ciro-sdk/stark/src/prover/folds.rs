//! Fills the folded columns of a chip, row by row.

use num_traits::Zero;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;

use crate::air::{Challenges, Chip, Relation, Row, Shape};
use crate::chips::AnyChip;
use crate::rows::Column;

/// The folded columns of a chip, four coordinates each: runs the chip's constraints over its rows,
/// first to last.
pub(super) fn fill(
    chip: &AnyChip,
    shape: &Shape,
    [fixed, witness]: [&[Column]; 2],
    challenges: &Challenges,
) -> Vec<Column> {
    let rows = 1usize << chip.log_size();
    if shape.folds == 0 {
        return vec![];
    }
    let mut columns = vec![Vec::with_capacity(rows); 4 * shape.folds];
    let mut row = FoldRow {
        fixed,
        witness,
        at: 0,
        rows,
        next_fixed: 0,
        next_witness: 0,
        next_fold: 0,
        folds: vec![SecureField::zero(); shape.folds],
    };
    for at in 0..rows {
        (row.at, row.next_fixed, row.next_witness, row.next_fold) = (at, 0, 0, 0);
        chip.evaluate(&mut row, challenges);
        for (fold, coordinates) in row.folds.iter().zip(columns.chunks_exact_mut(4)) {
            for (column, coordinate) in coordinates.iter_mut().zip(fold.to_m31_array()) {
                column.push(coordinate);
            }
        }
    }
    columns
}

struct FoldRow<'a> {
    fixed: &'a [Column],
    witness: &'a [Column],
    at: usize,
    rows: usize,
    next_fixed: usize,
    next_witness: usize,
    next_fold: usize,
    /// The folds of the previous row, replaced one by one with those of this row.
    folds: Vec<SecureField>,
}

impl Row for FoldRow<'_> {
    type F = BaseField;
    type EF = SecureField;

    #[inline]
    fn fixed(&mut self) -> BaseField {
        self.next_fixed += 1;
        self.fixed[self.next_fixed - 1][self.at]
    }

    fn first(&mut self) -> BaseField {
        u32::from(self.at == 0).into()
    }

    #[inline]
    fn witness(&mut self) -> BaseField {
        self.next_witness += 1;
        self.witness[self.next_witness - 1][self.at]
    }

    fn witness_with_previous(&mut self) -> [BaseField; 2] {
        self.next_witness += 1;
        let column = &self.witness[self.next_witness - 1];
        [column[self.at.checked_sub(1).unwrap_or(self.rows - 1)], column[self.at]]
    }

    #[inline]
    fn fold(&mut self, multiplier: SecureField, addend: SecureField) -> SecureField {
        let fold = &mut self.folds[self.next_fold];
        self.next_fold += 1;
        *fold = *fold * multiplier + addend;
        *fold
    }

    fn constrain(&mut self, _value: BaseField) {}

    fn lookup(&mut self, _relation: Relation, _multiplicity: BaseField, _values: &[BaseField]) {}
}
