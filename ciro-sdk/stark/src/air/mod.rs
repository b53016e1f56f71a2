//! What an AIR of the tensor STARK is made of: rows, relations, challenges, components.
//!
//! A chip writes its constraints once, generically over [`Row`]. The same code then runs over an
//! extended domain (prover), at one point (verifier), row by row (to fill the columns that depend
//! on challenges) and to count columns.

mod balance;
mod challenges;
mod columns;
mod component;
mod components;
#[cfg(feature = "prove")]
mod filler;
mod relation;
mod row;
mod shape;

#[cfg(feature = "prove")]
pub(crate) use balance::Sum;
pub(crate) use balance::{Balance, Closing, Fractions, Kind, Target};
pub(crate) use challenges::Challenges;
#[cfg(feature = "prove")]
pub(crate) use columns::Filled;
#[cfg(test)]
pub(crate) use columns::Places;
pub(crate) use columns::{Cells, columns};
pub(crate) use component::{Air, FIRST, LAST, fixed_column_id, named_column_id};
pub(crate) use components::fixed_columns;
#[cfg(feature = "prove")]
pub(crate) use filler::Filler;
pub(crate) use relation::Relation;
pub(crate) use row::{Chip, Row, Total, are_lanes, combine, constant, read_memory};
pub(crate) use shape::Shape;
