//! Integration tests of `ciro-graph`.

mod models;
mod samples;
