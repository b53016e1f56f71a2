//! Integration tests of `ciro-graph`.

mod altered;
mod conformance;
mod fixtures;
mod models;
mod protobuf;
mod refusal;
mod samples;
