//! Integration tests of the Cairo route.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail and tell as tests do"
)]

mod agreement;
mod executables;
mod identity;
mod models;
mod names;
mod operators;
mod packages;
mod program_proofs;
mod programs;
mod proofs;
mod steps;
mod support;
