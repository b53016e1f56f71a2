//! Key bytes: decoding never panics, and neither does verifying an empty statement against what decodes.
#![no_main]

use ciro_stark::{ModelKey, Security};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = ModelKey::from_bytes(bytes) {
        let security = Security::of(&key);
        assert!(security.conjectured_bits.is_finite());
    }
});
