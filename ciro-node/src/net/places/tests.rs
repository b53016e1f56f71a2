use super::*;
use crate::net::identity::Identity;
use crate::net::plain::tests::odd;

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

/// Where somebody is who comes from an address.
fn at(address: &Multiaddr) -> Caller {
    Caller::of(&tcp("203.0.113.1"), address)
}

/// Where one of some peers is that comes through one of some relays.
fn behind(relay: usize, source: usize) -> Caller {
    let local = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", peer(relay));
    let remote = format!("/p2p/{}", peer(source));
    Caller::of(&local.parse().unwrap(), &remote.parse().unwrap())
}

/// Knocks 20 times from each of so many addresses, and returns how often that was let in.
fn flood(places: &mut Places, hosts: usize, address: fn(&str) -> Multiaddr) -> usize {
    let let_in = |number: usize| {
        let host = number / 20;
        let address = address(&format!("198.51.{}.{}", host / 256, host % 256));
        let first = if is_udp(&address) { 10_000 } else { 20_000 };
        places.knock(id(first + number), at(&address)).is_ok()
    };
    (0..20 * hosts).map(let_in).filter(|let_in| *let_in).count()
}

#[test]
fn a_flood_from_one_address_leaves_room_for_others_to_connect() {
    let mut places = Places::default();
    assert_eq!(flood(&mut places, 1, tcp), PENDING_PER_ORIGIN_MAX);
    assert_eq!(places.knock(id(1), at(&tcp("192.0.2.1"))), Ok(()));
    let network = |host: u8| tcp(&format!("2001:db8:0:1::{host:x}"));
    let within = (0..99).filter(|it| places.knock(id(100 + *it), at(&network(9))).is_ok()).count();
    assert_eq!(within, PENDING_PER_ORIGIN_MAX);
    assert_eq!(places.knock(id(2), at(&network(1))), Err(NoPlace::Pending), "one network of 64");
    assert_eq!(places.knock(id(3), at(&tcp("2001:db8:0:2::1"))), Ok(()));
    for number in 100..199 {
        places.leave(id(number));
    }
    assert_eq!(places.knock(id(4), at(&network(1))), Ok(()), "places come back");
}

#[test]
fn a_flood_from_everywhere_leaves_room_where_validators_are() {
    let mut places = Places::default();
    places.expect(peer(1), &[tcp("192.0.2.1")]);
    places.enter(id(1), (peer(2), at(&tcp("192.0.2.2"))), Instant::now()).unwrap();
    places.said(peer(2));
    assert_eq!(flood(&mut places, 300, tcp), PENDING_MAX);
    assert_eq!(places.knock(id(2), at(&tcp("192.0.2.3"))), Err(NoPlace::Pending));
    assert_eq!(places.knock(id(3), at(&tcp("192.0.2.1"))), Ok(()), "the settings name it");
    assert_eq!(places.knock(id(4), at(&tcp("192.0.2.2"))), Ok(()), "it was here before");
    assert_eq!(flood(&mut places, 300, quic), PENDING_MAX, "whose addresses are claims");
    places.forget(peer(2), Instant::now());
    assert_eq!(places.knock(id(5), at(&tcp("192.0.2.2"))), Err(NoPlace::Pending));
}

#[test]
fn a_flood_leaves_room_where_the_hosts_are_that_the_settings_name() {
    let mut places = Places::default();
    places.expect(peer(1), &["/dns4/validator.example/tcp/1".parse().unwrap()]);
    assert_eq!(flood(&mut places, 300, tcp), PENDING_MAX);
    assert_eq!(places.knock(id(1), at(&tcp("192.0.2.1"))), Err(NoPlace::Pending));
    let found: [IpAddr; 2] = ["192.0.2.1", "2001:db8::1"].map(|it| it.parse().unwrap());
    places.found(peer(1), &found);
    assert_eq!(places.knock(id(2), at(&tcp("192.0.2.1"))), Ok(()));
    assert_eq!(places.knock(id(3), at(&tcp("2001:db8::2"))), Ok(()), "the same network");
    places.found(peer(9), &["192.0.2.9".parse().unwrap()]);
    assert_eq!(places.knock(id(4), at(&tcp("192.0.2.9"))), Err(NoPlace::Pending), "not named");
    places.found(peer(1), &found[1..]);
    assert_eq!(places.knock(id(5), at(&tcp("192.0.2.1"))), Err(NoPlace::Pending), "it has moved");
}

#[test]
fn whoever_comes_through_a_relay_is_not_at_home_there() {
    let mut places = Places::default();
    places.enter(id(1), (peer(1), behind(9, 1)), Instant::now()).unwrap();
    places.said(peer(1));
    let relay = Origin::At([192, 0, 2, 1].into());
    assert!(!places.is_home(behind(9, 1).origin) && !places.is_home(relay));
    let dialled = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit/p2p/{}", peer(9), peer(1));
    assert_eq!(at(&dialled.parse().unwrap()).origin, behind(9, 1).origin);
    places.enter(id(2), (peer(1), at(&tcp("198.51.100.1"))), Instant::now()).unwrap();
    places.said(peer(1));
    assert!(places.is_home(Origin::At([198, 51, 100, 1].into())), "a hole was punched");
}

#[test]
fn whoever_floods_through_a_relay_leaves_room_for_others_there_and_elsewhere() {
    let (mut places, now) = (Places::default(), Instant::now());
    let one = (0..99).filter(|it| places.knock(id(*it), behind(9, 1)).is_ok()).count();
    assert_eq!(one, PENDING_PER_SOURCE_MAX);
    assert_eq!(places.knock(id(100), behind(9, 2)), Ok(()), "another source");
    let lies = (200..299).filter(|it| places.knock(id(*it), behind(9, *it)).is_ok()).count();
    assert_eq!(lies, PENDING_PER_RELAY_MAX - PENDING_PER_SOURCE_MAX - 1);
    assert_eq!(places.knock(id(300), behind(8, 1)), Ok(()), "another relay");
    assert_eq!(flood(&mut places, 300, tcp), PENDING_MAX, "and those who need none");
    let mut enter = |number, source| places.enter(id(number), (peer(source), behind(9, 1)), now);
    let one = (400..410).filter(|it| enter(*it, 1).is_ok()).count();
    assert_eq!(one, STRANGERS_PER_SOURCE_MAX);
    let many = (500..520).filter(|it| enter(*it, *it).is_ok()).count();
    assert_eq!(many, STRANGERS_PER_RELAY_MAX - STRANGERS_PER_SOURCE_MAX);
    assert_eq!(places.enter(id(600), (peer(1), behind(8, 1)), now), Ok(None));
}

#[test]
fn a_relay_without_a_name_is_counted_by_its_address() {
    let local = |host: u8| format!("/ip4/192.0.2.{host}/tcp/1/p2p-circuit").parse().unwrap();
    let remote = format!("/p2p/{}", peer(1)).parse().unwrap();
    let [one, other] = [1, 2].map(|host| Caller::of(&local(host), &remote).origin);
    assert_ne!(one, other);
}

#[test]
fn this_node_dials_validators_at_few_addresses_and_rarely_at_once() {
    let mut places = Places::default();
    let some = |count: usize| vec![tcp("192.0.2.1"); count];
    places.expect(peer(1), &[]);
    assert_eq!(places.dial(id(1), None, &some(1)), Err(NoPlace::Dial));
    assert_eq!(places.dial(id(1), Some(peer(2)), &some(1)), Err(NoPlace::Dial), "a stranger");
    assert_eq!(places.dial(id(1), Some(peer(1)), &some(ADDRESSES_MAX + 1)), Err(NoPlace::Dial));
    // As many as DCUtR names.
    let dialled = (1..99).filter(|it| places.dial(id(*it), Some(peer(1)), &some(20)).is_ok());
    assert_eq!(dialled.count(), DIALLED_MAX);
    places.leave(id(1));
    assert_eq!(places.dial(id(3), Some(peer(1)), &[]), Ok(()), "a dial that failed is over");
    places.enter(id(2), (peer(1), at(&tcp("192.0.2.1"))), Instant::now()).unwrap();
    assert_eq!(places.dial(id(4), Some(peer(1)), &some(1)), Ok(()), "as is one that did not");
}

#[test]
fn nobody_is_dialled_in_an_odd_way_unless_the_settings_name_it() {
    let dial = |places: &mut Places, address: &Multiaddr| {
        let dialled = places.dial(id(1), Some(peer(1)), std::slice::from_ref(address)).is_ok();
        places.leave(id(1));
        dialled
    };
    let named = |address: &Multiaddr| address.clone().with(Protocol::P2p(peer(1)));
    let mut places = Places::default();
    places.expect(peer(1), &[tcp("192.0.2.1")]);
    places.expect(peer(2), &[]);
    for address in odd() {
        assert!(!dial(&mut places, &address) && !dial(&mut places, &named(&address)), "{address}");
        assert!(dial(&mut places, &tcp("192.0.2.2")));
        // One that the settings name, and who says the same of itself.
        places.expect(peer(1), std::slice::from_ref(&named(&address)));
        assert!(dial(&mut places, &address) && dial(&mut places, &named(&address)), "{address}");
        places.expect(peer(2), &[named(&address)]);
        places.expect(peer(1), &[]);
        assert!(!dial(&mut places, &address) && !dial(&mut places, &named(&address)), "{address}");
        places.expect(peer(2), &[]);
    }
}

#[test]
fn a_relay_leads_to_others_where_it_may_be_dialled_itself() {
    let mut places = Places::default();
    let web: Multiaddr = "/dns4/a.example/tcp/443/ws".parse().unwrap();
    let by = |relay: usize| Protocol::P2p(peer(relay));
    places.expect(peer(1), &[]);
    places.expect(peer(2), &[web.clone().with(by(2))]);
    let mut dial = |address: Multiaddr| {
        let dialled = places.dial(id(1), Some(peer(1)), &[address]).is_ok();
        places.leave(id(1));
        dialled
    };
    let through = |way: &Multiaddr, relay| way.clone().with(by(relay)).with(Protocol::P2pCircuit);
    let plain = tcp("192.0.2.9");
    assert!(dial(through(&web, 2)) && dial(through(&web, 2).with(by(1))));
    assert!(dial(through(&plain, 2)) && dial(through(&plain, 2).with(by(1))));
    assert!(!dial(through(&web, 1)), "another one is named there");
    assert!(!dial(through(&plain, 3)), "a stranger");
    assert!(!dial(through(&plain, 2).with(by(3))), "to somebody else");
    assert!(!dial(through(&plain, 2).with(Protocol::Tcp(1))));
    assert!(!dial(plain.with(Protocol::P2pCircuit)), "whoever is there");
}

#[test]
fn silent_connections_of_one_address_are_few() {
    let (mut places, now) = (Places::default(), Instant::now());
    let mut enter =
        |number, host: &str| places.enter(id(number), (peer(number), at(&tcp(host))), now);
    for number in 1..=STRANGERS_PER_ORIGIN_MAX {
        assert_eq!(enter(number, "198.51.100.1"), Ok(None));
    }
    assert_eq!(enter(8, "198.51.100.1"), Err(NoPlace::Strangers));
    assert_eq!(enter(9, "198.51.100.2"), Ok(None));
    places.leave(id(1));
    let again = places.enter(id(10), (peer(10), at(&tcp("198.51.100.1"))), now);
    assert_eq!(again, Ok(None), "places come back");
}

#[test]
fn validators_get_in_however_many_strangers_there_are() {
    let (mut places, now) = (Places::default(), Instant::now());
    places.expect(peer(1), &[]);
    let host = |number: usize| tcp(&format!("198.51.100.{number}"));
    let mut left = Vec::new();
    for number in 2..2 + 2 * STRANGERS_MAX {
        left.extend(places.enter(id(number), (peer(number), at(&host(number))), now).unwrap());
    }
    let oldest: Vec<_> = (2..2 + STRANGERS_MAX).map(|it| (peer(it), id(it))).collect();
    assert_eq!(left, oldest, "whoever was silent longest makes room");
    let member = places.enter(id(500), (peer(1), at(&host(2))), now);
    assert_eq!(member, Ok(None), "a validator takes nobody's place");
    // One that nobody knows yet, and says who it is.
    let unknown = places.enter(id(501), (peer(501), at(&tcp("192.0.2.1"))), now);
    assert!(matches!(unknown, Ok(Some(_))));
    places.said(peer(501));
    let mut left = Vec::new();
    for number in 600..600 + 2 * STRANGERS_MAX {
        let leaves = places.enter(id(number), (peer(number), at(&host(number % 200))), now);
        left.extend(leaves.unwrap().map(|(_, leaves)| leaves));
    }
    assert_eq!(left.len(), 2 * STRANGERS_MAX - 1, "the one that spoke has left its place");
    assert!(!left.contains(&id(500)) && !left.contains(&id(501)), "those who spoke stay");
}

#[test]
fn a_validator_gets_in_again_though_its_old_connections_are_dead() {
    for (nats, most) in [(Nats::Ignored, 2), (Nats::Crossed, 3)] {
        let (mut places, now) = (Places::new(nats), Instant::now());
        places.expect(peer(1), &[]);
        let mut enter = |number| places.enter(id(number), (peer(1), at(&tcp("192.0.2.1"))), now);
        assert!((1..=most).all(|number| enter(number) == Ok(None)), "{nats:?}");
        let leaves = |number| Ok(Some((peer(1), id(number))));
        assert_eq!(enter(most + 1), leaves(1), "the oldest makes room");
        assert_eq!(enter(most + 2), leaves(2));
        for number in most + 3..=PER_MEMBER_CLOSING_MAX {
            assert!(enter(number).is_ok());
        }
        assert_eq!(enter(9), Err(NoPlace::Member), "closing has to end some time");
        places.leave(id(1));
        assert!(places.enter(id(9), (peer(1), at(&tcp("192.0.2.1"))), now).is_ok());
    }
}

#[test]
fn closings_that_nobody_ends_keep_no_validator_out() {
    let (mut places, begun) = (Places::default(), Instant::now());
    places.expect(peer(1), &[]);
    let mut enter =
        |number, now| places.enter(id(number), (peer(1), at(&tcp("192.0.2.1"))), now).is_ok();
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
        places.enter(id(number), (peer(number), at(&host)), begun).unwrap();
    }
    places.said(peer(2));
    // Another connection of somebody who has spoken.
    places.enter(id(4), (peer(2), at(&tcp("192.0.2.9"))), begun).unwrap();
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
        let_in += usize::from(places.enter(id(number), (peer(number), at(&host)), now).is_ok());
        now += 2 * RECORD_PATIENCE;
        places.silent(now);
    }
    assert_eq!(let_in, STRANGERS_CLOSING_MAX);
}
