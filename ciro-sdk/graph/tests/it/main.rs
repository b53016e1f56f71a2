//! Integration tests of `ciro-graph`.

mod conformance;
mod models;
mod protobuf;
mod samples;
