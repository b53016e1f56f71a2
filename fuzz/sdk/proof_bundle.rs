//! No bytes make a proof bundle panic, and a bundle has one encoding; none of them verifies.
#![no_main]

use std::sync::LazyLock;

use ciro_sdk::integer::ops::Linear;
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{Key, Model, ProofBundle, ProveSettings, Prover, Tensor, verify};

/// The key of a model with one matrix product, and a proof of it.
static TINY: LazyLock<(Key, ProofBundle)> = LazyLock::new(|| {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let encoding = Encoding::Affine { scale: 1.0, lo: -9, hi: 9 };
    let x = builder.view(input, encoding).expect("a small interval");
    let weight = Tensor::new(vec![2, 2], vec![1, 2, 3, 4]).expect("four numbers");
    let weight = builder.constant(weight);
    let y = builder.push("y", Linear { weight, bias: None }, &[x], 1.0).expect("it fits");
    builder.output("y", y, Decoding::Real { scale: 1.0 });
    let model = Model::from(builder.finish().expect("a valid model"));
    let prover = Prover::new(&model, &ProveSettings::default()).expect("it can be proven");
    let sample = vec![Tensor::new(vec![1, 2], vec![1.0, -2.0]).expect("two numbers")];
    (prover.key(), prover.prove(&[sample]).expect("a proof").bundle)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (key, honest) = &*TINY;
    if let Ok(bundle) = ProofBundle::from_bytes(bytes) {
        assert_eq!(bundle.to_bytes(), bytes);
        assert!(verify(&bundle, key).is_err() || bundle == *honest);
    }
    // The same bytes as the proof of an otherwise honest bundle.
    let mut forged = honest.clone();
    forged.proof = bytes.to_vec();
    assert!(verify(&forged, key).is_err() || forged == *honest);
});
