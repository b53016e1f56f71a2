//! How columns are filled: the same way for every chip.

use num_traits::Zero;
use stwo::core::fields::m31::BaseField;

/// Columns that are filled row by row.
pub(crate) struct Filler {
    columns: Vec<Vec<BaseField>>,
    rows: usize,
    row: usize,
    column: usize,
}

impl Filler {
    /// So many columns of so many rows.
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        Self { columns: vec![vec![BaseField::zero(); rows]; columns], rows, row: 0, column: 0 }
    }

    /// Fills the next row with what `fill` pushes, from the first column to the last.
    ///
    /// # Panics
    /// If that is more or less than there are columns.
    #[inline]
    pub(crate) fn row(&mut self, fill: impl FnOnce(&mut Self)) {
        self.column = 0;
        fill(self);
        assert_eq!(self.column, self.columns.len(), "a row has a value in every column");
        self.row += 1;
    }

    /// The next value of the row that is filled.
    #[inline]
    pub(crate) fn push(&mut self, value: BaseField) {
        self.columns[self.column][self.row] = value;
        self.column += 1;
    }

    /// The columns, once every row has been filled.
    pub(crate) fn into_columns(self) -> Vec<Vec<BaseField>> {
        assert_eq!(self.row, self.rows, "every row is filled");
        self.columns
    }
}
