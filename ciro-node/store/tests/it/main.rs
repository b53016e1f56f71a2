//! Integration tests of the store, with records that real replicas write.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and these are about real files"
)]

mod files;
mod group_commit;
mod memory;
mod protection;
#[path = "../../../consensus/tests/it/support.rs"]
#[allow(dead_code, reason = "the core's own tests use more of it")]
mod support;
