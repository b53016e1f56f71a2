//! Small integer models, one for each operator or two.

use std::sync::Arc;

use ciro_graph::integer::ops::{ArgMax, Linear, Requantize};
use ciro_graph::integer::{Decoding, Encoding, ModelBuilder, NodeId};
use ciro_graph::{IntegerModel, Tensor};

/// A deterministic stream of integers in `[-bound, bound]`.
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self, bound: i32) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let span = 2 * u64::from(bound.unsigned_abs()) + 1;
        i32::try_from((self.0 >> 33) % span).unwrap() - bound
    }

    pub(crate) fn tensor(&mut self, shape: &[usize], bound: i32) -> Tensor<i32> {
        let count = shape.iter().product();
        Tensor::new(shape.to_vec(), (0..count).map(|_| self.next(bound)).collect()).unwrap()
    }
}

pub(crate) fn input(b: &mut ModelBuilder, shape: &[usize], bound: i32) -> NodeId {
    let input = b.input("x", shape.to_vec());
    b.view(input, Encoding::Affine { scale: 1.0, lo: -bound, hi: bound }).unwrap()
}

/// Two dense layers with a rectifier between them, then the label.
pub(crate) fn mlp(seed: u64) -> Arc<IntegerModel> {
    let mut s = Stream::new(seed);
    let mut b = ModelBuilder::new();
    let x = input(&mut b, &[1, 20], 100);
    let (w, bias) = (b.constant(s.tensor(&[20, 7], 50)), b.constant(s.tensor(&[7], 1000)));
    let y = b.push("dense1", Linear { weight: w, bias: Some(bias) }, &[x], 1.0).unwrap();
    let y = b.push("relu1", Requantize { shift: 9, lo: 0, hi: 127 }, &[y], 1.0).unwrap();
    let w = b.constant(s.tensor(&[7, 3], 50));
    let y = b.push("dense2", Linear { weight: w, bias: None }, &[y], 1.0).unwrap();
    let label = b.push("label", ArgMax, &[y], 1.0).unwrap();
    b.output("scores", y, Decoding::Real { scale: 1.0 });
    b.output("label", label, Decoding::Integer);
    Arc::new(b.finish().unwrap())
}
