//! `ciro-prover`.

use std::process::ExitCode;

/// Provers allocate and free large columns again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ciro_prover::command::main()
}
