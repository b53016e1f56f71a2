//! What the protocols of libp2p are kept from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use libp2p::autonat::v1 as autonat;
use libp2p::swarm::{
    ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, dcutr, identify, relay};

use crate::net::peers::Peers;
use crate::net::plain::is_plain;
use crate::net::reach::is_circuit;
use crate::net::ruled::Rules;

/// Holes that are punched for one validator in a minute: libp2p remembers each for ever.
const PUNCHES_MAX: usize = 6;
/// A minute.
const MINUTE: Duration = Duration::from_secs(60);

/// What a behaviour asks of the swarm.
type Wish<B> = ToSwarm<<B as NetworkBehaviour>::ToSwarm, THandlerInEvent<B>>;

/// Identify tells what peers say and takes nothing of it for true: what a stranger has observed is
/// no address of this node, and where it says that it listens is dialled by nobody. Nor does it
/// spread the addresses that relays make up.
pub(in crate::net) struct Describing;

impl Rules<identify::Behaviour> for Describing {
    fn hears(&mut self, event: &FromSwarm<'_>) -> bool {
        !of_a_relay(event)
    }

    fn lets(&mut self, wish: &Wish<identify::Behaviour>) -> bool {
        !matches!(
            wish,
            ToSwarm::NewExternalAddrCandidate(_) | ToSwarm::NewExternalAddrOfPeer { .. }
        )
    }
}

/// AutoNAT asks about the addresses where this node listens, which are few: its requests have room
/// for a kilobyte. Others dial plain ones alone, and none of them if one is not. Nothing is an
/// address of this node because one peer says so.
pub(in crate::net) struct Asking;

impl Rules<autonat::Behaviour> for Asking {
    fn hears(&mut self, event: &FromSwarm<'_>) -> bool {
        match event {
            FromSwarm::NewExternalAddrCandidate(_)
            | FromSwarm::ExternalAddrConfirmed(_)
            | FromSwarm::ExternalAddrExpired(_) => false,
            FromSwarm::NewListenAddr(it) => is_plain(it.addr),
            FromSwarm::ExpiredListenAddr(it) => is_plain(it.addr),
            _ => true,
        }
    }

    fn lets(&mut self, wish: &Wish<autonat::Behaviour>) -> bool {
        !confirms(wish)
    }
}

/// A place at a relay is no address that others are told: they find it by themselves. It ends with
/// its connection, and with it what is kept of it: an answer of the relay that is heard after the
/// end of a listener alone would be the end of libp2p's client.
pub(in crate::net) struct Placing;

impl Rules<relay::client::Behaviour> for Placing {
    fn hears(&mut self, event: &FromSwarm<'_>) -> bool {
        !matches!(event, FromSwarm::ListenerClosed(_))
    }

    fn lets(&mut self, wish: &Wish<relay::client::Behaviour>) -> bool {
        !confirms(wish)
    }
}

/// Holes are punched for validators alone, and not too often.
pub(in crate::net) struct Punching {
    peers: Arc<Peers>,
    punched: BTreeMap<ReplicaId, VecDeque<Instant>>,
}

impl Punching {
    pub(super) const fn new(peers: Arc<Peers>) -> Self {
        Self { peers, punched: BTreeMap::new() }
    }

    /// Whether a hole is punched for a peer now.
    fn may(&mut self, peer: PeerId, now: Instant) -> bool {
        let Some(id) = self.peers.validator(peer) else { return false };
        let old = |at: &Instant| now.saturating_duration_since(*at) >= MINUTE;
        self.punched.retain(|_, times| {
            while times.front().is_some_and(old) {
                times.pop_front();
            }
            !times.is_empty()
        });
        let times = self.punched.entry(id).or_default();
        let may = times.len() < PUNCHES_MAX;
        if may {
            times.push_back(now);
        }
        may
    }
}

impl Rules<dcutr::Behaviour> for Punching {
    fn heeds(
        &mut self,
        (peer, _): (PeerId, ConnectionId),
        _: &THandlerOutEvent<dcutr::Behaviour>,
    ) -> bool {
        self.may(peer, Instant::now())
    }
}

/// Whether somebody calls an address this node's own.
const fn confirms<E, I>(wish: &ToSwarm<E, I>) -> bool {
    matches!(wish, ToSwarm::ExternalAddrConfirmed(_) | ToSwarm::ExternalAddrExpired(_))
}

/// Whether it is about an address at a relay, of which the relay may send as many as it likes.
fn of_a_relay(event: &FromSwarm<'_>) -> bool {
    is_circuit(match event {
        FromSwarm::NewListenAddr(it) => it.addr,
        FromSwarm::ExpiredListenAddr(it) => it.addr,
        FromSwarm::ExternalAddrConfirmed(it) => it.addr,
        FromSwarm::ExternalAddrExpired(it) => it.addr,
        _ => return false,
    })
}

#[cfg(test)]
mod tests {
    use libp2p::Multiaddr;
    use libp2p::core::transport::ListenerId;
    use libp2p::swarm::behaviour::{
        ExpiredListenAddr, ExternalAddrConfirmed, ExternalAddrExpired, ListenerClosed,
        NewExternalAddrCandidate, NewListenAddr,
    };

    use super::*;
    use crate::net::identity::Identity;
    use crate::net::peers;
    use crate::net::plain::tests::odd;

    fn peer(number: u8) -> PeerId {
        Identity::from_secret([number; 32]).unwrap().peer()
    }

    fn plain() -> Multiaddr {
        "/ip4/192.0.2.1/tcp/1".parse().unwrap()
    }

    fn circuit() -> Multiaddr {
        format!("{}/p2p/{}/p2p-circuit", plain(), peer(9)).parse().unwrap()
    }

    fn listens(addr: &Multiaddr) -> FromSwarm<'_> {
        FromSwarm::NewListenAddr(NewListenAddr { listener_id: ListenerId::next(), addr })
    }

    #[test]
    fn what_strangers_observe_is_no_address_of_this_node() {
        let observed: Wish<identify::Behaviour> = ToSwarm::NewExternalAddrCandidate(plain());
        assert!(!Describing.lets(&observed));
        let address = plain();
        let said = ToSwarm::NewExternalAddrOfPeer { peer_id: peer(1), address };
        assert!(!Describing.lets(&said));
        let addr = &plain();
        assert!(
            !Asking.hears(&FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }))
        );
        assert!(Asking.hears(&listens(addr)));
    }

    #[test]
    fn no_single_peer_makes_an_address_this_node_s_own() {
        let confirmed = || ToSwarm::ExternalAddrConfirmed(plain());
        assert!(!Asking.lets(&confirmed()));
        assert!(!Placing.lets(&ToSwarm::ExternalAddrConfirmed(circuit())));
        assert!(!Placing.lets(&ToSwarm::ExternalAddrExpired(circuit())));
        let (listener_id, reason) = (ListenerId::next(), Ok(()));
        assert!(!Placing.hears(&FromSwarm::ListenerClosed(ListenerClosed { listener_id, reason })));
        let addr = &plain();
        assert!(!Asking.hears(&FromSwarm::ExternalAddrExpired(ExternalAddrExpired { addr })));
    }

    #[test]
    fn addresses_that_relays_make_up_go_nowhere() {
        let addr = &circuit();
        assert!(!Describing.hears(&listens(addr)) && !Asking.hears(&listens(addr)));
        let confirmed = FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr });
        assert!(!Describing.hears(&confirmed));
        assert!(Describing.hears(&listens(&plain())));
    }

    #[test]
    fn others_are_asked_to_dial_plain_addresses_alone() {
        assert!(Asking.hears(&listens(&plain())));
        for addr in &odd() {
            assert!(!Asking.hears(&listens(addr)), "{addr}");
            let listener_id = ListenerId::next();
            let expired = FromSwarm::ExpiredListenAddr(ExpiredListenAddr { listener_id, addr });
            assert!(!Asking.hears(&expired), "{addr}");
        }
    }

    #[test]
    fn holes_are_punched_for_validators_alone_and_not_too_often() {
        let peers = Arc::new(peers::tests::with_bound(1, &Identity::from_secret([1; 32]).unwrap()));
        let (mut rules, now) = (Punching::new(peers), Instant::now());
        assert!(!rules.may(peer(2), now), "a stranger");
        let punched = (0..99).filter(|_| rules.may(peer(1), now)).count();
        assert_eq!(punched, PUNCHES_MAX);
        assert!(rules.may(peer(1), now + MINUTE));
        assert_eq!(rules.punched[&ReplicaId(1)].len(), 1, "what is over is forgotten");
    }
}
