//! No bytes make an input file panic.
#![no_main]

use ciro_sdk::inputs::{InputSpec, Inputs, Takes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(inputs) = Inputs::from_bytes(bytes, "input") {
        let _ = inputs.samples(&[InputSpec { name: "x".to_owned(), shape: vec![1, 3], takes: Takes::Numbers }]);
    }
});
