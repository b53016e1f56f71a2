//! Integration tests of the consensus core.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and some of these are about real files"
)]

mod accusation;
mod bounds;
mod checkpoints;
mod decoders;
mod evidence;
mod forensics;
mod light;
mod liveness;
mod memory;
mod model;
mod normal_case;
mod protection;
mod recovery;
mod store;
mod support;
mod vectors;
mod view_changes;
