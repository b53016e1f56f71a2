//! The node as its users see it: a process that is started, spoken to over HTTP, and killed.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod cluster;
mod commands;
mod crash;
mod flood;
mod http;
mod joining;
mod kafka;
mod market;
mod peers;
mod programs;
mod refusals;
mod room;
mod validators;
mod world;
