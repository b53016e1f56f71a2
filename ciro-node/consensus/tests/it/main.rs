//! Integration tests of the consensus core.

mod checkpoints;
mod decoders;
mod evidence;
mod forensics;
mod memory;
mod model;
mod normal_case;
mod protection;
mod recovery;
mod store;
mod support;
mod vectors;
mod view_changes;
