//! Histories of contracts: each function deploys what it needs, plays, and panics where something
//! is not as it should be.
pub mod coin;
pub mod escrow;
pub mod models;
pub mod proven;
pub mod stage;
