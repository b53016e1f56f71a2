//! Integration tests of the simulator, and through it of the protocol.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod determinism;
mod endurance;
mod forks;
mod market;
mod mutations;
mod scenarios;
mod sweeps;
mod weakened;
mod withheld;
