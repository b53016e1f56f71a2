//! From nodes to work for the chips.

use std::collections::BTreeMap;

use ciro_model::integer::{ConstId, NodeId};
use ciro_model::{IntegerModel, Interval};

use super::cost::Costs;
use super::error::LayoutError;
use super::ops;
use super::ops::linear::Uses;
use super::ops::requantize::{Steps, wide_clamps};
use super::outcome::Sinks;
use super::roundings::Roundings;
use super::wiring::{Address, Wiring};
use crate::chips::unique::{Division, Width};
use crate::rows::arithmetic::Elementwise;
use crate::rows::division::Divisions;
use crate::rows::extremum::Groups;
use crate::rows::product::{Outcome, Product, Results, Right};
use crate::rows::rounding::Rounding;
use crate::secrecy::Secrecy;

/// Gathers the work that a model's nodes make.
pub(super) struct Collector<'m> {
    pub(super) model: &'m IntegerModel,
    pub(super) wiring: Wiring<'m>,
    pub(super) costs: Costs,
    users: Vec<Vec<NodeId>>,
    pub(super) sinks: Sinks,
    live: Vec<bool>,
    pub(super) roundings: Roundings,
    /// Rounding nodes and their (draft) rounding.
    pub(super) rounded: BTreeMap<NodeId, Rounding>,
    /// The uses of every weight matrix, which become one product each.
    pub(super) linears: BTreeMap<(ConstId, Option<ConstId>, bool), Uses>,
    pub(super) products: Vec<Product>,
    /// Rounding nodes that are laid out without a table, in steps.
    pub(super) wide: Vec<NodeId>,
    pub(super) steps: Vec<Steps>,
    pub(super) elementwise: Vec<Elementwise>,
    pub(super) maxima: Vec<Groups>,
    pub(super) positions: Vec<Groups>,
    pub(super) divisions: Vec<Divisions>,
    /// `(x, y)` of every square root.
    pub(super) roots: Vec<[Address; 2]>,
    pub(super) embeds: Vec<(NodeId, ConstId)>,
    pub(super) bucketizes: Vec<NodeId>,
    pub(super) ensembles: Vec<NodeId>,
}

impl<'m> Collector<'m> {
    /// No chip will have fewer than `2^log_size_min` rows.
    pub(super) fn new(
        model: &'m IntegerModel,
        (secrecy, batch): (Secrecy, u32),
        log_size_min: u32,
    ) -> Result<Self, LayoutError> {
        const MOST: u64 = 1 << 30;
        let elements = model.nodes().iter().map(|node| node.len() as u64).sum::<u64>();
        let elements = elements.saturating_mul(batch.into());
        if elements > MOST {
            return Err(LayoutError::TooLarge { elements, most: MOST });
        }
        let mut users = vec![vec![]; model.nodes().len()];
        let mut live = vec![false; model.nodes().len()];
        for output in model.outputs() {
            live[output.node.index()] = true;
        }
        for (id, node) in model.iter().collect::<Vec<_>>().into_iter().rev() {
            // Every input is tied to the statement, whether the model reads it or not.
            if !live[id.index()] {
                continue;
            }
            for operand in &node.operands {
                live[operand.index()] = true;
                users[operand.index()].push(id);
            }
        }
        let wiring = Wiring::new(model, batch);
        let costs = Costs::of(elements, (secrecy, log_size_min));
        let mut this = Self {
            model,
            wiring,
            costs,
            users,
            sinks: Sinks::default(),
            live,
            roundings: Roundings::default(),
            rounded: BTreeMap::new(),
            linears: BTreeMap::new(),
            products: vec![],
            wide: wide_clamps(model, batch, costs),
            steps: vec![],
            elementwise: vec![],
            maxima: vec![],
            positions: vec![],
            divisions: vec![],
            roots: vec![],
            embeds: vec![],
            bucketizes: vec![],
            ensembles: vec![],
        };
        this.collect_roundings()?;
        this.sinks = Sinks::find(model, &this.wiring, &this.users, &this.rounded);
        this.collect_nodes()?;
        Ok(this)
    }

    pub(super) fn samples(&self) -> std::ops::Range<u32> {
        0..self.wiring.batch()
    }

    /// All addresses of a node, sample after sample.
    pub(super) fn all_cells(&self, id: NodeId) -> Vec<Address> {
        self.samples().flat_map(|sample| self.wiring.cells(id, sample)).collect()
    }

    fn collect_roundings(&mut self) -> Result<(), LayoutError> {
        let model = self.model;
        for (id, node) in model.iter().filter(|(id, _)| self.live[id.index()]) {
            let Some(&operand) = node.operands.first() else { continue };
            if self.wide.contains(&id) {
                continue;
            }
            let interval = model.node(operand).interval;
            let count = node.len() * self.wiring.batch() as usize;
            if let Some(rounding) = self.roundings.add(&node.op, interval, count, model.constants())
            {
                let rounding = rounding.map_err(|source| LayoutError::NoRoom {
                    node: node.name.clone(),
                    op: node.op.operator().name(),
                    source,
                })?;
                self.rounded.insert(id, rounding);
            }
        }
        Ok(())
    }

    fn collect_nodes(&mut self) -> Result<(), LayoutError> {
        for (id, node) in self.model.iter() {
            if self.live[id.index()] && !node.is_empty() {
                ops::collect(self, id)?;
            }
        }
        ops::linear::finish(self);
        Ok(())
    }

    /// What happens to each result of a node, for one sample of the batch.
    pub(super) fn outcomes(&self, id: NodeId, sample: u32) -> Vec<Outcome> {
        let raw = self.wiring.cells(id, sample);
        let Some(sinks) = self.sinks.of(id) else {
            let exact = |raw| Outcome { raw, written: Some(raw), rounding: Rounding::IDLE };
            return raw.into_iter().map(exact).collect();
        };
        // What nobody reads is rounded like its neighbours.
        let unread = |&raw| Outcome { raw, written: None, rounding: self.rounded[&sinks[0]] };
        let mut outcomes: Vec<Outcome> = raw.iter().map(unread).collect();
        for sink in sinks {
            let from = self.wiring.cells(self.model.node(*sink).operands[0], sample);
            for (from, to) in from.into_iter().zip(self.wiring.cells(*sink, sample)) {
                let outcome = &mut outcomes[(from - raw[0]) as usize];
                (outcome.written, outcome.rounding) = (Some(to), self.rounded[sink]);
            }
        }
        outcomes
    }

    /// Whether a node's results are rounded where they are computed.
    pub(super) fn rounds(&self, id: NodeId) -> bool {
        self.sinks.of(id).is_some()
    }

    pub(super) fn push_product(
        &mut self,
        shape: [usize; 3],
        operands: (Vec<Address>, Right),
        results: Results,
    ) {
        let zero = self.wiring.zero();
        self.products.push(Product::new(shape, operands, results, zero));
    }

    /// `y[i] = sum_j weights[j] * x[i, j]` for every element `i` of a node.
    pub(super) fn row_sums(&mut self, id: NodeId, left: Vec<Address>, weights: Vec<i32>) {
        let (m, k) = (self.all_cells(id).len(), weights.len());
        let outcomes = self.samples().flat_map(|sample| self.outcomes(id, sample)).collect();
        let results = Results { outcomes, rounded: self.rounds(id), uses: vec![] };
        self.push_product([m, k, 1], (left, Right::Fixed(weights)), results);
    }

    pub(super) fn elementwise(&mut self, id: NodeId, coefficients: [i32; 4], a: NodeId, b: NodeId) {
        let cells = self.operand_cells(a, b, id);
        let Some(sinks) = self.sinks.of(id) else {
            self.elementwise.push(Elementwise { coefficients, rounding: None, cells });
            return;
        };
        let first = self.wiring.cells(id, 0)[0];
        let per_sample = self.model.node(id).len();
        let operands: Vec<_> = cells.chunks(per_sample).collect();
        for &sink in sinks {
            // Positions do not depend on the sample.
            let from = self.wiring.cells(self.model.node(sink).operands[0], 0);
            let mut cells = vec![];
            for (sample, operands) in self.samples().zip(&operands) {
                let to = self.wiring.cells(sink, sample);
                cells.extend(from.iter().zip(to).map(|(from, to)| {
                    let [a, b, _] = operands[(from - first) as usize];
                    [a, b, to]
                }));
            }
            let rounding = Some(self.rounded[&sink]);
            self.elementwise.push(Elementwise { coefficients, rounding, cells });
        }
    }

    pub(super) fn operand_cells(&self, a: NodeId, b: NodeId, y: NodeId) -> Vec<[Address; 3]> {
        let [a, b, y] = [a, b, y].map(|node| self.all_cells(node));
        a.into_iter().zip(b).zip(y).map(|((a, b), y)| [a, b, y]).collect()
    }

    /// Divisions for a node: dividends, divisors and quotients lie in `intervals`.
    pub(super) fn push_division(
        &mut self,
        id: NodeId,
        intervals: [Interval; 3],
        cells: Vec<[Address; 3]>,
    ) -> Result<(), LayoutError> {
        let check = Division::new(intervals).ok_or_else(|| {
            let node = self.model.node(id);
            let [dividend, divisor, quotient] = intervals;
            let (node, op) = (node.name.clone(), node.op.operator().name());
            LayoutError::WideDivision { node, op, dividend, divisor, quotient }
        })?;
        self.divisions.push(Divisions { check, cells });
        Ok(())
    }

    pub(super) fn groups(
        &self,
        id: NodeId,
        width: impl Fn(Interval) -> Option<Width>,
    ) -> Result<Groups, LayoutError> {
        let operand = self.model.node(self.model.node(id).operands[0]);
        let width =
            width(operand.interval).ok_or_else(|| self.wide_spread(id, operand.interval))?;
        let len = *operand.shape.last().expect("checked by the shape rule");
        let elements = self.all_cells(self.model.node(id).operands[0]);
        Ok(Groups { width, len, elements, results: self.all_cells(id) })
    }

    /// The error of a node that compares elements too far apart.
    pub(super) fn wide_spread(&self, id: NodeId, interval: Interval) -> LayoutError {
        let node = self.model.node(id);
        let (node, op) = (node.name.clone(), node.op.operator().name());
        LayoutError::WideSpread { node, op, interval }
    }
}
