//! What holders of the token decide together.
pub mod governor;
