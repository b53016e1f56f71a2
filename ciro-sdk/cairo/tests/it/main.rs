//! Integration tests of the Cairo route.

mod models;
mod operators;
mod proofs;
mod steps;
mod support;
