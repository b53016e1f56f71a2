//! Builds small float graphs with samples, and holds their integer models to them.

use std::sync::Arc;

use ciro_compiler::float::{
    BinaryFn, ElementType, Graph, Input, Labels, Movement, Node, NodeId, Op, Output, Reducer,
    ScalarFn, UnaryFn,
};
use ciro_compiler::quantize::{Settings, calibrate, quantize};
use ciro_model::Tensor;
use ciro_model::integer::{Decoding, IntegerModel};
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
        // Values beyond the calibrated range are clamped, so all samples that are compared
        // calibrate.
        let calibration = calibrate(&self.graph, &self.samples).unwrap();
        quantize(&self.graph, &calibration, &Settings::default()).unwrap()
    }

    /// Compares every output on every sample: errors stay below `bound` times the largest float
    /// value, labels are equal.
    #[track_caller]
    pub(crate) fn check(&self, bound: f64) -> Result<(), TestCaseError> {
        self.check_beside(bound, 0.0)
    }

    /// As [`Self::check`], where errors are also measured against `terms`: the size of what a sum
    /// adds up, some of which may cancel.
    #[track_caller]
    pub(super) fn check_beside(&self, bound: f64, terms: f64) -> Result<(), TestCaseError> {
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
    pub(super) fn largest_terms(&self, x: NodeId, w: NodeId) -> f64 {
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

pub(super) fn un(f: UnaryFn, x: ScalarFn) -> ScalarFn {
    ScalarFn::Unary(f, Box::new(x))
}

pub(crate) fn bin(f: BinaryFn, a: ScalarFn, b: ScalarFn) -> ScalarFn {
    ScalarFn::Binary(f, Box::new(a), Box::new(b))
}

pub(crate) fn c(value: f64) -> ScalarFn {
    ScalarFn::Const(value)
}

pub(crate) const X: ScalarFn = ScalarFn::X;
