//! Rows of the public values.

use super::{MemoryReads, PlacedChip, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::io::{IoChip, IoLane};
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};
use crate::layout::wiring::{Address, Wiring};

/// The public values: inputs, then outputs.
pub(crate) struct PublicValues {
    pub(crate) inputs: Vec<Address>,
    pub(crate) outputs: Vec<Address>,
}

impl PublicValues {
    /// Lays the values, once all reads have been counted (those of the outputs too).
    pub(crate) fn place(self, costs: Costs, wiring: &Wiring<'_>) -> PlacedChip {
        let count = self.inputs.len() + self.outputs.len();
        let any = costs.cheapest(LANES.iter().map(|&lanes| {
            let rows = count.div_ceil(lanes as usize);
            AnyChip::Io(IoChip { log_size: costs.log_size(rows), lanes })
        }));
        let AnyChip::Io(chip) = any else { unreachable!("only public values were offered") };
        let lanes = chip.lanes as usize;
        let inputs = self.inputs.iter().map(|&address| {
            let readers = i32::try_from(wiring.readers(address)).expect("fewer than 2^31 readers");
            Cell { address, read: address, multiplicity: readers }
        });
        let outputs =
            self.outputs.iter().map(|&address| Cell { address, read: address, multiplicity: -1 });
        let idle = Cell { address: 0, read: wiring.zero(), multiplicity: 0 };
        let mut cells: Vec<Cell> = inputs.chain(outputs).collect();
        cells.resize(count.next_multiple_of(lanes), idle);
        let mut rows: Vec<_> = cells.chunks(lanes).map(<[_]>::to_vec).collect();
        pad(&mut rows, chip.log_size, vec![idle; lanes]);
        // The fold runs from the last row to the first, so that value `i` has exponent `i`.
        rows.reverse();
        let shape = Shape::of(&any);
        let mut fixed = Filler::new(shape.fixed, rows.len());
        for row in &rows {
            fixed.row(|to| {
                for cell in row {
                    let (address, multiplicity) = (cell.address.into(), embed(cell.multiplicity));
                    IoLane { address, multiplicity }.write(&chip, to);
                }
            });
        }
        let reads = |lane: usize| rows.iter().map(|row| row[lane].read).collect();
        let witness = Box::new(MemoryReads((0..lanes).map(reads).collect()));
        PlacedChip { chip: any, shape, fixed: fixed.into_columns(), witness }
    }
}

/// One lane of one row.
#[derive(Clone, Copy)]
struct Cell {
    address: Address,
    /// Whose value the lane holds.
    read: Address,
    multiplicity: i32,
}
