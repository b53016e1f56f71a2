//! Rows of the operands of matrix products.

use super::{Product, Right};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::product::{ContractChip, ContractFixed};
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};
use crate::layout::wiring::{Address, Wiring};
use crate::rows::{MemoryReads, PlacedChip, pad};

/// Lays the contraction of all products of one kind; `None` if there is none. Products of the other
/// kind are passed over.
pub(crate) fn place_contraction(
    products: &[Product],
    dynamic: bool,
    costs: Costs,
    wiring: &mut Wiring<'_>,
) -> Option<PlacedChip> {
    if !products.iter().any(|product| product.is_dynamic() == dynamic) {
        return None;
    }
    let any = contraction_chip(products, dynamic, costs);
    let AnyChip::Contract(chip) = any else { unreachable!("only contractions are offered") };
    let zero = wiring.zero();
    let mut rows = vec![];
    for product in products {
        push(product, &chip, zero, &mut rows);
    }
    pad(&mut rows, chip.log_size, Row::idle(&chip, zero));
    let shape = Shape::of(&any);
    let mut fixed = Filler::new(shape.fixed, rows.len());
    for row in &rows {
        row.reads().for_each(|address| wiring.read(address));
        let [keep, close, next] = row.flags.map(|flag| u32::from(flag).into());
        let x = row.x.iter().map(|&address| address.into()).collect();
        let w = match &row.w {
            Right::Fixed(values) => values.iter().map(|&value| embed(value)).collect(),
            Right::Computed(cells) => cells.iter().map(|&address| address.into()).collect(),
        };
        fixed.row(|to| ContractFixed { keep, close, next, x, w }.write(&chip, to));
    }
    let mut cells = vec![Vec::with_capacity(rows.len()); shape.witness];
    for row in &rows {
        cells.iter_mut().zip(row.reads()).for_each(|(column, address)| column.push(address));
    }
    let witness = Box::new(MemoryReads(cells));
    Some(PlacedChip { chip: any, shape, fixed: fixed.into_columns(), witness })
}

#[derive(Clone)]
struct Row {
    /// Whether the block goes on, whether it ends, whether a product begins.
    flags: [bool; 3],
    /// Addresses of elements of `x`.
    x: Vec<Address>,
    /// Elements of `w`, or their addresses.
    w: Right,
}

impl Row {
    /// A row that adds nothing.
    fn idle(chip: &ContractChip, zero: Address) -> Self {
        let right = chip.right as usize;
        let w = match chip.dynamic {
            true => Right::Computed(vec![zero; right]),
            false => Right::Fixed(vec![0; right]),
        };
        Self { flags: [false; 3], x: vec![zero; chip.left as usize], w }
    }

    /// What it reads, in the order of the witness columns.
    fn reads(&self) -> impl Iterator<Item = Address> {
        let computed: &[Address] = match &self.w {
            Right::Fixed(_) => &[],
            Right::Computed(cells) => cells,
        };
        self.x.iter().chain(computed).copied()
    }
}

/// Appends the rows of one product.
fn push(product: &Product, chip: &ContractChip, zero: Address, rows: &mut Vec<Row>) {
    let (left, right) = (chip.left as usize, chip.right as usize);
    let begins = !rows.is_empty();
    if product.is_dynamic() != chip.dynamic {
        // One row that only separates products, unless nothing has come before.
        rows.extend(begins.then(|| Row { flags: [false, false, true], ..Row::idle(chip, zero) }));
        return;
    }
    let blocks = product.block_rows(left, right);
    for (k, block) in (0..product.k).flat_map(|k| (0..blocks).rev().map(move |block| (k, block))) {
        let mut row = Row::idle(chip, zero);
        let is_first = k == 0 && block + 1 == blocks;
        row.flags = [block + 1 < blocks, block == 0, begins && is_first];
        for (cell, m) in row.x.iter_mut().zip(block * left..product.m) {
            *cell = product.left[m * product.k + k];
        }
        let places = (block * right..product.n).map(|n| k * product.n + n);
        match (&mut row.w, &product.right) {
            (Right::Fixed(row), Right::Fixed(all)) => {
                row.iter_mut().zip(places).for_each(|(cell, at)| *cell = all[at]);
            }
            (Right::Computed(row), Right::Computed(all)) => {
                row.iter_mut().zip(places).for_each(|(cell, at)| *cell = all[at]);
            }
            _ => unreachable!("a chip holds products of one kind"),
        }
        rows.push(row);
    }
}

/// The chip with the numbers of lanes that make products of one kind cheapest.
fn contraction_chip(products: &[Product], dynamic: bool, costs: Costs) -> AnyChip {
    let candidates = LANES.iter().flat_map(|&left| {
        [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64].map(|right| {
            let rows = products
                .iter()
                .map(|product| {
                    if product.is_dynamic() == dynamic {
                        product.contract_rows(left as usize, right as usize)
                    } else {
                        1
                    }
                })
                .sum();
            AnyChip::Contract(ContractChip { log_size: costs.log_size(rows), left, right, dynamic })
        })
    });
    costs.cheapest(candidates)
}
