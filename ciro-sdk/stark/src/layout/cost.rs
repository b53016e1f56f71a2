//! What a chip's shape costs, to choose between shapes.

use crate::air::{Chip, Shape};
use crate::chips::AnyChip;

/// The fewest rows a chip may have: one vector of the prover's widest evaluator.
pub(crate) const MIN_LOG_SIZE: u32 = 5;

/// The number of rows, as a binary logarithm, that holds `rows` rows.
pub(crate) fn log_size(rows: usize) -> u32 {
    rows.max(1).next_power_of_two().ilog2().max(MIN_LOG_SIZE)
}

/// Proving cost of a chip, in committed cells. A fixed cell is already committed, but is still evaluated; a column costs
/// queries and hashing whatever its height.
pub(crate) fn cost(chip: &AnyChip) -> f64 {
    const FIXED_CELL: f64 = 0.35;
    const COLUMN: f64 = 1200.0;
    let shape = Shape::of(chip);
    let rows = f64::from(1u32 << chip.log_size());
    let (committed, fixed) = (to_f64(shape.committed()), to_f64(shape.fixed));
    rows * (committed + FIXED_CELL * fixed) + COLUMN * (committed + fixed)
}

/// The cheapest of several chips.
pub(crate) fn cheapest(candidates: impl IntoIterator<Item = AnyChip>) -> AnyChip {
    candidates
        .into_iter()
        .map(|chip| (cost(&chip), chip))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .expect("every kind of work has at least one shape")
        .1
}

/// Lane counts that are tried.
pub(crate) const LANES: [u32; 5] = [1, 2, 4, 8, 16];

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
