#![doc = include_str!("../README.md")]

pub mod float;
#[cfg(feature = "import")]
pub mod import;
pub mod integer;
pub mod movement;
pub mod name;
pub mod quantize;
mod sources;
pub mod tensor;

pub use integer::{IntegerModel, Interface, Interval};
pub use movement::Movement;
pub use name::{escape, is_plain};
pub use sources::SOURCES;
pub use tensor::Tensor;
