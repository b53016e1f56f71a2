//! Integration tests of `ciro-graph`.

mod conformance;
mod describe;
mod models;
mod protobuf;
mod samples;
