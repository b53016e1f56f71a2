//! No bytes make the ONNX import panic or exceed its limits.
#![no_main]

use ciro_sdk::import::{Settings, describe, import_bytes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let settings = Settings { max_elements: 1 << 16, max_nodes: 1 << 10, ..Settings::default() };
    let _ = describe(bytes);
    let _ = import_bytes(bytes, &settings);
});
