//! Integration tests of the tensor STARK.

mod models;
mod roundtrip;
mod tamper;
