//! The protocols between validators, and their limits.

use std::time::Duration;

use ciro_protocol::wire::Message as _;
use libp2p::request_response::{Behaviour, Config, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, connection_limits, identify, memory_connection_limits, ping};

use super::codec::Frames;
use super::outbox::FRAME_BYTES_MAX;
use super::record::Hello;
use super::wire::{BatchAnswer, BatchRequest, BlobAnswer, BlobRequest, BlockAnswer, BlockRequest};
use crate::metrics::Metrics;

/// Connections at once, to and from all peers.
const CONNECTIONS_MAX: u32 = 512;
/// Connections with one peer: both may have dialled, over TCP and QUIC.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Connections that are being set up.
const PENDING_MAX: u32 = 64;
/// Memory of the process beyond which nobody new is let in, in bytes.
const MEMORY_MAX: usize = 8 << 30;
/// How long a peer has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a peer has to judge a batch, which may hold many proofs, and to send blocks.
const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// What validators say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Who a peer is.
    Record,
    /// Messages of consensus.
    Consensus,
    /// Batches before they are ordered.
    Batch,
    /// Blobs.
    Blob,
    /// Executed blocks.
    Block,
}

impl Protocol {
    /// Returns its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "/ciro/record/1",
            Self::Consensus => "/ciro/consensus/1",
            Self::Batch => "/ciro/batch/1",
            Self::Blob => "/ciro/blob/1",
            Self::Block => "/ciro/block/1",
        }
    }

    /// Returns the longest request and the longest answer in bytes.
    fn frames(self, metrics: &Metrics) -> Frames {
        let (request_max, answer_max) = match self {
            Self::Record => (Hello::BYTES_MAX, 1),
            Self::Consensus => (FRAME_BYTES_MAX, 0),
            Self::Batch => (BatchRequest::BYTES_MAX, BatchAnswer::BYTES_MAX),
            Self::Blob => (BlobRequest::BYTES_MAX, BlobAnswer::BYTES_MAX),
            Self::Block => (BlockRequest::BYTES_MAX, BlockAnswer::BYTES_MAX),
        };
        Frames { metrics: metrics.clone(), request_max, answer_max }
    }

    /// Returns how many requests of one connection are served at once.
    const fn streams_max(self) -> usize {
        match self {
            Self::Record | Self::Block => 2,
            Self::Consensus => 8,
            Self::Batch | Self::Blob => 16,
        }
    }

    fn behaviour(self, metrics: &Metrics) -> Behaviour<Frames> {
        let patience = match self {
            Self::Batch | Self::Block => LONG_PATIENCE,
            Self::Record | Self::Consensus | Self::Blob => PATIENCE,
        };
        let config = Config::default()
            .with_request_timeout(patience)
            .with_max_concurrent_streams(self.streams_max());
        let protocol = StreamProtocol::new(self.name());
        Behaviour::with_codec(self.frames(metrics), [(protocol, ProtocolSupport::Full)], config)
    }
}

/// All of them.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Protocols {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) record: Behaviour<Frames>,
    pub(super) consensus: Behaviour<Frames>,
    pub(super) batch: Behaviour<Frames>,
    pub(super) blob: Behaviour<Frames>,
    pub(super) block: Behaviour<Frames>,
}

impl Protocols {
    pub(super) fn new(key: &libp2p::identity::Keypair, metrics: &Metrics) -> Self {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_pending_outgoing(Some(PENDING_MAX))
            .with_max_established(Some(CONNECTIONS_MAX))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        let identify = identify::Config::new("/ciro/1".to_owned(), key.public());
        Self {
            limits: connection_limits::Behaviour::new(limits),
            memory: memory_connection_limits::Behaviour::with_max_bytes(MEMORY_MAX),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            record: Protocol::Record.behaviour(metrics),
            consensus: Protocol::Consensus.behaviour(metrics),
            batch: Protocol::Batch.behaviour(metrics),
            blob: Protocol::Blob.behaviour(metrics),
            block: Protocol::Block.behaviour(metrics),
        }
    }

    /// Returns the part that carries a protocol.
    pub(super) const fn of(&mut self, protocol: Protocol) -> &mut Behaviour<Frames> {
        match protocol {
            Protocol::Record => &mut self.record,
            Protocol::Consensus => &mut self.consensus,
            Protocol::Batch => &mut self.batch,
            Protocol::Blob => &mut self.blob,
            Protocol::Block => &mut self.block,
        }
    }
}
