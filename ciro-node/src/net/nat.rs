//! How validators behind NATs are reached: the protocols of libp2p for it, and their limits.
//!
//! AutoNAT tells whether others can dial this node. One that they can is a relay for validators;
//! one that they cannot reserves places at relays. DCUtR then makes a direct connection of a
//! relayed one, where the NATs let it. Strangers get nothing of it.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::autonat::v1 as autonat;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::{ListenerId, PortUse};
use libp2p::swarm::{ConnectionId, NetworkBehaviour};
use libp2p::{PeerId, dcutr, identify, relay};

use super::admitted::Admitted;
use super::peers::Peers;
use super::reach::Reachability;
use super::swarm::Task;

/// How long after the start a node is asked first whether it can be reached.
const BOOT_DELAY: Duration = Duration::from_secs(4);
/// How long one asks again that knows little yet, of another one each time.
const RETRY: Duration = Duration::from_secs(15);
/// How often one asks again that is sure.
const REFRESH: Duration = Duration::from_secs(300);
/// Circuits that a validator may ask for in a minute: it tries every four seconds for each that it
/// misses.
const CIRCUITS_A_MINUTE: NonZeroU32 = NonZeroU32::new(600).expect("not zero");
/// Circuits that a relay carries at once.
const CIRCUITS_MAX: usize = 1024;
/// The same from or to one validator.
const CIRCUITS_PER_PEER_MAX: usize = 256;
/// How long a circuit lasts. Its ends make a new one, and try a direct connection again.
const CIRCUIT_DURATION: Duration = Duration::from_secs(3600);
/// Bytes that a circuit carries, in each direction.
const CIRCUIT_BYTES_MAX: u64 = 1 << 32;

/// All of them.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Nat {
    autonat: Admitted<autonat::Behaviour>,
    relay: Admitted<relay::Behaviour>,
    circuits: Admitted<relay::client::Behaviour>,
    /// Open to whoever came through a relay: it speaks before records are exchanged.
    dcutr: dcutr::Behaviour,
}

impl Nat {
    pub(super) fn new(own: PeerId, client: relay::client::Behaviour, peers: &Arc<Peers>) -> Self {
        let autonat = autonat::Config {
            boot_delay: BOOT_DELAY,
            retry_interval: RETRY,
            refresh_interval: REFRESH,
            throttle_server_period: RETRY,
            ..autonat::Config::default()
        };
        let limits = relay::Config {
            max_circuits: CIRCUITS_MAX,
            max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
            max_circuit_duration: CIRCUIT_DURATION,
            max_circuit_bytes: CIRCUIT_BYTES_MAX,
            circuit_src_rate_limiters: Vec::new(),
            ..relay::Config::default()
        };
        let limits = limits.circuit_src_per_peer(CIRCUITS_A_MINUTE, Duration::from_secs(60));
        let mut relay = relay::Behaviour::new(own, limits);
        // By itself it would begin with the first address, be it one of another relay.
        relay.set_status(Some(relay::Status::Disable));
        Self {
            autonat: Admitted::new(autonat::Behaviour::new(own, autonat), Arc::clone(peers)),
            relay: Admitted::new(relay, Arc::clone(peers)),
            circuits: Admitted::new(client, Arc::clone(peers)),
            dcutr: dcutr::Behaviour::new(own),
        }
    }

    /// Begins or ends to be a relay; what it carries already goes on.
    pub(super) fn offer(&mut self, offered: bool) {
        let status = if offered { relay::Status::Enable } else { relay::Status::Disable };
        self.relay.inner.set_status(Some(status));
    }
}

impl Task {
    /// Takes note of a connection, and closes one that is no more than the answer to somebody who
    /// asks whether others can dial it.
    pub(super) fn established(&mut self, id: ConnectionId, peer: PeerId, end: &ConnectedPoint) {
        if matches!(end, ConnectedPoint::Dialer { port_use: PortUse::New, .. }) {
            self.swarm.close_connection(id);
            return;
        }
        self.reach.connected(id, peer, end);
        self.connected(peer);
    }

    pub(super) fn identify_event(&mut self, event: &identify::Event) {
        match event {
            identify::Event::Received { connection_id, info, .. }
            | identify::Event::Pushed { connection_id, info, .. } => {
                self.reach.identified(*connection_id, info);
            }
            _ => {}
        }
    }

    pub(super) fn nat_event(&mut self, event: NatEvent) {
        match event {
            NatEvent::Autonat(autonat::Event::StatusChanged { new, .. }) => {
                self.reachability(match new {
                    autonat::NatStatus::Public(_) => Reachability::Public,
                    autonat::NatStatus::Private => Reachability::Private,
                    autonat::NatStatus::Unknown => Reachability::Unknown,
                });
            }
            NatEvent::Relay(event) => self.relay_event(&event),
            NatEvent::Circuits(relay::client::Event::ReservationReqAccepted {
                relay_peer_id: relay,
                renewal: false,
                ..
            }) => {
                tracing::info!(%relay, "a relay has a place for this node");
                self.reach.given(relay);
            }
            NatEvent::Dcutr(event) => self.punched(&event),
            NatEvent::Autonat(_) | NatEvent::Circuits(_) => {}
        }
    }

    fn reachability(&mut self, now: Reachability) {
        tracing::info!(reachability = now.label(), "whether others can dial this node");
        self.reach.reachability = now;
        self.metrics.net_reachability(now.label());
        self.swarm.behaviour_mut().nat.offer(now == Reachability::Public);
    }

    fn relay_event(&self, event: &relay::Event) {
        match event {
            relay::Event::CircuitReqAccepted { src_peer_id: from, dst_peer_id: to } => {
                tracing::info!(%from, %to, "this node relays");
                self.metrics.net_circuits(1);
            }
            relay::Event::CircuitClosed { src_peer_id: from, dst_peer_id: to, .. } => {
                tracing::info!(%from, %to, "this node relays no more");
                self.metrics.net_circuits(-1);
            }
            _ => tracing::debug!(?event, "relay"),
        }
    }

    fn punched(&self, event: &dcutr::Event) {
        let peer = event.remote_peer_id;
        match &event.result {
            Ok(id) => {
                let transport = self.reach.transport(*id);
                tracing::info!(%peer, transport, "a hole is punched");
                self.metrics.net_holepunch("direct", transport);
            }
            Err(error) => {
                tracing::info!(%peer, %error, "no hole is punched");
                self.metrics.net_holepunch("failed", "none");
            }
        }
    }

    pub(super) fn listener_closed(&mut self, listener: ListenerId, reason: Result<(), io::Error>) {
        if let Some(relay) = self.reach.ended(listener, Instant::now()) {
            tracing::info!(%relay, ?reason, "a place at a relay is over");
        } else if let Err(error) = reason {
            tracing::error!(%error, "listening for validators failed");
        }
    }

    /// Asks for places at relays, leaves those that are needless, and closes relayed connections
    /// beside direct ones.
    pub(super) fn look_after_reach(&mut self, now: Instant) {
        for listener in self.reach.needless(now) {
            self.swarm.remove_listener(listener);
            self.reach.ended(listener, now);
        }
        for (relay, address) in self.reach.missing(now) {
            match self.swarm.listen_on(address) {
                Ok(listener) => self.reach.asked(relay, listener, now),
                Err(error) => tracing::warn!(%relay, %error, "cannot ask for a place at a relay"),
            }
        }
        for connection in self.reach.superfluous(now) {
            self.swarm.close_connection(connection);
        }
        self.metrics.net_relays(self.reach.placed(), self.reach.relayed());
    }
}
