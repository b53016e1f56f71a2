//! Why a node does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use ciro_ledger::genesis::GenesisError;
use ciro_protocol::chain::SpecError;
use ciro_protocol::order::Route;
use ciro_sdk::network::SettingsError;

use crate::blobs::StoreBlobError;
use crate::bodies::BodiesError;
use crate::driver::{ConsensusError, ExecutionError};
use crate::proofs::VERIFIER;
use crate::secret::SecretError;
use crate::store::StoreError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are not usable.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The genesis is not usable.
    #[error("the genesis `{}` is not usable: {reason}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The specification is none.
    #[error("the chain's specification is refused")]
    Spec(#[from] SpecError),
    /// The first state cannot be built.
    #[error(transparent)]
    FirstState(#[from] GenesisError),
    /// The genesis names another first state than its specification gives.
    #[error("the genesis names another first state than its specification gives: it was changed")]
    GenesisRoot,
    /// The network verifies proofs that this build does not.
    #[error(
        "the network settles proofs of the route `{0:?}`, which this build, as the network's verifier, cannot verify"
    )]
    Route(Route),
    /// The network has another verifier.
    #[error(
        "the network's verifier is {expected}, this build has 1 to {VERIFIER}: take its release"
    )]
    Verifier {
        /// The network's.
        expected: u8,
    },
    /// The key is not usable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key is no validator's.
    #[error(
        "the key {0} is none of the network's validators in its genesis: if it is registered \
         since, put its number in `node.toml` as `validator`"
    )]
    NoValidator(ciro_protocol::Address),
    /// The number in the settings is another one's.
    #[error(
        "`validator` in `node.toml` is {set}, which the genesis gives to another key: leave it out \
         for a validator of the genesis, which has its number there"
    )]
    Number {
        /// The number in the settings.
        set: u32,
    },
    /// Who votes is not to be read.
    #[error(transparent)]
    Members(#[from] crate::members::MembersError),
    /// An address of other validators is none.
    #[error(
        "`{0}` in `net` of `node.toml` is no multiaddr, or one of `peers` without `/p2p/ID`, or \
         leads by TLS to a name and has no `/tls/sni/NAME/ws`"
    )]
    Multiaddr(String),
    /// The node cannot say who it is.
    #[error("the node's record cannot be signed")]
    Record(#[from] ciro_protocol::sign::SignError),
    /// The network does not begin.
    #[error(transparent)]
    Net(#[from] crate::net::NetError),
    /// The log of consensus is not usable.
    #[error("the log of consensus is not usable")]
    Log(#[from] ciro_store::StoreError),
    /// Consensus does not begin.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// Execution does not begin.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The state is not usable.
    #[error(transparent)]
    State(#[from] StoreError),
    /// Bodies of batches are not usable.
    #[error(transparent)]
    Bodies(#[from] BodiesError),
    /// Blobs are not usable.
    #[error(transparent)]
    Blobs(#[from] StoreBlobError),
    /// The system gives no threads.
    #[error("no threads for verification")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The interface cannot listen.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// An origin is none.
    #[error("`{0}` in `api.cors` is no origin")]
    Origin(String),
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] ciro_queue::kafka::KafkaError),
    /// The file that says where the interface listens cannot be written.
    #[error(transparent)]
    Address(#[from] ciro_sdk::FileError),
}
