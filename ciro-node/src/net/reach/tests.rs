use super::*;
use crate::net::identity::Identity;

use libp2p::StreamProtocol;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;

fn identity(number: u8) -> Identity {
    Identity::from_secret([number; 32]).unwrap()
}

fn peer(number: u8) -> PeerId {
    identity(number).peer()
}

fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked(number)
}

fn dialled(address: Multiaddr) -> ConnectedPoint {
    let (role_override, port_use) = (Endpoint::Dialer, PortUse::Reuse);
    ConnectedPoint::Dialer { address, role_override, port_use }
}

fn host(number: u8) -> Multiaddr {
    format!("/ip4/192.0.2.{number}/tcp/1").parse().unwrap()
}

fn info(number: u8, offers: bool) -> identify::Info {
    let hop = StreamProtocol::new("/libp2p/circuit/relay/0.2.0/hop");
    identify::Info {
        public_key: identity(number).0.public(),
        protocol_version: String::new(),
        agent_version: String::new(),
        listen_addrs: vec![host(100), host(number)],
        protocols: offers.then_some(hop).into_iter().collect(),
        observed_addr: host(99),
        signed_peer_record: None,
    }
}

/// A node behind a NAT that is connected with so many relays: validators of its network.
fn private(relays: u8) -> Reach {
    let stakes = (0..100).map(|id| (ReplicaId(id), 1)).collect();
    let mut reach = Reach::new(ReplicaId(0), stakes);
    for number in 1..=relays {
        reach.connected(id(number.into()), peer(number), &dialled(host(number)));
        reach.identified(id(number.into()), &info(number, true));
        reach.bound(peer(number), ReplicaId(number.into()));
    }
    reach.reachability = Reachability::Private;
    reach
}

/// Asks for all places that are missing, and has them given.
fn fill(reach: &mut Reach, now: Instant) -> Vec<PeerId> {
    let missing = reach.missing(now);
    let relays: Vec<_> = missing.into_iter().map(|(relay, _)| relay).collect();
    for relay in &relays {
        reach.asked(*relay, ListenerId::next(), now);
        reach.given(*relay);
    }
    relays
}

#[test]
fn no_hole_is_punched_where_another_validator_is() {
    let mut reach = private(2);
    let seen = reach.candidates();
    assert_eq!(seen, [host(99)]);
    for peer in 1..=2 {
        let wrong = identify::Info { observed_addr: host(peer), ..info(1, true) };
        assert!(!reach.identified(id(1), &wrong));
    }
    assert_eq!(reach.candidates(), seen);
}

#[test]
fn whoever_can_be_dialled_asks_for_no_place() {
    let (mut reach, now) = (private(3), Instant::now());
    for reachability in [Reachability::Unknown, Reachability::Public] {
        reach.reachability = reachability;
        assert!(reach.missing(now).is_empty());
    }
    reach.reachability = Reachability::Private;
    assert_eq!(fill(&mut reach, now).len(), PLACES_MAX);
    assert!(reach.missing(now).is_empty());
}

#[test]
fn a_place_that_is_lost_is_replaced_by_one_at_another_relay() {
    let (mut reach, now) = (private(4), Instant::now());
    let relays = fill(&mut reach, now);
    let listener = reach.places[&relays[0]].listener;
    let number = (1..=4).find(|number| peer(*number) == relays[0]).unwrap();
    reach.closed(id(number.into()));
    assert_eq!(reach.ended(listener, &Ok(()), now), Some(relays[0]));
    assert_eq!(reach.ended(listener, &Ok(()), now), None, "once");
    assert_eq!(reach.placed(), PLACES_MAX - 1);
    let next = fill(&mut reach, now);
    assert_eq!(next.len(), 1);
    assert!(!relays.contains(&next[0]), "the fourth");
}

#[test]
fn a_relay_that_takes_places_back_is_left_alone_and_one_where_somebody_is_silent_is_not() {
    let (mut reach, now) = (private(3), Instant::now());
    let relay = fill(&mut reach, now)[0];
    let mut ended = |reason: io::Result<()>, at| {
        let listener = reach.places[&relay].listener;
        reach.ended(listener, &reason, at);
        let again = reach.missing(at).iter().any(|(missing, _)| *missing == relay);
        reach.asked(relay, ListenerId::next(), at);
        reach.given(relay);
        again
    };
    let refused = || -> io::Result<()> { Err(io::ErrorKind::Other.into()) };
    let now = now + PLACE_LASTS;
    assert!(ended(Ok(()), now), "who asked for somebody there, and had no answer, is here still");
    let now = now + REFUSED_PAUSE;
    assert!(ended(refused(), now), "it may be asked again");
    assert!(!ended(refused(), now), "places there do not last");
    let now = now + REFUSED_PAUSE;
    assert!(ended(Ok(()), now));
    assert!(!ended(Ok(()), now), "nor do connections");
}

#[test]
fn whoever_does_not_answer_rarely_takes_the_places_of_those_who_ask_for_it() {
    let (mut reach, now) = (private(9), Instant::now());
    let places = fill(&mut reach, now);
    let silent = peer(90);
    let at_places = |tries: &usize| {
        let circuits = reach.circuits(silent, *tries);
        assert_eq!(circuits.len(), ASKED_MAX);
        let of = |place: &PeerId| Protocol::P2p(*place);
        circuits.iter().any(|it| places.iter().any(|place| it.iter().any(|part| part == of(place))))
    };
    let asked = (0..1_000).filter(at_places).count();
    assert!((1..=10).contains(&asked), "{asked} of 1,000 tries");
    // Where both have places at all relays they find each other there.
    let mut reach = private(3);
    assert_eq!(fill(&mut reach, now).len(), 3);
    let found = |tries| reach.circuits(silent, tries).len();
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(found), [3, 3, 0, 3, 0, 0, 0, 3]);
}

#[test]
fn a_relay_that_gives_no_place_is_left_alone_for_a_while() {
    let (mut reach, now) = (private(1), Instant::now());
    let listener = ListenerId::next();
    reach.asked(peer(1), listener, now);
    let late = now + Duration::from_secs(60);
    assert_eq!(reach.ended(listener, &Ok(()), late), Some(peer(1)));
    assert!(reach.missing(late).is_empty());
    assert_eq!(reach.missing(late + REFUSED_PAUSE).len(), 1);
    reach.refused(peer(1), late);
    assert!(reach.missing(late).is_empty(), "it cannot be asked");
}

#[test]
fn a_relay_that_is_slow_keeps_its_question_and_another_one_is_asked() {
    let (mut reach, now) = (private(9), Instant::now());
    for (relay, _) in reach.missing(now) {
        reach.asked(relay, ListenerId::next(), now);
    }
    assert!(reach.missing(now + PLACE_PATIENCE).is_empty());
    let late = now + PLACE_PATIENCE + Duration::from_millis(1);
    assert_eq!(reach.missing(late).len(), PLACES_MAX);
    assert_eq!(reach.places.len(), PLACES_MAX, "nobody takes the questions back");
}

#[test]
fn a_relay_is_a_validator() {
    let (mut reach, now) = (private(0), Instant::now());
    reach.connected(id(1), peer(1), &dialled(host(1)));
    reach.identified(id(1), &info(1, true));
    assert!(reach.missing(now).is_empty() && reach.circuits(peer(5), 0).is_empty(), "a stranger");
    reach.bound(peer(1), ReplicaId(1));
    assert_eq!((reach.missing(now).len(), reach.circuits(peer(5), 0).len()), (1, 1));
    reach.bound(peer(2), ReplicaId(1));
    assert!(reach.missing(now).is_empty(), "another one speaks for it");
    reach.bound(peer(1), ReplicaId(1));
    reach.gone(peer(1));
    assert!(reach.missing(now).is_empty());
}

#[test]
fn nobody_comes_first_by_the_name_that_it_chooses() {
    let order = |names: [u8; 3]| {
        let mut reach = private(0);
        for (number, name) in (1..).zip(names) {
            reach.connected(id(name.into()), peer(name), &dialled(host(name)));
            reach.identified(id(name.into()), &info(name, true));
            reach.bound(peer(name), ReplicaId(number));
        }
        let number = |relay| reach.bound[&relay];
        reach.ranked(Some(ReplicaId(0))).into_iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(order([1, 2, 3]), order([11, 12, 13]));
    assert_eq!(order([1, 2, 3]), order([30, 20, 10]));
}

#[test]
fn holes_are_where_validators_see_connections_that_this_node_has_dialled() {
    let mut reach = private(0);
    reach.connected(id(1), peer(1), &dialled(host(1)));
    assert!(!reach.identified(id(1), &info(1, true)), "a stranger");
    assert!(reach.candidates().is_empty());
    assert!(reach.bound(peer(1), ReplicaId(1)));
    assert_eq!(reach.candidates(), [host(99)]);
    assert!(!reach.identified(id(1), &info(1, true)), "nothing new");
    let (local_addr, send_back_addr) = (host(9), host(2));
    reach.connected(id(2), peer(2), &ConnectedPoint::Listener { local_addr, send_back_addr });
    reach.bound(peer(2), ReplicaId(2));
    assert!(!reach.identified(id(2), &info(2, true)), "it has dialled");
}

#[test]
fn what_strangers_find_counts_for_nothing() {
    let (mut reach, now) = (private(1), Instant::now());
    let own = [host(0)];
    for number in 2..40 {
        reach.found(peer(number), Some(host(3)), now);
    }
    assert_eq!(reach.verdict(&own, now).0, Reachability::Unknown);
    for number in 2..40 {
        reach.bound(peer(number), ReplicaId(number.into()));
        reach.found(peer(number), Some(host(3)), now);
    }
    let (reachability, addresses) = reach.verdict(&own, now);
    assert_eq!(reachability, Reachability::Public);
    assert_eq!(addresses.into_iter().collect::<Vec<_>>(), [host(3)]);
}

#[test]
fn others_look_where_a_node_has_its_places() {
    let (mut reach, now) = (private(9), Instant::now());
    let places = fill(&mut reach, now);
    let mut other = private(9);
    other.own = ReplicaId(20);
    other.bound(peer(0), ReplicaId(0));
    other.gone(peer(0));
    let circuits = other.circuits(peer(0), 0);
    assert_eq!(circuits.len(), ASKED_MAX);
    for (place, circuit) in places.iter().zip(&circuits) {
        let parts: Vec<_> = circuit.iter().collect();
        assert_eq!(
            parts[2..],
            [Protocol::P2p(*place), Protocol::P2pCircuit, Protocol::P2p(peer(0))]
        );
    }
    // Whoever sees other relays tries all of them in turn.
    let mut all: Vec<_> = (0..3).flat_map(|tries| other.circuits(peer(0), tries)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9);
    let mut strange: Vec<_> = (0..3).flat_map(|tries| other.circuits(peer(90), tries)).collect();
    strange.sort();
    strange.dedup();
    assert_eq!(strange.len(), 9, "one that nobody has met");
    assert!(private(0).circuits(peer(0), 7).is_empty(), "without relays");
}

#[test]
fn a_peer_is_a_relay_as_long_as_it_says_so_and_is_connected_directly() {
    let mut reach = private(1);
    assert_eq!(reach.circuits(peer(5), 0).len(), 1);
    reach.identified(id(1), &info(1, false));
    assert!(reach.circuits(peer(5), 0).is_empty());
    reach.identified(id(1), &info(1, true));
    assert!(reach.circuits(peer(1), 0).is_empty(), "not to itself");
    reach.closed(id(1));
    reach.identified(id(1), &info(1, true));
    assert!(reach.circuits(peer(5), 0).is_empty());
    // One that has dialled is where it says, on the host that it speaks from.
    let (local_addr, send_back_addr) = (host(9), "/ip4/192.0.2.1/tcp/999".parse().unwrap());
    reach.connected(id(2), peer(1), &ConnectedPoint::Listener { local_addr, send_back_addr });
    reach.identified(id(2), &info(1, true));
    let circuit = reach.circuits(peer(5), 0).remove(0);
    assert!(circuit.to_string().starts_with("/ip4/192.0.2.1/tcp/1/p2p/"), "{circuit}");
    let mut two = info(1, true);
    two.listen_addrs = vec![format!("{}/ip4/10.0.0.1/tcp/22", host(1)).parse().unwrap()];
    reach.identified(id(2), &two);
    assert!(reach.circuits(peer(5), 0).is_empty(), "no one host");
}

#[test]
fn what_a_relay_said_on_one_connection_outlasts_what_it_said_earlier_on_another() {
    let mut reach = private(1);
    reach.connected(id(2), peer(1), &dialled(host(1)));
    reach.identified(id(2), &info(1, false));
    assert_eq!(reach.circuits(peer(5), 0).len(), 1, "it came late");
    reach.closed(id(1));
    assert!(reach.circuits(peer(5), 0).is_empty());
}

#[test]
fn a_relayed_connection_ends_once_there_is_a_direct_one() {
    let mut reach = private(1);
    let circuit = reach.circuits(peer(5), 0).remove(0);
    let place = reach.through(peer(1), None).unwrap();
    reach.connected(id(10), peer(5), &dialled(circuit));
    let send_back_addr = Multiaddr::empty().with(Protocol::P2p(peer(6)));
    let inbound = ConnectedPoint::Listener { local_addr: place, send_back_addr };
    reach.connected(id(11), peer(6), &inbound);
    assert_eq!(reach.relayed(), 2);
    let soon = Instant::now() + OVERLAP;
    assert!(reach.superfluous(soon).is_empty());
    let punched = "/ip4/198.51.100.5/udp/1/quic-v1".parse().unwrap();
    reach.connected(id(12), peer(5), &dialled(punched));
    assert_eq!(reach.relayed(), 1);
    assert!(reach.superfluous(Instant::now()).is_empty(), "what is on its way arrives");
    assert_eq!(reach.superfluous(Instant::now() + OVERLAP), [id(10)]);
    assert_eq!((reach.transport(id(11)), reach.transport(id(12))), ("relay", "quic"));
}
