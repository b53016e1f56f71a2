//! Rows of the results of matrix products.

use super::{Lanes, Outcome, Product};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::limbs::Limbs;
use crate::chips::product::{AccumulateChip, AccumulateFixed};
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};
use crate::layout::wiring::Wiring;
use crate::rows::rounding::Rounding;
use crate::rows::table::{TableCounts, Tables};
use crate::rows::{Column, PlacedChip, Witness, pad};

/// The rows of the results of all products that are rounded (or raw), before the readers of the
/// results are known.
pub(crate) struct Accumulation {
    chip: AccumulateChip,
    rows: Vec<ResultRow>,
}

#[derive(Clone)]
struct ResultRow {
    flags: [u32; 6],
    lanes: Lanes,
    /// Lanes past the end hold 0.
    outcomes: Vec<Option<Outcome>>,
}

impl Accumulation {
    /// Lays the results of all products that have (or have not) a rounding; `None` if there is
    /// none.
    pub(crate) fn new(
        products: &[Product],
        limbs: Option<Limbs>,
        costs: Costs,
        tables: &Tables,
    ) -> Option<Self> {
        let mine = |product: &Product| product.is_rounded() == limbs.is_some();
        if !products.iter().any(mine) {
            return None;
        }
        let candidates = LANES.iter().filter_map(|&lanes| {
            let rows = |p: &Product| {
                let at = lanes as usize;
                if mine(p) { Some(p.accumulate_rows(p.turned(at, tables)?, at)) } else { Some(1) }
            };
            let rows = products.iter().map(rows).sum::<Option<usize>>()?;
            let log_size = costs.log_size(rows);
            Some(AnyChip::Accumulate(AccumulateChip { log_size, lanes, limbs }))
        });
        let AnyChip::Accumulate(chip) = costs.cheapest(candidates) else {
            unreachable!("only accumulations were offered")
        };
        let mut this = Self { chip, rows: vec![] };
        for product in products {
            if mine(product) {
                this.push(product, tables);
            } else if !this.rows.is_empty() {
                this.rows.push(ResultRow::idle([0, 0, 0, 0, 0, 1], chip.lanes));
            }
        }
        Some(this)
    }

    fn push(&mut self, product: &Product, tables: &Tables) {
        let lanes = self.chip.lanes as usize;
        let turned = product
            .turned(lanes, tables)
            .expect("the chip was chosen so that its rows are regular");
        let (outer, inner) = product.extents(turned);
        let blocks = inner.div_ceil(lanes);
        for o in (0..outer).rev() {
            for block in (0..blocks).rev() {
                let row = block * lanes..inner.min((block + 1) * lanes);
                let common = product.lanes(turned, o, row.clone(), tables);
                let close = block == 0;
                let add = close && o == 0;
                let mut outcomes: Vec<Option<Outcome>> =
                    row.map(|i| Some(product.result(turned, o, i))).collect();
                outcomes.resize(lanes, None);
                self.rows.push(ResultRow {
                    flags: [
                        u32::from(turned),
                        u32::from(block + 1 < blocks),
                        u32::from(close),
                        u32::from(close && o + 1 < outer),
                        u32::from(add),
                        u32::from(add && !self.rows.is_empty()),
                    ],
                    lanes: common.expect("rows are regular"),
                    outcomes,
                });
            }
        }
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(mut self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Accumulate(self.chip);
        let shape = Shape::of(&chip);
        let lanes = self.chip.lanes;
        pad(&mut self.rows, self.chip.log_size, ResultRow::idle([0; 6], lanes));
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for row in &self.rows {
            let [turn, keep, close, chain, add, next] = row.flags.map(Into::into);
            let address = |at: i64| embed(i32::try_from(at).expect("addresses fit 31 bits"));
            let [address, stride] = [row.lanes.address, row.lanes.stride].map(address);
            let readers = |outcome: &Option<Outcome>| {
                let written = outcome.and_then(|outcome| outcome.written);
                written.map_or(0, |address| wiring.readers(address)).into()
            };
            let readers = row.outcomes.iter().map(readers).collect();
            let cells =
                AccumulateFixed { turn, keep, close, chain, add, next, address, stride, readers };
            fixed.row(|to| {
                cells.write(&self.chip, to);
                if let Some(limbs) = self.chip.limbs {
                    row.lanes.rounding.fixed(limbs).write(limbs, to);
                }
            });
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl ResultRow {
    fn idle(flags: [u32; 6], lanes: u32) -> Self {
        let idle = Lanes { address: 0, stride: 0, rounding: Rounding::IDLE };
        Self { flags, lanes: idle, outcomes: vec![None; lanes as usize] }
    }
}

impl Witness for Accumulation {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let width = self.chip.limbs.map_or(1, Rounding::witness_columns);
        let mut columns = Filler::new(self.chip.lanes as usize * width, self.rows.len());
        for row in &self.rows {
            columns.row(|to| {
                for outcome in &row.outcomes {
                    let x = outcome.map_or(0, |outcome| values[outcome.raw as usize]);
                    match self.chip.limbs {
                        Some(limbs) => {
                            let rounding = row.lanes.rounding;
                            rounding.witness(x, limbs, tables, counts).write(limbs, to);
                        }
                        None => to.push(embed(x)),
                    }
                }
            });
        }
        columns.into_columns()
    }
}
