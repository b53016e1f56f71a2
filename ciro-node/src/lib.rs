#![doc = include_str!("../README.md")]

pub mod api;
pub mod blobs;
pub mod bodies;
pub mod bus;
pub mod clock;
pub mod command;
pub mod config;
pub mod devnet;
pub mod driver;
mod genesis;
pub mod ingress;
mod links;
pub mod members;
pub mod metrics;
pub mod net;
mod node;
pub mod proofs;
pub mod secret;
mod start_error;
pub mod store;
pub mod validity;

pub use config::Config;
pub use genesis::read_genesis;
pub use node::Node;
pub use start_error::StartError;
