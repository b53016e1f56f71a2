//! Who gets a connection. A flood of strangers must keep no validator out.
//!
//! A connection that comes in first has to show who it is to libp2p, then which validator it speaks
//! for. Whoever has not done the one or the other holds one of few places, of which an address has
//! a part; peers that speak for validators, or that the settings name, hold none of them and always
//! get in. Connections that this node dials are theirs alone, and few at a time for each.
//!
//! Addresses of QUIC are claims until the handshake is over: its places are counted apart. So are
//! those of whoever comes through a relay, of which each relay and each source has a part.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::build::Nats;
use super::plain::is_plain;
use super::reach::is_circuit;
use crate::api::origin;

/// Where whoever has no address is.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// How long a connection has to say which validator it speaks for.
pub(super) const RECORD_PATIENCE: Duration = Duration::from_secs(5);
/// Connections of a transport that are being set up with strangers, at most.
const PENDING_MAX: usize = 128;
/// The same with one address.
const PENDING_PER_ORIGIN_MAX: usize = 8;
/// The same with one address of this machine, where a whole network may run for tests.
const PENDING_PER_LOCAL_MAX: usize = PENDING_MAX / 2;
/// The same through one relay.
const PENDING_PER_RELAY_MAX: usize = PENDING_MAX / 4;
/// The same with one peer behind it, as the relay says.
const PENDING_PER_SOURCE_MAX: usize = 2;
/// Connections with a peer that this node dials at once: by itself, and because another one asks.
const DIALLED_MAX: usize = 2;
/// Addresses that are dialled for one connection. DCUtR names so many: if it were fewer, whoever
/// tells a validator of enough addresses that are none would keep holes from being punched to it.
pub(super) const ADDRESSES_MAX: usize = 20;
/// Connections of strangers, at most: beyond it the oldest makes room.
const STRANGERS_MAX: usize = 32;
/// The same from one address, which is not one of this machine: no further one gets in.
const STRANGERS_PER_ORIGIN_MAX: usize = 4;
/// The same through one relay, and of these with one peer.
const STRANGERS_PER_RELAY_MAX: usize = 8;
/// The latter.
const STRANGERS_PER_SOURCE_MAX: usize = 2;
/// Connections of strangers with those that are being closed, at most: a peer that reads nothing
/// can hold up the closing.
const STRANGERS_CLOSING_MAX: usize = 256;
/// Records of strangers that are looked at in a second, which costs a verification each.
const RECORDS_MAX: u32 = 50;
/// Connections with a validator, at most: both sides may have dialled. Beyond it the oldest makes
/// room, which may be dead unnoticed: frames go over each of them in turn.
const PER_MEMBER_MAX: usize = 2;
/// The same where one side may look whether the other can be dialled.
const PER_MEMBER_NATS_MAX: usize = 3;
/// The same with those that are being closed since a moment ago: one whose other end is dead may
/// take long, and must keep nobody out.
const PER_MEMBER_CLOSING_MAX: usize = 8;
/// How long such a moment is.
const CLOSING_PATIENCE: Duration = Duration::from_secs(30);
/// Connections with a validator and those that are being closed, however long that takes, at most.
const PER_MEMBER_EVER_MAX: usize = 64;

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    /// Too many connections are being set up, from there or in all.
    #[error("too many connections are being set up")]
    Pending,
    /// Too many connections have not said who they are, from there or in all.
    #[error("too many connections have not said who they are")]
    Strangers,
    /// The validator has too many connections that are being closed.
    #[error("too many connections with the validator are being closed")]
    Member,
    /// This node has no reason to dial there, or not so often.
    #[error("a dial to nobody, to too many addresses or too often")]
    Dial,
}

impl NoPlace {
    /// Returns the label under which it is counted.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Pending => "too_many_pending",
            Self::Strangers => "too_many_strangers",
            Self::Member => "too_many_of_a_validator",
            Self::Dial => "too_many_dialled",
        }
    }
}

/// A peer that needs no place.
#[derive(Debug, Default)]
struct Member {
    /// Where the settings say that it listens.
    named: Vec<Multiaddr>,
    /// The addresses that they name.
    configured: Vec<IpAddr>,
    /// The addresses of the hosts that the settings name, as they were found last.
    found: Vec<IpAddr>,
    /// Where it said last for whom it speaks.
    met: Option<IpAddr>,
}

/// A connection that is being set up.
#[derive(Clone, Copy, Debug)]
struct Pending {
    caller: Caller,
    /// Whether a member is known to be there.
    home: bool,
}

/// Where somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// At an address.
    At(IpAddr),
    /// Behind a relay, known by its name or by its address.
    Behind(Option<PeerId>, IpAddr),
}

/// Where a connection comes from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) origin: Origin,
    udp: bool,
    /// Who comes through a relay, as the relay says.
    source: Option<PeerId>,
}

impl Caller {
    /// Reads both ends of a connection.
    pub(super) fn of(local: &Multiaddr, remote: &Multiaddr) -> Self {
        let Some(way) = [local, remote].into_iter().find(|address| is_circuit(address)) else {
            let origin = Origin::At(number_of(remote).map_or(NOWHERE, origin));
            return Self { origin, udp: is_udp(remote), source: None };
        };
        let circuit = |part: &Protocol<'_>| matches!(part, Protocol::P2pCircuit);
        let relay: Multiaddr = way.iter().take_while(|part| !circuit(part)).collect();
        let origin = match (name_of(&relay), number_of(&relay)) {
            (None, Some(number)) => Origin::Behind(None, origin(number)),
            (name, _) => Origin::Behind(name, NOWHERE),
        };
        Self { origin, udp: false, source: name_of(remote) }
    }

    const fn is_relayed(&self) -> bool {
        matches!(self.origin, Origin::Behind(..))
    }

    fn is_local(&self) -> bool {
        matches!(self.origin, Origin::At(ip) if ip.is_loopback())
    }

    /// Whether two go the same way: each has its places.
    fn is_like(&self, other: &Self) -> bool {
        self.udp == other.udp && self.is_relayed() == other.is_relayed()
    }
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: PeerId,
    origin: Origin,
    since: Instant,
    /// Whether it has said which validator it speaks for.
    said: bool,
    /// Since when it is being closed.
    closing: Option<Instant>,
}

/// All connections, and who of them needs a place.
#[derive(Debug, Default)]
pub(super) struct Places {
    nats: Nats,
    members: BTreeMap<PeerId, Member>,
    pending: BTreeMap<ConnectionId, Pending>,
    /// Whom this node dials.
    dialled: BTreeMap<ConnectionId, PeerId>,
    /// By age: numbers of connections grow.
    connections: BTreeMap<ConnectionId, Connection>,
    /// Records of strangers that were looked at, and since when they are counted.
    heard: Option<(Instant, u32)>,
}

impl Places {
    /// Begins with nobody.
    pub(super) fn new(nats: Nats) -> Self {
        Self { nats, ..Self::default() }
    }

    /// Lets a peer in from now on, at whatever address.
    pub(super) fn expect(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        let member = self.members.entry(peer).or_default();
        member.named = addresses.iter().map(without_name).collect();
        member.configured = addresses.iter().filter_map(number_of).map(origin).collect();
    }

    /// Takes note of where the hosts are that the settings name for a peer.
    pub(super) fn found(&mut self, peer: PeerId, addresses: &[IpAddr]) {
        if let Some(member) = self.members.get_mut(&peer) {
            member.found = addresses.iter().copied().map(origin).collect();
        }
    }

    /// Takes note that a peer speaks for a validator.
    pub(super) fn said(&mut self, peer: PeerId) {
        let member = self.members.entry(peer).or_default();
        for connection in self.connections.values_mut().filter(|it| it.peer == peer) {
            connection.said = true;
            if let Origin::At(ip) = connection.origin
                && ip != NOWHERE
            {
                member.met = Some(ip);
            }
        }
    }

    /// Whether what a peer says of itself is looked at: not if too many strangers have spoken.
    pub(super) fn may_speak(&mut self, peer: PeerId, now: Instant) -> bool {
        if self.members.contains_key(&peer) {
            return true;
        }
        let second = Duration::from_secs(1);
        let heard = self.heard.filter(|(since, _)| now.saturating_duration_since(*since) < second);
        let (since, heard) = heard.unwrap_or((now, 0));
        self.heard = Some((since, heard.saturating_add(1)));
        heard < RECORDS_MAX
    }

    /// Takes note that a peer speaks for nobody any more, and that its connections are closed.
    pub(super) fn forget(&mut self, peer: PeerId, now: Instant) {
        self.members.remove(&peer);
        for connection in self.connections.values_mut().filter(|it| it.peer == peer) {
            connection.closing.get_or_insert(now);
        }
    }

    /// Whether a connection may be set up.
    ///
    /// # Errors
    ///
    /// [`NoPlace::Pending`].
    pub(super) fn knock(&mut self, id: ConnectionId, caller: Caller) -> Result<(), NoPlace> {
        let per_origin = if caller.is_relayed() {
            PENDING_PER_RELAY_MAX
        } else if caller.is_local() {
            PENDING_PER_LOCAL_MAX
        } else {
            PENDING_PER_ORIGIN_MAX
        };
        let count = |counted: &dyn Fn(&Pending) -> bool| {
            self.pending.values().filter(|pending| counted(pending)).count()
        };
        let home = self.is_home(caller.origin);
        let full = !home && count(&|it| !it.home && it.caller.is_like(&caller)) >= PENDING_MAX;
        let there = |it: &Pending| it.caller.origin == caller.origin && it.caller.udp == caller.udp;
        let source = |it: &Pending| there(it) && it.caller.source == caller.source;
        let often = caller.is_relayed() && count(&source) >= PENDING_PER_SOURCE_MAX;
        if full || often || count(&there) >= per_origin {
            return Err(NoPlace::Pending);
        }
        self.pending.insert(id, Pending { caller, home });
        Ok(())
    }

    /// Whether this node dials a peer: one that speaks for a validator or that the settings name,
    /// a few times at once, at few addresses. Whoever wants it, be it libp2p on behalf of others,
    /// these are plain, or named by the settings.
    ///
    /// # Errors
    ///
    /// [`NoPlace::Dial`].
    pub(super) fn dial(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
    ) -> Result<(), NoPlace> {
        let peer = peer.filter(|peer| self.members.contains_key(peer)).ok_or(NoPlace::Dial)?;
        let often = self.dialled.values().filter(|it| **it == peer).count() >= DIALLED_MAX;
        let many = addresses.len() > ADDRESSES_MAX;
        if often || many || !addresses.iter().all(|address| self.may_dial(peer, address)) {
            return Err(NoPlace::Dial);
        }
        self.dialled.insert(id, peer);
        Ok(())
    }

    /// Whether a peer may be dialled at an address, or through a relay that may be dialled there.
    fn may_dial(&self, peer: PeerId, address: &Multiaddr) -> bool {
        let direct = |peer: PeerId, address: &Multiaddr| {
            let named = |it: &Member| it.named.contains(&without_name(address));
            self.members.get(&peer).is_some_and(|it| is_plain(address) || named(it))
        };
        let circuit = |part: &Protocol<'_>| matches!(part, Protocol::P2pCircuit);
        let mut parts = address.iter();
        let relay: Multiaddr = parts.by_ref().take_while(|part| !circuit(part)).collect();
        let relayed = is_circuit(address) && parts.all(|part| part == Protocol::P2p(peer));
        let relayed = relayed && name_of(&relay).is_some_and(|name| direct(name, &relay));
        relayed || direct(peer, address)
    }

    /// Whether a member is known to be at an address.
    pub(super) fn is_home(&self, origin: Origin) -> bool {
        let Origin::At(origin) = origin else { return false };
        let named = |it: &Member| it.configured.contains(&origin) || it.found.contains(&origin);
        self.members.values().any(|it| it.met == Some(origin) || named(it))
    }

    /// Lets a connection in whose peer is known. Returns the one that has to make room for it,
    /// and whose it is.
    ///
    /// # Errors
    ///
    /// [`NoPlace`].
    pub(super) fn enter(
        &mut self,
        id: ConnectionId,
        (peer, caller): (PeerId, Caller),
        now: Instant,
    ) -> Result<Option<(PeerId, ConnectionId)>, NoPlace> {
        self.pending.remove(&id);
        self.dialled.remove(&id);
        let origin = caller.origin;
        let room = if self.members.contains_key(&peer) {
            self.room_for_member(peer, now)
        } else {
            self.room_for_stranger(peer, &caller)
        };
        let leaves = room?;
        let speaks = |it: &Connection| it.peer == peer && it.said && it.closing.is_none();
        let said = self.connections.values().any(speaks);
        self.connections.insert(id, Connection { peer, origin, since: now, said, closing: None });
        Ok(leaves.and_then(|leaves| {
            let connection = self.connections.get_mut(&leaves)?;
            connection.closing = Some(now);
            Some((connection.peer, leaves))
        }))
    }

    fn room_for_member(&self, peer: PeerId, now: Instant) -> Result<Option<ConnectionId>, NoPlace> {
        let own = || self.connections.iter().filter(|(_, it)| it.peer == peer);
        let old = |since: Instant| now.saturating_duration_since(since) > CLOSING_PATIENCE;
        let young = own().filter(|(_, it)| !it.closing.is_some_and(old)).count();
        if young >= PER_MEMBER_CLOSING_MAX || own().count() >= PER_MEMBER_EVER_MAX {
            return Err(NoPlace::Member);
        }
        let most = match self.nats {
            Nats::Ignored => PER_MEMBER_MAX,
            Nats::Crossed => PER_MEMBER_NATS_MAX,
        };
        let mut open = own().filter(|(_, it)| it.closing.is_none()).map(|(id, _)| *id);
        let oldest = open.next();
        Ok(oldest.filter(|_| open.count() + 1 >= most))
    }

    fn room_for_stranger(
        &self,
        peer: PeerId,
        caller: &Caller,
    ) -> Result<Option<ConnectionId>, NoPlace> {
        let strangers =
            || self.connections.iter().filter(|(_, it)| !self.members.contains_key(&it.peer));
        let there = || strangers().filter(|(_, it)| it.origin == caller.origin);
        let crowded = if caller.is_relayed() {
            let own = there().filter(|(_, it)| it.peer == peer).count();
            there().count() >= STRANGERS_PER_RELAY_MAX || own >= STRANGERS_PER_SOURCE_MAX
        } else {
            !caller.is_local() && there().count() >= STRANGERS_PER_ORIGIN_MAX
        };
        if crowded || strangers().count() >= STRANGERS_CLOSING_MAX {
            return Err(NoPlace::Strangers);
        }
        // Whoever is honest speaks at once: the one that has been silent longest goes.
        let mut open = strangers().filter(|(_, it)| it.closing.is_none()).map(|(id, _)| *id);
        let oldest = open.next();
        Ok(oldest.filter(|_| open.count() + 1 >= STRANGERS_MAX))
    }

    /// Takes note that a connection is gone, or never was set up.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        self.pending.remove(&id);
        self.dialled.remove(&id);
        self.connections.remove(&id);
    }

    /// Returns the connections that have not said in time for whom they speak, each once: they are
    /// to be closed.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<ConnectionId> {
        let late = |it: &Connection| {
            let open = !it.said && it.closing.is_none();
            open && now.saturating_duration_since(it.since) > RECORD_PATIENCE
        };
        let silent = self.connections.iter_mut().filter(|(_, it)| late(it));
        silent
            .map(|(id, connection)| {
                connection.closing = Some(now);
                *id
            })
            .collect()
    }
}

/// Returns an address without the peer that it ends with.
fn without_name(address: &Multiaddr) -> Multiaddr {
    let mut bare = address.clone();
    match bare.pop() {
        None | Some(Protocol::P2p(_)) => {}
        Some(part) => bare.push(part),
    }
    bare
}

/// Returns the last peer that an address names.
fn name_of(address: &Multiaddr) -> Option<PeerId> {
    let name = |part| match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    };
    address.iter().filter_map(name).last()
}

fn number_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

fn is_udp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Udp(_)))
}

#[cfg(test)]
mod tests;
