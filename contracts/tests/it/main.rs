//! The verifier in Cairo, in process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../../../ciro-sdk/stark/tests/it/damage.rs"]
#[allow(dead_code, reason = "the number of mutations is this crate's own")]
mod damage;
#[path = "../../../ciro-sdk/stark/tests/it/models.rs"]
#[allow(dead_code, reason = "some models are refused, which the tests of ciro-stark look at")]
mod models;

mod bridge;
mod chain;
mod chips;
mod class;
mod consumers;
mod differential;
mod evidence;
mod facts;
mod golden;
mod governor;
mod inference;
mod proven;
mod refusals;
mod router;
mod rules;
mod scenarios;
mod template;
mod token;
