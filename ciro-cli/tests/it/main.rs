//! Tests of the command, through its binary.

mod bench;
#[cfg(feature = "cairo")]
mod cairo;
mod contract;
mod demo;
mod errors;
mod help;
mod init;
mod proofs;
mod sandbox;
