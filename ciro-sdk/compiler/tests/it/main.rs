//! Integration tests of `ciro-compiler`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_cmp,
    reason = "tests may panic and print, and compare floats that must be equal"
)]

mod altered;
mod cache;
mod columns;
mod conformance;
mod contrib;
mod describe;
mod effect;
mod fixtures;
mod magnitudes;
mod masks;
mod missing;
mod models;
mod operators;
mod operators_page;
mod precision;
mod protobuf;
mod quantized;
mod refusal;
mod samples;
mod tabular;
