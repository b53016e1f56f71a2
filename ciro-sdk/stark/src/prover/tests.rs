//! White-box tests of the layout: every model's witness satisfies every chip.

use ciro_graph::Tensor;
use ciro_graph::integer::ops::{Linear, Requantize};
use ciro_graph::integer::{Encoding, ModelBuilder};

use super::Prover;
use super::check::faults;
use crate::preset::Preset;

#[test]
fn honest_witness_has_no_faults() {
    let mut b = ModelBuilder::new();
    let input = b.input("x", vec![1, 4]);
    let x = b.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let w = b.constant(Tensor::new(vec![4, 3], (0..12).map(|v| v - 5).collect()).unwrap());
    let y = b.push("y", Linear { weight: w, bias: None }, &[x], 1.0).unwrap();
    let z = b.push("z", Requantize { shift: 2, lo: 0, hi: 20 }, &[y], 1.0).unwrap();
    b.output("z", z, ciro_graph::integer::Decoding::Integer);
    let model = std::sync::Arc::new(b.finish().unwrap());
    let prover = Prover::new(model.clone(), Preset::FastTest, 1).unwrap();
    let trace = model.trace(&[Tensor::new(vec![1, 4], vec![3, -4, 9, 0]).unwrap()]).unwrap();
    let witness = prover.witness(&prover.layout().values(&[trace]));
    assert_eq!(faults(&prover.layout().chips, &witness), Vec::<String>::new());
}
