//! Rows of feature ranks.

use ciro_graph::Interval;
use ciro_graph::integer::ops::Bucketize;
use stwo::core::fields::m31::BaseField;

use super::count;
use crate::air::Shape;
use crate::chips::quantize::Limbs;
use crate::chips::{AnyChip, Book, RankChip};
use crate::field::embed;
use crate::layout::cost::log_size;
use crate::layout::tables::{TableCounts, Tables};
use crate::layout::wiring::{Address, Wiring};
use crate::layout::{Column, PlacedChip, Witness};

/// Feature ranks of one node, for all samples.
#[derive(Clone, Debug)]
pub(crate) struct Ranks {
    pub(super) boundaries: Vec<Vec<i64>>,
    limbs: bool,
    /// What every boundary part and every operand part lies in, high and low.
    parts: [Interval; 2],
    /// Position of the first interval of every feature in the boundary table.
    first: Vec<usize>,
    /// Number of feature 0 in the boundary table.
    feature: u32,
    /// Slot of the first value.
    pub(super) slot: u32,
    /// Address of the number of visits of the first slot.
    pub(super) visits: Address,
    /// `(high, low)` of every value.
    operands: Vec<[Address; 2]>,
    /// Address of every rank.
    pub(super) results: Vec<Address>,
}

/// All rank work of a model, with the numbers that features and slots share.
#[derive(Clone, Debug, Default)]
pub(crate) struct RankWork {
    pub(crate) nodes: Vec<Ranks>,
    features: u32,
    slots: u32,
}

impl RankWork {
    /// Adds a node; returns its position.
    pub(crate) fn push(
        &mut self,
        op: &Bucketize,
        operand: Interval,
        (operands, results): (Vec<[Address; 2]>, Vec<Address>),
        (tables, wiring): (&mut Tables, &mut Wiring<'_>),
    ) -> usize {
        let parts = if op.limbs {
            [Interval::new(-0x8000, 0x8000), Interval::new(0, 0xffff)]
        } else {
            let bound = op.boundaries.iter().flatten().copied();
            [Interval::of(bound).map_or(operand, |i| i.union(operand)), Interval::point(0)]
        };
        let visits = wiring.auxiliary(results.len());
        let mut node = Ranks {
            boundaries: op.boundaries.clone(),
            limbs: op.limbs,
            parts,
            first: vec![],
            feature: self.features,
            slot: self.slots,
            visits,
            operands,
            results,
        };
        for (feature, boundaries) in (self.features..).zip(&op.boundaries) {
            for rank in 0..=boundaries.len() {
                let [lower, upper] = node.interval(boundaries, rank);
                let small = |value: usize| i32::try_from(value).expect("few boundaries");
                let entry =
                    [small(feature as usize), small(rank), lower[0], lower[1], upper[0], upper[1]];
                let position = tables.push(Book::Boundaries, &entry);
                if rank == 0 {
                    node.first.push(position);
                }
            }
        }
        self.features += count(op.boundaries.len());
        self.slots += count(node.results.len());
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

impl Ranks {
    /// The boundaries `(lower, upper)` around a rank, in parts; sentinels lie one past every operand.
    fn interval(&self, boundaries: &[i64], rank: usize) -> [[i32; 2]; 2] {
        let part = |value: i64| i32::try_from(value).expect("parts of 32-bit values");
        let split = |boundary: i64| {
            if self.limbs {
                [part(boundary >> 16), part(boundary & 0xffff)]
            } else {
                [part(boundary), 0]
            }
        };
        let lower = match rank.checked_sub(1) {
            Some(below) => split(boundaries[below]),
            None => [part(self.parts[0].lo - 1), 0],
        };
        let upper = match boundaries.get(rank) {
            Some(&boundary) => split(boundary),
            None => [part(self.parts[0].hi + 1), 0],
        };
        [lower, upper]
    }

    /// Bits of the greatest gap between two parts.
    fn gap_bits(&self) -> u32 {
        let widest = self.parts.map(|part| part.width() + 1).into_iter().max().unwrap_or(1);
        u64::BITS - widest.leading_zeros()
    }

    pub(super) fn features(&self) -> usize {
        self.boundaries.len()
    }
}

/// Rows of all ranks, before the readers of the results are known.
pub(crate) struct RankRows {
    nodes: Vec<Ranks>,
    limbs: Limbs,
    log_size: u32,
}

impl RankRows {
    /// Lays all ranks; `None` if there is none.
    pub(crate) fn new(
        work: &RankWork,
        limb_bits: u32,
        (tables, wiring): (&mut Tables, &mut Wiring<'_>),
    ) -> Option<Self> {
        let widest = work.nodes.iter().map(Ranks::gap_bits).max()?;
        let limbs = Limbs { count: widest.div_ceil(limb_bits), bits: limb_bits };
        let rows: usize = work.nodes.iter().map(|node| node.results.len()).sum();
        let this = Self { nodes: work.nodes.clone(), limbs, log_size: log_size(rows) };
        for row in this.rows() {
            row.operand.iter().for_each(|&address| wiring.read(address));
            limbs.widths(row.bits).for_each(|width| {
                tables.range(width);
            });
        }
        Some(this)
    }

    /// One row for each value; rows without work repeat the first and write nothing.
    fn rows(&self) -> Vec<RankRow<'_>> {
        let mut rows = Vec::with_capacity(1 << self.log_size);
        for node in &self.nodes {
            for (at, (&operand, &result)) in node.operands.iter().zip(&node.results).enumerate() {
                rows.push(RankRow {
                    node,
                    feature: at % node.features(),
                    slot: node.slot + count(at),
                    visits: Some(node.visits + count(at)),
                    bits: node.gap_bits(),
                    operand,
                    result,
                });
            }
        }
        let idle = RankRow { visits: None, ..rows[0].clone() };
        rows.resize(1 << self.log_size, idle);
        rows
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Rank(RankChip { log_size: self.log_size, limbs: self.limbs });
        let shape = Shape::of(&chip);
        let mut fixed = vec![Vec::with_capacity(1 << self.log_size); shape.fixed];
        for row in self.rows() {
            let readers = row.visits.map_or(0, |_| wiring.readers(row.result));
            let [high, low] = row.operand;
            let feature = row.node.feature + count(row.feature);
            let mut values = vec![high, low, feature, row.slot, row.result, readers];
            values.extend(self.limbs.widths(row.bits));
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(BaseField::from(value));
            }
        }
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

#[derive(Clone)]
struct RankRow<'a> {
    node: &'a Ranks,
    feature: usize,
    slot: u32,
    /// Address of the number of tree nodes that read the slot; `None` in rows without work.
    visits: Option<Address>,
    bits: u32,
    operand: [Address; 2],
    result: Address,
}

impl Witness for RankRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let width = 3 + 4 + 2 * (1 + self.limbs.count as usize) + 1;
        let mut columns = vec![Vec::with_capacity(1 << self.log_size); width];
        for row in self.rows() {
            let x = row.operand.map(|address| values[address as usize]);
            let rank = values[row.result as usize];
            let index = usize::try_from(rank).expect("ranks are not negative");
            let [lower, upper] = row.node.interval(&row.node.boundaries[row.feature], index);
            counts.entry(Book::Boundaries, row.node.first[row.feature] + index);
            let mut out: Vec<BaseField> =
                [x[0], x[1], rank, lower[0], lower[1], upper[0], upper[1]].map(embed).to_vec();
            for (a, b, strict) in [(x, upper, 0), (lower, x, 1)] {
                let equal = a[0] == b[0];
                let gap = if equal { b[1] - a[1] - strict } else { b[0] - a[0] - 1 };
                let gap = u32::try_from(gap).expect("a rank's interval encloses its value");
                out.push(u32::from(equal).into());
                for (limb, width) in self.limbs.split(gap).zip(self.limbs.widths(row.bits)) {
                    counts.range(tables, width, limb);
                    out.push(limb.into());
                }
            }
            let visits = row.visits.map_or(0, |address| values[address as usize]);
            out.push(embed(visits));
            for (column, value) in columns.iter_mut().zip(out) {
                column.push(value);
            }
        }
        columns
    }
}
