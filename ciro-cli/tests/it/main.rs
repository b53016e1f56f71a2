//! Tests of the command, through its binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bench;
#[cfg(feature = "cairo")]
mod cairo;
mod chaos;
mod commitments;
mod contract;
mod demo;
mod devnet;
mod economy;
mod errors;
mod help;
mod hiding;
mod init;
mod kafka;
mod names;
mod onchain;
#[cfg(feature = "cairo")]
mod program_jobs;
#[cfg(feature = "cairo")]
mod programs;
mod proofs;
mod sandbox;
mod starknet;
mod trust;
