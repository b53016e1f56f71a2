//! Contracts that rely on facts, as examples: a loan, an oracle, a game, a diagnosis.
//!
//! Each names one model for ever, by its id, and asks `Facts` for what that model gave for which
//! inputs.
pub mod diagnosis;
pub mod game;
pub mod integers;
pub mod loan;
pub mod noughts;
pub mod oracle;
