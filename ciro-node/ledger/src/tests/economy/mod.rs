//! Tests of supply, stake, slashing and governance: rules one by one, and what random histories do
//! of it and expect of it.

mod elect;
mod emission;
mod launches;
mod naive;
mod play;
mod rules;
mod slashing;
mod votes;
mod world;

pub(super) use elect::check_changes;
pub(super) use naive::{Set, Whole};
pub(super) use play::Play;
pub(super) use world::{WEALTH, economy, network, offence, register};
