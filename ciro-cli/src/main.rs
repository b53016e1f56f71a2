//! The `ciro` command.

use std::process::ExitCode;

mod advice;
mod args;
mod cli;
mod commands;
mod context;
mod format;
mod key_file;
mod machine;
mod model;
mod openings;
mod ui;

/// Provers allocate and free large columns again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(cli::parse())
}
