//! `ciro-node`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ciro_node::command::main()
}
