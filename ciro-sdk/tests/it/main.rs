//! Integration tests of the library, on the trained models of `examples/models`.

mod real_models;
