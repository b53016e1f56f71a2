//! Integration tests of the Cairo route.

mod models;
mod operators;
mod packages;
mod proofs;
mod steps;
mod support;
