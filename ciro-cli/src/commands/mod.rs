//! The commands, one module each.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod econ;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod network;
mod outputs;
#[cfg(feature = "cairo")]
pub(crate) mod program;
pub(crate) mod prove;
pub(crate) mod run;
pub(crate) mod starknet;
pub(crate) mod transpile;
pub(crate) mod verify;
