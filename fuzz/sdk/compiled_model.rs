//! No bytes make a compiled model panic, neither on loading nor on its first run.
#![no_main]

use ciro_sdk::{Model, Tensor};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    assert_eq!(Model::from_bytes(&model.to_bytes()).as_ref().ok(), Some(&model));
    let specs = model.input_specs();
    if specs.iter().any(|spec| spec.shape.iter().product::<usize>() > 1 << 16) {
        return;
    }
    let zero = |shape: Vec<usize>| Tensor::full(shape, 0.0).expect("small");
    let sample: Vec<_> = specs.into_iter().map(|spec| zero(spec.shape)).collect();
    let _ = model.encode(&sample);
});
