//! Random models, built step by step.

use std::sync::Arc;

use ciro_model::integer::ops::{
    ArgMax, Combine, Conv, Embed, Isqrt, Linear, Lookup, MatMul, Mul, ReduceMax, ReduceSum,
    Requantize,
};
use ciro_model::integer::{
    ConstId, Constants, Decoding, Encoding, Guard, Input, ModelBuilder, Node, NodeId, Op, Output,
};
use ciro_model::{IntegerModel, Interval, Movement, Tensor};

use super::super::tests::models::Stream;

/// A model on the way.
pub(super) struct Sketch {
    pub(super) random: Stream,
    builder: ModelBuilder,
    inputs: Vec<Input>,
    nodes: u32,
    /// Nodes that further steps may read: matrices of a few elements.
    pub(super) pool: Vec<NodeId>,
    weights: Vec<(usize, ConstId, Option<ConstId>)>,
}

impl Sketch {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Stream::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        (0..8).for_each(|_| {
            random.within(0, 1);
        });
        let builder = ModelBuilder::new();
        Self { random, builder, inputs: vec![], nodes: 0, pool: vec![], weights: vec![] }
    }

    /// A number from 0 to `most`.
    pub(super) fn upto(&mut self, most: usize) -> usize {
        let most = i64::try_from(most).unwrap();
        usize::try_from(self.random.within(0, most)).unwrap()
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.upto(of.len() - 1)]
    }

    pub(super) fn interval(&self, id: NodeId) -> Interval {
        self.builder.node(id).interval
    }

    pub(super) fn shape(&self, id: NodeId) -> Vec<usize> {
        self.builder.node(id).shape.clone()
    }

    pub(super) fn constant(&mut self, shape: &[usize], data: Vec<i32>) -> ConstId {
        self.builder.constant(Tensor::new(shape.to_vec(), data).unwrap())
    }

    fn random_constant(&mut self, shape: &[usize], bound: i64) -> ConstId {
        let tensor = self.random.tensor(shape, bound);
        self.builder.constant(tensor)
    }

    pub(super) fn view(&mut self, shape: &[usize], encoding: Encoding) -> NodeId {
        let name = format!("x{}", self.inputs.len());
        let input = self.builder.input(name.clone(), shape.to_vec());
        let id = self.builder.view(input, encoding.clone()).unwrap();
        self.inputs.push(Input { name, shape: shape.to_vec(), views: vec![(id, encoding)] });
        self.nodes += 1;
        id
    }

    pub(super) fn input(&mut self, shape: &[usize], lo: i64, hi: i64) -> NodeId {
        let [lo, hi] = [lo, hi].map(|bound| i32::try_from(bound).unwrap());
        self.view(shape, Encoding::Integer { lo, hi })
    }

    /// A node, if the integer model allows it.
    pub(super) fn push(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> Option<NodeId> {
        let name = format!("node{}", self.nodes);
        let id = self.builder.push(name, op, operands, 1.0).ok()?;
        self.nodes += 1;
        Some(id)
    }

    /// Something of the pool with which lies about `x` leave the model: their sum, if it stays in
    /// bounds.
    pub(super) fn blend(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x);
        let u = self.input(&shape, -10_000, 10_000);
        self.push(Combine { coefficients: vec![1, 1], constant: 0 }, &[x, u]).unwrap_or(x)
    }

    /// A few steps of any kind.
    pub(super) fn wander(&mut self, steps: usize) {
        for _ in 0..steps {
            let recent = self.pool.len().saturating_sub(4);
            let recent = self.pool[recent..].to_vec();
            let x = self.pick(&recent);
            let shape = self.shape(x);
            let elements: usize = shape.iter().product();
            if shape.len() == 2 && (1..60).contains(&elements) {
                let y = self.step(x, &shape);
                self.pool.extend(y);
            }
        }
    }

    fn alike(&mut self, shape: &[usize]) -> NodeId {
        let alike: Vec<NodeId> =
            self.pool.iter().copied().filter(|&id| self.shape(id) == shape).collect();
        self.pick(&alike)
    }

    fn step(&mut self, x: NodeId, shape: &[usize]) -> Option<NodeId> {
        let (m, k, values) = (shape[0], shape[1], self.interval(x));
        match self.upto(13) {
            0 | 1 => self.linear(x, k),
            2 | 3 => {
                let shift = u32::try_from(self.upto(12)).unwrap();
                let bounds = [(-127, 127), (0, 255), (-5, 3), (i32::MIN, i32::MAX)];
                let (lo, hi) = self.pick(&bounds);
                self.push(Requantize { shift, lo, hi }, &[x])
            }
            4 => {
                let other = self.alike(shape);
                let coefficients = vec![self.random.within(-9, 9), self.random.within(-9, 9)];
                let constant = self.random.within(-50, 50);
                self.push(Combine { coefficients, constant }, &[x, other])
            }
            5 => {
                let other = self.alike(shape);
                self.push(Mul, &[x, other])
            }
            6 => self.push(Movement::Transpose { perm: vec![1, 0] }, &[x]),
            7 => {
                let axis = self.upto(1);
                let count = self.upto(shape[axis]);
                let indices = (0..count)
                    .map(|_| u32::try_from(self.upto(shape[axis] - 1)).unwrap())
                    .collect();
                self.push(Movement::Select { axis, indices }, &[x])
            }
            8 => {
                let pads = vec![(self.upto(1), 0), (0, self.upto(1))];
                let fill = self.random.within(-3, 3);
                self.push(Movement::Pad { pads, fill }, &[x])
            }
            9 => {
                let sums = self.upto(1) == 0;
                let y = if sums { self.push(ReduceSum, &[x]) } else { self.push(ReduceMax, &[x]) };
                self.push(Movement::Reshape { shape: vec![m, 1] }, &[y?])
            }
            10 => {
                let y = self.push(ArgMax, &[x])?;
                self.push(Movement::Reshape { shape: vec![1, m] }, &[y])
            }
            11 => {
                let y = self.push(Requantize { shift: 0, lo: 0, hi: 1 << 29 }, &[x])?;
                self.push(Isqrt, &[y])
            }
            12 => self.table(x, values, [m, k]),
            _ => self.convolution(x, [m, k]),
        }
    }

    /// A product with weights, sometimes those of another product.
    pub(super) fn linear(&mut self, x: NodeId, k: usize) -> Option<NodeId> {
        let known: Vec<_> = self.weights.iter().filter(|(rows, ..)| *rows == k).copied().collect();
        let (_, weight, bias) = if !known.is_empty() && self.upto(1) == 0 {
            self.pick(&known)
        } else {
            let n = 1 + self.upto(4);
            let weight = self.random_constant(&[k, n], 40);
            let bias = (self.upto(1) == 0).then(|| self.random_constant(&[n], 900));
            self.weights.push((k, weight, bias));
            (k, weight, bias)
        };
        self.push(Linear { weight, bias }, &[x])
    }

    fn table(&mut self, x: NodeId, values: Interval, [m, k]: [usize; 2]) -> Option<NodeId> {
        let shift = 64 - (values.max_abs() >> 6).leading_zeros();
        let y = self.push(Requantize { shift, lo: 0, hi: 6 }, &[x])?;
        if self.upto(1) == 0 {
            let width = 1 + self.upto(2);
            let table = self.random_constant(&[7, width], 300);
            let rows = self.push(Embed { table }, &[y])?;
            return self.push(Movement::Reshape { shape: vec![m, k * width] }, &[rows]);
        }
        let table = self.random_constant(&[7], 500);
        self.push(Lookup { offset: 0, shift: 0, lo: 0, table }, &[y])
    }

    fn convolution(&mut self, x: NodeId, [m, k]: [usize; 2]) -> Option<NodeId> {
        let groups = self.pick(&[1, m]);
        let (kernel, outputs) = (1 + self.upto(k.min(3) - 1), groups * (1 + self.upto(1)));
        let weight = self.random_constant(&[outputs, m / groups, kernel], 20);
        let bias = (self.upto(1) == 0).then(|| self.random_constant(&[outputs], 100));
        let (strides, pads) = (vec![1 + self.upto(1)], vec![(self.upto(1), self.upto(1))]);
        let conv = Conv { weight, bias, strides, dilations: vec![1], pads, groups };
        let x = self.push(Movement::Reshape { shape: vec![1, m, k] }, &[x])?;
        let y = self.push(conv, &[x])?;
        let shape = self.shape(y)[1..].to_vec();
        self.push(Movement::Reshape { shape }, &[y])
    }

    /// The product of two matrices.
    pub(super) fn product(&mut self, x: NodeId, y: NodeId) -> Option<NodeId> {
        self.push(MatMul, &[x, y])
    }

    /// The model with these outputs, checked by nobody: what is decoded without a check must not be
    /// provable either.
    pub(super) fn unchecked(self, outputs: &[NodeId]) -> Arc<IntegerModel> {
        let nodes: Vec<Node> =
            (0..self.nodes).map(|id| self.builder.node(NodeId(id)).clone()).collect();
        let outputs: Vec<Output> = (0..)
            .zip(outputs)
            .map(|(at, &node)| Output { name: format!("y{at}"), node, decoding: Decoding::Integer })
            .collect();
        let constants: &Constants = self.builder.constants();
        let guards: Vec<Guard> = vec![];
        let model = (nodes, constants, self.inputs, outputs, guards);
        let bytes = postcard::to_stdvec(&model).unwrap();
        Arc::new(postcard::from_bytes(&bytes).unwrap())
    }
}
