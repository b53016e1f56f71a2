//! Integration tests of the library, on the trained models of `examples/models`.

#[cfg(feature = "cairo")]
mod cairo_route;
mod real_models;
