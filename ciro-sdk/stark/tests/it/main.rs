//! Integration tests of the tensor STARK.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod edges;
mod golden;
mod models;
mod roundtrip;
mod tamper;
