#![doc = include_str!("../README.md")]

pub mod agents;
mod dice;
pub mod network;
pub mod report;
pub mod run;
pub mod scenario;
pub mod world;

pub use run::{Row, Run, run};
pub use scenario::Scenario;
