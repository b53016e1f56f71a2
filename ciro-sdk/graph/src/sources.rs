//! The identity of this build.

/// A digest of the sources that this crate was built from: equal digests compile equal models.
pub const SOURCES: &str = env!("CIRO_GRAPH_SOURCES");
