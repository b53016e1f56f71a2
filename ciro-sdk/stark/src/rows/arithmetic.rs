//! Rows of elementwise arithmetic.

use super::rounding::Rounding;
use super::table::{TableCounts, Tables};
use super::{Column, PlacedChip, Witness, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::arithmetic::{
    ArithmeticChip, ArithmeticFixed, ArithmeticLane, ArithmeticOperands,
};
use crate::chips::limbs::Limbs;
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};
use crate::layout::wiring::{Address, Wiring};

/// `x = p * a * b + q * a + r * b + c` for every element of a node.
#[derive(Clone, Debug)]
pub(crate) struct Elementwise {
    /// `[p, q, r, c]`.
    pub(crate) coefficients: [i32; 4],
    pub(crate) rounding: Option<Rounding>,
    /// `(a, b, y)`: operands and what is written (the rounded result if there is a rounding).
    pub(crate) cells: Vec<[Address; 3]>,
}

/// Rows of all elementwise work that is rounded (or raw), before the readers of the results are
/// known.
pub(crate) struct Arithmetic {
    chip: ArithmeticChip,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    coefficients: [i32; 4],
    rounding: Rounding,
    /// One for each lane; lanes past the end of a node repeat its last element.
    cells: Vec<[Address; 3]>,
    /// Lanes that write their result.
    writers: usize,
}

impl Arithmetic {
    /// Lays the work; `None` if there is none.
    pub(crate) fn new(
        work: &[Elementwise],
        limbs: Option<Limbs>,
        costs: Costs,
        wiring: &mut Wiring<'_>,
    ) -> Option<Self> {
        let mine: Vec<&Elementwise> = work
            .iter()
            .filter(|item| item.rounding.is_some() == limbs.is_some() && !item.cells.is_empty())
            .collect();
        if mine.is_empty() {
            return None;
        }
        let candidates = LANES.iter().map(|&lanes| {
            let rows = mine.iter().map(|item| item.cells.len().div_ceil(lanes as usize)).sum();
            AnyChip::Arithmetic(ArithmeticChip { log_size: costs.log_size(rows), lanes, limbs })
        });
        let AnyChip::Arithmetic(chip) = costs.cheapest(candidates) else {
            unreachable!("only arithmetic was offered")
        };
        let lanes = chip.lanes as usize;
        let mut rows = Vec::with_capacity(1 << chip.log_size);
        for item in mine {
            for chunk in item.cells.chunks(lanes) {
                let mut cells = chunk.to_vec();
                cells.resize(lanes, *chunk.last().expect("chunks are not empty"));
                rows.push(Row {
                    coefficients: item.coefficients,
                    rounding: item.rounding.unwrap_or(Rounding::IDLE),
                    cells,
                    writers: chunk.len(),
                });
            }
        }
        let zero = wiring.zero();
        let cells = vec![[zero; 3]; lanes];
        let idle = Row { coefficients: [0; 4], rounding: Rounding::IDLE, cells, writers: 0 };
        pad(&mut rows, chip.log_size, idle);
        for [a, b, _] in rows.iter().flat_map(|row| &row.cells) {
            wiring.read(*a);
            wiring.read(*b);
        }
        Some(Self { chip, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Arithmetic(self.chip);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for row in &self.rows {
            fixed.row(|to| {
                let [p, q, r, c] = row.coefficients.map(embed);
                ArithmeticFixed { p, q, r, c }.write(&self.chip, to);
                if let Some(limbs) = self.chip.limbs {
                    row.rounding.fixed(limbs).write(limbs, to);
                }
                for (lane, &[a, b, y]) in row.cells.iter().enumerate() {
                    let readers = if lane < row.writers { wiring.readers(y) } else { 0 };
                    let [at_a, at_b, at_y, readers] = [a, b, y, readers].map(Into::into);
                    ArithmeticLane { at_a, at_b, at_y, readers }.write(&self.chip, to);
                }
            });
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Row {
    /// The value before rounding; intervals bound it.
    fn value(&self, a: i32, b: i32) -> i32 {
        let [p, q, r, c] = self.coefficients.map(i64::from);
        let (a, b) = (i64::from(a), i64::from(b));
        i32::try_from(p * a * b + q * a + r * b + c).expect("interval analysis bounds the value")
    }
}

impl Witness for Arithmetic {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let width = 2 + self.chip.limbs.map_or(1, Rounding::witness_columns);
        let mut columns = Filler::new(self.chip.lanes as usize * width, self.rows.len());
        for row in &self.rows {
            columns.row(|to| {
                for [a, b, _] in &row.cells {
                    let (a, b) = (values[*a as usize], values[*b as usize]);
                    let x = row.value(a, b);
                    ArithmeticOperands { a: embed(a), b: embed(b) }.write(&self.chip, to);
                    match self.chip.limbs {
                        Some(limbs) => {
                            row.rounding.witness(x, limbs, tables, counts).write(limbs, to);
                        }
                        None => to.push(embed(x)),
                    }
                }
            });
        }
        columns.into_columns()
    }
}
