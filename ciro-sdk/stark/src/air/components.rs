//! The columns that all components share.

use std::collections::BTreeSet;

use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;

use super::{Balance, Chip as _, FIRST, LAST, Shape, fixed_column_id, named_column_id};
use crate::chips::AnyChip;

/// The columns of tree 0: those of every chip, then the selectors that are used, by size.
pub(crate) fn fixed_columns(chips: &[AnyChip]) -> Vec<(PreProcessedColumnId, u32)> {
    let balance = Balance::of(chips);
    let mut columns = vec![];
    let mut selectors = BTreeSet::new();
    for (index, chip) in chips.iter().enumerate() {
        let shape = Shape::of(chip);
        let log_size = chip.log_size();
        columns.extend((0..shape.fixed).map(|column| (fixed_column_id(index, column), log_size)));
        let last = balance.reads_last((index, chip));
        for (name, used) in [(FIRST, shape.first), (LAST, last)] {
            if used {
                selectors.insert((name, log_size));
            }
        }
    }
    columns.extend(
        selectors.into_iter().map(|(name, log_size)| (named_column_id(name, log_size), log_size)),
    );
    columns
}
