//! Rows of constants that are read as tensor elements.

use stwo::core::fields::m31::BaseField;

use super::PlacedChip;
use super::cost::{Costs, LANES, log_size};
use super::tables::NoRows;
use super::wiring::Wiring;
use crate::air::Shape;
use crate::chips::{AnyChip, ConstantsChip};
use crate::field::embed;

/// Lays all constants of the wiring, once all reads have been counted.
pub(crate) fn place(costs: Costs, wiring: &Wiring<'_>) -> PlacedChip {
    let constants: Vec<_> = wiring.constants().collect();
    let chip = costs.cheapest(LANES.iter().map(|&lanes| {
        let rows = constants.len().div_ceil(lanes as usize);
        AnyChip::Constants(ConstantsChip { log_size: log_size(rows), lanes })
    }));
    let AnyChip::Constants(ConstantsChip { log_size, lanes }) = chip else {
        unreachable!("only constants were offered")
    };
    let (rows, lanes) = (1usize << log_size, lanes as usize);
    let mut fixed = vec![vec![embed(0); rows]; 3 * lanes];
    for (slot, &(address, value)) in constants.iter().enumerate() {
        let (row, lane) = (slot / lanes, slot % lanes);
        let cell: [BaseField; 3] = [address.into(), embed(value), wiring.readers(address).into()];
        for (k, value) in cell.into_iter().enumerate() {
            fixed[3 * lane + k][row] = value;
        }
    }
    PlacedChip { chip, shape: Shape::of(&chip), fixed, witness: Box::new(NoRows) }
}
