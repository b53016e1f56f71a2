//! Integration tests of the consensus core.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and the vectors and sources that some read are files"
)]

mod accusation;
mod bounds;
mod checkpoints;
mod costs;
mod decoders;
mod drive;
mod drops;
mod evidence;
mod forensics;
mod light;
mod liveness;
mod model;
mod normal_case;
mod observers;
mod recovery;
mod support;
mod tidy;
mod vectors;
mod view_changes;
