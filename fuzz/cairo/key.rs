//! Key bytes: decoding never panics, and what decodes is written back byte for byte.
#![no_main]

use ciro_cairo::CairoKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = CairoKey::from_bytes(bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
});
