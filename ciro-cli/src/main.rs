//! The `ciro` command.

use std::process::ExitCode;

mod args;
mod commands;
mod failure;
mod format;
mod machine;
mod model;
mod ui;

/// Provers allocate and free large columns again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::main(args::parse())
}
