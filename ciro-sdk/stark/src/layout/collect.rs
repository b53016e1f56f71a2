//! From nodes to work for the chips.

use std::collections::BTreeMap;

use ciro_graph::integer::ops::{Combine, Conv, Linear};
use ciro_graph::integer::{ConstId, NodeId, Op};
use ciro_graph::{IntegerModel, Interval, Tensor};

use super::arithmetic::Elementwise;
use super::clamp::{Steps, wide_clamps};
use super::convolution;
use super::cost::Costs;
use super::divide::Divisions;
use super::extremum::Groups;
use super::outcome::{Outcome, Sinks};
use super::product::{Product, Right};
use super::rounding::{NoRoom, Rounding, Roundings};
use super::wiring::{Address, Wiring};

/// A model that cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Intermediate values are too large for a sound rounding check.
    #[error("node `{node}` ({op})")]
    NoRoom {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// Which values leave no room.
        #[source]
        source: NoRoom,
    },
    /// A division whose quotient and divisor are both wide.
    #[error(
        "node `{node}` (DivFloor): quotients in {quotient} and divisors in {divisor} are too wide to check together; bound one of them more tightly"
    )]
    WideDivision {
        /// The node's name.
        node: String,
        /// What the divisors lie in.
        divisor: Interval,
        /// What the quotients lie in.
        quotient: Interval,
    },
    /// Elements of a maximum that are too far apart to be compared soundly.
    #[error(
        "node `{node}` ({op}): elements in {interval} are too far apart to compare, the most is 2^30; quantize them with fewer bits"
    )]
    WideSpread {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What the elements lie in.
        interval: Interval,
    },
    /// A tree ensemble that does not read the ranks of a `Bucketize` node.
    #[error(
        "node `{node}` (TreeEnsemble): the operand is not the direct result of a Bucketize node"
    )]
    Ranks {
        /// The node's name.
        node: String,
    },
    /// The model has more tensor elements than addresses.
    #[error(
        "the model and its batch hold {elements} tensor elements, more than the {most} that can be addressed"
    )]
    TooLarge {
        /// Tensor elements of the whole batch.
        elements: u64,
        /// The most that can be addressed.
        most: u64,
    },
    /// The trace is larger than any that a verifier takes.
    #[error(
        "the model and its batch are too large to be verified: {0}; prove fewer samples at once, or a smaller model"
    )]
    Chips(&'static str),
}

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
            if !self.live[id.index()] {
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
                    let groups = self.groups(id)?;
                    self.maxima.push(groups);
                }
                Op::ArgMax(_) => {
                    let groups = self.groups(id)?;
                    self.positions.push(groups);
                }
                Op::DivFloor(_) => self.divide(id)?,
                Op::Isqrt(_) => {
                    let x = node.operands[0];
                    self.divisions.push(Divisions::root(self.operand_cells(x, x, id)));
                }
                Op::Embed(embed) => self.embeds.push((id, embed.table)),
                Op::Bucketize(_) => self.bucketizes.push(id),
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
        let (mut left, mut results) = (vec![], vec![]);
        for &id in nodes {
            for sample in self.samples() {
                for row in self.wiring.cells(self.model.node(id).operands[0], sample).chunks(k) {
                    left.extend_from_slice(row);
                    left.extend(bias.map(|_| one));
                }
                results.extend(self.outcomes(id, sample));
            }
        }
        let k = k + usize::from(bias.is_some());
        self.products.push(Product {
            m: left.len() / k,
            k,
            n,
            left,
            right: Right::Fixed(right),
            results,
            rounded: nodes.iter().any(|&id| self.rounds(id)),
        });
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
            for (block, results) in self.outcomes(id, sample).chunks(m * n).enumerate() {
                let part = |cells: &[Address], len: usize| cells[block * len..][..len].to_vec();
                self.products.push(Product {
                    m,
                    k,
                    n,
                    left: part(&a, m * k),
                    right: Right::Computed(part(&b, k * n)),
                    results: results.to_vec(),
                    rounded: self.rounds(id),
                });
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
        let m = left.len() / weights.len();
        self.products.push(Product {
            m,
            k: weights.len(),
            n: 1,
            left,
            right: Right::Fixed(weights),
            results: self.samples().flat_map(|sample| self.outcomes(id, sample)).collect(),
            rounded: self.rounds(id),
        });
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
        let intervals = [self.model.node(b).interval, node.interval];
        let cells = self.operand_cells(a, b, id);
        let divisions =
            Divisions::division(intervals, cells).ok_or_else(|| LayoutError::WideDivision {
                node: node.name.clone(),
                divisor: intervals[0],
                quotient: intervals[1],
            })?;
        self.divisions.push(divisions);
        Ok(())
    }

    fn groups(&self, id: NodeId) -> Result<Groups, LayoutError> {
        let node = self.model.node(id);
        let operand = self.model.node(node.operands[0]);
        let len = *operand.shape.last().expect("checked by the shape rule");
        let elements = self.all_cells(node.operands[0]);
        let groups = Groups::new(operand.interval, len, elements, self.all_cells(id));
        groups.fits().then_some(groups).ok_or_else(|| LayoutError::WideSpread {
            node: node.name.clone(),
            op: node.op.operator().name(),
            interval: operand.interval,
        })
    }
}
