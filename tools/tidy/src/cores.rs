//! Cores without input and output inside of crates that have both. Crates that are cores as a
//! whole say it in a `clippy.toml` of their own.

use std::collections::BTreeSet;

use crate::sources::{check, rust};

/// Folders whose code is a function of its inputs alone: no clock, no file, no thread, no order
/// that differs between two runs.
const CORES: &[&str] = &["ciro-prover/src/worker"];

/// What such code does not name.
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "tokio",
    "reqwest",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
];

#[test]
fn pure_cores_name_no_clock_file_thread_or_unordered_map() {
    let sources = rust(CORES);
    assert!(!sources.is_empty(), "the folders of pure cores have moved: {CORES:?}");
    let mut broken = BTreeSet::new();
    for source in sources {
        let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named = |line: &str| FORBIDDEN.iter().any(|name| line.contains(name));
        if code.clone().any(named) {
            broken.insert(source.path);
        }
    }
    check("a pure core takes time, files and randomness as inputs", &broken, &[]);
}
