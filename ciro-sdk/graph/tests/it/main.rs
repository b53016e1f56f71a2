//! Integration tests of `ciro-graph`.

mod altered;
mod conformance;
mod describe;
mod fixtures;
mod models;
mod operators;
mod protobuf;
mod quantized;
mod refusal;
mod samples;
