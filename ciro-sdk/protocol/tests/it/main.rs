//! Integration tests of the protocol.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and vectors are in a file"
)]

mod documentation;
mod encoding;
mod signing;
mod values;
mod vectors;
