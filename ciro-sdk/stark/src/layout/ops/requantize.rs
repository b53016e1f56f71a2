//! Rounding shifts and clamps: by a table, or step by step where few elements have wide intervals.
//!
//! A table with one entry for each possible quotient is the cheapest way to clamp many elements.
//! For a few elements whose quotients spread widely, the steps are done one by one instead, each by
//! a chip that other operators need anyway:
//!
//! ```text
//! q = floor((x + 2^(shift - 1)) / 2^shift)      division
//! m = max(q, lo)                                maximum
//! y = min(m, hi) = hi - max(hi - m, 0)          arithmetic, maximum, arithmetic
//! ```

use std::collections::BTreeMap;

use ciro_model::integer::ops::Requantize;
use ciro_model::integer::{BOUND, NodeId, Op};
use ciro_model::{IntegerModel, Interval};

use super::lookup;
use crate::chips::unique::Width;
use crate::layout::LayoutError;
use crate::layout::collect::Collector;
use crate::layout::cost::Costs;
use crate::layout::roundings::NoRoom;
use crate::layout::wiring::Address;
use crate::rows::Auxiliary;
use crate::rows::arithmetic::Elementwise;
use crate::rows::extremum::Groups;
use crate::rows::table::MOST_ENTRIES;

/// Committed cells of one step-by-step clamp, about, padding included.
const CELLS_OF_STEPS: u64 = 250;

/// Columns that the steps add to chips that are mostly there anyway.
const COLUMNS_OF_STEPS: u64 = 20;

/// Rounds by a table, as a function that is looked up, or in steps.
pub(super) fn collect(
    collector: &mut Collector<'_>,
    id: NodeId,
    op: Requantize,
) -> Result<(), LayoutError> {
    if collector.wide.contains(&id) {
        return collector.clamp_in_steps(id, op);
    }
    lookup::collect(collector, id);
    Ok(())
}

/// The `Requantize` nodes that are cheaper without a table. Nodes with the same bounds share one.
pub(in crate::layout) fn wide_clamps(
    model: &IntegerModel,
    batch: u32,
    costs: Costs,
) -> Vec<NodeId> {
    let mut tables: BTreeMap<(i32, i32), (Interval, u64, Vec<NodeId>)> = BTreeMap::new();
    for (id, node) in model.iter() {
        let Op::Requantize(op) = &node.op else { continue };
        // A table covers what lanes without work hold, too.
        let covered = model.node(node.operands[0]).interval.union(Interval::point(0));
        let quotient = op.quotient(covered);
        let count = node.len() as u64 * u64::from(batch);
        tables
            .entry((op.lo, op.hi))
            .and_modify(|(domain, sum, nodes)| {
                *domain = domain.union(quotient);
                *sum += count;
                nodes.push(id);
            })
            .or_insert_with(|| (quotient, count, vec![id]));
    }
    let saved = |(domain, count, _): &(Interval, u64, Vec<NodeId>)| {
        (domain.width() * u64::from(Costs::ENTRY)).saturating_sub(count * CELLS_OF_STEPS)
    };
    let is_too_large = |(domain, ..): &(Interval, u64, Vec<NodeId>)| domain.width() > MOST_ENTRIES;
    // One node that must go step by step pays the columns for all that may.
    let pays = tables.values().any(is_too_large)
        || tables.values().map(saved).sum::<u64>() > COLUMNS_OF_STEPS * costs.column();
    let wide =
        tables.into_values().filter(|table| is_too_large(table) || (pays && saved(table) > 0));
    wide.flat_map(|(_, _, nodes)| nodes).collect()
}

/// The values between the steps, for every element of one node.
pub(in crate::layout) struct Steps {
    op: Requantize,
    operands: Vec<Address>,
    /// First addresses of `x + 2^(shift - 1)`, `q`, `m`, `hi - m` and `max(hi - m, 0)`, where they
    /// are auxiliary values.
    values: [Option<Address>; 5],
}

impl Auxiliary for Steps {
    fn fill(&self, values: &mut [i32]) {
        let Requantize { shift, lo, hi } = self.op;
        for (i, &operand) in (0u32..).zip(&self.operands) {
            let shifted = i64::from(values[operand as usize] + half(shift));
            let quotient = shifted >> shift;
            let raised = quotient.max(lo.into());
            let gap = i64::from(hi) - raised;
            let steps = [shifted, quotient, raised, gap, gap.max(0)];
            for (first, step) in self.values.iter().zip(steps) {
                if let Some(first) = first {
                    let step = i32::try_from(step).expect("steps that are laid stay below 2^30");
                    values[(first + i) as usize] = step;
                }
            }
        }
    }
}

/// What is added before a shift, so that it rounds to the nearest integer.
fn half(shift: u32) -> i32 {
    if shift == 0 { 0 } else { 1 << (shift - 1) }
}

impl Collector<'_> {
    /// Lays one `Requantize` node out step by step.
    fn clamp_in_steps(&mut self, id: NodeId, op: Requantize) -> Result<(), LayoutError> {
        let operand = self.model.node(id).operands[0];
        let Requantize { shift, lo, hi } = op;
        let no_room = |interval: Interval| LayoutError::NoRoom {
            node: self.model.node(id).name.clone(),
            op: "Requantize",
            source: NoRoom::Field { max_operand: interval.max_abs(), shift },
        };
        let fits = |interval: Interval| {
            (interval.max_abs() < BOUND).then_some(interval).ok_or_else(|| no_room(interval))
        };
        let point = |value: i32| Interval::point(value.into());
        let shifted = fits(self.model.node(operand).interval + point(half(shift)))?;
        let quotient = shifted.shift_right(shift);
        let raised = Interval { lo: quotient.lo.max(lo.into()), hi: quotient.hi.max(lo.into()) };
        let [raises, lowers] = [quotient.lo < lo.into(), raised.hi > hi.into()];

        let results = self.all_cells(id);
        let mut steps = Steps { op, operands: self.all_cells(operand), values: [None; 5] };
        let mut cells = steps.operands.clone();
        if shift > 0 {
            let (first, sums) = self.auxiliary_cells(cells.len());
            steps.values[0] = Some(first);
            self.push_linear([1, half(shift)], &cells, &sums);
            cells = match raises || lowers {
                true => self.auxiliary_step(&mut steps, 1),
                false => results.clone(),
            };
            self.push_shift(id, [shifted, quotient], shift, [&sums, &cells])?;
        }
        if raises {
            let out = if lowers { self.auxiliary_step(&mut steps, 2) } else { results.clone() };
            self.push_max(id, quotient, &cells, lo, &out)?;
            cells = out;
        }
        if lowers {
            let gap = fits(point(hi) + Interval { lo: -raised.hi, hi: -raised.lo })?;
            let gaps = self.auxiliary_step(&mut steps, 3);
            let positive = self.auxiliary_step(&mut steps, 4);
            self.push_linear([-1, hi], &cells, &gaps);
            self.push_max(id, gap, &gaps, 0, &positive)?;
            self.push_linear([-1, hi], &positive, &results);
        } else if !raises && shift == 0 {
            self.push_linear([1, 0], &cells, &results);
        }
        self.steps.push(steps);
        Ok(())
    }

    fn auxiliary_cells(&mut self, count: usize) -> (Address, Vec<Address>) {
        let first = self.wiring.auxiliary(count);
        (first, (first..).take(count).collect())
    }

    fn auxiliary_step(&mut self, steps: &mut Steps, step: usize) -> Vec<Address> {
        let (first, cells) = self.auxiliary_cells(steps.operands.len());
        steps.values[step] = Some(first);
        cells
    }

    /// `y = q * x + c`.
    fn push_linear(&mut self, [q, c]: [i32; 2], x: &[Address], y: &[Address]) {
        let cells = x.iter().zip(y).map(|(&x, &y)| [x, x, y]).collect();
        self.elementwise.push(Elementwise { coefficients: [0, q, 0, c], rounding: None, cells });
    }

    /// `y = floor(x / 2^shift)`.
    fn push_shift(
        &mut self,
        id: NodeId,
        [dividend, quotient]: [Interval; 2],
        shift: u32,
        [x, y]: [&[Address]; 2],
    ) -> Result<(), LayoutError> {
        let divisor = self.wiring.constant(1 << shift);
        let cells = x.iter().zip(y).map(|(&x, &y)| [x, divisor, y]).collect();
        let intervals = [dividend, Interval::point(1 << shift), quotient];
        self.push_division(id, intervals, cells)
    }

    /// `y = max(x, bound)` for `x` in an interval.
    fn push_max(
        &mut self,
        id: NodeId,
        x_interval: Interval,
        x: &[Address],
        bound: i32,
        y: &[Address],
    ) -> Result<(), LayoutError> {
        let at = self.wiring.constant(bound);
        let elements = x.iter().flat_map(|&x| [x, at]).collect();
        let interval = x_interval.union(Interval::point(bound.into()));
        let width = Width::of_maximum(interval).ok_or_else(|| self.wide_spread(id, interval))?;
        self.maxima.push(Groups { width, len: 2, elements, results: y.to_vec() });
        Ok(())
    }
}
