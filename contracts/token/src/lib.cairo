//! The network's token, and contracts that hand it out.
pub mod ciro_token;
pub mod faucet;
pub mod vesting;
