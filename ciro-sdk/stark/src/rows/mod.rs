//! What stands in the rows of every chip: its fixed columns and its witness, one file for each file
//! of `chips/`, through the names of the columns there.

pub(crate) mod admit;
pub(crate) mod arithmetic;
pub(crate) mod constants;
pub(crate) mod division;
pub(crate) mod embedding;
pub(crate) mod extremum;
pub(crate) mod hash;
pub(crate) mod io;
pub(crate) mod product;
pub(crate) mod rank;
pub(crate) mod rounding;
pub(crate) mod table;
pub(crate) mod tree;

use stwo::core::fields::m31::BaseField;

use self::table::{TableCounts, Tables};
use crate::air::Shape;
use crate::chips::AnyChip;
use crate::field::embed;
use crate::layout::wiring::Address;

/// A column in row order.
pub(crate) type Column = Vec<BaseField>;

/// Gives a chip as many rows as its height asks for: those behind the work are `idle`.
pub(crate) fn pad<T: Clone>(rows: &mut Vec<T>, log_size: u32, idle: T) {
    assert!(rows.len() <= 1 << log_size, "a chip is as tall as its work");
    rows.resize(1 << log_size, idle);
}

/// A count as an address or a number of rows.
fn count(value: usize) -> u32 {
    u32::try_from(value).expect("addresses and numbers fit 31 bits")
}

/// How one chip's witness follows from the tensor elements.
pub(crate) trait Witness: Send + Sync {
    /// The chip's witness columns, in the order in which its constraints read them.
    ///
    /// `values[address]` is the value of a tensor element; lookups are counted in `counts`.
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column>;
}

/// Values that no node computes, but that chips pass to each other.
pub(crate) trait Auxiliary: Send + Sync {
    /// Fills them from the tensor elements.
    fn fill(&self, values: &mut [i32]);
}

/// A chip with its fixed columns and the recipe of its witness.
pub(crate) struct PlacedChip {
    pub(crate) chip: AnyChip,
    pub(crate) shape: Shape,
    pub(crate) fixed: Vec<Column>,
    pub(crate) witness: Box<dyn Witness>,
}

/// The witness of chips that only read memory: the address of every cell, column by column.
pub(crate) struct MemoryReads(Vec<Vec<Address>>);

impl Witness for MemoryReads {
    fn columns(&self, values: &[i32], _tables: &Tables, _counts: &mut TableCounts) -> Vec<Column> {
        let value = |&address: &Address| embed(values[address as usize]);
        self.0.iter().map(|column| column.iter().map(value).collect()).collect()
    }
}

/// The witness of chips whose columns are made elsewhere or that have none.
pub(crate) struct NoRows;

impl Witness for NoRows {
    fn columns(&self, _values: &[i32], _tables: &Tables, _counts: &mut TableCounts) -> Vec<Column> {
        vec![]
    }
}
