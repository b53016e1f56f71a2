#![doc = include_str!("../README.md")]

pub mod queue;
pub mod worker;

pub use queue::{Delivery, JobOffer, JobQueue, MemoryQueue, Position, QueueError};
pub use worker::{Effect, Input, Row, Settings, Worker};
