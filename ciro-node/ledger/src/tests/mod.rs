//! Tests of the whole ledger.

mod economy;
mod history;
mod light;
mod naive;
mod play;
mod release;
mod support;
mod tree;
mod validity;
