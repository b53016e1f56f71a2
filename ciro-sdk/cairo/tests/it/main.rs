//! Integration tests of the Cairo route.

mod operators;
mod scratch;
mod support;
