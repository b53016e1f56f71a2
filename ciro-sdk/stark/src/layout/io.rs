//! Rows of the public values.

use super::cost::{Costs, LANES, log_size};
use super::wiring::{Address, Wiring};
use super::{MemoryReads, PlacedChip};
use crate::air::Shape;
use crate::chips::{AnyChip, IoChip};
use crate::field::embed;

/// The public values: inputs, then outputs.
pub(crate) struct PublicValues {
    pub(crate) inputs: Vec<Address>,
    pub(crate) outputs: Vec<Address>,
}

impl PublicValues {
    /// Lays the values, once all reads have been counted (those of the outputs too).
    pub(crate) fn place(self, costs: Costs, wiring: &Wiring<'_>) -> PlacedChip {
        let count = self.inputs.len() + self.outputs.len();
        let chip = costs.cheapest(LANES.iter().map(|&lanes| {
            let rows = count.div_ceil(lanes as usize);
            AnyChip::Io(IoChip { log_size: log_size(rows), lanes })
        }));
        let AnyChip::Io(IoChip { log_size, lanes }) = chip else {
            unreachable!("only public values were offered")
        };
        let (rows, lanes) = (1usize << log_size, lanes as usize);
        let zero = wiring.zero();
        let mut fixed = vec![vec![embed(0); rows]; 2 * lanes];
        let mut cells = vec![vec![zero; rows]; lanes];
        let inputs = self.inputs.iter().map(|&address| {
            (address, i32::try_from(wiring.readers(address)).expect("fewer than 2^31 readers"))
        });
        let outputs = self.outputs.iter().map(|&address| (address, -1));
        for (slot, (address, multiplicity)) in inputs.chain(outputs).enumerate() {
            // The fold runs from the last row to the first, so that value `i` has exponent `i`.
            let (row, lane) = (rows - 1 - slot / lanes, slot % lanes);
            fixed[2 * lane][row] = address.into();
            fixed[2 * lane + 1][row] = embed(multiplicity);
            cells[lane][row] = address;
        }
        PlacedChip { chip, shape: Shape::of(&chip), fixed, witness: Box::new(MemoryReads(cells)) }
    }
}
