//! Payments in CIRO by those who have a stablecoin, and an exchange for both.
pub mod exchange;
pub mod payment_router;
