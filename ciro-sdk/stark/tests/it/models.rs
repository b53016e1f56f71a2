//! Small integer models, one for each operator or two.

use std::sync::Arc;

use ciro_model::integer::ops::{
    ArgMax, Bucketize, Combine, Conv, DivFloor, Embed, Isqrt, Linear, Lookup, MatMul, Mul,
    ReduceMax, ReduceSum, Requantize, TreeEnsemble, TreeNode,
};
use ciro_model::integer::{Decoding, Encoding, ModelBuilder, NodeId, Op};
use ciro_model::movement::Windows;
use ciro_model::{IntegerModel, Movement, Tensor};

/// A deterministic stream of integers.
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An integer in `[lo, hi]`.
    pub(crate) fn within(&mut self, lo: i64, hi: i64) -> i32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let span = hi.abs_diff(lo) + 1;
        i32::try_from(lo + i64::try_from((self.0 >> 33) % span).unwrap()).unwrap()
    }

    /// An integer below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.within(0, i64::try_from(end).unwrap() - 1)).unwrap()
    }

    pub(crate) fn tensor(&mut self, shape: &[usize], bound: i64) -> Tensor<i32> {
        let count = shape.iter().product();
        let data = (0..count).map(|_| self.within(-bound, bound)).collect();
        Tensor::new(shape.to_vec(), data).unwrap()
    }
}

/// Inputs that a model takes.
pub(crate) fn inputs(model: &IntegerModel, seed: u64) -> Vec<Tensor<i32>> {
    let mut stream = Stream::new(seed);
    model
        .input_nodes()
        .map(|(id, encoding)| {
            let node = model.node(id);
            // Images of finite numbers: past 0x7f7f the high limb belongs to infinities and NaN.
            let limbs = [(-0x7f7f, 0x7f7f), (0, 0xffff)];
            let data = (0..node.len())
                .map(|at| match encoding {
                    encoding if encoding.has_limbs() => {
                        stream.within(limbs[at % 2].0, limbs[at % 2].1)
                    }
                    _ => stream.within(node.interval.lo, node.interval.hi),
                })
                .collect();
            Tensor::new(node.shape.clone(), data).unwrap()
        })
        .collect()
}

/// Builds models step by step; every step names its node.
struct Sketch(ModelBuilder);

impl Sketch {
    fn new() -> Self {
        Self(ModelBuilder::new())
    }

    fn input(&mut self, shape: &[usize], lo: i32, hi: i32) -> NodeId {
        let input = self.0.input("x", shape.to_vec());
        self.0.view(input, Encoding::Affine { scale: 1.0, lo, hi }).unwrap()
    }

    fn push(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        let name = format!("node{}", operands.iter().map(|id| id.0).max().unwrap_or(0));
        self.0.push(name, op, operands, 1.0).unwrap()
    }

    fn linear(&mut self, x: NodeId, weight: Tensor<i32>, bias: Option<Tensor<i32>>) -> NodeId {
        let weight = self.0.constant(weight);
        let bias = bias.map(|bias| self.0.constant(bias));
        self.push(Linear { weight, bias }, &[x])
    }

    fn requantize(&mut self, x: NodeId, shift: u32, lo: i32, hi: i32) -> NodeId {
        self.push(Requantize { shift, lo, hi }, &[x])
    }

    fn finish(mut self, outputs: &[NodeId]) -> Arc<IntegerModel> {
        for (at, &output) in outputs.iter().enumerate() {
            self.0.output(format!("y{at}"), output, Decoding::Integer);
        }
        Arc::new(self.0.finish().unwrap())
    }
}

/// Two dense layers with a rectifier between them, then the label.
pub(crate) fn mlp() -> Arc<IntegerModel> {
    let (mut s, mut b) = (Stream::new(1), Sketch::new());
    let x = b.input(&[1, 20], -100, 100);
    let y = b.linear(x, s.tensor(&[20, 7], 50), Some(s.tensor(&[7], 1000)));
    let y = b.requantize(y, 9, 0, 127);
    let y = b.linear(y, s.tensor(&[7, 3], 50), None);
    let label = b.push(ArgMax, &[y]);
    b.finish(&[y, label])
}

/// One dense layer with one output.
pub(crate) fn dense() -> Arc<IntegerModel> {
    let (mut s, mut b) = (Stream::new(6), Sketch::new());
    let x = b.input(&[1, 5], -100, 100);
    let y = b.linear(x, s.tensor(&[5, 1], 5000), Some(s.tensor(&[1], 1000)));
    b.finish(&[y])
}

/// One scaled input.
pub(crate) fn affine() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[1], 1, 100);
    let y = b.push(Combine { coefficients: vec![1000], constant: 7 }, &[x]);
    b.finish(&[y])
}

/// A padded, strided, grouped convolution, then max and average pooling.
pub(crate) fn cnn() -> Arc<IntegerModel> {
    let (mut s, mut b) = (Stream::new(2), Sketch::new());
    let x = b.input(&[1, 2, 7, 6], 0, 255);
    let (weight, bias) = (b.0.constant(s.tensor(&[4, 1, 3, 2], 40)), s.tensor(&[4], 500));
    let conv = Conv {
        weight,
        bias: Some(b.0.constant(bias)),
        strides: vec![2, 1],
        dilations: vec![1, 2],
        pads: vec![(1, 1), (0, 2)],
        groups: 2,
    };
    let y = b.push(conv, &[x]);
    let y = b.requantize(y, 6, 0, 255);
    let windows = Windows {
        kernel: vec![2, 2],
        strides: vec![1, 2],
        dilations: vec![1, 1],
        pads: vec![(0, 0), (1, 0)],
        ceil_mode: false,
        fill: 0,
    };
    let windows = b.push(Movement::Windows(windows), &[y]);
    let max = b.push(ReduceMax, &[windows]);
    let sum = b.push(ReduceSum, &[windows]);
    let sum = b.requantize(sum, 2, 0, 255);
    b.finish(&[max, sum])
}

/// Attention over three tokens: two products of activations and a softmax by table, sum and
/// division.
pub(crate) fn attention() -> Arc<IntegerModel> {
    let (mut s, mut b) = (Stream::new(3), Sketch::new());
    let x = b.input(&[3, 8], -60, 60);
    let [q, k, v] = [0, 1, 2].map(|_| {
        let y = b.linear(x, s.tensor(&[8, 4], 30), None);
        b.requantize(y, 5, -127, 127)
    });
    let k = b.push(Movement::Transpose { perm: vec![1, 0] }, &[k]);
    let scores = b.push(MatMul, &[q, k]);
    let scores = b.requantize(scores, 8, -255, 255);
    let max = b.push(ReduceMax, &[scores]);
    let max = b.push(Movement::Reshape { shape: vec![3, 1] }, &[max]);
    let max = b.push(Movement::Expand { shape: vec![3, 3] }, &[max]);
    let gap = b.push(Combine { coefficients: vec![1, -1], constant: 0 }, &[scores, max]);
    let gap = b.requantize(gap, 0, -510, 0);
    let table = (-510..=0).map(|x| 1 + 40_000 / (40 - x));
    let table = b.0.constant(Tensor::vector(table.collect()));
    let exp = b.push(Lookup { offset: 0, shift: 0, lo: -510, table }, &[gap]);
    let sum = b.push(ReduceSum, &[exp]);
    let sum = b.push(Movement::Reshape { shape: vec![3, 1] }, &[sum]);
    let sum = b.push(Movement::Expand { shape: vec![3, 3] }, &[sum]);
    let scaled = b.push(Combine { coefficients: vec![1 << 10], constant: 0 }, &[exp]);
    let weights = b.push(DivFloor, &[scaled, sum]);
    let y = b.push(MatMul, &[weights, v]);
    let y = b.requantize(y, 10, -1000, 1000);
    b.finish(&[y])
}

/// Results that are rounded behind movements: columns of one product that go three ways at two
/// scales, scores under a mask, rounded sums of which one column is not read at all.
pub(crate) fn masked() -> Arc<IntegerModel> {
    let (mut s, mut b) = (Stream::new(12), Sketch::new());
    let x = b.input(&[4, 6], -60, 60);
    let bias = s.tensor(&[12], 900);
    let all = b.linear(x, s.tensor(&[6, 12], 30), Some(bias));
    let [q, k, v] = [(0, 5), (4, 5), (8, 6)].map(|(first, shift)| {
        let part =
            b.push(Movement::Select { axis: 1, indices: (first..first + 4).collect() }, &[all]);
        let part = b.push(Movement::Transpose { perm: vec![1, 0] }, &[part]);
        b.requantize(part, shift, -127, 127)
    });
    let q = b.push(Movement::Transpose { perm: vec![1, 0] }, &[q]);
    let scores = b.push(MatMul, &[q, k]);
    let seen = (0..4).flat_map(|row| (0..=row).map(move |column| row * 4 + column));
    let seen = Movement::Index { indices: seen.collect(), shape: vec![10] };
    let seen = b.push(seen, &[scores]);
    let seen = b.requantize(seen, 8, -255, 255);
    let sums = b.push(Combine { coefficients: vec![3, -2], constant: 40 }, &[v, k]);
    let some = b.push(Movement::Select { axis: 1, indices: vec![3, 0, 1] }, &[sums]);
    let some = b.requantize(some, 2, -200, 100);
    b.finish(&[seen, some])
}

/// Everything elementwise: raw and rounded products and sums, three operands, negative quotients,
/// roots.
pub(crate) fn elementwise() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[2, 5], -300, 300);
    let y = b.push(Movement::Select { axis: 1, indices: vec![4, 3, 2, 1, 0] }, &[x]);
    let product = b.push(Mul, &[x, y]);
    let rounded = b.push(Mul, &[x, x]);
    let rounded = b.requantize(rounded, 4, 0, 4000);
    let three = Combine { coefficients: vec![3, -2, 5], constant: 17 };
    let sum = b.push(three, &[x, y, rounded]);
    let sum = b.requantize(sum, 3, -2000, 2000);
    let two = b.push(Combine { coefficients: vec![-7, 4], constant: -3 }, &[x, sum]);
    let square = b.push(Combine { coefficients: vec![299], constant: 90_000 }, &[x]);
    let root = b.push(Isqrt, &[square]);
    let positive = b.push(Combine { coefficients: vec![1], constant: 1 }, &[root]);
    let quotient = b.push(DivFloor, &[product, positive]);
    let fixed = b.0.constant(Tensor::new(vec![2, 5], (0..10).collect()).unwrap());
    let fixed = b.push(ciro_model::integer::ops::Constant { value: fixed }, &[]);
    let last = b.push(Combine { coefficients: vec![1, 100], constant: 0 }, &[quotient, fixed]);
    b.finish(&[product, rounded, two, root, last])
}

/// Token ids, their embeddings, and a recurrent use of one weight matrix.
pub(crate) fn recurrent() -> Arc<IntegerModel> {
    let (mut s, mut b) = (Stream::new(4), Sketch::new());
    let input = b.0.input("ids", vec![3]);
    let ids = b.0.view(input, Encoding::Integer { lo: 0, hi: 10 }).unwrap();
    let table = b.0.constant(s.tensor(&[11, 4], 90));
    let x = b.push(Embed { table }, &[ids]);
    let step =
        |b: &mut Sketch, at: u32| b.push(Movement::Select { axis: 0, indices: vec![at] }, &[x]);
    let weight = s.tensor(&[8, 4], 20);
    let mut h = step(&mut b, 0);
    for at in 1..3 {
        let x = step(&mut b, at);
        let both = b.push(Movement::Concat { axis: 1 }, &[x, h]);
        let y = b.linear(both, weight.clone(), None);
        h = b.requantize(y, 5, -90, 90);
    }
    b.finish(&[h])
}

/// Two trees and a constant leaf over three float features, for two rows.
pub(crate) fn forest() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let input = b.0.input("x", vec![2, 3]);
    let x = b.0.view(input, Encoding::Ordered).unwrap();
    let boundaries = vec![vec![-5, 70_000, 1 << 30], vec![0], vec![]];
    let ranks = b.push(Bucketize { boundaries, limbs: true }, &[x]);
    let branch =
        |feature, threshold, left, right| TreeNode::Branch { feature, threshold, left, right };
    let leaf = |a, c| TreeNode::Leaf { weights: vec![a, c] };
    let nodes = vec![
        branch(0, 1, 1, 2),
        leaf(10, 0),
        branch(1, 0, 3, 4),
        leaf(-4, 0),
        leaf(7, 0),
        branch(0, 2, 6, 7),
        leaf(0, 5),
        branch(0, 0, 8, 9),
        leaf(0, 1),
        leaf(0, -9),
        leaf(1, 1),
    ];
    let ensemble =
        TreeEnsemble { features: 3, base: vec![100, -100], nodes, roots: vec![0, 5, 10] };
    let y = b.push(ensemble, &[ranks]);
    b.finish(&[y])
}

/// A forest over a computed integer feature.
pub(crate) fn ranked() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[1, 2], -100, 100);
    let y = b.push(Combine { coefficients: vec![3], constant: 1 }, &[x]);
    let boundaries = vec![vec![-40, 7], vec![100]];
    let ranks = b.push(Bucketize { boundaries, limbs: false }, &[y]);
    let nodes = vec![
        TreeNode::Branch { feature: 0, threshold: 0, left: 1, right: 2 },
        TreeNode::Leaf { weights: vec![3] },
        TreeNode::Leaf { weights: vec![8] },
    ];
    let ensemble = TreeEnsemble { features: 2, base: vec![0], nodes, roots: vec![0] };
    let z = b.push(ensemble, &[ranks]);
    b.finish(&[z, y])
}

/// A forest over ranks of integers and of float images, joined in another order, for two rows.
pub(crate) fn joined() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[2, 2], -100, 100);
    let boundaries = vec![vec![-40, 7], vec![9]];
    let integers = b.push(Bucketize { boundaries, limbs: false }, &[x]);
    let input = b.0.input("images", vec![2, 1]);
    let images = b.0.view(input, Encoding::Ordered).unwrap();
    let boundaries = vec![vec![ciro_model::integer::ordered_image(0.5), 1 << 30]];
    let images = b.push(Bucketize { boundaries, limbs: true }, &[images]);
    let index = Movement::Index { shape: vec![2, 3], indices: vec![4, 1, 0, 5, 3, 2] };
    let ranks = b.push(index, &[integers, images]);
    let branch =
        |feature, threshold, left, right| TreeNode::Branch { feature, threshold, left, right };
    let leaf = |weight| TreeNode::Leaf { weights: vec![weight] };
    let nodes = vec![
        branch(0, 0, 1, 2),
        leaf(3),
        branch(2, 1, 3, 4),
        leaf(8),
        leaf(-5),
        branch(1, 0, 6, 7),
        leaf(100),
        branch(0, 1, 8, 9),
        leaf(200),
        leaf(300),
    ];
    let ensemble = TreeEnsemble { features: 3, base: vec![0], nodes, roots: vec![0, 5] };
    let y = b.push(ensemble, &[ranks]);
    b.finish(&[y])
}

/// Clamps of a few widely spread values: below, above, on both sides, and none at all.
pub(crate) fn clamped() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[1, 3], -100, 100);
    let y = b.push(Combine { coefficients: vec![1_000_003], constant: 5 }, &[x]);
    let both = b.requantize(y, 5, -900_000, 1_000_000);
    let below = b.requantize(y, 0, 1, 1 << 29);
    let above = b.requantize(y, 3, -(1 << 29), -7);
    let shifted = b.requantize(y, 9, -(1 << 29), 1 << 29);
    let same = b.requantize(y, 0, -(1 << 29), 1 << 29);
    b.finish(&[both, below, above, shifted, same])
}

/// A clamp of values around 500 million: a table from there to 0, which idle lanes hold, would be
/// enormous.
pub(crate) fn clamped_far_from_zero() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[1, 40], -100, 100);
    let y = b.push(Combine { coefficients: vec![3], constant: 500_000_000 }, &[x]);
    let y = b.requantize(y, 0, 499_999_900, 500_000_090);
    b.finish(&[y])
}

/// A table of arguments around 500 million.
pub(crate) fn table_far_from_zero() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let x = b.input(&[1, 40], -100, 100);
    let y = b.push(Combine { coefficients: vec![1], constant: 500_000_000 }, &[x]);
    let table = b.0.constant(Tensor::vector((0..=200).collect()));
    let y = b.push(Lookup { offset: 0, shift: 0, lo: 499_999_900, table }, &[y]);
    b.finish(&[y])
}

/// A linear model and a tree that vote over one input: the sum of four numbers, and 100 if the
/// first is above 0.5.
pub(crate) fn voters() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let input = b.0.input("x", vec![1, 4]);
    let affine = Encoding::Affine { scale: 0.001, lo: -4000, hi: 4000 };
    let numbers = b.0.view(input, affine).unwrap();
    let images = b.0.view(input, Encoding::Ordered).unwrap();
    let sum = b.linear(numbers, Tensor::full(vec![4, 1], 1).unwrap(), None);
    let half = ciro_model::integer::ordered_image(0.5);
    let boundaries = vec![vec![half], vec![], vec![], vec![]];
    let ranks = b.push(Bucketize { boundaries, limbs: true }, &[images]);
    let nodes = vec![
        TreeNode::Branch { feature: 0, threshold: 0, left: 1, right: 2 },
        TreeNode::Leaf { weights: vec![0] },
        TreeNode::Leaf { weights: vec![100_000] },
    ];
    let vote = b.push(TreeEnsemble { features: 4, base: vec![0], nodes, roots: vec![0] }, &[ranks]);
    let y = b.push(Combine { coefficients: vec![1, 1], constant: 0 }, &[sum, vote]);
    b.finish(&[y])
}

/// A linear model and a tree over one input of two numbers that may be missing: their sum, where a
/// missing one counts as 2, and 100 if the first is missing.
pub(crate) fn imputers() -> Arc<IntegerModel> {
    let mut b = Sketch::new();
    let input = b.0.input("x", vec![1, 2]);
    let missing = vec![Some(2000); 2];
    let imputed = Encoding::Imputed { scales: vec![0.001; 2], missing, lo: -4000, hi: 4000 };
    let numbers = b.0.view(input, imputed).unwrap();
    let images = b.0.view(input, Encoding::OrderedOrMissing).unwrap();
    let sum = b.linear(numbers, Tensor::full(vec![2, 1], 1).unwrap(), None);
    let boundaries = vec![vec![ciro_model::integer::MISSING_BOUNDARY], vec![]];
    let ranks = b.push(Bucketize { boundaries, limbs: true }, &[images]);
    let nodes = vec![
        TreeNode::Branch { feature: 0, threshold: 0, left: 1, right: 2 },
        TreeNode::Leaf { weights: vec![0] },
        TreeNode::Leaf { weights: vec![100_000] },
    ];
    let vote = b.push(TreeEnsemble { features: 2, base: vec![0], nodes, roots: vec![0] }, &[ranks]);
    let y = b.push(Combine { coefficients: vec![1, 1], constant: 0 }, &[sum, vote]);
    b.finish(&[y])
}

/// Every model with its name.
pub(crate) fn all() -> Vec<(&'static str, Arc<IntegerModel>)> {
    vec![
        ("dense", dense()),
        ("affine", affine()),
        ("mlp", mlp()),
        ("clamped", clamped()),
        ("cnn", cnn()),
        ("attention", attention()),
        ("masked", masked()),
        ("elementwise", elementwise()),
        ("recurrent", recurrent()),
        ("forest", forest()),
        ("ranked", ranked()),
        ("joined", joined()),
    ]
}
