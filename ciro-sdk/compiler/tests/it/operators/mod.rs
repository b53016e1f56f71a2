//! Every operator on small random graphs: the integer result stays within a stated bound of the float result.

use std::sync::Arc;

use ciro_compiler::float::{
    Aggregate, BinaryFn, BranchMode, ElementType, Graph, Input, Labels, Movement, Node, NodeId, Op,
    Output, Reducer, ScalarFn, Tree, TreeEnsemble, TreeNode, UnaryFn,
};
use ciro_compiler::quantize::{Settings, calibrate, quantize};
use ciro_model::Tensor;
use ciro_model::integer::{Decoding, IntegerModel};
use ciro_model::movement::Windows;
use proptest::prelude::*;

/// Builds graphs by hand.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) graph: Graph,
    pub(crate) samples: Vec<Vec<Tensor<f64>>>,
}

const SAMPLES: usize = 12;

impl Builder {
    /// A float input whose samples are uniform in `[lo, hi]`; `seed` decides them.
    pub(crate) fn input(&mut self, shape: &[usize], (lo, hi): (f64, f64), seed: u64) -> NodeId {
        self.draw(shape, ElementType::Float, seed, |unit| lo + (hi - lo) * unit)
    }

    pub(crate) fn draw(
        &mut self,
        shape: &[usize],
        element_type: ElementType,
        seed: u64,
        value: impl Fn(f64) -> f64,
    ) -> NodeId {
        let index = self.graph.inputs.len();
        let name = format!("x{index}");
        self.graph.inputs.push(Input { name, shape: shape.to_vec(), element_type });
        self.samples.resize(SAMPLES, vec![]);
        let mut state = seed.wrapping_mul(977).wrapping_add(index as u64 + 1);
        for sample in &mut self.samples {
            let unit = |_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                value((state >> 11) as f64 / (1u64 << 53) as f64)
            };
            let data = (0..shape.iter().product::<usize>()).map(unit).collect();
            sample.push(Tensor::new(shape.to_vec(), data).unwrap());
        }
        self.push(Op::Input { index }, &[], shape)
    }

    pub(crate) fn constant(&mut self, shape: &[usize], data: Vec<f64>) -> NodeId {
        let value = Tensor::new(shape.to_vec(), data).unwrap();
        self.push(Op::Constant(Arc::new(value)), &[], shape)
    }

    /// A constant with elements in `[-1, 1]`, the same for the same seed.
    pub(crate) fn weights(&mut self, shape: &[usize], seed: u64) -> NodeId {
        let count = shape.iter().product::<usize>();
        let data = (0..count).map(|i| ((i as f64 + 1.0) * (seed as f64 + 12.9898)).sin()).collect();
        self.constant(shape, data)
    }

    pub(crate) fn push(&mut self, op: Op, operands: &[NodeId], shape: &[usize]) -> NodeId {
        let id = NodeId(u32::try_from(self.graph.nodes.len()).unwrap());
        let name = format!("n{}", id.0);
        let node = Node {
            name,
            origin: "Test".into(),
            op,
            operands: operands.to_vec(),
            shape: shape.to_vec(),
            unrolled: None,
        };
        self.graph.nodes.push(node);
        id
    }

    pub(crate) fn unary(&mut self, f: ScalarFn, x: NodeId) -> NodeId {
        let shape = self.graph.node(x).shape.clone();
        self.push(Op::Unary(f), &[x], &shape)
    }

    pub(crate) fn binary(&mut self, f: BinaryFn, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.graph.node(a).shape.clone();
        self.push(Op::Binary(f), &[a, b], &shape)
    }

    pub(crate) fn reduce(&mut self, reducer: Reducer, x: NodeId) -> NodeId {
        let shape = self.graph.node(x).shape.clone();
        self.push(Op::Reduce(reducer), &[x], &shape[..shape.len() - 1])
    }

    /// `[..] -> [.., columns]`
    pub(crate) fn stretch(&mut self, x: NodeId, columns: usize) -> NodeId {
        let mut shape = self.graph.node(x).shape.clone();
        shape.push(1);
        let x = self.push(Op::Move(Movement::Reshape { shape: shape.clone() }), &[x], &shape);
        *shape.last_mut().unwrap() = columns;
        self.push(Op::Move(Movement::Expand { shape: shape.clone() }), &[x], &shape)
    }

    pub(crate) fn output(&mut self, node: NodeId) {
        self.graph.outputs.push(Output { name: "y".into(), node, labels: Labels::Real });
    }

    pub(crate) fn label(&mut self, node: NodeId) {
        self.graph.outputs.push(Output { name: "label".into(), node, labels: Labels::Integer });
    }

    pub(crate) fn quantized(&self) -> IntegerModel {
        self.graph.check().unwrap();
        // Values beyond the calibrated range are clamped, so all samples that are compared calibrate.
        let calibration = calibrate(&self.graph, &self.samples).unwrap();
        quantize(&self.graph, &calibration, &Settings::default()).unwrap()
    }

    /// Compares every output on every sample: errors stay below `bound` times the largest float value, labels are equal.
    #[track_caller]
    pub(crate) fn check(&self, bound: f64) -> Result<(), TestCaseError> {
        self.check_beside(bound, 0.0)
    }

    /// As [`Self::check`], where errors are also measured against `terms`: the size of what a sum adds up, some of which may cancel.
    #[track_caller]
    fn check_beside(&self, bound: f64, terms: f64) -> Result<(), TestCaseError> {
        let model = self.quantized();
        let floats: Vec<_> = self.samples.iter().map(|s| self.graph.eval(s).unwrap()).collect();
        for (at, (output, float)) in model.outputs().iter().zip(&self.graph.outputs).enumerate() {
            let values = floats.iter().flat_map(|values| values[float.node.index()].data());
            let magnitude = values.fold(terms.max(1e-9), |most, x| most.max(x.abs()));
            for (sample, expected) in self.samples.iter().zip(&floats) {
                let got = run(&model, sample).swap_remove(at);
                let expected = &expected[float.node.index()];
                prop_assert_eq!(got.shape(), expected.shape());
                for (got, expected) in got.data().iter().zip(expected.data()) {
                    let error = (got - expected).abs() / magnitude;
                    let bound = match output.decoding {
                        Decoding::Real { .. } => bound,
                        _ => 0.0,
                    };
                    prop_assert!(error <= bound, "got {}, expected {}: {}", got, expected, error);
                }
            }
        }
        Ok(())
    }
}

impl Builder {
    /// The largest `sum_k |x[m, k] w[k, n]|` over all samples.
    fn largest_terms(&self, x: NodeId, w: NodeId) -> f64 {
        let sums = self.samples.iter().flat_map(|sample| {
            let values = self.graph.eval(sample).unwrap();
            let (x, w) = (&values[x.index()], &values[w.index()]);
            let columns = w.last_dim();
            let rows = x.data().chunks(x.last_dim());
            let sum = |row: &[f64], column: usize| {
                let w = w.data().iter().skip(column).step_by(columns);
                row.iter().zip(w).map(|(x, w)| (x * w).abs()).sum::<f64>()
            };
            rows.flat_map(|row| (0..columns).map(|column| sum(row, column)).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        });
        sums.fold(0.0, f64::max)
    }
}

pub(crate) fn run(model: &IntegerModel, sample: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    let inputs = model.inputs().iter().zip(sample);
    let views = inputs.flat_map(|(input, real)| input.views.iter().map(move |view| (view, real)));
    let integers: Vec<_> =
        views.map(|((_, encoding), real)| encoding.encode(real).unwrap().tensor).collect();
    let outputs = model.run(&integers).unwrap();
    let decoded = outputs.iter().zip(model.outputs());
    decoded.map(|(value, output)| output.decoding.decode(value)).collect()
}

fn un(f: UnaryFn, x: ScalarFn) -> ScalarFn {
    ScalarFn::Unary(f, Box::new(x))
}

pub(crate) fn bin(f: BinaryFn, a: ScalarFn, b: ScalarFn) -> ScalarFn {
    ScalarFn::Binary(f, Box::new(a), Box::new(b))
}

pub(crate) fn c(value: f64) -> ScalarFn {
    ScalarFn::Const(value)
}

pub(crate) const X: ScalarFn = ScalarFn::X;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn layers_of_a_perceptron(seed: u32, scale in 0.01f64..100.0) {
        let mut b = Builder::default();
        let mut x = b.input(&[2, 6], (-scale, scale), seed.into());
        let mut last = (x, x);
        for layer in 0..2 {
            let w = b.weights(&[6, 6], u64::from(seed % 97) + layer);
            last = (x, w);
            let bias = b.weights(&[6], u64::from(seed % 89) + layer);
            let bias = b.push(Op::Move(Movement::Expand { shape: vec![2, 6] }), &[bias], &[2, 6]);
            let product = b.push(Op::MatMul, &[x, w], &[2, 6]);
            let sum = b.binary(BinaryFn::Add, product, bias);
            x = b.unary(ScalarFn::unary(UnaryFn::Relu), sum);
        }
        b.output(x);
        let terms = b.largest_terms(last.0, last.1);
        b.check_beside(4e-3, terms)?;
    }

    #[test]
    fn convolutions_with_residuals(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[1, 2, 5, 5], (-1.0, 2.0), seed.into());
        let conv = |groups| Op::Conv {
            strides: vec![1, 1],
            dilations: vec![1, 1],
            pads: vec![(1, 1), (1, 1)],
            groups,
        };
        let w = b.weights(&[2, 2, 3, 3], seed.into());
        let bias = b.weights(&[2], u64::from(seed) + 1);
        let y = b.push(conv(1), &[x, w, bias], &[1, 2, 5, 5]);
        let y = b.binary(BinaryFn::Add, y, x);
        let y = b.unary(ScalarFn::unary(UnaryFn::Relu), y);
        let depthwise = b.weights(&[2, 1, 3, 3], u64::from(seed) + 2);
        let y = b.push(conv(2), &[y, depthwise], &[1, 2, 5, 5]);
        b.output(y);
        b.check(4e-3)?;
    }

    #[test]
    fn sums_of_tensors_of_very_different_scale(seed: u32, small in 0.001f64..1.0) {
        let mut b = Builder::default();
        let x = b.input(&[8], (-1.0, 1.0), seed.into());
        let y = b.input(&[8], (0.0, small), seed.into());
        let sum = b.binary(BinaryFn::Add, x, y);
        let difference = b.binary(BinaryFn::Sub, sum, y);
        let offset = b.weights(&[8], seed.into());
        let shifted = b.binary(BinaryFn::Add, difference, offset);
        b.output(sum);
        b.output(shifted);
        b.check(1e-3)?;
    }

    #[test]
    fn products_and_quotients(seed: u32, lo in 0.2f64..3.0) {
        let mut b = Builder::default();
        let x = b.input(&[2, 4], (-3.0, 3.0), seed.into());
        let y = b.input(&[2, 4], (lo, 4.0 * lo), seed.into());
        let product = b.binary(BinaryFn::Mul, x, y);
        let quotient = b.binary(BinaryFn::Div, x, y);
        let negative = b.unary(ScalarFn::unary(UnaryFn::Neg), y);
        let negative = b.binary(BinaryFn::Div, x, negative);
        b.output(product);
        b.output(quotient);
        b.output(negative);
        b.check(2e-3)?;
    }

    #[test]
    fn functions_by_table(seed: u32, spread in 0.5f64..6.0) {
        let functions = [
            ScalarFn::unary(UnaryFn::Sigmoid),
            ScalarFn::unary(UnaryFn::Tanh),
            ScalarFn::unary(UnaryFn::Exp),
            ScalarFn::unary(UnaryFn::Softplus),
            ScalarFn::unary(UnaryFn::Abs),
            bin(BinaryFn::Mul, X, ScalarFn::unary(UnaryFn::Sigmoid)),
            bin(BinaryFn::Mul, X, bin(BinaryFn::Add, c(1.0), ScalarFn::unary(UnaryFn::Erf))),
        ];
        for f in functions {
            let mut b = Builder::default();
            let x = b.input(&[16], (-spread, spread), seed.into());
            let y = b.unary(f, x);
            b.output(y);
            b.check(4e-3)?;
        }
    }

    #[test]
    fn roots_and_reciprocals(seed: u32, lo in 0.05f64..1.0) {
        let functions = [
            ScalarFn::unary(UnaryFn::Sqrt),
            un(UnaryFn::Sqrt, bin(BinaryFn::Add, X, c(1e-3))),
            ScalarFn::unary(UnaryFn::Reciprocal),
            bin(BinaryFn::Div, c(-2.0), un(UnaryFn::Sqrt, X)),
            bin(BinaryFn::Pow, X, c(2.0)),
            bin(BinaryFn::Pow, X, c(-0.5)),
        ];
        for f in functions {
            let mut b = Builder::default();
            let x = b.input(&[16], (lo, 4.0), seed.into());
            let y = b.unary(f, x);
            b.output(y);
            b.check(2e-2)?;
        }
    }

    #[test]
    fn clips_and_rounding(seed: u32, step in 0.05f64..0.5) {
        let mut b = Builder::default();
        let x = b.input(&[16], (-4.0, 4.0), seed.into());
        let clip = bin(BinaryFn::Min, bin(BinaryFn::Max, X, c(-1.0)), c(2.5));
        let clipped = b.unary(clip, x);
        b.output(clipped);
        b.check(1e-3)?;
        let mut b = Builder::default();
        let x = b.input(&[16], (-4.0, 4.0), seed.into());
        let quantized = un(UnaryFn::Round, bin(BinaryFn::Div, X, c(step)));
        let quantized = bin(BinaryFn::Min, bin(BinaryFn::Max, quantized, c(-128.0)), c(127.0));
        let fake = b.unary(bin(BinaryFn::Mul, quantized, c(step)), x);
        b.output(fake);
        b.check(1e-9)?;
    }

    #[test]
    fn reductions(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[3, 7], (-2.0, 5.0), seed.into());
        for reducer in [Reducer::Sum, Reducer::Mean, Reducer::Max, Reducer::Min] {
            let y = b.reduce(reducer, x);
            b.output(y);
        }
        b.check(1e-3)?;
    }

    #[test]
    fn positions_of_integers_are_exact(seed: u32) {
        let mut b = Builder::default();
        // Few distinct values: ties are common.
        let x = b.draw(&[5, 6], ElementType::Integer, seed.into(), |unit| (unit * 4.0).floor());
        for reducer in [Reducer::ArgMax, Reducer::ArgMin] {
            let y = b.reduce(reducer, x);
            b.label(y);
        }
        b.check(0.0)?;
    }

    #[test]
    fn comparisons_of_integers_are_exact(seed: u32) {
        let functions = [
            BinaryFn::Less,
            BinaryFn::LessOrEqual,
            BinaryFn::Greater,
            BinaryFn::GreaterOrEqual,
            BinaryFn::Equal,
        ];
        for f in functions {
            let mut b = Builder::default();
            let draw = |unit: f64| (unit * 3.0).floor();
            let x = b.draw(&[12], ElementType::Integer, seed.into(), draw);
            let y = b.draw(&[12], ElementType::Integer, seed.into(), draw);
            let both = b.binary(f, x, y);
            let fixed = b.unary(bin(f, X, c(1.0)), x);
            let logic = b.binary(BinaryFn::Xor, both, fixed);
            let logic = b.binary(BinaryFn::Or, logic, both);
            let chosen = b.push(Op::Where, &[logic, x, y], &[12]);
            b.label(both);
            b.label(fixed);
            b.label(logic);
            b.output(chosen);
            b.check(1e-9)?;
        }
    }

    #[test]
    fn maxima_of_two_tensors(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[2, 5], (-2.0, 2.0), seed.into());
        let y = b.input(&[2, 5], (-0.5, 3.0), seed.into());
        let most = b.binary(BinaryFn::Max, x, y);
        let least = b.binary(BinaryFn::Min, x, y);
        let fixed = b.weights(&[2, 5], seed.into());
        let fixed = b.binary(BinaryFn::Max, x, fixed);
        b.output(most);
        b.output(least);
        b.output(fixed);
        b.check(2e-3)?;
    }

    #[test]
    fn softmax_with_and_without_a_mask(seed: u32, spread in 0.5f64..8.0) {
        let mut b = Builder::default();
        let x = b.input(&[4, 4], (-spread, spread), seed.into());
        let plain = b.push(Op::Softmax, &[x], &[4, 4]);
        b.output(plain);
        b.check(2e-3)?;
        let mut b = Builder::default();
        let x = b.input(&[4, 4], (-spread, spread), seed.into());
        let causal = (0..16).map(|i| f64::from(u8::from(i % 4 <= i / 4))).collect();
        let causal = b.constant(&[4, 4], causal);
        let never = b.constant(&[4, 4], vec![f64::NEG_INFINITY; 16]);
        let masked = b.push(Op::Where, &[causal, x, never], &[4, 4]);
        let probabilities = b.push(Op::Softmax, &[masked], &[4, 4]);
        let value = b.input(&[4, 3], (-1.0, 1.0), seed.into());
        let mean = b.push(Op::MatMul, &[probabilities, value], &[4, 3]);
        b.output(mean);
        b.check(4e-3)?;
    }

    #[test]
    fn layer_normalization(seed: u32, scale in 0.1f64..30.0) {
        let mut b = Builder::default();
        let x = b.input(&[4, 16], (-scale, 2.0 * scale), seed.into());
        let mean = b.reduce(Reducer::Mean, x);
        let mean = b.stretch(mean, 16);
        let centred = b.binary(BinaryFn::Sub, x, mean);
        let squares = b.unary(bin(BinaryFn::Mul, X, X), centred);
        let variance = b.reduce(Reducer::Mean, squares);
        let deviation = b.unary(un(UnaryFn::Sqrt, bin(BinaryFn::Add, X, c(1e-5))), variance);
        let deviation = b.stretch(deviation, 16);
        let normal = b.binary(BinaryFn::Div, centred, deviation);
        let gain = b.weights(&[16], seed.into());
        let gain = b.push(Op::Move(Movement::Expand { shape: vec![4, 16] }), &[gain], &[4, 16]);
        let scaled = b.binary(BinaryFn::Mul, normal, gain);
        let shifted = b.binary(BinaryFn::Add, scaled, gain);
        let weights = b.weights(&[16, 5], u64::from(seed) + 1);
        let y = b.push(Op::MatMul, &[shifted, weights], &[4, 5]);
        b.output(y);
        b.check(6e-3)?;
    }

    #[test]
    fn movements_keep_values(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[1, 2, 4, 4], (-1.0, 3.0), seed.into());
        let windows = |fill| Windows {
            kernel: vec![3, 3],
            strides: vec![1, 1],
            dilations: vec![1, 1],
            pads: vec![(1, 1), (1, 1)],
            ceil_mode: false,
            fill,
        };
        let shape = [1, 2, 4, 4, 9];
        let split = b.push(Op::Move(Movement::Windows(windows(f64::NEG_INFINITY))), &[x], &shape);
        let most = b.reduce(Reducer::Max, split);
        let split = b.push(Op::Move(Movement::Windows(windows(0.0))), &[x], &shape);
        let mean = b.reduce(Reducer::Mean, split);
        let joined = b.push(Op::Move(Movement::Concat { axis: 1 }), &[most, mean, x], &[1, 6, 4, 4]);
        let pads = vec![(0, 0), (0, 0), (1, 0), (0, 2)];
        let padded = b.push(Op::Move(Movement::Pad { pads, fill: 0.75 }), &[joined], &[1, 6, 5, 6]);
        b.output(padded);
        b.check(2e-3)?;
    }

    #[test]
    fn embeddings(seed: u32) {
        let mut b = Builder::default();
        let tokens = b.draw(&[5], ElementType::Integer, seed.into(), |unit| (unit * 7.0).floor());
        let table = b.weights(&[7, 3], seed.into());
        let rows = b.push(Op::Gather, &[table, tokens], &[5, 3]);
        let positions = b.weights(&[5, 3], u64::from(seed) + 1);
        let sum = b.binary(BinaryFn::Add, rows, positions);
        b.output(sum);
        b.check(1e-3)?;
    }

    #[test]
    fn trees_take_every_branch_exactly(seed: u32, thresholds in prop::collection::vec(-2i16..3, 6)) {
        let modes = [
            BranchMode::Leq,
            BranchMode::Lt,
            BranchMode::Gte,
            BranchMode::Gt,
            BranchMode::Eq,
            BranchMode::Neq,
        ];
        let tree = |at: usize| {
            let threshold = f32::from(thresholds[at]);
            let leaf = |weight: f64| TreeNode::Leaf { weights: vec![(0, weight), (1, -0.5)] };
            let root = TreeNode::Branch {
                feature: at % 3,
                mode: modes[at],
                threshold,
                if_true: 1,
                if_false: 2,
            };
            Tree { nodes: vec![root, leaf(1.0 + at as f64), leaf(-0.25)] }
        };
        for aggregate in [Aggregate::Sum, Aggregate::Average, Aggregate::Min, Aggregate::Max] {
            let trees = TreeEnsemble {
                features: 3,
                base: vec![0.5, 0.0],
                trees: (0..6).map(tree).collect(),
                aggregate,
            };
            let mut b = Builder::default();
            // Values on the thresholds are common.
            let x = b.draw(&[2, 3], ElementType::Float, seed.into(), |unit| (unit * 5.0).floor() - 2.0);
            let swapped = Movement::Select { axis: 1, indices: vec![2, 0, 1] };
            let x = b.push(Op::Move(swapped), &[x], &[2, 3]);
            let y = b.push(Op::TreeEnsemble(Arc::new(trees)), &[x], &[2, 2]);
            b.output(y);
            b.check(1e-6)?;
        }
    }
}

#[test]
fn refusals_name_the_node_and_what_to_change() {
    let refused = |b: &Builder| {
        let calibration = calibrate(&b.graph, &b.samples).unwrap();
        let error = quantize(&b.graph, &calibration, &Settings::default()).unwrap_err();
        (error.to_string(), error.hint().unwrap())
    };
    let mut b = Builder::default();
    let x = b.input(&[4], (-1.0, 1.0), 1);
    let y = b.input(&[4], (-1.0, 1.0), 2);
    let quotient = b.binary(BinaryFn::Div, x, y);
    b.output(quotient);
    let (error, hint) = refused(&b);
    assert!(error.starts_with("node `n2` (Test): the divisor takes both signs"), "{error}");
    assert!(hint.contains("small constant"), "{hint}");

    let mut b = Builder::default();
    let x = b.input(&[1, 1, 4], (-1.0, 1.0), 1);
    let w = b.input(&[1, 1, 2], (-1.0, 1.0), 2);
    let conv = Op::Conv { strides: vec![1], dilations: vec![1], pads: vec![(0, 0)], groups: 1 };
    let y = b.push(conv, &[x, w], &[1, 1, 3]);
    b.output(y);
    assert_eq!(refused(&b).0, "node `n2` (Test): the kernel of a convolution is computed");

    let mut b = Builder::default();
    let x = b.input(&[4], (-1.0, 1.0), 1);
    b.label(x);
    assert!(refused(&b).0.contains("the output holds labels"));
}
