#![doc = include_str!("../README.md")]

pub mod command;
pub mod config;
pub mod executor;
pub mod journal;
pub mod queue;
pub mod shell;
pub mod worker;
