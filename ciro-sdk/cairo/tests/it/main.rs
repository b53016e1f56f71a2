//! Integration tests of the Cairo route.

mod scratch;
