//! Rows of matrix products: both sides of the identity that checks them.

use ciro_model::Interval;
use stwo::core::fields::m31::BaseField;

use super::cost::{Costs, LANES, log_size};
use super::outcome::Outcome;
use super::rounding::Rounding;
use super::tables::{TableCounts, Tables};
use super::wiring::{Address, Wiring};
use super::{Column, MemoryReads, PlacedChip, Witness};
use crate::air::Shape;
use crate::chips::limbs::Limbs;
use crate::chips::{AccumulateChip, AnyChip, ContractChip};
use crate::field::embed;

/// A product `y[m, n] = sum_k x[m, k] * w[k, n]`, from whatever operator.
///
/// `m`, `k` and `n` are at least 1: the chips of both sides count products by their rows, so each
/// has a row in both.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    m: usize,
    k: usize,
    n: usize,
    /// Addresses of `x`, row-major.
    left: Vec<Address>,
    /// The matrix `w`, row-major.
    right: Right,
    results: Results,
}

/// The results of a product.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    /// What happens to them, row-major.
    pub(crate) outcomes: Vec<Outcome>,
    /// Whether they are rounded: all or none.
    pub(crate) rounded: bool,
    /// Where several nodes share a product: for each the first row behind its results, and what
    /// they lie in.
    pub(crate) uses: Vec<(usize, Interval)>,
}

/// The right operand of a product.
#[derive(Clone, Debug)]
pub(crate) enum Right {
    /// Part of the model.
    Fixed(Vec<i32>),
    /// Computed: addresses.
    Computed(Vec<Address>),
}

impl Product {
    /// A product of shape `[m, k, n]` with results. One without terms gets the term `0 * 0`, with
    /// `zero` the address of a 0.
    pub(crate) fn new(
        [m, k, n]: [usize; 3],
        (left, right): (Vec<Address>, Right),
        results: Results,
        zero: Address,
    ) -> Self {
        assert_eq!(results.outcomes.len(), m * n, "a product has m * n results");
        assert!(m > 0 && n > 0, "products without results are left out");
        #[cfg(test)]
        if crate::chips::defects::is_back(crate::chips::defects::Defect::NoTerms) {
            return Self { m, k, n, left, right, results };
        }
        if k > 0 {
            return Self { m, k, n, left, right, results };
        }
        let right = match right {
            Right::Fixed(_) => Right::Fixed(vec![0; n]),
            Right::Computed(_) => Right::Computed(vec![zero; n]),
        };
        Self { m, k: 1, n, left: vec![zero; m], right, results }
    }

    /// Whether both operands are computed.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.right, Right::Computed(_))
    }

    /// Whether the results are rounded.
    pub(crate) fn is_rounded(&self) -> bool {
        self.results.rounded
    }

    /// The roundings of all results.
    pub(crate) fn roundings_mut(&mut self) -> impl Iterator<Item = &mut Rounding> {
        self.results.outcomes.iter_mut().map(|outcome| &mut outcome.rounding)
    }

    /// Rows of the contraction for `left` and `right` lanes.
    fn contract_rows(&self, left: usize, right: usize) -> usize {
        self.k * self.block_rows(left, right)
    }

    fn block_rows(&self, left: usize, right: usize) -> usize {
        self.m.div_ceil(left).max(self.n.div_ceil(right))
    }

    /// The result at `inner` of the row or column `outer`.
    fn result(&self, turned: bool, outer: usize, inner: usize) -> Outcome {
        let (row, column) = if turned { (inner, outer) } else { (outer, inner) };
        self.results.outcomes[row * self.n + column]
    }

    /// What the lanes `inner` of the row or column `outer` have in common; `None` if they cannot
    /// share a row.
    ///
    /// Where nodes share a product, a lane that nobody reads may belong to another node than its
    /// neighbours: their table has to cover it too.
    fn lanes(
        &self,
        turned: bool,
        outer: usize,
        inner: std::ops::Range<usize>,
        tables: &Tables,
    ) -> Option<Lanes> {
        let lanes = Lanes::of(inner.clone().map(|i| self.result(turned, outer, i)))?;
        let interval = |row: usize| {
            let at = self.results.uses.partition_point(|&(end, _)| end <= row);
            self.results.uses[at].1
        };
        let covered = |i: usize| {
            let row = if turned { i } else { outer };
            tables.covers(lanes.rounding, interval(row))
        };
        let one_node = self.results.uses.len() < 2 || !self.results.rounded;
        (one_node || inner.clone().all(covered)).then_some(lanes)
    }

    /// Outer and inner extent of the results.
    fn extents(&self, turned: bool) -> (usize, usize) {
        if turned { (self.n, self.m) } else { (self.m, self.n) }
    }

    fn accumulate_rows(&self, turned: bool, lanes: usize) -> usize {
        let (outer, inner) = self.extents(turned);
        outer * inner.div_ceil(lanes)
    }

    /// Whether the inner axis of the results is `m` and not `n`: whichever needs fewer rows, if its
    /// rows are regular. `None` if neither is.
    fn turned(&self, lanes: usize, tables: &Tables) -> Option<bool> {
        let mut axes = [false, true];
        axes.sort_by_key(|&turned| self.accumulate_rows(turned, lanes));
        axes.into_iter().find(|&turned| {
            let (outer, inner) = self.extents(turned);
            (0..outer).all(|o| {
                (0..inner).step_by(lanes).all(|first| {
                    let row = first..inner.min(first + lanes);
                    self.lanes(turned, o, row, tables).is_some()
                })
            })
        })
    }
}

/// What the lanes of one row of results have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lanes {
    /// Where lane 0 is written; written lanes are equally far apart.
    address: i64,
    stride: i64,
    rounding: Rounding,
}

impl Lanes {
    /// The common ground of some outcomes; `None` if they cannot share a row.
    fn of(outcomes: impl Iterator<Item = Outcome>) -> Option<Self> {
        let mut this: Option<Self> = None;
        let mut idle = Rounding::IDLE;
        let mut known = 0;
        for (lane, outcome) in (0i64..).zip(outcomes) {
            idle = if lane == 0 { outcome.rounding } else { idle };
            let Some(written) = outcome.written.map(i64::from) else { continue };
            match &mut this {
                None => {
                    let rounding = outcome.rounding;
                    this = Some(Self { address: written, stride: lane, rounding });
                }
                Some(lanes) if lanes.rounding != outcome.rounding => return None,
                // So far, `stride` is the lane of the first address.
                Some(lanes) if known == 1 => {
                    let (first, distance) = (lanes.stride, written - lanes.address);
                    if distance % (lane - first) != 0 {
                        return None;
                    }
                    lanes.stride = distance / (lane - first);
                    lanes.address -= first * lanes.stride;
                }
                Some(lanes) if lanes.address + lane * lanes.stride != written => return None,
                Some(_) => {}
            }
            known += 1;
        }
        if known == 1 {
            this.iter_mut().for_each(|lanes| lanes.stride = 0);
        }
        Some(this.unwrap_or(Self { address: 0, stride: 0, rounding: idle }))
    }
}

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
    let chip = contraction_chip(products, dynamic, costs);
    let AnyChip::Contract(ContractChip { log_size, left, right, .. }) = chip else {
        unreachable!("only contractions are offered")
    };
    let (left, right) = (left as usize, right as usize);
    let shape = Shape::of(&chip);
    let rows = 1usize << log_size;
    let mut sheet = Sheet { fixed: vec![vec![embed(0); rows]; shape.fixed], row: 0 };
    let zero = wiring.zero();
    let mut x = vec![vec![zero; rows]; left];
    let mut w = vec![vec![zero; rows]; if dynamic { right } else { 0 }];
    for product in products {
        if product.is_dynamic() != dynamic {
            sheet.pass();
            continue;
        }
        sheet.set(NEXT, u32::from(sheet.row > 0));
        for k in 0..product.k {
            let blocks = product.block_rows(left, right);
            for block in (0..blocks).rev() {
                sheet.set(KEEP, u32::from(block + 1 < blocks));
                sheet.set(CLOSE, u32::from(block == 0));
                for (lane, column) in x.iter_mut().enumerate() {
                    let m = block * left + lane;
                    if m < product.m {
                        column[sheet.row] = product.left[m * product.k + k];
                    }
                }
                for (lane, n) in (block * right..product.n).take(right).enumerate() {
                    match &product.right {
                        Right::Fixed(values) => {
                            let value = values[k * product.n + n];
                            sheet.fixed[3 + left + lane][sheet.row] = embed(value);
                        }
                        Right::Computed(cells) => w[lane][sheet.row] = cells[k * product.n + n],
                    }
                }
                sheet.row += 1;
            }
        }
    }
    let mut cells = x;
    cells.extend(w);
    for (lane, column) in cells.iter().enumerate() {
        for (row, &address) in column.iter().enumerate() {
            wiring.read(address);
            sheet.fixed[3 + lane][row] = address.into();
        }
    }
    Some(PlacedChip { chip, shape, fixed: sheet.fixed, witness: Box::new(MemoryReads(cells)) })
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
            AnyChip::Contract(ContractChip { log_size: log_size(rows), left, right, dynamic })
        })
    });
    costs.cheapest(candidates)
}

const KEEP: usize = 0;
const CLOSE: usize = 1;
const NEXT: usize = 2;

struct Sheet {
    fixed: Vec<Column>,
    row: usize,
}

impl Sheet {
    fn set(&mut self, column: usize, value: u32) {
        self.fixed[column][self.row] = value.into();
    }

    /// One row that only separates products, unless nothing has come before.
    fn pass(&mut self) {
        if self.row > 0 {
            self.set(NEXT, 1);
            self.row += 1;
        }
    }
}

/// The rows of the results of all products that are rounded (or raw), before the readers of the
/// results are known.
pub(crate) struct Accumulation {
    chip: AccumulateChip,
    rows: Vec<ResultRow>,
}

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
            let log_size = log_size(rows);
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
        self.rows.resize_with(1 << self.chip.log_size, || ResultRow::idle([0; 6], lanes));
        let mut fixed = vec![Vec::with_capacity(self.rows.len()); shape.fixed];
        for row in &self.rows {
            let mut values: Vec<BaseField> = row.flags.iter().map(|&flag| flag.into()).collect();
            let address = |at: i64| embed(i32::try_from(at).expect("addresses fit 31 bits"));
            values.extend([row.lanes.address, row.lanes.stride].map(address));
            let readers = |outcome: &Option<Outcome>| -> BaseField {
                let written = outcome.and_then(|outcome| outcome.written);
                written.map_or(0, |address| wiring.readers(address)).into()
            };
            values.extend(row.outcomes.iter().map(readers));
            if let Some(limbs) = self.chip.limbs {
                values.extend(row.lanes.rounding.fixed(limbs));
            }
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(value);
            }
        }
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
        let lanes = self.chip.lanes as usize;
        let width = self.chip.limbs.map_or(1, Rounding::witness_columns);
        let mut columns = vec![vec![embed(0); self.rows.len()]; lanes * width];
        for (at, row) in self.rows.iter().enumerate() {
            for (lane, outcome) in row.outcomes.iter().enumerate() {
                let x = outcome.map_or(0, |outcome| values[outcome.raw as usize]);
                match self.chip.limbs {
                    Some(limbs) => {
                        row.lanes.rounding.witness(x, limbs, tables, counts, |k, value| {
                            columns[lane * width + k][at] = value;
                        })
                    }
                    None => columns[lane][at] = embed(x),
                }
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chips::unique::Width;

    fn rounding(shift: u32) -> Rounding {
        Rounding { shift: Width::of_remainder(1, shift).unwrap(), offset: 4, table: 1 }
    }

    fn lanes(written: &[Option<Address>]) -> Option<Lanes> {
        let outcome = |&written| Outcome { raw: 0, written, rounding: rounding(3) };
        Lanes::of(written.iter().map(outcome))
    }

    #[test]
    fn lanes_of_a_row_are_equally_far_apart() {
        let lanes =
            |written: &[Option<Address>]| lanes(written).map(|lanes| (lanes.address, lanes.stride));
        assert_eq!(lanes(&[Some(7), Some(9), Some(11)]), Some((7, 2)));
        assert_eq!(lanes(&[Some(7), Some(4)]), Some((7, -3)));
        assert_eq!(lanes(&[Some(7), Some(9), Some(12)]), None);
        // Lanes that are not read stand anywhere.
        assert_eq!(lanes(&[None, Some(9), None, Some(13)]), Some((7, 2)));
        assert_eq!(lanes(&[Some(9), None, Some(12)]), None);
        assert_eq!(lanes(&[None, Some(9), None]), Some((9, 0)));
        assert_eq!(lanes(&[None, None]), Some((0, 0)));
    }

    #[test]
    fn lanes_of_a_row_share_a_rounding() {
        let outcome = |written, rounding| Outcome { raw: 0, written, rounding };
        let (first, other) = (rounding(3), rounding(4));
        let mixed = [outcome(Some(0), first), outcome(Some(1), other)];
        assert_eq!(Lanes::of(mixed.into_iter()), None);
        let unread = [outcome(None, other), outcome(Some(1), first)];
        assert_eq!(Lanes::of(unread.into_iter()).map(|lanes| lanes.rounding), Some(first));
    }
}
