#![doc = include_str!("../README.md")]

pub mod api;
pub mod blobs;
pub mod bodies;
pub mod clock;
pub mod command;
pub mod config;
pub mod devnet;
pub mod driver;
pub mod ingress;
pub mod metrics;
mod node;
pub mod proofs;
pub mod secret;
pub mod store;
pub mod validity;

pub use config::Config;
pub use node::{Node, StartError, read_genesis};

/// Puts an error and its causes into one line.
#[must_use]
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
