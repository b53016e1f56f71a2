//! Whether this node can be reached, at which relays it has places, and whom it reaches through
//! one.
//!
//! A validator behind a NAT has places at a few relays, and others look for it there: both order
//! the relays by a hash over its number and theirs, so that nobody has to be told which. Numbers
//! are the genesis's: nobody can choose one that comes first. Relays are validators, and so are
//! those that say what this node is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, identify, relay};
use sha2::{Digest as _, Sha256};

use self::votes::Votes;
use super::plain::is_plain;

mod votes;

/// Relays at which a node has places: as many as others ask at once, who find it where one of them
/// is honest.
const PLACES_MAX: usize = ASKED_MAX;
/// Relays that are asked for a peer at once.
pub(super) const ASKED_MAX: usize = 3;
/// How long a relay is not asked again that gave no place.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// How long a relay has to give a place before another one is asked as well. libp2p ends the
/// question after a minute. Nothing else may: an answer that came later would be its end.
const PLACE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a place has to last: a relay that gives shorter ones is left alone for a while, however
/// they end.
const PLACE_LASTS: Duration = Duration::from_secs(10);
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
    /// Where the other end sees this node, as it said last.
    observed: Option<Multiaddr>,
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
        let plain = |it: &&Multiaddr| is_plain(it);
        said.iter().filter(plain).find(|it| it.iter().next().as_ref() == Some(&from)).cloned()
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
    own: ReplicaId,
    pub(super) reachability: Reachability,
    votes: Votes,
    ways: BTreeMap<ConnectionId, Way>,
    /// Connected peers that speak for validators.
    bound: BTreeMap<PeerId, ReplicaId>,
    /// Who spoke last for each validator.
    known: BTreeMap<ReplicaId, PeerId>,
    places: BTreeMap<PeerId, Place>,
    refused: BTreeMap<PeerId, Instant>,
}

impl Reach {
    /// Begins as one validator of these, each with its stake.
    pub(super) fn new(own: ReplicaId, stakes: BTreeMap<ReplicaId, u64>) -> Self {
        Self {
            own,
            reachability: Reachability::default(),
            votes: Votes::new(stakes),
            ways: BTreeMap::new(),
            bound: BTreeMap::new(),
            known: BTreeMap::new(),
            places: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Counts what validators say by these stakes from now on.
    pub(super) fn weigh(&mut self, stakes: BTreeMap<ReplicaId, u64>) {
        self.known.retain(|id, _| stakes.contains_key(id));
        self.votes.weigh(stakes);
    }

    /// Takes note that a peer speaks for a validator. Returns whether it sees this node where
    /// nobody has seen it.
    pub(super) fn bound(&mut self, peer: PeerId, id: ReplicaId) -> bool {
        self.bound.retain(|_, other| *other != id);
        self.bound.insert(peer, id);
        self.known.retain(|_, other| *other != peer);
        self.known.insert(id, peer);
        self.observe(peer)
    }

    /// Takes note that a peer is gone, or that another one speaks for its validator.
    pub(super) fn gone(&mut self, peer: PeerId) {
        self.bound.remove(&peer);
    }

    /// Returns the number of a peer, if it has spoken for a validator.
    fn number(&self, peer: PeerId) -> Option<ReplicaId> {
        self.known.iter().find(|(_, known)| **known == peer).map(|(id, _)| *id)
    }

    /// Takes note of where a validator reached this node when it was asked to, if it did.
    pub(super) fn found(&mut self, peer: PeerId, found: Option<Multiaddr>, now: Instant) {
        if let Some(id) = self.bound.get(&peer) {
            self.votes.found(*id, found, now);
        }
    }

    /// Returns whether this node can be dialled, and where, as enough validators say.
    pub(super) fn verdict(
        &mut self,
        listening: &[Multiaddr],
        now: Instant,
    ) -> (Reachability, BTreeSet<Multiaddr>) {
        self.votes.verdict(self.reachability, listening, now)
    }

    /// Returns where others may reach this node through a hole, what most say last.
    pub(super) fn candidates(&self) -> Vec<Multiaddr> {
        self.votes.candidates()
    }

    /// Takes note of where a validator sees the connections that this node has dialled.
    fn observe(&mut self, peer: PeerId) -> bool {
        let Some(id) = self.bound.get(&peer) else { return false };
        let own = self.ways.values().filter(|way| way.peer == peer && way.dialled);
        let mut new = false;
        for at in own.filter(|way| !way.is_relayed()).filter_map(|way| way.observed.as_ref()) {
            // Where another validator is found there is no hole to this node, and whoever dials it
            // there meets the wrong one, which ends the attempt for all addresses.
            let others = self.ways.values().filter(|way| way.dialled);
            if !others.map(|way| plain_of(&way.remote)).any(|other| other == plain_of(at)) {
                new |= self.votes.observed(*id, at);
            } else {
                tracing::debug!(validator = %id, %at, "where another validator is");
            }
        }
        new
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
        self.ways.insert(id, Way { peer, remote, dialled, since, relay: None, observed: None });
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
    /// Returns whether it is a validator that sees this node where nobody has seen it.
    pub(super) fn identified(&mut self, id: ConnectionId, info: &identify::Info) -> bool {
        let offers = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        let Some(way) = self.ways.get_mut(&id).filter(|way| !way.is_relayed()) else {
            return false;
        };
        way.relay = way.reached_at(&info.listen_addrs).filter(|_| offers);
        way.observed = Some(info.observed_addr.clone());
        let peer = way.peer;
        self.observe(peer)
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

    /// Returns the relays for a validator, best first. Of one that has never been met the number
    /// is not known: there they are in the order of their own.
    fn ranked(&self, of: Option<ReplicaId>) -> Vec<PeerId> {
        let offers = |peer: &PeerId| self.relay(*peer).is_some();
        let relays = self.bound.iter().filter(|(peer, id)| Some(**id) != of && offers(peer));
        let mut relays: Vec<_> = relays.map(|(peer, id)| (*peer, *id)).collect();
        relays.sort_by_cached_key(|(_, relay)| {
            let hash = of.map(|of| {
                let of = Sha256::new().chain_update(of.0.to_le_bytes());
                of.chain_update(relay.0.to_le_bytes()).finalize()
            });
            (hash, *relay)
        });
        relays.into_iter().map(|(peer, _)| peer).collect()
    }

    /// Returns addresses of a peer through relays, others with each try: it may see other relays.
    ///
    /// Relays where this node has a place are left out but for the tries 1, 2, 4, 8 and so on: if
    /// the peer does not answer there for a minute, libp2p gives this node's place up.
    pub(super) fn circuits(&self, peer: PeerId, tries: usize) -> Vec<Multiaddr> {
        let mut ranked = self.ranked(self.number(peer));
        let all = (tries + 1).is_power_of_two();
        ranked.retain(|relay| *relay != peer && (all || !self.places.contains_key(relay)));
        let turn = if all { (tries + 1).ilog2() as usize } else { tries };
        let count = ranked.len();
        let asked = ranked.iter().cycle().skip(turn * ASKED_MAX % count.max(1));
        let asked = asked.take(count.min(ASKED_MAX));
        asked.filter_map(|relay| self.through(*relay, Some(peer))).collect()
    }

    /// Returns the relays to ask for places now, and where to listen for them. One that is slow
    /// keeps nobody from being asked.
    pub(super) fn missing(&mut self, now: Instant) -> Vec<(PeerId, Multiaddr)> {
        if self.reachability != Reachability::Private {
            return Vec::new();
        }
        self.refused.retain(|_, at| now.saturating_duration_since(*at) < REFUSED_PAUSE);
        let slow =
            |it: &&Place| !it.given && now.saturating_duration_since(it.since) > PLACE_PATIENCE;
        let places = self.places.len() - self.places.values().filter(slow).count();
        let asked = |it: &PeerId| self.places.contains_key(it) || self.refused.contains_key(it);
        let free = self.ranked(Some(self.own)).into_iter().filter(|it| !asked(it));
        let free = free.take(PLACES_MAX.saturating_sub(places));
        free.filter_map(|it| Some((it, self.through(it, None)?))).collect()
    }

    /// Takes note that a relay gives no place, or one that it should not.
    pub(super) fn refused(&mut self, relay: PeerId, now: Instant) {
        self.refused.insert(relay, now);
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

    /// Takes note that a listener is closed, and why. Returns the relay at which a place is lost.
    /// One that takes places back is left alone like one that gives none, and so is one whose
    /// places do not last. Without a reason a place ends with its connection, or because somebody
    /// else has not answered there: it is asked for again.
    pub(super) fn ended(
        &mut self,
        listener: ListenerId,
        reason: &io::Result<()>,
        now: Instant,
    ) -> Option<PeerId> {
        let (relay, place) = self.places.iter().find(|(_, place)| place.listener == listener)?;
        let (relay, given) = (*relay, place.given);
        let lasted = now.saturating_duration_since(place.since);
        let enough = if reason.is_ok() { PLACE_LASTS } else { REFUSED_PAUSE };
        self.places.remove(&relay);
        if !given || lasted < enough {
            self.refused.insert(relay, now);
        }
        Some(relay)
    }

    /// Returns at how many relays this node has a place.
    pub(super) fn placed(&self) -> usize {
        self.places.values().filter(|place| place.given).count()
    }
}

/// Returns an address without names.
fn plain_of(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
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
