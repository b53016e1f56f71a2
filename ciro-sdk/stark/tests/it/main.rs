//! Integration tests of the tensor STARK.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod damage;
mod edges;
mod golden;
mod models;
mod mutations;
mod rooms;
mod roundtrip;
mod tamper;
mod views;
