//! Who gets a connection. A flood of strangers must keep no validator out.
//!
//! A connection that comes in first has to show who it is to libp2p, then which validator it speaks
//! for. Whoever has not done the one or the other holds one of few places, of which an address has
//! a part; peers that speak for validators, or that the settings name, hold none of them and always
//! get in. Connections that this node dials are theirs alone, so that nothing bounds them.
//!
//! Addresses of QUIC are claims until the handshake is over: its places are counted apart.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::reach::is_circuit;
use crate::api::origin;

/// Where whoever comes through a relay is.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// How long a connection has to say which validator it speaks for.
pub(super) const RECORD_PATIENCE: Duration = Duration::from_secs(5);
/// Connections of a transport that are being set up with strangers, at most.
const PENDING_MAX: usize = 128;
/// The same with one address.
const PENDING_PER_ORIGIN_MAX: usize = 8;
/// The same with one address of this machine, where a whole network may run for tests.
const PENDING_PER_LOCAL_MAX: usize = PENDING_MAX / 2;
/// Connections of strangers, at most: beyond it the oldest makes room.
const STRANGERS_MAX: usize = 32;
/// The same from one address, which is not one of this machine: no further one gets in.
const STRANGERS_PER_ORIGIN_MAX: usize = 4;
/// Connections of strangers with those that are being closed, at most: a peer that reads nothing
/// can hold up the closing.
const STRANGERS_CLOSING_MAX: usize = 256;
/// Records of strangers that are looked at in a second, which costs a verification each.
const RECORDS_MAX: u32 = 50;
/// Connections with a validator, at most: both sides may have dialled, and one of them may look
/// whether the other can be dialled. Beyond it the oldest makes room, which may be dead unnoticed.
const PER_MEMBER_MAX: usize = 3;
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
}

impl NoPlace {
    /// Returns the label under which it is counted.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Pending => "too_many_pending",
            Self::Strangers => "too_many_strangers",
            Self::Member => "too_many_of_a_validator",
        }
    }
}

/// A peer that needs no place.
#[derive(Debug, Default)]
struct Member {
    /// The addresses that the settings name.
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

/// Where a connection comes from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caller {
    origin: IpAddr,
    udp: bool,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: PeerId,
    origin: IpAddr,
    since: Instant,
    /// Whether it has said which validator it speaks for.
    said: bool,
    /// Since when it is being closed.
    closing: Option<Instant>,
}

/// All connections, and who of them needs a place.
#[derive(Debug, Default)]
pub(super) struct Places {
    members: BTreeMap<PeerId, Member>,
    pending: BTreeMap<ConnectionId, Pending>,
    /// By age: numbers of connections grow.
    connections: BTreeMap<ConnectionId, Connection>,
    /// Records of strangers that were looked at, and since when they are counted.
    heard: Option<(Instant, u32)>,
}

impl Places {
    /// Lets a peer in from now on, at whatever address.
    pub(super) fn expect(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        let member = self.members.entry(peer).or_default();
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
            if connection.origin != NOWHERE {
                member.met = Some(connection.origin);
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
    pub(super) fn knock(&mut self, id: ConnectionId, address: &Multiaddr) -> Result<(), NoPlace> {
        let caller = Caller { origin: origin_of(address), udp: is_udp(address) };
        let local = caller.origin.is_loopback();
        let per_origin = if local { PENDING_PER_LOCAL_MAX } else { PENDING_PER_ORIGIN_MAX };
        let count = |counted: &dyn Fn(&Pending) -> bool| {
            self.pending.values().filter(|pending| counted(pending)).count()
        };
        let home = self.is_home(caller.origin);
        let strange = |it: &Pending| !it.home && it.caller.udp == caller.udp;
        let full = !home && count(&strange) >= PENDING_MAX;
        if full || count(&|it| it.caller == caller) >= per_origin {
            return Err(NoPlace::Pending);
        }
        self.pending.insert(id, Pending { caller, home });
        Ok(())
    }

    /// Whether a member is known to be at an address.
    pub(super) fn is_home(&self, origin: IpAddr) -> bool {
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
        (peer, address): (PeerId, &Multiaddr),
        now: Instant,
    ) -> Result<Option<(PeerId, ConnectionId)>, NoPlace> {
        self.pending.remove(&id);
        let origin = origin_of(address);
        let room = if self.members.contains_key(&peer) {
            self.room_for_member(peer, now)
        } else {
            self.room_for_stranger(origin)
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
        let mut open = own().filter(|(_, it)| it.closing.is_none()).map(|(id, _)| *id);
        let oldest = open.next();
        Ok(oldest.filter(|_| open.count() + 1 >= PER_MEMBER_MAX))
    }

    fn room_for_stranger(&self, origin: IpAddr) -> Result<Option<ConnectionId>, NoPlace> {
        let strangers =
            || self.connections.iter().filter(|(_, it)| !self.members.contains_key(&it.peer));
        let there = strangers().filter(|(_, it)| it.origin == origin).count();
        let crowded = !origin.is_loopback() && there >= STRANGERS_PER_ORIGIN_MAX;
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

/// Returns what the address of a peer is counted as; all that have no number are one, as are those
/// behind relays.
pub(super) fn origin_of(address: &Multiaddr) -> IpAddr {
    number_of(address).filter(|_| !is_circuit(address)).map_or(NOWHERE, origin)
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
mod tests {
    use super::*;
    use crate::net::identity::Identity;

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn peer(number: usize) -> PeerId {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&u64::try_from(number).unwrap().to_le_bytes());
        Identity::from_secret(secret).unwrap().peer()
    }

    fn tcp(host: &str) -> Multiaddr {
        let version = if host.contains(':') { "ip6" } else { "ip4" };
        format!("/{version}/{host}/tcp/1").parse().unwrap()
    }

    fn quic(host: &str) -> Multiaddr {
        format!("/ip4/{host}/udp/1/quic-v1").parse().unwrap()
    }

    /// Knocks 20 times from each of so many addresses, and returns how often that was let in.
    fn flood(places: &mut Places, hosts: usize, address: fn(&str) -> Multiaddr) -> usize {
        let let_in = |number: usize| {
            let host = number / 20;
            let address = address(&format!("198.51.{}.{}", host / 256, host % 256));
            let first = if is_udp(&address) { 10_000 } else { 20_000 };
            places.knock(id(first + number), &address).is_ok()
        };
        (0..20 * hosts).map(let_in).filter(|let_in| *let_in).count()
    }

    #[test]
    fn a_flood_from_one_address_leaves_room_for_others_to_connect() {
        let mut places = Places::default();
        assert_eq!(flood(&mut places, 1, tcp), PENDING_PER_ORIGIN_MAX);
        assert_eq!(places.knock(id(1), &tcp("192.0.2.1")), Ok(()));
        let network = |host: u8| tcp(&format!("2001:db8:0:1::{host:x}"));
        let within = (0..99).filter(|it| places.knock(id(100 + *it), &network(9)).is_ok()).count();
        assert_eq!(within, PENDING_PER_ORIGIN_MAX);
        assert_eq!(places.knock(id(2), &network(1)), Err(NoPlace::Pending), "one network of 64");
        assert_eq!(places.knock(id(3), &tcp("2001:db8:0:2::1")), Ok(()));
        for number in 100..199 {
            places.leave(id(number));
        }
        assert_eq!(places.knock(id(4), &network(1)), Ok(()), "places come back");
    }

    #[test]
    fn a_flood_from_everywhere_leaves_room_where_validators_are() {
        let mut places = Places::default();
        places.expect(peer(1), &[tcp("192.0.2.1")]);
        places.enter(id(1), (peer(2), &tcp("192.0.2.2")), Instant::now()).unwrap();
        places.said(peer(2));
        assert_eq!(flood(&mut places, 300, tcp), PENDING_MAX);
        assert_eq!(places.knock(id(2), &tcp("192.0.2.3")), Err(NoPlace::Pending));
        assert_eq!(places.knock(id(3), &tcp("192.0.2.1")), Ok(()), "the settings name it");
        assert_eq!(places.knock(id(4), &tcp("192.0.2.2")), Ok(()), "it was here before");
        assert_eq!(flood(&mut places, 300, quic), PENDING_MAX, "whose addresses are claims");
        places.forget(peer(2), Instant::now());
        assert_eq!(places.knock(id(5), &tcp("192.0.2.2")), Err(NoPlace::Pending));
    }

    #[test]
    fn a_flood_leaves_room_where_the_hosts_are_that_the_settings_name() {
        let mut places = Places::default();
        places.expect(peer(1), &["/dns4/validator.example/tcp/1".parse().unwrap()]);
        assert_eq!(flood(&mut places, 300, tcp), PENDING_MAX);
        assert_eq!(places.knock(id(1), &tcp("192.0.2.1")), Err(NoPlace::Pending));
        let found: [IpAddr; 2] = ["192.0.2.1", "2001:db8::1"].map(|it| it.parse().unwrap());
        places.found(peer(1), &found);
        assert_eq!(places.knock(id(2), &tcp("192.0.2.1")), Ok(()));
        assert_eq!(places.knock(id(3), &tcp("2001:db8::2")), Ok(()), "the same network");
        places.found(peer(9), &["192.0.2.9".parse().unwrap()]);
        assert_eq!(places.knock(id(4), &tcp("192.0.2.9")), Err(NoPlace::Pending), "not named");
        places.found(peer(1), &found[1..]);
        assert_eq!(places.knock(id(5), &tcp("192.0.2.1")), Err(NoPlace::Pending), "it has moved");
    }

    #[test]
    fn whoever_comes_through_a_relay_is_not_at_home_there() {
        let mut places = Places::default();
        let relay = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", peer(9));
        for address in [relay.clone() + &format!("/p2p/{}", peer(1)), format!("/p2p/{}", peer(1))] {
            let address: Multiaddr = address.parse().unwrap();
            assert_eq!(origin_of(&address), NOWHERE);
            places.enter(id(1), (peer(1), &address), Instant::now()).unwrap();
            places.said(peer(1));
            assert!(!places.is_home(NOWHERE) && !places.is_home([192, 0, 2, 1].into()));
        }
        places.enter(id(2), (peer(1), &tcp("198.51.100.1")), Instant::now()).unwrap();
        places.said(peer(1));
        assert!(places.is_home([198, 51, 100, 1].into()), "a hole was punched");
    }

    #[test]
    fn silent_connections_of_one_address_are_few() {
        let (mut places, now) = (Places::default(), Instant::now());
        let mut enter =
            |number, host: &str| places.enter(id(number), (peer(number), &tcp(host)), now);
        for number in 1..=STRANGERS_PER_ORIGIN_MAX {
            assert_eq!(enter(number, "198.51.100.1"), Ok(None));
        }
        assert_eq!(enter(8, "198.51.100.1"), Err(NoPlace::Strangers));
        assert_eq!(enter(9, "198.51.100.2"), Ok(None));
        places.leave(id(1));
        let again = places.enter(id(10), (peer(10), &tcp("198.51.100.1")), now);
        assert_eq!(again, Ok(None), "places come back");
    }

    #[test]
    fn validators_get_in_however_many_strangers_there_are() {
        let (mut places, now) = (Places::default(), Instant::now());
        places.expect(peer(1), &[]);
        let host = |number: usize| tcp(&format!("198.51.100.{number}"));
        let mut left = Vec::new();
        for number in 2..2 + 2 * STRANGERS_MAX {
            left.extend(places.enter(id(number), (peer(number), &host(number)), now).unwrap());
        }
        let oldest: Vec<_> = (2..2 + STRANGERS_MAX).map(|it| (peer(it), id(it))).collect();
        assert_eq!(left, oldest, "whoever was silent longest makes room");
        let member = places.enter(id(500), (peer(1), &host(2)), now);
        assert_eq!(member, Ok(None), "a validator takes nobody's place");
        // One that nobody knows yet, and says who it is.
        let unknown = places.enter(id(501), (peer(501), &tcp("192.0.2.1")), now);
        assert!(matches!(unknown, Ok(Some(_))));
        places.said(peer(501));
        let mut left = Vec::new();
        for number in 600..600 + 2 * STRANGERS_MAX {
            let leaves = places.enter(id(number), (peer(number), &host(number % 200)), now);
            left.extend(leaves.unwrap().map(|(_, leaves)| leaves));
        }
        assert_eq!(left.len(), 2 * STRANGERS_MAX - 1, "the one that spoke has left its place");
        assert!(!left.contains(&id(500)) && !left.contains(&id(501)), "those who spoke stay");
    }

    #[test]
    fn a_validator_gets_in_again_though_its_old_connections_are_dead() {
        let (mut places, now) = (Places::default(), Instant::now());
        places.expect(peer(1), &[]);
        let mut enter = |number| places.enter(id(number), (peer(1), &tcp("192.0.2.1")), now);
        assert_eq!([enter(1), enter(2), enter(3)], [Ok(None), Ok(None), Ok(None)]);
        let leaves = |number| Ok(Some((peer(1), id(number))));
        assert_eq!([enter(4), enter(5)], [leaves(1), leaves(2)], "the oldest makes room");
        for number in 6..=PER_MEMBER_CLOSING_MAX {
            assert!(enter(number).is_ok());
        }
        assert_eq!(enter(9), Err(NoPlace::Member), "closing has to end some time");
        places.leave(id(1));
        assert!(places.enter(id(9), (peer(1), &tcp("192.0.2.1")), now).is_ok());
    }

    #[test]
    fn closings_that_nobody_ends_keep_no_validator_out() {
        let (mut places, begun) = (Places::default(), Instant::now());
        places.expect(peer(1), &[]);
        let mut enter =
            |number, now| places.enter(id(number), (peer(1), &tcp("192.0.2.1")), now).is_ok();
        let pause = CLOSING_PATIENCE / 4;
        let at = |number: usize| begun + pause * u32::try_from(number).unwrap();
        let let_in = (0..200).filter(|number| enter(*number, at(*number))).count();
        assert_eq!(let_in, PER_MEMBER_EVER_MAX, "but they are bounded");
    }

    #[test]
    fn connections_that_say_nothing_are_closed_whoever_has_them() {
        let (mut places, begun) = (Places::default(), Instant::now());
        places.expect(peer(1), &[]);
        for number in 1..=3 {
            let host = tcp(&format!("192.0.2.{number}"));
            places.enter(id(number), (peer(number), &host), begun).unwrap();
        }
        places.said(peer(2));
        // Another connection of somebody who has spoken.
        places.enter(id(4), (peer(2), &tcp("192.0.2.9")), begun).unwrap();
        assert!(places.silent(begun + RECORD_PATIENCE).is_empty());
        let late = begun + RECORD_PATIENCE + Duration::from_millis(1);
        assert_eq!(places.silent(late), [id(1), id(3)], "a configured one too");
        assert!(places.silent(late).is_empty(), "each once");
    }

    #[test]
    fn strangers_that_speak_cost_little_and_validators_are_heard() {
        let (mut places, now) = (Places::default(), Instant::now());
        places.expect(peer(1), &[]);
        let heard = (10..200).filter(|it| places.may_speak(peer(*it), now)).count();
        assert_eq!(heard, 50);
        assert!(places.may_speak(peer(1), now));
        assert!(places.may_speak(peer(9), now + Duration::from_secs(1)));
    }

    #[test]
    fn closings_that_are_held_up_are_bounded() {
        let (mut places, mut now) = (Places::default(), Instant::now());
        let mut let_in = 0;
        for number in 1..=2 * STRANGERS_CLOSING_MAX {
            let host = tcp(&format!("198.51.{}.{}", number / 256, number % 256));
            let_in += usize::from(places.enter(id(number), (peer(number), &host), now).is_ok());
            now += 2 * RECORD_PATIENCE;
            places.silent(now);
        }
        assert_eq!(let_in, STRANGERS_CLOSING_MAX);
    }
}
