//! Integration tests of `ciro-graph`.

mod conformance;
mod describe;
mod models;
mod operators;
mod protobuf;
mod quantized;
mod samples;
