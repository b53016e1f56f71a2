//! The way to other validators. Nothing else in the workspace knows libp2p.
//!
//! One task owns the swarm. It keeps connections to the configured peers, binds each to the
//! validator that its signed record names, and carries requests: `/ciro/record/1` says who a peer
//! is, `/ciro/consensus/1` carries frames of messages, `/ciro/batch/1` batches before they are
//! ordered, `/ciro/blob/1` blobs chunk by chunk, `/ciro/block/1` executed blocks to whoever was
//! away. Whatever a peer sends is bounded before memory is taken for it and decoded strictly; what
//! is refused is counted by its reason. Whoever has not said for which validator it speaks can say
//! that and nothing else, and is sent away after a few seconds.
//!
//! Validators that nobody can dial are reached through others that relay for them, and directly as
//! soon as a hole is punched, if the settings want it: `nat` has the protocols, `reach` says
//! what to do with them.
//!
//! Messages of consensus may be lost, replicas ask again. Everything else is asked for until it is
//! answered by whoever needs it: the [`Courier`] brings batches, [`Net`] fetches.

mod admitted;
mod allowance;
mod behaviour;
mod build;
mod codec;
mod courier;
mod fetch;
mod gate;
mod handout;
mod identity;
mod membership;
mod names;
mod nat;
mod outbox;
mod panics;
mod peers;
mod places;
mod plain;
mod reach;
mod record;
mod ruled;
mod service;
mod sources;
mod supply;
mod swarm;
mod targets;
mod transport;
mod turns;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::ReplicaId;
use libp2p::PeerId;
use libp2p::request_response::ResponseChannel;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub use behaviour::Protocol;
pub use courier::Courier;
pub use fetch::FetchError;
pub use identity::{Addresses, Identity};
pub use peers::{Peers, RecordError};
pub use record::{Hello, NodeRecord};
pub use service::{Holding, Service};
pub use supply::Supply;
pub use swarm::{NetError, Opening, Running, start};
pub use transport::Remote;
pub(crate) use wire::{BLOCKS_BYTES_FULL, BLOCKS_MAX, LINKS_MAX};
pub use wire::{BatchAnswer, BatchRequest, BlobAnswer, BlobRequest, BlockAnswer, BlockRequest};

use crate::metrics::Metrics;

/// Requests that wait for the swarm at most.
const REQUESTS_MAX: usize = 256;
/// Messages of consensus that wait for the swarm at most.
const MESSAGES_MAX: usize = 4096;

/// How long an answer is waited for at most. Requests end by themselves before that, except for
/// those that went to a connection which is being closed: nobody hears of them.
const ANSWERED_MAX: Duration = behaviour::LONG_PATIENCE.saturating_add(Duration::from_secs(1));

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The validator cannot be reached now.
    #[error("validator {0} cannot be reached")]
    Unreachable(ReplicaId),
    /// It did not answer.
    #[error("validator {0} does not answer")]
    NoAnswer(ReplicaId),
    /// The node stops.
    #[error("the node stops")]
    Stopped,
}

/// What others ask of the swarm.
pub(crate) enum Request {
    /// Ask a peer.
    Ask { peer: PeerId, protocol: Protocol, bytes: Vec<u8>, answer: oneshot::Sender<Vec<u8>> },
    /// Answer a peer.
    Answer { protocol: Protocol, channel: ResponseChannel<Vec<u8>>, bytes: Vec<u8> },
}

/// A message of consensus for one validator, or for all.
pub(crate) struct Outgoing {
    pub(crate) to: Option<ReplicaId>,
    pub(crate) bytes: Arc<[u8]>,
}

/// The handle of the network.
#[derive(Clone)]
pub struct Net {
    pub(crate) peers: Arc<Peers>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) metrics: Metrics,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").field("peers", &self.peers).finish_non_exhaustive()
    }
}

/// Where the swarm takes what others ask of it.
pub struct Queues {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) outgoing: mpsc::Receiver<Outgoing>,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

impl Net {
    /// Makes a handle and the queues behind it.
    #[must_use]
    pub fn new(peers: Arc<Peers>, metrics: Metrics) -> (Self, Queues) {
        let (requests, request_queue) = mpsc::channel(REQUESTS_MAX);
        let (outgoing, outgoing_queue) = mpsc::channel(MESSAGES_MAX);
        let net = Self { peers, requests, outgoing, metrics };
        (net, Queues { requests: request_queue, outgoing: outgoing_queue })
    }

    /// Returns who can be reached.
    #[must_use]
    pub const fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Asks a validator.
    ///
    /// # Errors
    ///
    /// [`AskError`] if it cannot be reached or does not answer in time.
    pub(crate) async fn ask(
        &self,
        to: ReplicaId,
        protocol: Protocol,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, AskError> {
        let peer = self.peers.reach(to).ok_or(AskError::Unreachable(to))?;
        let (answer, answered) = oneshot::channel();
        let request = Request::Ask { peer, protocol, bytes, answer };
        self.requests.send(request).await.map_err(|_| AskError::Stopped)?;
        let answered = timeout(ANSWERED_MAX, answered).await.ok().and_then(Result::ok);
        answered.ok_or(AskError::NoAnswer(to))
    }
}
