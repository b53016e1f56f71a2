//! Tests of the whole ledger.

mod history;
mod naive;
mod play;
mod support;
mod tree;
