//! Whether this node can be reached, at which relays it has places, and whom it reaches through
//! one.
//!
//! A validator behind a NAT has places at a few relays, and others look for it there: both order
//! the relays by a hash over its name and theirs, so that nobody has to be told which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, identify, relay};
use sha2::{Digest as _, Sha256};

/// Relays at which a node has places.
const PLACES_MAX: usize = 2;
/// Relays that are asked for a peer at once.
const ASKED_MAX: usize = 3;
/// How long a relay is not asked again that gave no place.
const REFUSED_PAUSE: Duration = Duration::from_secs(20);
/// How long a relay has to give a place.
const PLACE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a relayed connection stays beside a direct one: what is on its way arrives.
const OVERLAP: Duration = Duration::from_secs(2);

/// Whether others can dial this node, as they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reachability {
    /// Nobody has said.
    #[default]
    Unknown,
    /// They can.
    Public,
    /// They cannot.
    Private,
}

impl Reachability {
    /// Returns the label under which it is shown.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// A connection.
#[derive(Clone, Debug)]
struct Way {
    peer: PeerId,
    /// Where the other end is.
    remote: Multiaddr,
    /// Whether this node dialled.
    dialled: bool,
    since: Instant,
    /// Where the other end is a relay, as it said last on this connection.
    relay: Option<Multiaddr>,
}

impl Way {
    fn is_relayed(&self) -> bool {
        is_circuit(&self.remote)
    }

    /// Returns where others find the other end: where this node has dialled it, or where it says
    /// that it listens on the host that it speaks from.
    fn reached_at(&self, said: &[Multiaddr]) -> Option<Multiaddr> {
        if self.dialled {
            return Some(self.remote.clone());
        }
        let from = self.remote.iter().next()?;
        said.iter().find(|it| !is_circuit(it) && it.iter().next().as_ref() == Some(&from)).cloned()
    }
}

/// A place at a relay, or one that was asked for.
#[derive(Clone, Copy, Debug)]
struct Place {
    listener: ListenerId,
    since: Instant,
    given: bool,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Reach {
    own: PeerId,
    pub(super) reachability: Reachability,
    ways: BTreeMap<ConnectionId, Way>,
    places: BTreeMap<PeerId, Place>,
    refused: BTreeMap<PeerId, Instant>,
}

impl Reach {
    pub(super) fn new(own: PeerId) -> Self {
        Self {
            own,
            reachability: Reachability::default(),
            ways: BTreeMap::new(),
            places: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Takes note of a connection.
    pub(super) fn connected(&mut self, id: ConnectionId, peer: PeerId, end: &ConnectedPoint) {
        let remote = match end {
            ConnectedPoint::Dialer { address, .. } => address.clone(),
            // The other end of a relayed one has no address, this one has.
            ConnectedPoint::Listener { local_addr, .. } if end.is_relayed() => local_addr.clone(),
            ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr.clone(),
        };
        let (dialled, since) = (end.is_dialer(), Instant::now());
        self.ways.insert(id, Way { peer, remote, dialled, since, relay: None });
    }

    /// Takes note that a connection is gone.
    pub(super) fn closed(&mut self, id: ConnectionId) {
        self.ways.remove(&id);
    }

    /// Returns by which transport a connection goes.
    pub(super) fn transport(&self, id: ConnectionId) -> &'static str {
        self.ways.get(&id).map_or("unknown", |way| transport_of(&way.remote))
    }

    /// Returns how many peers are reached through relays alone.
    pub(super) fn relayed(&self) -> usize {
        let mut direct: BTreeMap<PeerId, bool> = BTreeMap::new();
        for way in self.ways.values() {
            *direct.entry(way.peer).or_default() |= !way.is_relayed();
        }
        direct.values().filter(|direct| !**direct).count()
    }

    /// Returns relayed connections with peers that have had a direct one for a moment.
    pub(super) fn superfluous(&self, now: Instant) -> Vec<ConnectionId> {
        let old = |way: &Way| now.saturating_duration_since(way.since) >= OVERLAP;
        let relayed = self.ways.iter().filter(|(_, way)| way.is_relayed());
        relayed.filter(|(_, way)| self.direct(way.peer).any(old)).map(|(id, _)| *id).collect()
    }

    fn direct(&self, peer: PeerId) -> impl Iterator<Item = &Way> {
        self.ways.values().filter(move |way| way.peer == peer && !way.is_relayed())
    }

    /// Takes note of what a peer says on a connection that it can. On others it may say so later.
    pub(super) fn identified(&mut self, id: ConnectionId, info: &identify::Info) {
        let offers = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        if let Some(way) = self.ways.get_mut(&id).filter(|way| !way.is_relayed()) {
            way.relay = way.reached_at(&info.listen_addrs).filter(|_| offers);
        }
    }

    /// Returns where a peer is a relay.
    fn relay(&self, peer: PeerId) -> Option<&Multiaddr> {
        self.direct(peer).find_map(|way| way.relay.as_ref())
    }

    /// Returns the address of a peer through a relay, or of a place there.
    fn through(&self, relay: PeerId, peer: Option<PeerId>) -> Option<Multiaddr> {
        let address = self.relay(relay)?.clone().with_p2p(relay).ok()?;
        let address = address.with(Protocol::P2pCircuit);
        Some(peer.into_iter().fold(address, |address, peer| address.with(Protocol::P2p(peer))))
    }

    /// Returns the relays for a peer, best first.
    fn ranked(&self, peer: PeerId) -> Vec<PeerId> {
        let relays: BTreeSet<_> =
            self.ways.values().filter(|way| way.relay.is_some()).map(|way| way.peer).collect();
        let mut relays: Vec<_> = relays.into_iter().filter(|it| *it != peer).collect();
        relays.sort_by_cached_key(|relay| {
            Sha256::new().chain_update(peer.to_bytes()).chain_update(relay.to_bytes()).finalize()
        });
        relays
    }

    /// Returns addresses of a peer through relays, others with each try: it may see other relays.
    pub(super) fn circuits(&self, peer: PeerId, tries: usize) -> Vec<Multiaddr> {
        let ranked = self.ranked(peer);
        let count = ranked.len();
        let asked = ranked.iter().cycle().skip(tries * ASKED_MAX % count.max(1));
        let asked = asked.take(count.min(ASKED_MAX));
        asked.filter_map(|relay| self.through(*relay, Some(peer))).collect()
    }

    /// Returns the relays to ask for places now, and where to listen for them.
    pub(super) fn missing(&mut self, now: Instant) -> Vec<(PeerId, Multiaddr)> {
        if self.reachability != Reachability::Private {
            return Vec::new();
        }
        self.refused.retain(|_, at| now.saturating_duration_since(*at) < REFUSED_PAUSE);
        let asked = |it: &PeerId| self.places.contains_key(it) || self.refused.contains_key(it);
        let free = self.ranked(self.own).into_iter().filter(|it| !asked(it));
        let free = free.take(PLACES_MAX.saturating_sub(self.places.len()));
        free.filter_map(|it| Some((it, self.through(it, None)?))).collect()
    }

    /// Takes note that a relay is asked for a place.
    pub(super) fn asked(&mut self, relay: PeerId, listener: ListenerId, now: Instant) {
        self.places.insert(relay, Place { listener, since: now, given: false });
    }

    /// Takes note that a relay gave a place.
    pub(super) fn given(&mut self, relay: PeerId) {
        if let Some(place) = self.places.get_mut(&relay) {
            place.given = true;
        }
    }

    /// Takes note that a listener is closed. Returns the relay at which a place is lost.
    pub(super) fn ended(&mut self, listener: ListenerId, now: Instant) -> Option<PeerId> {
        let (relay, place) = self.places.iter().find(|(_, place)| place.listener == listener)?;
        let (relay, given) = (*relay, place.given);
        self.places.remove(&relay);
        if !given {
            self.refused.insert(relay, now);
        }
        Some(relay)
    }

    /// Returns the listeners of places that are needed no more, or do not come.
    pub(super) fn needless(&self, now: Instant) -> Vec<ListenerId> {
        let private = self.reachability == Reachability::Private;
        let late =
            |it: &Place| !it.given && now.saturating_duration_since(it.since) > PLACE_PATIENCE;
        let places = self.places.values().filter(|it| !private || late(it));
        places.map(|it| it.listener).collect()
    }

    /// Returns at how many relays this node has a place.
    pub(super) fn placed(&self) -> usize {
        self.places.values().filter(|place| place.given).count()
    }
}

/// Whether an address leads through a relay.
pub(super) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

fn transport_of(address: &Multiaddr) -> &'static str {
    let has = |wanted: fn(&Protocol<'_>) -> bool| address.iter().any(|part| wanted(&part));
    if has(|part| matches!(part, Protocol::P2pCircuit)) {
        "relay"
    } else if has(|part| matches!(part, Protocol::Udp(_))) {
        "quic"
    } else if has(|part| matches!(part, Protocol::Ws(_) | Protocol::Wss(_))) {
        "websocket"
    } else {
        "tcp"
    }
}

#[cfg(test)]
mod tests;
