//! Integration tests of the simulator, and through it of the protocol.

mod determinism;
mod endurance;
mod forks;
mod mutations;
mod scenarios;
mod sweeps;
