//! Integration tests of the library, on the trained models of `examples/models`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail and tell as tests do"
)]

#[cfg(feature = "cairo")]
mod cairo_route;
mod commitments;
mod hiding;
mod hostile_bundles;
mod memory;
mod mutations;
#[cfg(feature = "network")]
mod orders;
#[cfg(all(feature = "network", feature = "cairo"))]
mod program_jobs;
#[cfg(feature = "cairo")]
mod programs;
mod real_models;
#[cfg(feature = "client")]
mod results;
mod rings;
mod secrets;
mod support;
mod text;
mod views;
mod vocabulary;
