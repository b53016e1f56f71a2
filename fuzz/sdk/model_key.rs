//! No bytes make a model key panic, and a key has one encoding.
#![no_main]

use ciro_sdk::ModelKey;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = ModelKey::from_bytes(bytes) {
        assert_eq!(ModelKey::from_bytes(&key.to_bytes()).as_ref(), Ok(&key));
    }
});
