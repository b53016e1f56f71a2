//! Rows of constants that are read as tensor elements.

use super::{NoRows, PlacedChip, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::constants::{ConstantsChip, ConstantsLane};
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};
use crate::layout::wiring::Wiring;

/// Lays all constants of the wiring, once all reads have been counted.
pub(crate) fn place(costs: Costs, wiring: &Wiring<'_>) -> PlacedChip {
    let constants = wiring.constants();
    let mut cells: Vec<_> =
        constants.map(|(address, value)| (address, value, wiring.readers(address))).collect();
    let any = costs.cheapest(LANES.iter().map(|&lanes| {
        let rows = cells.len().div_ceil(lanes as usize);
        AnyChip::Constants(ConstantsChip { log_size: costs.log_size(rows), lanes })
    }));
    let AnyChip::Constants(chip) = any else { unreachable!("only constants were offered") };
    let lanes = chip.lanes as usize;
    cells.resize(cells.len().next_multiple_of(lanes), (0, 0, 0));
    let mut rows: Vec<_> = cells.chunks(lanes).map(<[_]>::to_vec).collect();
    pad(&mut rows, chip.log_size, vec![(0, 0, 0); lanes]);
    let shape = Shape::of(&any);
    let mut fixed = Filler::new(shape.fixed, rows.len());
    for row in rows {
        fixed.row(|to| {
            for (address, value, readers) in row {
                let (address, readers) = (address.into(), readers.into());
                ConstantsLane { address, value: embed(value), readers }.write(&chip, to);
            }
        });
    }
    PlacedChip { chip: any, shape, fixed: fixed.into_columns(), witness: Box::new(NoRows) }
}
