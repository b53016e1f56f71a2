//! Integration tests of the tensor STARK.

mod golden;
mod models;
mod roundtrip;
mod tamper;
