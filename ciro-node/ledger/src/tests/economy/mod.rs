//! Tests of supply, stake, slashing and governance: rules one by one, and random histories that a
//! naive model follows to the last unit.

mod emission;
mod history;
mod naive;
mod play;
mod rules;
mod slashing;
mod votes;
mod world;

pub(super) use world::economy;
