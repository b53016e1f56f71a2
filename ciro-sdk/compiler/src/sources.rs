//! The identity of this build.

/// A digest of the sources that this crate and `ciro-model` were built from: equal digests compile
/// equal models.
pub const SOURCES: &str = env!("CIRO_COMPILER_SOURCES");
