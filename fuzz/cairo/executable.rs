//! Executables: reading them never panics, and neither does a short run of what is read.
#![no_main]

use ciro_cairo::{Limits, Program, run_within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(program) = Program::read(bytes) {
        let limits = Limits { steps: 1_000, cells: 10_000 };
        let _ = run_within(&program, None, &[], limits);
    }
});
