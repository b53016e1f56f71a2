#![doc = include_str!("../README.md")]

mod compile;
mod corelib;
mod package;
mod program;
mod run;

pub use compile::{CompileError, Compiler, Place};
pub use package::{Origin, Package};
pub use program::{Location, Program, ProgramHash};
pub use run::{Execution, RunError, run};
pub mod prove;
mod security;
