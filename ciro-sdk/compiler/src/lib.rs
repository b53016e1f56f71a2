#![doc = include_str!("../README.md")]

pub mod float;
pub mod import;
pub mod quantize;
mod sources;

pub use sources::SOURCES;
