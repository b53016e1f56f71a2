//! The protocols between validators, and their limits.

use std::sync::Arc;
use std::time::Duration;

use ciro_protocol::wire::Message as _;
use libp2p::request_response::{Behaviour, Config, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, identify, ping, relay};

use super::Net;
use super::admitted::Admitted;
use super::build::Nats;
use super::codec::Frames;
use super::gate::Gate;
use super::nat::{Describing, Nat};
use super::outbox::{FRAME_BYTES_MAX, UNDER_WAY_MAX};
use super::record::Hello;
use super::ruled::Ruled;
use super::wire::{BatchAnswer, BatchRequest, BlobAnswer, BlobRequest, BlockAnswer, BlockRequest};
use crate::metrics::Metrics;

/// How long a peer has to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a peer has to judge a batch, which may hold many proofs, and to send blocks.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// How often a peer says anew what it can where that changes: libp2p tells of no change that comes
/// while it says so for the first time, such as that it has become a relay.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(10);

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

    /// Returns how many requests of one connection are under way at once, those of both sides
    /// together: libp2p fails what comes beyond.
    const fn streams_max(self) -> usize {
        match self {
            Self::Record | Self::Block => 2,
            Self::Consensus => 2 * UNDER_WAY_MAX,
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

/// All of them. Whoever has not said who it is can use those alone that tell nothing.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Protocols {
    pub(super) gate: Gate,
    identify: Ruled<identify::Behaviour, Describing>,
    ping: ping::Behaviour,
    /// Nothing unless the settings want it.
    pub(super) nat: Toggle<Nat>,
    pub(super) record: Behaviour<Frames>,
    consensus: Admitted<Behaviour<Frames>>,
    batch: Admitted<Behaviour<Frames>>,
    blob: Admitted<Behaviour<Frames>>,
    block: Admitted<Behaviour<Frames>>,
}

impl Protocols {
    pub(super) fn new(
        key: &libp2p::identity::Keypair,
        client: Option<relay::client::Behaviour>,
        net: &Net,
    ) -> Self {
        let (peers, metrics) = (&net.peers, &net.metrics);
        let identify = identify::Config::new("/ciro/1".to_owned(), key.public());
        let often = if client.is_some() { IDENTIFY_INTERVAL } else { identify.interval() };
        let identify = identify
            .with_interval(often)
            // What peers say of themselves is dialled by nobody.
            .with_cache_size(0);
        let own = key.public().to_peer_id();
        let nats = if client.is_some() { Nats::Crossed } else { Nats::Ignored };
        let admitted =
            |protocol: Protocol| Admitted::new(protocol.behaviour(metrics), Arc::clone(peers));
        Self {
            gate: Gate::new(metrics, nats),
            identify: Ruled::new(identify::Behaviour::new(identify), Describing),
            ping: ping::Behaviour::default(),
            nat: client.map(|client| Nat::new(own, client, peers)).into(),
            record: Protocol::Record.behaviour(metrics),
            consensus: admitted(Protocol::Consensus),
            batch: admitted(Protocol::Batch),
            blob: admitted(Protocol::Blob),
            block: admitted(Protocol::Block),
        }
    }

    /// Returns the part that carries a protocol.
    pub(super) const fn of(&mut self, protocol: Protocol) -> &mut Behaviour<Frames> {
        match protocol {
            Protocol::Record => &mut self.record,
            Protocol::Consensus => &mut self.consensus.inner,
            Protocol::Batch => &mut self.batch.inner,
            Protocol::Blob => &mut self.blob.inner,
            Protocol::Block => &mut self.block.inner,
        }
    }
}
