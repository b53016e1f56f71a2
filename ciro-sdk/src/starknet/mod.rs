//! Starknet: proofs as calldata of `Facts`, the contract that verifies proofs of the tensor route
//! and remembers what they prove; and, with the feature `starknet-client`, who sends them there.
//!
//! A node is believed in what it says of the chain: whoever does not want to asks a node of their
//! own. What it says is checked where it can be: the chain, and the classes of the contracts.

mod calldata;
#[cfg(feature = "starknet-client")]
mod chain;
#[cfg(feature = "starknet-client")]
mod class;
#[cfg(feature = "starknet-client")]
mod error;
#[cfg(feature = "starknet-client")]
mod keystore;
#[cfg(feature = "starknet-client")]
mod payer;
#[cfg(feature = "starknet-client")]
mod settings;
#[cfg(all(test, feature = "starknet-client"))]
mod tests;
#[cfg(feature = "starknet-client")]
mod transport;

pub(crate) use calldata::RouteFelts;
pub use calldata::{Calldata, CalldataError, ModelOnChain};
#[cfg(feature = "starknet-client")]
pub use chain::{Registration, Starknet};
#[cfg(feature = "starknet-client")]
pub use class::{Locked, locked, sierra_hash};
#[cfg(feature = "starknet-client")]
pub use error::StarknetError;
#[cfg(feature = "starknet-client")]
pub use keystore::KeyFileError;
#[cfg(feature = "starknet-client")]
pub use payer::{Declared, Emitted, Invocation, Invoked, Paid, Payer, Proved, Registered};
#[cfg(feature = "starknet-client")]
pub use settings::{Account, MAX_FEE_FRI, SettingsError, StarknetSettings};
