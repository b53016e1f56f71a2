//! How validators behind NATs are reached: the protocols of libp2p for it, and their limits.
//!
//! AutoNAT tells whether others can dial this node. One that they can is a relay for validators;
//! one that they cannot reserves places at relays. DCUtR then makes a direct connection of a
//! relayed one, where the NATs let it. Strangers get nothing of it, and one validator alone decides
//! nothing: what libp2p takes for true is kept from it, as [`rules`] and [`carrying`] say. All of
//! it is there only if the settings want it.

mod carrying;
mod rules;

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use libp2p::autonat::v1 as autonat;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::{ListenerId, PortUse};
use libp2p::swarm::{ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate};
use libp2p::{Multiaddr, PeerId, dcutr, identify, relay};

use self::carrying::Carrying;
pub(super) use self::rules::Describing;
use self::rules::{Asking, Placing, Punching};
use super::admitted::Admitted;
use super::peers::Peers;
use super::reach::{Reachability, is_circuit};
use super::ruled::Ruled;
use super::swarm::Task;

/// How long after the start a node is asked first whether it can be reached.
const BOOT_DELAY: Duration = Duration::from_secs(4);
/// How long one asks again that knows little yet, of another one each time.
const RETRY: Duration = Duration::from_secs(5);
/// How often one asks again that is sure.
const REFRESH: Duration = Duration::from_secs(300);
/// How long the same one is not asked again, and does not answer more than twice.
const THROTTLE: Duration = Duration::from_secs(10);
/// Addresses that are dialled for whoever asks, one after the other.
const PROBED_MAX: usize = 4;
/// Circuits that a validator may ask for at once after a pause: it tries every four seconds for
/// each that it misses.
const CIRCUITS_BURST: NonZeroU32 = NonZeroU32::new(600).expect("not zero");
/// How long until it may ask for one more.
const CIRCUIT_PAUSE: Duration = Duration::from_millis(100);
/// Places that a validator may ask for at once after a pause: it loses one if whoever it asks for
/// here does not answer.
const RESERVATIONS_BURST: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
/// How long until it may ask for one more.
const RESERVATION_PAUSE: Duration = Duration::from_secs(1);
/// Places at this relay, one for each connection of a validator.
const PLACES_MAX: usize = 1024;
/// How long a place lasts: as long as the connection. If one could end before it, an answer to who
/// renews it that arrives later would be the end of libp2p's relay.
const PLACE_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long a circuit lasts. Its ends make a new one, and try a direct connection again.
const CIRCUIT_DURATION: Duration = Duration::from_secs(3600);
/// Bytes that a circuit carries, in both directions together.
const CIRCUIT_BYTES_MAX: u64 = 1 << 32;

/// All of them.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Nat {
    autonat: Admitted<Ruled<autonat::Behaviour, Asking>>,
    relay: Admitted<Ruled<relay::Behaviour, Carrying>>,
    circuits: Admitted<Ruled<relay::client::Behaviour, Placing>>,
    dcutr: Admitted<Ruled<dcutr::Behaviour, Punching>>,
}

impl Nat {
    pub(super) fn new(own: PeerId, client: relay::client::Behaviour, peers: &Arc<Peers>) -> Self {
        let asking = asked(peers.voters().len() + 1);
        let peers = || Arc::clone(peers);
        let mut relay = relay::Behaviour::new(own, carried());
        // By itself it would begin with the first address, be it one of another relay.
        relay.set_status(Some(relay::Status::Disable));
        let autonat = Ruled::new(autonat::Behaviour::new(own, asking), Asking);
        let dcutr = Ruled::new(dcutr::Behaviour::new(own), Punching::new(peers()));
        Self {
            autonat: Admitted::new(autonat, peers()),
            relay: Admitted::new(Ruled::new(relay, Carrying::default()), peers()),
            circuits: Admitted::new(Ruled::new(client, Placing), peers()),
            // It begins by itself, before the other end knows this node.
            dcutr: Admitted::patient(dcutr, peers()),
        }
    }

    /// Begins or ends to be a relay; what it carries already goes on.
    fn offer(&mut self, offered: bool) {
        let status = if offered { relay::Status::Enable } else { relay::Status::Disable };
        self.relay.inner.inner.set_status(Some(status));
    }

    /// Says where holes may be punched to this node, the likeliest last.
    fn observed(&mut self, candidates: &[Multiaddr]) {
        for addr in candidates {
            let candidate = NewExternalAddrCandidate { addr };
            let candidate = FromSwarm::NewExternalAddrCandidate(candidate);
            self.dcutr.inner.inner.on_swarm_event(candidate);
        }
    }
}

/// Validators alone are asked, and may ask. As many have to agree as may lie and one more, so that
/// they are asked one soon after the other until so many answers agree that all may have spoken.
fn asked(validators: usize) -> autonat::Config {
    autonat::Config {
        boot_delay: BOOT_DELAY,
        retry_interval: RETRY,
        refresh_interval: REFRESH,
        throttle_server_period: THROTTLE,
        use_connected: false,
        confidence_max: validators,
        max_peer_addresses: PROBED_MAX,
        throttle_clients_period: THROTTLE,
        throttle_clients_peer_max: 2,
        ..autonat::Config::default()
    }
}

/// What a relay carries at once is [`Carrying`]'s business: libp2p would count it for whoever is
/// called as well as for whoever calls.
fn carried() -> relay::Config {
    let limits = relay::Config {
        max_reservations: PLACES_MAX,
        reservation_duration: PLACE_DURATION,
        reservation_rate_limiters: Vec::new(),
        max_circuits: usize::MAX,
        max_circuits_per_peer: usize::MAX,
        max_circuit_duration: CIRCUIT_DURATION,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    };
    let limits = limits.circuit_src_per_peer(CIRCUITS_BURST, CIRCUIT_PAUSE);
    limits.reservation_rate_per_peer(RESERVATIONS_BURST, RESERVATION_PAUSE)
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

    /// Takes note that a peer speaks for a validator.
    pub(super) fn bound(&mut self, peer: PeerId, id: ReplicaId) {
        let Some(nat) = self.swarm.behaviour_mut().nat.as_mut() else { return };
        nat.autonat.inner.inner.add_server(peer, None);
        if self.reach.bound(peer, id) {
            nat.observed(&self.reach.candidates());
        }
    }

    /// Takes note that a peer speaks for nobody any more.
    pub(super) fn unbound(&mut self, peer: PeerId) {
        self.reach.gone(peer);
        if let Some(nat) = self.swarm.behaviour_mut().nat.as_mut() {
            nat.autonat.inner.inner.remove_server(&peer);
        }
    }

    pub(super) fn identify_event(&mut self, event: &identify::Event) {
        let Some(nat) = self.swarm.behaviour_mut().nat.as_mut() else { return };
        let (identify::Event::Received { connection_id: id, info, .. }
        | identify::Event::Pushed { connection_id: id, info, .. }) = event
        else {
            return;
        };
        if self.reach.identified(*id, info) {
            nat.observed(&self.reach.candidates());
        }
    }

    pub(super) fn nat_event(&mut self, event: NatEvent) {
        use autonat::{OutboundProbeError, OutboundProbeEvent, ResponseError};
        match event {
            NatEvent::Autonat(autonat::Event::OutboundProbe(probe)) => match probe {
                OutboundProbeEvent::Response { peer, address, .. } => {
                    self.found(peer, Some(address));
                }
                OutboundProbeEvent::Error {
                    peer: Some(peer),
                    error: OutboundProbeError::Response(ResponseError::DialError),
                    ..
                } => self.found(peer, None),
                _ => {}
            },
            NatEvent::Relay(event) => self.relay_event(&event),
            NatEvent::Circuits(relay::client::Event::ReservationReqAccepted {
                relay_peer_id: relay,
                renewal,
                ..
            }) => self.placed(relay, renewal),
            NatEvent::Dcutr(event) => self.punched(&event),
            NatEvent::Autonat(_) | NatEvent::Circuits(_) => {}
        }
    }

    /// Takes note that a relay gives a place. One that makes this node renew it could do so without
    /// end, with other addresses each time: places last as long as the connection.
    fn placed(&mut self, relay: PeerId, renewal: bool) {
        if renewal {
            self.reach.refused(relay, Instant::now());
            self.refuse(relay, "place_renewed");
        } else {
            tracing::info!(%relay, "a relay has a place for this node");
            self.reach.given(relay);
        }
    }

    /// Takes note of where a validator reached this node when it was asked to, if it did.
    fn found(&mut self, peer: PeerId, found: Option<Multiaddr>) {
        let now = Instant::now();
        self.reach.found(peer, found, now);
        let listening = self.swarm.listeners().filter(|address| !is_circuit(address));
        let listening: Vec<_> = listening.cloned().collect();
        let (reachability, addresses) = self.reach.verdict(&listening, now);
        self.reachability(reachability, &addresses);
    }

    fn reachability(&mut self, now: Reachability, addresses: &BTreeSet<Multiaddr>) {
        // Where it was found before stands until it is found elsewhere.
        if now != Reachability::Public || !addresses.is_empty() {
            let own = self.swarm.external_addresses();
            let gone: Vec<_> = own.filter(|own| !addresses.contains(own)).cloned().collect();
            gone.iter().for_each(|address| self.swarm.remove_external_address(address));
            for address in addresses {
                self.swarm.add_external_address(address.clone());
            }
        }
        if self.reach.reachability == now {
            return;
        }
        tracing::info!(reachability = now.label(), "whether others can dial this node");
        self.reach.reachability = now;
        self.metrics.net_reachability(now.label());
        if let Some(nat) = self.swarm.behaviour_mut().nat.as_mut() {
            nat.offer(now == Reachability::Public);
        }
    }

    fn relay_event(&self, event: &relay::Event) {
        match event {
            relay::Event::CircuitReqAccepted { src_peer_id: from, dst_peer_id: to } => {
                tracing::info!(%from, %to, "this node relays");
            }
            relay::Event::CircuitClosed { src_peer_id: from, dst_peer_id: to, .. } => {
                tracing::info!(%from, %to, "this node relays no more");
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
        if let Some(relay) = self.reach.ended(listener, &reason, Instant::now()) {
            tracing::info!(%relay, ?reason, "a place at a relay is over");
        } else if let Err(error) = reason {
            tracing::error!(%error, "listening for validators failed");
        }
    }

    /// Asks for places at relays, and closes relayed connections beside direct ones. A place that
    /// is needed no more is kept: libp2p's relay client ends if an answer comes to nobody.
    pub(super) fn look_after_reach(&mut self, now: Instant) {
        let Some(nat) = self.swarm.behaviour().nat.as_ref() else { return };
        self.metrics.net_circuits(nat.relay.inner.rules.carried());
        for (relay, address) in self.reach.missing(now) {
            match self.swarm.listen_on(address) {
                Ok(listener) => self.reach.asked(relay, listener, now),
                Err(error) => {
                    tracing::warn!(%relay, %error, "cannot ask for a place at a relay");
                    self.reach.refused(relay, now);
                }
            }
        }
        for connection in self.reach.superfluous(now) {
            self.swarm.close_connection(connection);
        }
        self.metrics.net_relays(self.reach.placed(), self.reach.relayed());
    }
}

#[cfg(test)]
mod tests;
