#![doc = include_str!("../README.md")]

mod calibrate;
pub mod command;
pub mod config;
mod direct;
pub mod executor;
mod init;
pub mod journal;
pub mod queue;
pub mod shell;
pub mod worker;
