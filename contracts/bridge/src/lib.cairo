//! CIRO between Starknet and the Ciro chain.
pub mod bridge;
pub mod checkpoint;
pub mod outbox;
