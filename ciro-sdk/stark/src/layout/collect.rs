//! From nodes to work for the chips.

use std::collections::BTreeMap;

use ciro_model::integer::ops::{Combine, Conv, Linear, TreeEnsemble, TreeNode};
use ciro_model::integer::{ConstId, NodeId, Op};
use ciro_model::{IntegerModel, Interval, Tensor};

use super::arithmetic::Elementwise;
use super::clamp::{Steps, wide_clamps};
use super::convolution;
use super::cost::Costs;
use super::divide::Divisions;
use super::error::LayoutError;
use super::extremum::Groups;
use super::outcome::{Outcome, Sinks};
use super::product::{Product, Results, Right};
use super::rounding::{Rounding, Roundings};
use super::wiring::{Address, Wiring};
use crate::chips::unique::{Division, Width};

/// Gathers the work that a model's nodes make.
pub(super) struct Collector<'m> {
    pub(super) model: &'m IntegerModel,
    pub(super) wiring: Wiring<'m>,
    pub(super) costs: Costs,
    users: Vec<Vec<NodeId>>,
    sinks: Sinks,
    live: Vec<bool>,
    pub(super) roundings: Roundings,
    /// Rounding nodes and their (draft) rounding.
    rounded: BTreeMap<NodeId, Rounding>,
    pub(super) products: Vec<Product>,
    /// Rounding nodes that are laid out without a table, in steps.
    wide: Vec<NodeId>,
    pub(super) steps: Vec<Steps>,
    pub(super) elementwise: Vec<Elementwise>,
    pub(super) maxima: Vec<Groups>,
    pub(super) positions: Vec<Groups>,
    pub(super) divisions: Vec<Divisions>,
    pub(super) embeds: Vec<(NodeId, ConstId)>,
    pub(super) bucketizes: Vec<NodeId>,
    pub(super) ensembles: Vec<NodeId>,
}

impl<'m> Collector<'m> {
    pub(super) fn new(model: &'m IntegerModel, batch: u32) -> Result<Self, LayoutError> {
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
        let costs = Costs::of(elements);
        let mut this = Self {
            model,
            wiring,
            costs,
            users,
            sinks: Sinks::default(),
            live,
            roundings: Roundings::default(),
            rounded: BTreeMap::new(),
            products: vec![],
            wide: wide_clamps(model, batch, costs),
            steps: vec![],
            elementwise: vec![],
            maxima: vec![],
            positions: vec![],
            divisions: vec![],
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
        let model: &'m IntegerModel = self.model;
        let mut linears: BTreeMap<(ConstId, Option<ConstId>, bool), Vec<NodeId>> = BTreeMap::new();
        for (id, node) in model.iter() {
            if !self.live[id.index()] || node.is_empty() {
                continue;
            }
            match &node.op {
                Op::Input(_) | Op::Constant(_) | Op::Move(_) => {}
                Op::Linear(Linear { weight, bias }) => {
                    let key = (*weight, *bias, self.sinks.of(id).is_some());
                    linears.entry(key).or_default().push(id);
                }
                Op::Conv(conv) => self.conv(id, conv),
                Op::MatMul(_) => self.mat_mul(id),
                Op::ReduceSum(_) => self.reduce_sum(id),
                Op::Combine(combine) => self.combine(id, combine),
                Op::Mul(_) => {
                    let [a, b] = [node.operands[0], node.operands[1]];
                    self.elementwise(id, [1, 0, 0, 0], a, b);
                }
                &Op::Requantize(op) if self.wide.contains(&id) => self.clamp_in_steps(id, op)?,
                Op::Requantize(_) | Op::Lookup(_) if self.sinks.absorbs(id) => {}
                Op::Requantize(_) | Op::Lookup(_) => {
                    let cells = self.operand_cells(node.operands[0], node.operands[0], id);
                    self.elementwise.push(Elementwise {
                        coefficients: [0, 1, 0, 0],
                        rounding: Some(self.rounded[&id]),
                        cells,
                    });
                }
                Op::ReduceMax(_) => {
                    let groups = self.groups(id, Width::of_maximum)?;
                    self.maxima.push(groups);
                }
                Op::ArgMax(_) => {
                    let groups = self.groups(id, Width::of_first_maximum)?;
                    self.positions.push(groups);
                }
                Op::DivFloor(_) => self.divide(id)?,
                Op::Isqrt(_) => {
                    let x = node.operands[0];
                    self.divisions.push(Divisions::root(self.operand_cells(x, x, id)));
                }
                Op::Embed(embed) => self.embeds.push((id, embed.table)),
                Op::Bucketize(_) => self.bucketizes.push(id),
                Op::TreeEnsemble(op) if op.features == 0 => self.leaf_sums(id, op),
                Op::TreeEnsemble(_) => self.ensembles.push(id),
            }
        }
        for ((weight, bias, _), nodes) in linears {
            self.linear(weight, bias, &nodes);
        }
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

    /// All uses of one weight matrix become one product: its rows are paid once.
    fn linear(&mut self, weight: ConstId, bias: Option<ConstId>, nodes: &[NodeId]) {
        let weight = &self.model.constants()[weight];
        let (k, n) = (weight.shape()[0], weight.shape()[1]);
        let mut right = weight.data().to_vec();
        let bias = bias.map(|bias| &self.model.constants()[bias]);
        right.extend(bias.into_iter().flat_map(Tensor::data));
        let one = self.wiring.constant(1);
        let (mut left, mut results, mut uses) = (vec![], vec![], vec![]);
        for &id in nodes {
            for sample in self.samples() {
                let cells = self.wiring.cells(self.model.node(id).operands[0], sample);
                for row in 0..self.model.node(id).len() / n {
                    left.extend_from_slice(&cells[row * k..][..k]);
                    left.extend(bias.map(|_| one));
                }
                results.extend(self.outcomes(id, sample));
            }
            uses.push((results.len() / n, self.model.node(id).interval));
        }
        let k = k + usize::from(bias.is_some());
        let rounded = nodes.iter().any(|&id| self.rounds(id));
        let m = results.len() / n;
        let results = Results { outcomes: results, rounded, uses };
        self.push_product([m, k, n], (left, Right::Fixed(right)), results);
    }

    fn push_product(
        &mut self,
        shape: [usize; 3],
        operands: (Vec<Address>, Right),
        results: Results,
    ) {
        let zero = self.wiring.zero();
        self.products.push(Product::new(shape, operands, results, zero));
    }

    fn conv(&mut self, id: NodeId, conv: &Conv) {
        let products = convolution::products(self, id, conv);
        self.products.extend(products);
    }

    fn mat_mul(&mut self, id: NodeId) {
        let node = self.model.node(id);
        let [a, b] = [node.operands[0], node.operands[1]];
        let n = *node.shape.last().expect("a matrix");
        let m = node.shape[node.shape.len() - 2];
        let k = *self.model.node(a).shape.last().expect("a matrix");
        for sample in self.samples() {
            let [a, b] = [a, b].map(|node| self.wiring.cells(node, sample));
            for (block, outcomes) in self.outcomes(id, sample).chunks(m * n).enumerate() {
                let part = |cells: &[Address], len: usize| cells[block * len..][..len].to_vec();
                let operands = (part(&a, m * k), Right::Computed(part(&b, k * n)));
                let rounded = self.rounds(id);
                let results = Results { outcomes: outcomes.to_vec(), rounded, uses: vec![] };
                self.push_product([m, k, n], operands, results);
            }
        }
    }

    fn reduce_sum(&mut self, id: NodeId) {
        let operand = self.model.node(id).operands[0];
        let k = *self.model.node(operand).shape.last().expect("checked by the shape rule");
        self.row_sums(id, self.all_cells(operand), vec![1; k]);
    }

    /// `y[i] = sum_j weights[j] * x[i, j]` for every element `i` of a node.
    fn row_sums(&mut self, id: NodeId, left: Vec<Address>, weights: Vec<i32>) {
        let (m, k) = (self.all_cells(id).len(), weights.len());
        let outcomes = self.samples().flat_map(|sample| self.outcomes(id, sample)).collect();
        let results = Results { outcomes, rounded: self.rounds(id), uses: vec![] };
        self.push_product([m, k, 1], (left, Right::Fixed(weights)), results);
    }

    /// An ensemble of no features is a sum of leaves.
    fn leaf_sums(&mut self, id: NodeId, op: &TreeEnsemble) {
        let one = self.wiring.constant(1);
        let cells = self.all_cells(id);
        let leaves: Vec<i32> = (0..op.outputs())
            .map(|output| {
                let weight = |&root: &u32| match &op.nodes[root as usize] {
                    TreeNode::Leaf { weights } => i64::from(weights[output]),
                    TreeNode::Branch { .. } => unreachable!("there is no feature to branch on"),
                };
                let sum = i64::from(op.base[output]) + op.roots.iter().map(weight).sum::<i64>();
                i32::try_from(sum).expect("interval analysis bounds the sum")
            })
            .collect();
        for (output, &sum) in leaves.iter().enumerate() {
            let results = cells.iter().skip(output).step_by(leaves.len());
            let cells = results.map(|&y| [one, one, y]).collect();
            let coefficients = [0, sum, 0, 0];
            self.elementwise.push(Elementwise { coefficients, rounding: None, cells });
        }
    }

    fn combine(&mut self, id: NodeId, combine: &Combine) {
        let operands = &self.model.node(id).operands;
        let constant = combine.constant;
        match (&operands[..], &combine.coefficients[..]) {
            (&[a], &[q]) => self.elementwise(id, [0, q, 0, constant], a, a),
            (&[a, b], &[q, r]) => self.elementwise(id, [0, q, r, constant], a, b),
            _ => {
                let columns: Vec<Vec<Address>> =
                    operands.iter().map(|&operand| self.all_cells(operand)).collect();
                let one = self.wiring.constant(1);
                let mut weights = combine.coefficients.clone();
                weights.extend((constant != 0).then_some(constant));
                let left = (0..columns[0].len())
                    .flat_map(|i| {
                        let cells = columns.iter().map(move |column| column[i]);
                        cells.chain((constant != 0).then_some(one))
                    })
                    .collect();
                self.row_sums(id, left, weights);
            }
        }
    }

    fn elementwise(&mut self, id: NodeId, coefficients: [i32; 4], a: NodeId, b: NodeId) {
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

    fn operand_cells(&self, a: NodeId, b: NodeId, y: NodeId) -> Vec<[Address; 3]> {
        let [a, b, y] = [a, b, y].map(|node| self.all_cells(node));
        a.into_iter().zip(b).zip(y).map(|((a, b), y)| [a, b, y]).collect()
    }

    fn divide(&mut self, id: NodeId) -> Result<(), LayoutError> {
        let node = self.model.node(id);
        let [a, b] = [node.operands[0], node.operands[1]];
        let intervals = [self.model.node(a).interval, self.model.node(b).interval, node.interval];
        self.push_division(id, intervals, self.operand_cells(a, b, id))
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
        self.divisions.push(Divisions::division(check, cells));
        Ok(())
    }

    fn groups(
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
