#![doc = include_str!("../README.md")]

mod abi;
mod advice;
mod answer;
mod ask;
mod encode;
mod failure;
mod inspect;
#[cfg(feature = "receipts")]
mod receipt;
mod verify;

pub use ask::{Asked, Call, Room, Rooms};
