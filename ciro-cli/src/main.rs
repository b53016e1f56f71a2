//! The `ciro` command.

use std::process::ExitCode;

mod args;
mod commands;
mod failure;
mod format;
mod machine;
mod model;
mod ui;

fn main() -> ExitCode {
    commands::main(args::parse())
}
