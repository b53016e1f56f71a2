//! No bytes make a key or a key file panic, and each has one encoding.
#![no_main]

use ciro_sdk::{Key, KeyRing};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = Key::from_bytes(bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
    if let Ok(ring) = KeyRing::from_bytes(bytes) {
        assert_eq!(ring.to_bytes(), bytes);
    }
});
