//! Proof bytes: decoding never panics, and what decodes is written back byte for byte.
#![no_main]

use ciro_stark::Proof;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = Proof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes(), bytes);
    }
});
