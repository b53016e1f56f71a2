//! Bytes of a program's key: decoding never panics, and what decodes is written back byte for byte.
#![no_main]

use ciro_cairo::CairoProgramKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = CairoProgramKey::from_bytes(bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
});
