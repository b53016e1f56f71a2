//! Every operator: its Cairo program computes what the interpreter computes, on random shapes and
//! values.
//!
//! One test case is a model of several nodes of one operator, so that they share a compilation. Its
//! names are drawn from four characters.

use ciro_model::integer::NodeId;
use ciro_model::integer::ops::{
    ArgMax, Bucketize, Combine, Constant, Conv, DivFloor, Embed, Isqrt, Linear, Lookup, MatMul,
    Mul, ReduceMax, ReduceSum, Requantize, TreeEnsemble, TreeNode,
};
use ciro_model::movement::{Movement, Windows};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::support::Case;

/// Random numbers from a seed.
struct Random(TestRng);

impl Random {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// A number in `[lo, hi]`, with the bounds themselves more often than others.
    fn int(&mut self, lo: i32, hi: i32) -> i32 {
        match self.0.next_u32() % 8 {
            0 => lo,
            1 => hi,
            _ => {
                let width = (i64::from(hi) - i64::from(lo) + 1).unsigned_abs();
                let step = i64::try_from(self.0.next_u64() % width).unwrap();
                i32::try_from(i64::from(lo) + step).unwrap()
            }
        }
    }

    fn size(&mut self, lo: usize, hi: usize) -> usize {
        lo + usize::try_from(self.0.next_u32()).unwrap() % (hi - lo + 1)
    }

    fn ints(&mut self, count: usize, lo: i32, hi: i32) -> Vec<i32> {
        (0..count).map(|_| self.int(lo, hi)).collect()
    }

    /// Names that fall together as soon as one is made of another: few letters, many separators.
    fn names(&mut self) -> Vec<String> {
        let name = |random: &mut Self| {
            (0..random.size(1, 4)).map(|_| *random.pick(&['a', '1', '_', '.'])).collect()
        };
        (0..40).map(|_| name(self)).collect()
    }

    fn shape(&mut self, rank: usize, hi: usize) -> Vec<usize> {
        (0..rank).map(|_| self.size(1, hi)).collect()
    }

    /// A random operand of `case`.
    fn operand(&mut self, case: &mut Case, shape: &[usize], (lo, hi): (i32, i32)) -> NodeId {
        let data = self.ints(shape.iter().product(), lo, hi);
        case.input(shape, data, (lo, hi))
    }
}

/// Runs `add` a few times on one model and checks it; seeds come from proptest.
fn check(nodes: usize, add: impl Fn(&mut Case, &mut Random)) {
    let config = ProptestConfig {
        cases: 2,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Default::default()
    };
    proptest!(config, |(seed: u64)| {
        let mut random = Random::new(seed);
        let mut case = Case::named(random.names());
        for _ in 0..nodes {
            add(&mut case, &mut random);
        }
        case.check();
    });
}

#[test]
fn linear() {
    check(6, |case, random| {
        let (rows, k, n) = (random.size(1, 3), random.size(1, 45), random.size(1, 20));
        let range = *random.pick(&[(0, 255), (-128, 127), (-20_000, 30_000)]);
        let x = random.operand(case, &[rows, k], range);
        let weights = random.ints(k * n, -90, 127);
        let weight = case.constant(&[k, n], weights);
        let bias = random.ints(n, -5000, 5000);
        let bias = (random.size(0, 2) > 0).then(|| case.constant(&[n], bias));
        case.output(Linear { weight, bias }, &[x]);
    });
}

impl Random {
    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.size(0, items.len() - 1)]
    }
}

#[test]
fn conv() {
    check(5, |case, random| {
        let (images, groups) = (random.size(1, 2), random.size(1, 2));
        let (inputs, width) = (random.size(1, 2), random.size(1, 9));
        let spatial = random.size(1, 3);
        let kernel = random.shape(spatial, 3);
        let dilations = random.shape(spatial, 2);
        let strides = random.shape(spatial, 2);
        let pads: Vec<_> = (0..spatial).map(|_| (random.size(0, 1), random.size(0, 2))).collect();
        let extents = kernel.iter().zip(&dilations).map(|(k, d)| (k - 1) * d + 1);
        let extents: Vec<usize> = extents.map(|reach| reach + random.size(0, 3)).collect();
        let shape: Vec<usize> = [images, groups * inputs].into_iter().chain(extents).collect();
        let x = random.operand(case, &shape, (-100, 120));
        let shape: Vec<usize> = [groups * width, inputs].into_iter().chain(kernel).collect();
        let weights = random.ints(shape.iter().product(), -30, 31);
        let weight = case.constant(&shape, weights);
        let bias = random.ints(groups * width, -500, 500);
        let bias = (random.size(0, 1) > 0).then(|| case.constant(&[groups * width], bias));
        case.output(Conv { weight, bias, strides, dilations, pads, groups }, &[x]);
    });
}

#[test]
fn mat_mul() {
    check(5, |case, random| {
        let (batch, m, k, n) =
            (random.size(1, 2), random.size(1, 4), random.size(1, 9), random.size(1, 17));
        let a = random.operand(case, &[batch, m, k], (-1000, 900));
        let b = random.operand(case, &[batch, k, n], (-7, 300));
        case.output(MatMul, &[a, b]);
    });
}

#[test]
fn combine_and_mul() {
    check(4, |case, random| {
        let rank = random.size(0, 3);
        let shape = random.shape(rank, 5);
        let count = random.size(1, 3);
        let operands: Vec<_> =
            (0..count).map(|_| random.operand(case, &shape, (-4000, 9000))).collect();
        let coefficients = (0..count).map(|_| *random.pick(&[1, -1, 0, 3, -70])).collect();
        let constant = *random.pick(&[0, 5, -100_000]);
        case.output(Combine { coefficients, constant }, &operands);
        case.output(Mul, &[operands[0], operands[count - 1]]);
    });
}

#[test]
fn requantize() {
    check(12, |case, random| {
        // The operand and the greatest rounding, 2^29, stay below 2^30.
        let top = (1 << 30) - 1;
        let range = *random.pick(&[(-top, top >> 1), (-1000, 70_000), (5, 900), (-77, -3)]);
        let count = random.size(1, 11);
        let x = random.operand(case, &[count], range);
        let shift = *random.pick(&[0, 0, 1, 4, 13, 30]);
        let (lo, hi) = *random.pick(&[
            (0, i32::MAX),
            (i32::MIN, 100),
            (-128, 127),
            (0, 0),
            (i32::MIN, i32::MAX),
        ]);
        case.output(Requantize { shift, lo, hi }, &[x]);
    });
}

#[test]
fn lookup_and_embed() {
    check(5, |case, random| {
        let (lo, hi) = (-random.int(0, 40), random.int(1, 300));
        let shift = u32::try_from(random.size(0, 3)).unwrap();
        let op = |table| Lookup { offset: 3, shift, lo: (lo + 3) >> shift, table };
        let entries = usize::try_from(((hi + 3) >> shift) - ((lo + 3) >> shift) + 1).unwrap();
        let values = random.ints(entries, -40_000, 70_000);
        let table = case.constant(&[entries], values);
        let x = random.operand(case, &[2, 3], (lo, hi));
        case.output(op(table), &[x]);

        let (rows, width) = (random.size(1, 6), random.size(1, 11));
        let values = random.ints(rows * width, -1000, 1000);
        let table = case.constant(&[rows, width], values);
        let x = random.operand(case, &[3], (0, i32::try_from(rows).unwrap() - 1));
        case.output(Embed { table }, &[x]);
    });
}

#[test]
fn div_floor_and_isqrt() {
    check(4, |case, random| {
        let top = (1 << 30) - 1;
        let (lo, hi) = *random.pick(&[(1, 9), (3, 4000), (1, 1 << 29)]);
        let b = random.operand(case, &[5], (lo, hi));
        let range = *random.pick(&[(-1 << 29, top), (0, 1000), (-900, -5)]);
        let a = random.operand(case, &[5], range);
        case.output(DivFloor, &[a, b]);
        let range = *random.pick(&[(0, top), (0, 3)]);
        let x = random.operand(case, &[6], range);
        case.output(Isqrt, &[x]);
    });
}

#[test]
fn reductions() {
    check(4, |case, random| {
        let extent = *random.pick(&[1, 2, 4, 7]);
        let shape = [random.size(1, 3), random.size(1, 3), extent];
        let range = *random.pick(&[(-9, 3), (-500_000, 900_000), (0, 1)]);
        let x = random.operand(case, &shape, range);
        case.output(ReduceSum, &[x]);
        case.output(ReduceMax, &[x]);
        case.output(ArgMax, &[x]);
    });
}

#[test]
fn constants_and_movements() {
    check(2, |case, random| {
        let (a, b, c) = (random.size(1, 4), random.size(1, 4), random.size(1, 4));
        let x = random.operand(case, &[a, b, c], (-50, 99));
        let values = random.ints(a * b * c, -50, 99);
        let value = case.constant(&[a, b, c], values);
        let constant = case.output(Constant { value }, &[]);
        case.output(Movement::Reshape { shape: vec![c, a * b] }, &[x]);
        case.output(
            Movement::Transpose {
                perm: random.pick(&[vec![1, 0, 2], vec![2, 1, 0], vec![1, 2, 0]]).clone(),
            },
            &[x],
        );
        case.output(Movement::Expand { shape: vec![2, a, b, c] }, &[x]);
        case.output(Movement::Concat { axis: random.size(0, 2) }, &[x, constant]);
        let axis = random.size(0, 2);
        let extent = [a, b, c][axis];
        let indices = (0..5).map(|_| u32::try_from(random.size(0, extent - 1)).unwrap()).collect();
        case.output(Movement::Select { axis, indices }, &[x]);
        let pads = (0..3).map(|_| (random.size(0, 2), random.size(0, 2))).collect();
        case.output(Movement::Pad { pads, fill: -7 }, &[x]);
        case.output(
            Movement::Dilate { axis: random.size(0, 2), step: random.size(1, 3), fill: 4 },
            &[x],
        );
        let count = u32::try_from(a * b * c).unwrap();
        let indices = (0..30).map(|i| (i * 7 + i * i) % (2 * count)).collect();
        case.output(Movement::Index { shape: vec![5, 6], indices }, &[x, constant]);
    });
}

#[test]
fn windows() {
    check(4, |case, random| {
        let spatial = random.size(1, 2);
        let kernel = random.shape(spatial, 3);
        let dilations = random.shape(spatial, 2);
        let extents = kernel.iter().zip(&dilations).map(|(k, d)| (k - 1) * d + 1);
        let extents: Vec<usize> = extents.map(|reach| reach + random.size(0, 3)).collect();
        let shape: Vec<usize> = [1, random.size(1, 2)].into_iter().chain(extents).collect();
        let x = random.operand(case, &shape, (-50, 99));
        let windows = Windows {
            strides: random.shape(spatial, 2),
            pads: (0..spatial).map(|_| (random.size(0, 1), random.size(0, 1))).collect(),
            ceil_mode: random.size(0, 1) == 1,
            fill: -50,
            kernel,
            dilations,
        };
        let windows = case.output(Movement::Windows(windows), &[x]);
        case.output(ReduceMax, &[windows]);
    });
}

#[test]
fn bucketize_and_trees() {
    check(3, |case, random| {
        let features = random.size(1, 3);
        let limbs = random.size(0, 1) == 1;
        let boundaries: Vec<Vec<i64>> = (0..features)
            .map(|_| {
                let count = random.size(0, 9);
                let mut boundaries: Vec<i64> = (0..count)
                    .map(|_| i64::from(random.int(-30, 30)) * if limbs { 40_000 } else { 1 })
                    .collect();
                boundaries.sort_unstable();
                boundaries.dedup();
                boundaries
            })
            .collect();
        let rows = random.size(1, 2);
        let x = if limbs {
            // Around the boundaries, and on them.
            let images: Vec<i32> = (0..rows * features)
                .map(|_| random.int(-31, 31) * 40_000 + random.int(-1, 1))
                .collect();
            case.images(&[rows, features], &images)
        } else {
            random.operand(case, &[rows, features], (-40, 40))
        };
        let ranks = case.output(Bucketize { boundaries, limbs }, &[x]);
        let outputs = random.size(1, 3);
        let (mut nodes, mut roots) = (Vec::new(), Vec::new());
        for _ in 0..random.size(1, 3) {
            roots.push(u32::try_from(nodes.len()).unwrap());
            grow(&mut nodes, random, features, outputs, 3);
        }
        let base = random.ints(outputs, -100, 100);
        case.output(TreeEnsemble { features, base, nodes, roots }, &[ranks]);
    });
}

/// Appends a random tree and returns its root.
fn grow(
    nodes: &mut Vec<TreeNode>,
    random: &mut Random,
    features: usize,
    outputs: usize,
    depth: usize,
) -> u32 {
    let at = nodes.len();
    nodes.push(TreeNode::Leaf { weights: random.ints(outputs, -500, 500) });
    if depth > 0 && random.size(0, 4) > 0 {
        let left = grow(nodes, random, features, outputs, depth - 1);
        let right = grow(nodes, random, features, outputs, depth - 1);
        let feature = u32::try_from(random.size(0, features - 1)).unwrap();
        let threshold = u32::try_from(random.size(0, 6)).unwrap();
        nodes[at] = TreeNode::Branch { feature, threshold, left, right };
    }
    u32::try_from(at).unwrap()
}
