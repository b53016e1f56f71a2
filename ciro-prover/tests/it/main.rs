//! The program as a whole: its commands, and the children that it proves in.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod children;
mod commands;
