//! Any bytes are imported or refused within the limits; a graph that is imported keeps its own
//! rules.
//!
//! Run with `just fuzz compiler import`; the models of `examples/models` make a good corpus.

#![no_main]

use ciro_compiler::import::{Settings, describe, import_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let settings = Settings { max_elements: 1 << 16, max_nodes: 1 << 10, ..Settings::default() };
    let _ = describe(bytes);
    if let Ok(graph) = import_bytes(bytes, &settings) {
        graph.check().expect("an imported graph is consistent");
    }
});
