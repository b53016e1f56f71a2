//! What validators of the Ciro chain have at stake on Starknet, and what takes it.
pub mod evidence;
pub mod judge;
pub mod validator_bond;
