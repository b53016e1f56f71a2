//! Models at the edges: without features, terms, rows or columns, or just inside of what can be
//! checked.

use std::sync::Arc;

use ciro_model::integer::ops::{
    Bucketize, Embed, Linear, Lookup, MatMul, Requantize, TreeEnsemble, TreeNode,
};
use ciro_model::integer::{Decoding, Encoding, ModelBuilder, NodeId, Op};
use ciro_model::{IntegerModel, Movement, Tensor};
use ciro_stark::{Policy, Preset, TensorProver, verify};

use crate::models;

struct Sketch(ModelBuilder, usize);

impl Sketch {
    fn new() -> Self {
        Self(ModelBuilder::new(), 0)
    }

    fn input(&mut self, shape: &[usize], lo: i32, hi: i32) -> NodeId {
        self.1 += 1;
        let input = self.0.input(format!("x{}", self.1), shape.to_vec());
        self.0.view(input, Encoding::Integer { lo, hi }).unwrap()
    }

    fn push(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        self.1 += 1;
        self.0.push(format!("node{}", self.1), op, operands, 1.0).unwrap()
    }

    fn linear(&mut self, x: NodeId, shape: [usize; 2]) -> NodeId {
        let count = i32::try_from(shape[0] * shape[1]).unwrap();
        let weight = Tensor::new(shape.to_vec(), (1..=count).collect()).unwrap();
        let weight = self.0.constant(weight);
        self.push(Linear { weight, bias: None }, &[x])
    }

    fn finish(mut self, outputs: &[NodeId]) -> Arc<IntegerModel> {
        for (at, &output) in outputs.iter().enumerate() {
            self.0.output(format!("y{at}"), output, Decoding::Integer);
        }
        Arc::new(self.0.finish().unwrap())
    }
}

/// Proves a few inputs at once and verifies; the statement is what the interpreter says.
fn proves(model: &Arc<IntegerModel>) {
    for batch in [1, 2] {
        let inputs: Vec<_> = (0..batch).map(|seed| models::inputs(model, seed.into())).collect();
        let prover = TensorProver::new(Arc::clone(model), Preset::FastTest, batch).unwrap();
        let (statement, proof) = prover.prove(&inputs).unwrap();
        for (sample, inputs) in statement.claims.iter().zip(&inputs) {
            assert!(sample.public_outputs().eq(&model.run(inputs).unwrap()));
        }
        let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
        verify(prover.key(), &statement, &proof, &policy).unwrap();
    }
}

fn refusal(model: Arc<IntegerModel>) -> String {
    TensorProver::new(model, Preset::FastTest, 1).unwrap_err().to_string()
}

fn leaf(weight: i32) -> TreeNode {
    TreeNode::Leaf { weights: vec![weight] }
}

#[test]
fn products_without_terms_rows_or_columns_are_proven() {
    let mut b = Sketch::new();
    let (none, x) = (b.input(&[2, 0], -5, 5), b.input(&[2, 3], -5, 5));
    let no_rows = b.input(&[0, 3], -5, 5);
    let no_columns = b.input(&[3, 0], -5, 5);
    let first = b.linear(x, [3, 2]);
    let y = b.linear(none, [0, 3]);
    let z = b.linear(no_rows, [3, 2]);
    let empty = b.push(MatMul, &[x, no_columns]);
    let turned = b.push(Movement::Transpose { perm: vec![1, 0] }, &[empty]);
    let zeros = b.push(MatMul, &[empty, turned]);
    let t = b.push(Movement::Transpose { perm: vec![1, 0] }, &[x]);
    let last = b.push(MatMul, &[x, t]);
    proves(&b.finish(&[first, y, z, empty, zeros, last]));
}

#[test]
fn results_that_nobody_reads_are_rounded_as_their_own_node_is() {
    let mut b = Sketch::new();
    let rows = 6001;
    let (x, z) = (b.input(&[rows, 2], -30_000, 30_000), b.input(&[rows, 2], -1, 1));
    let weight = b.0.constant(Tensor::new(vec![2, 1], vec![17, -5]).unwrap());
    let some = b.push(Linear { weight, bias: None }, &[x]);
    let all = b.push(Linear { weight, bias: None }, &[z]);
    let some = b.push(Movement::Select { axis: 0, indices: vec![0, 1, 2] }, &[some]);
    let some = b.push(Requantize { shift: 8, lo: -100, hi: 100 }, &[some]);
    let all = b.push(Requantize { shift: 0, lo: -20, hi: 20 }, &[all]);
    proves(&b.finish(&[some, all]));
}

#[test]
fn trees_of_no_features_are_sums_of_leaves() {
    let mut b = Sketch::new();
    let x = b.input(&[2, 0], 0, 3);
    let ranks = b.push(Bucketize { boundaries: vec![], limbs: false }, &[x]);
    let nodes = vec![leaf(3), leaf(-8)];
    let y = b.push(TreeEnsemble { features: 0, base: vec![4], nodes, roots: vec![0, 1] }, &[ranks]);
    proves(&b.finish(&[y]));
}

#[test]
fn trees_read_ranks_behind_a_reshape() {
    let mut b = Sketch::new();
    let x = b.input(&[2, 1, 2], -9, 9);
    let boundaries = vec![vec![1], vec![-2, 3]];
    let ranks = b.push(Bucketize { boundaries, limbs: false }, &[x]);
    let ranks = b.push(Movement::Reshape { shape: vec![4] }, &[ranks]);
    let branch = TreeNode::Branch { feature: 3, threshold: 1, left: 1, right: 2 };
    let nodes = vec![branch, leaf(5), leaf(-7)];
    let y = b.push(TreeEnsemble { features: 4, base: vec![0], nodes, roots: vec![0] }, &[ranks]);
    proves(&b.finish(&[y]));
}

#[test]
fn embeddings_of_no_width_stand_beside_others() {
    let mut b = Sketch::new();
    let x = b.input(&[2], 0, 3);
    let none = b.0.constant(Tensor::new(vec![4, 0], vec![]).unwrap());
    let some = b.0.constant(Tensor::new(vec![4, 1], vec![5, 6, 7, 8]).unwrap());
    let (y, z) = (b.push(Embed { table: none }, &[x]), b.push(Embed { table: some }, &[x]));
    proves(&b.finish(&[y, z]));
}

#[test]
fn a_clamp_from_below_alone_needs_no_room_above() {
    let mut b = Sketch::new();
    let x = b.input(&[1, 1], -(1 << 29), 1 << 28);
    let y = b.push(Requantize { shift: 0, lo: 0, hi: i32::MAX }, &[x]);
    proves(&b.finish(&[y]));
}

#[test]
fn signs_of_differences_are_proven_up_to_the_bound() {
    let model = |most: i32| {
        let mut b = Sketch::new();
        let x = b.input(&[1, 9], -most, most);
        let entries = 1024;
        let table = Tensor::vector((0..entries).map(|at| i32::from(at >= entries / 2)).collect());
        let table = b.0.constant(table);
        let y = b.push(Lookup { offset: 0, shift: 21, lo: -entries / 2, table }, &[x]);
        b.finish(&[y])
    };
    proves(&model((1 << 30) - (1 << 21) - 1));
    // One quotient more, and 2^30 - 1 would be -2^30.
    assert!(refusal(model((1 << 30) - 1)).contains("Lookup"));
}

#[test]
fn boundaries_that_no_value_reaches_are_refused_with_what_to_do() {
    let mut b = Sketch::new();
    let x = b.input(&[1, 1], -5, 5);
    let boundaries = vec![vec![0, (1 << 31) - 1]];
    let y = b.push(Bucketize { boundaries, limbs: false }, &[x]);
    assert_eq!(
        refusal(b.finish(&[y])),
        "node `node2` (Bucketize): values in [-5, 5] and boundaries in [0, 2147483647] are too far apart to compare in a 31-bit \
         field; keep values below 536870911 in absolute value, and boundaries inside of [-6, 5], where they decide something"
    );
}

#[test]
fn models_without_elements_are_proven() {
    let mut b = Sketch::new();
    let x = b.input(&[0], 0, 1);
    proves(&b.finish(&[x]));
    let mut b = Sketch::new();
    b.input(&[1, 1], 0, 1);
    proves(&b.finish(&[]));
    let mut b = Sketch::new();
    let x = b.input(&[0, 2], 0, 3);
    let ranks = b.push(Bucketize { boundaries: vec![vec![1], vec![2]], limbs: false }, &[x]);
    let nodes = vec![leaf(3)];
    let y = b.push(TreeEnsemble { features: 2, base: vec![4], nodes, roots: vec![0] }, &[ranks]);
    proves(&b.finish(&[ranks, y]));
}
