//! Rows of feature ranks.

use std::collections::{BTreeMap, BTreeSet};

use ciro_model::Interval;
use ciro_model::integer::ops::Bucketize;

use super::table::{TableCounts, Tables};
use super::{Column, PlacedChip, Witness, count, pad};
use crate::air::{Filler, Shape};
use crate::chips::limbs::Limbs;
use crate::chips::rank::{RankChip, RankFixed, RankWitness};
use crate::chips::unique::Width;
use crate::chips::{AnyChip, TableKind};
use crate::field::embed;
use crate::layout::cost::Costs;
use crate::layout::wiring::{Address, Wiring};

/// Feature ranks of one node, for all samples.
#[derive(Clone, Debug)]
struct Ranks {
    boundaries: Vec<Vec<i64>>,
    limbs: bool,
    /// What every high part of a boundary or an operand lies in.
    high: Interval,
    /// Width of the gap between two parts.
    width: Width,
    /// Position of the first interval of every feature in the boundary table.
    first: Vec<usize>,
    /// Number of feature 0 in the boundary table.
    feature: u32,
    /// `(high, low)` of every value.
    operands: Vec<[Address; 2]>,
    /// Address of every rank.
    results: Vec<Address>,
}

/// Ranks that trees ask for by their positions: those of one node in its order, or of several, as
/// movements join and select them.
#[derive(Clone, Debug)]
pub(crate) struct RankGroup {
    /// Slot of the first rank.
    pub(crate) slot: u32,
    /// Address of the number of visits of the first slot.
    pub(crate) visits: Address,
    /// Address of every rank.
    pub(crate) results: Vec<Address>,
    /// The most boundaries that one of the features has.
    pub(crate) most: usize,
    members: Vec<Member>,
}

/// Where one rank of a group is computed.
#[derive(Clone, Copy, Debug)]
struct Member {
    node: usize,
    /// Which of the node's values.
    at: usize,
    /// Whether it is the first of all groups' that computes this rank: that one writes it.
    writes: bool,
}

/// All rank work of a model, with the numbers that features and slots share.
#[derive(Clone, Debug, Default)]
pub(crate) struct RankWork {
    nodes: Vec<Ranks>,
    groups: Vec<RankGroup>,
    features: u32,
    slots: u32,
    /// The node and the value of every rank's address.
    origins: BTreeMap<Address, (usize, usize)>,
    written: BTreeSet<Address>,
}

/// Operands so far from the boundaries that no range check of their gaps is sound.
pub(crate) struct TooFar {
    pub(crate) boundaries: Interval,
}

impl RankWork {
    /// Adds a node. Its ranks are computed by groups that hold them.
    pub(crate) fn push(
        &mut self,
        op: &Bucketize,
        operand: Interval,
        (operands, results): (Vec<[Address; 2]>, Vec<Address>),
        tables: &mut Tables,
    ) -> Result<(), TooFar> {
        let boundaries = Interval::of(op.boundaries.iter().flatten().copied());
        let (high, low) = if op.limbs {
            (Interval::new(-0x8000, 0x8000), Interval::new(0, 0xffff))
        } else {
            (boundaries.map_or(operand, |i| i.union(operand)), Interval::point(0))
        };
        let widths = Width::of_rank(high).zip(Width::of_rank(low)).map(|(high, low)| high.max(low));
        let boundaries = boundaries.unwrap_or(operand);
        let width = widths.ok_or(TooFar { boundaries })?;
        let mut node = Ranks {
            boundaries: op.boundaries.clone(),
            limbs: op.limbs,
            high,
            width,
            first: vec![],
            feature: self.features,
            operands,
            results,
        };
        for (feature, boundaries) in (self.features..).zip(&op.boundaries) {
            for rank in 0..=boundaries.len() {
                let [lower, upper] = node.interval(boundaries, rank);
                let small = |value: usize| i32::try_from(value).expect("few boundaries");
                let entry =
                    [small(feature as usize), small(rank), lower[0], lower[1], upper[0], upper[1]];
                let position = tables.push(TableKind::Boundaries, &entry);
                if rank == 0 {
                    node.first.push(position);
                }
            }
        }
        self.features += count(op.boundaries.len());
        let origin = |(at, &address): (usize, &Address)| (address, (self.nodes.len(), at));
        self.origins.extend(node.results.iter().enumerate().map(origin));
        self.nodes.push(node);
        Ok(())
    }

    /// Lets trees ask for ranks by their positions among `results`.
    ///
    /// # Errors
    /// The position of the first that is no rank.
    pub(crate) fn group(
        &mut self,
        results: Vec<Address>,
        wiring: &mut Wiring<'_>,
    ) -> Result<(), usize> {
        if self.find(&results).is_some() {
            return Ok(());
        }
        let origins = results.iter().enumerate();
        let origins = origins.map(|(at, rank)| self.origins.get(rank).copied().ok_or(at));
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let member = |(&(node, at), &rank)| Member { node, at, writes: self.written.insert(rank) };
        let members: Vec<Member> = origins.iter().zip(&results).map(member).collect();
        let boundaries = members.iter().map(|&member| self.boundaries(member).len());
        let most = boundaries.max().unwrap_or(0);
        let (slot, visits) = (self.slots, wiring.auxiliary(results.len()));
        self.slots += count(results.len());
        self.groups.push(RankGroup { slot, visits, results, most, members });
        Ok(())
    }

    /// The group of exactly these ranks, in this order.
    pub(crate) fn find(&self, results: &[Address]) -> Option<&RankGroup> {
        self.groups.iter().find(|group| group.results == results)
    }

    fn boundaries(&self, member: Member) -> &[i64] {
        let node = &self.nodes[member.node];
        &node.boundaries[member.at % node.features()]
    }
}

impl Ranks {
    /// A boundary in parts, as operands are.
    fn split(&self, boundary: i64) -> [i32; 2] {
        let part = |value: i64| i32::try_from(value).expect("parts of 32-bit values");
        if self.limbs {
            [part(boundary >> 16), part(boundary & 0xffff)]
        } else {
            [part(boundary), 0]
        }
    }

    /// The boundaries `(lower, upper)` around a rank, in parts; sentinels lie one past every
    /// operand.
    fn interval(&self, boundaries: &[i64], rank: usize) -> [[i32; 2]; 2] {
        let sentinel = |value: i64| [i32::try_from(value).expect("parts fit 31 bits"), 0];
        let lower = match rank.checked_sub(1) {
            Some(below) => self.split(boundaries[below]),
            None => sentinel(self.high.lo - 1),
        };
        let upper = match boundaries.get(rank) {
            Some(&boundary) => self.split(boundary),
            None => sentinel(self.high.hi + 1),
        };
        [lower, upper]
    }

    /// How many boundaries of a feature are below a value in parts.
    fn rank(&self, feature: usize, x: [i32; 2]) -> usize {
        self.boundaries[feature].partition_point(|&boundary| self.split(boundary) < x)
    }

    fn features(&self) -> usize {
        self.boundaries.len()
    }
}

/// Rows of all ranks, before the readers of the results are known.
pub(crate) struct RankRows {
    work: RankWork,
    limbs: Limbs,
    log_size: u32,
}

impl RankRows {
    /// Lays all ranks; `None` if there is none.
    pub(crate) fn new(
        work: &RankWork,
        (limb_bits, costs): (u32, Costs),
        (tables, wiring): (&mut Tables, &mut Wiring<'_>),
    ) -> Option<Self> {
        let widest = work.nodes.iter().map(|node| node.width).max()?;
        let limbs = Limbs::new(widest, limb_bits);
        let rows: usize = work.groups.iter().map(|group| group.members.len()).sum();
        let this = Self { work: work.clone(), limbs, log_size: costs.log_size(rows) };
        for row in this.rows() {
            row.operand.iter().for_each(|&address| wiring.read(address));
            tables.ranges(limbs, [row.width]);
        }
        Some(this)
    }

    /// One row for each value of a group; rows without work repeat the first and write nothing.
    fn rows(&self) -> Vec<RankRow<'_>> {
        let mut rows = Vec::with_capacity(1 << self.log_size);
        for group in &self.work.groups {
            for (position, &Member { node, at, writes }) in (0u32..).zip(&group.members) {
                let node = &self.work.nodes[node];
                rows.push(RankRow {
                    node,
                    feature: at % node.features(),
                    slot: group.slot + position,
                    visits: Some(group.visits + position),
                    width: node.width,
                    operand: node.operands[at],
                    result: node.results[at],
                    writes,
                });
            }
        }
        let idle = RankRow { visits: None, writes: false, ..rows[0].clone() };
        pad(&mut rows, self.log_size, idle);
        rows
    }

    fn chip(&self) -> RankChip {
        RankChip { log_size: self.log_size, limbs: self.limbs }
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let (limbs, chip) = (self.limbs, AnyChip::Rank(self.chip()));
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, 1 << self.log_size);
        for row in self.rows() {
            let readers = if row.writes { wiring.readers(row.result) } else { 0 };
            let [at_high, at_low] = row.operand.map(Into::into);
            let feature = row.node.feature + count(row.feature);
            let [feature, slot, at_rank, readers] =
                [feature, row.slot, row.result, readers].map(Into::into);
            let widths = limbs.cells(limbs.widths(row.width));
            let cells = RankFixed { at_high, at_low, feature, slot, at_rank, readers, widths };
            fixed.row(|to| cells.write(&self.chip(), to));
        }
        let fixed = fixed.into_columns();
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
    width: Width,
    operand: [Address; 2],
    result: Address,
    /// Whether readers of the result take it from this row.
    writes: bool,
}

impl Witness for RankRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let width = 3 + 4 + 2 * (1 + self.limbs.count() as usize) + 1;
        let mut columns = Filler::new(width, 1 << self.log_size);
        for row in self.rows() {
            let x = row.operand.map(|address| values[address as usize]);
            let index = row.node.rank(row.feature, x);
            let [lower, upper] = row.node.interval(&row.node.boundaries[row.feature], index);
            counts.entry(TableKind::Boundaries, row.node.first[row.feature] + index);
            let mut ordered = |a: [i32; 2], b: [i32; 2], strict: i32| {
                let equal = a[0] == b[0];
                let gap = if equal { b[1] - a[1] - strict } else { b[0] - a[0] - 1 };
                let gap = u32::try_from(gap).expect("a rank's interval encloses its value");
                (u32::from(equal).into(), counts.limbs(tables, self.limbs, row.width, gap))
            };
            let (above_equal, above) = ordered(x, upper, 0);
            let (below_equal, below) = ordered(lower, x, 1);
            let visits = row.visits.map_or(0, |address| values[address as usize]);
            let rank = i32::try_from(index).expect("few boundaries");
            let cells = RankWitness {
                high: embed(x[0]),
                low: embed(x[1]),
                rank: embed(rank),
                lower_high: embed(lower[0]),
                lower_low: embed(lower[1]),
                upper_high: embed(upper[0]),
                upper_low: embed(upper[1]),
                above_equal,
                above,
                below_equal,
                below,
                visits: embed(visits),
            };
            columns.row(|to| cells.write(&self.chip(), to));
        }
        columns.into_columns()
    }
}
