//! Integration tests of the library, on the trained models of `examples/models`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic and print")]

#[cfg(feature = "cairo")]
mod cairo_route;
mod real_models;
