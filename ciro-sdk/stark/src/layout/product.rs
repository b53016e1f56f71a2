//! Rows of matrix products: both sides of the identity that checks them.

use stwo::core::fields::m31::BaseField;

use super::cost::{LANES, cheapest, log_size};
use super::rounding::Rounding;
use super::tables::{TableCounts, Tables};
use super::wiring::{Address, Wiring};
use super::{Column, MemoryReads, PlacedChip, Witness};
use crate::air::Shape;
use crate::chips::quantize::Limbs;
use crate::chips::{AccumulateChip, AnyChip, ContractChip};
use crate::field::embed;

/// A product `y[m, n] = sum_k x[m, k] * w[k, n]`, from whatever operator.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    /// Addresses of `x`, row-major.
    pub(crate) left: Vec<Address>,
    /// The matrix `w`, row-major.
    pub(crate) right: Right,
    /// Addresses of the raw results, row-major.
    pub(crate) raw: Vec<Address>,
    /// Addresses of what is written to memory: the rounded results if there is a rounding, else the raw ones.
    pub(crate) written: Vec<Address>,
    /// How each row `m` is rounded; all rows or none.
    pub(crate) roundings: Option<Vec<Rounding>>,
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
    fn is_dynamic(&self) -> bool {
        matches!(self.right, Right::Computed(_))
    }

    /// Rows of the contraction for `left` and `right` lanes.
    fn contract_rows(&self, left: usize, right: usize) -> usize {
        self.k * self.block_rows(left, right)
    }

    fn block_rows(&self, left: usize, right: usize) -> usize {
        self.m.div_ceil(left).max(self.n.div_ceil(right))
    }

    /// Whether the inner axis of the results is `m` (and not `n`), whichever needs fewer rows.
    fn turned(&self, lanes: usize) -> bool {
        let uniform = match &self.roundings {
            Some(roundings) => roundings.windows(2).all(|pair| pair[0] == pair[1]),
            None => true,
        };
        // The addresses of a row's lanes are equally far apart.
        let regular = |column: usize| {
            let rows: Vec<usize> = (0..self.m).collect();
            rows.chunks(lanes).all(|rows| {
                let at = |m: usize| i64::from(self.written[m * self.n + column]);
                rows.windows(2).all(|pair| at(pair[1]) - at(pair[0]) == at(rows[1]) - at(rows[0]))
            })
        };
        self.n * self.m.div_ceil(lanes) < self.m * self.n.div_ceil(lanes)
            && uniform
            && (0..self.n).all(regular)
    }

    fn accumulate_rows(&self, lanes: usize) -> usize {
        if self.turned(lanes) {
            self.n * self.m.div_ceil(lanes)
        } else {
            self.m * self.n.div_ceil(lanes)
        }
    }
}

/// Lays the contraction of all products of one kind; `None` if there is none. Products of the other kind are passed over.
pub(crate) fn place_contraction(
    products: &[Product],
    dynamic: bool,
    wiring: &mut Wiring<'_>,
) -> Option<PlacedChip> {
    if !products.iter().any(|product| product.is_dynamic() == dynamic) {
        return None;
    }
    let chip = contraction_chip(products, dynamic);
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
fn contraction_chip(products: &[Product], dynamic: bool) -> AnyChip {
    let candidates = LANES.iter().flat_map(|&left| {
        [1, 2, 4, 8, 16, 32, 64].map(|right| {
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
    cheapest(candidates)
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

/// The rows of the results of all products that are rounded (or raw), before the readers of the results are known.
pub(crate) struct Accumulation {
    chip: AccumulateChip,
    rows: Vec<ResultRow>,
}

struct ResultRow {
    flags: [u32; 6],
    rounding: Rounding,
    /// Raw address of each lane; `None` in lanes past the end, which hold 0.
    raw: Vec<Option<Address>>,
    address: Address,
    stride: i64,
}

impl Accumulation {
    /// Lays the results of all products that have (or have not) a rounding; `None` if there is none.
    pub(crate) fn new(products: &[Product], limbs: Option<Limbs>) -> Option<Self> {
        let mine = |product: &Product| product.roundings.is_some() == limbs.is_some();
        if !products.iter().any(mine) {
            return None;
        }
        let candidates = LANES.iter().map(|&lanes| {
            let rows = |p: &Product| if mine(p) { p.accumulate_rows(lanes as usize) } else { 1 };
            let rows = products.iter().map(rows).sum();
            AnyChip::Accumulate(AccumulateChip { log_size: log_size(rows), lanes, limbs })
        });
        let AnyChip::Accumulate(chip) = cheapest(candidates) else {
            unreachable!("only accumulations were offered")
        };
        let mut this = Self { chip, rows: vec![] };
        for product in products {
            if mine(product) {
                this.push(product);
            } else if !this.rows.is_empty() {
                this.rows.push(this.idle([0, 0, 0, 0, 0, 1]));
            }
        }
        Some(this)
    }

    fn idle(&self, flags: [u32; 6]) -> ResultRow {
        let raw = vec![None; self.chip.lanes as usize];
        ResultRow { flags, rounding: Rounding::IDLE, raw, address: 0, stride: 0 }
    }

    fn push(&mut self, product: &Product) {
        let lanes = self.chip.lanes as usize;
        let turned = product.turned(lanes);
        let (outer, inner) = if turned { (product.n, product.m) } else { (product.m, product.n) };
        let at = |o: usize, i: usize| if turned { i * product.n + o } else { o * product.n + i };
        let blocks = inner.div_ceil(lanes);
        for o in (0..outer).rev() {
            for block in (0..blocks).rev() {
                let positions: Vec<usize> =
                    (block * lanes..inner.min((block + 1) * lanes)).map(|i| at(o, i)).collect();
                let mut raw: Vec<_> = positions.iter().map(|&p| Some(product.raw[p])).collect();
                raw.resize(lanes, None);
                let written: Vec<Address> = positions.iter().map(|&p| product.written[p]).collect();
                let stride = match written[..] {
                    [first, second, ..] => i64::from(second) - i64::from(first),
                    _ => 0,
                };
                let close = block == 0;
                let add = close && o == 0;
                let rounding = match &product.roundings {
                    Some(roundings) => roundings[if turned { 0 } else { o }],
                    None => Rounding::IDLE,
                };
                self.rows.push(ResultRow {
                    flags: [
                        u32::from(turned),
                        u32::from(block + 1 < blocks),
                        u32::from(close),
                        u32::from(close && o + 1 < outer),
                        u32::from(add),
                        u32::from(add && !self.rows.is_empty()),
                    ],
                    rounding,
                    raw,
                    address: written[0],
                    stride,
                });
            }
        }
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(mut self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Accumulate(self.chip);
        let shape = Shape::of(&chip);
        self.rows.resize_with(1 << self.chip.log_size, || ResultRow {
            flags: [0; 6],
            rounding: Rounding::IDLE,
            raw: vec![None; self.chip.lanes as usize],
            address: 0,
            stride: 0,
        });
        let mut fixed = vec![Vec::with_capacity(self.rows.len()); shape.fixed];
        for row in &self.rows {
            let mut values: Vec<BaseField> = row.flags.iter().map(|&flag| flag.into()).collect();
            let stride = i32::try_from(row.stride).expect("addresses fit 31 bits");
            values.extend([row.address.into(), embed(stride)]);
            values.extend(row.raw.iter().zip(0i64..).map(|(raw, lane)| match raw {
                Some(_) => {
                    let address = i64::from(row.address) + lane * row.stride;
                    wiring.readers(Address::try_from(address).expect("an address")).into()
                }
                None => embed(0),
            }));
            if let Some(limbs) = self.chip.limbs {
                values.extend(row.rounding.fixed(limbs));
            }
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(value);
            }
        }
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Witness for Accumulation {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let lanes = self.chip.lanes as usize;
        let width = self.chip.limbs.map_or(1, Rounding::witness_columns);
        let mut columns = vec![vec![embed(0); self.rows.len()]; lanes * width];
        for (at, row) in self.rows.iter().enumerate() {
            for (lane, raw) in row.raw.iter().enumerate() {
                let x = raw.map_or(0, |address| values[address as usize]);
                match self.chip.limbs {
                    Some(limbs) => row.rounding.witness(x, limbs, tables, counts, |k, value| {
                        columns[lane * width + k][at] = value;
                    }),
                    None => columns[lane][at] = embed(x),
                }
            }
        }
        columns
    }
}
