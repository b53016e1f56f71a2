//! Tests of the whole ledger.

mod answers;
mod economy;
mod history;
mod light;
mod naive;
mod networks;
mod play;
mod programs;
mod release;
mod support;
mod tree;
mod validity;
