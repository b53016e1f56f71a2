#![doc = include_str!("../README.md")]

pub mod bounded;
pub mod integer;
pub mod movement;
pub mod name;
pub mod tensor;

pub use integer::{IntegerModel, Interface, Interval};
pub use movement::Movement;
pub use name::{escape, is_plain};
pub use tensor::Tensor;
