//! Peers that this node wants to be connected with: those that the settings name, and those that
//! speak for a validator. So there are never more than both together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use libp2p::{Multiaddr, PeerId};

use super::places::ADDRESSES_MAX;
use super::plain::is_plain;
use super::reach::ASKED_MAX;

/// The shortest pause between two tries to reach a peer.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Somebody whom this node wants to be connected with.
#[derive(Debug)]
struct Target {
    addresses: Vec<Multiaddr>,
    /// Whether the settings name it.
    configured: bool,
    due: Instant,
    pause: Duration,
    /// Tries since it was connected last.
    tries: usize,
}

impl Target {
    /// The one with the smaller identity dials at once, the other only if that did not help: so the
    /// two rarely have two connections.
    fn new(own: PeerId, peer: PeerId) -> Self {
        let pause = if own < peer { Duration::ZERO } else { Duration::from_secs(1) };
        let due = Instant::now() + pause;
        Self { addresses: Vec::new(), configured: false, due, pause: PAUSE_MIN, tries: 0 }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Targets {
    own: PeerId,
    all: BTreeMap<PeerId, Target>,
    /// Who spoke last for each validator.
    speakers: BTreeMap<ReplicaId, PeerId>,
}

impl Targets {
    /// Begins with the peers of the settings.
    pub(super) fn new(own: PeerId, peers: Vec<(PeerId, Multiaddr)>) -> Self {
        let mut all: BTreeMap<PeerId, Target> = BTreeMap::new();
        for (peer, address) in peers.into_iter().filter(|(peer, _)| *peer != own) {
            let target = all.entry(peer).or_insert_with(|| Target::new(own, peer));
            target.addresses.push(address);
            target.configured = true;
        }
        Self { own, all, speakers: BTreeMap::new() }
    }

    /// Returns the peers with their addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerId, &[Multiaddr])> {
        self.all.iter().map(|(peer, target)| (*peer, &target.addresses[..]))
    }

    /// Whether a peer is one of them.
    pub(super) fn contains(&self, peer: PeerId) -> bool {
        self.all.contains_key(&peer)
    }

    /// Returns where a peer may be reached.
    pub(super) fn addresses(&self, peer: PeerId) -> Vec<Multiaddr> {
        self.all.get(&peer).map(|target| target.addresses.clone()).unwrap_or_default()
    }

    /// Takes note that a peer speaks for a validator, which says that it listens there: settings go
    /// before that. Returns the peer that spoke for the validator until now.
    pub(super) fn speaks(
        &mut self,
        peer: PeerId,
        id: ReplicaId,
        addresses: Vec<Multiaddr>,
    ) -> Option<PeerId> {
        let own = self.own;
        let target = self.all.entry(peer).or_insert_with(|| Target::new(own, peer));
        if !target.configured {
            target.addresses = addresses;
        }
        let before = self.speakers.insert(id, peer).filter(|before| *before != peer)?;
        if self.all.get(&before).is_some_and(|target| !target.configured) {
            self.all.remove(&before);
        }
        Some(before)
    }

    /// Forgets a peer that speaks for a validator which has left.
    pub(super) fn leaves(&mut self, peer: PeerId, id: ReplicaId) {
        self.speakers.remove(&id);
        if self.all.get(&peer).is_some_and(|target| !target.configured) {
            self.all.remove(&peer);
        }
    }

    /// Takes note that a peer is connected.
    pub(super) fn connected(&mut self, peer: PeerId) {
        if let Some(target) = self.all.get_mut(&peer) {
            target.pause = PAUSE_MIN;
            target.tries = 0;
        }
    }

    /// Returns the peers that it is time to look after.
    pub(super) fn due(&self, now: Instant) -> Vec<PeerId> {
        self.all.iter().filter(|(_, target)| target.due <= now).map(|(peer, _)| *peer).collect()
    }

    /// Looks after a peer again after some time.
    pub(super) fn postpone(&mut self, peer: PeerId, due: Instant) {
        if let Some(target) = self.all.get_mut(&peer) {
            target.due = due;
        }
    }

    /// Takes note that a peer is dialled: the next try comes after a longer pause.
    pub(super) fn dialled(&mut self, peer: PeerId, now: Instant) {
        if let Some(target) = self.all.get_mut(&peer) {
            target.pause = (2 * target.pause).min(PAUSE_MAX);
            target.due = now + target.pause;
            target.tries = target.tries.saturating_add(1);
        }
    }

    /// Returns how often a peer was dialled since it was connected last.
    pub(super) fn tries(&self, peer: PeerId) -> usize {
        self.all.get(&peer).map_or(0, |target| target.tries)
    }
}

/// Returns where a validator that says that it listens there may be dialled, with room for relays:
/// which of these it uses is found without it. By WebSocket or a `/dnsaddr` it is dialled only
/// where the settings name it.
pub(super) fn dialable(mut addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    addresses.retain(is_plain);
    addresses.truncate(ADDRESSES_MAX - ASKED_MAX);
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::identity::Identity;
    use crate::net::plain::tests::odd;

    fn peer(byte: u8) -> PeerId {
        Identity::from_secret([byte; 32]).unwrap().peer()
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn a_validator_has_one_peer_whatever_it_signs() {
        let mut targets = Targets::new(peer(0), vec![(peer(1), address(1)), (peer(0), address(2))]);
        let all = |targets: &Targets| targets.iter().map(|(peer, _)| peer).collect::<Vec<_>>();
        assert_eq!(all(&targets), [peer(1)], "not this node itself");
        assert_eq!(targets.speaks(peer(1), ReplicaId(1), vec![address(9)]), None);
        assert_eq!(targets.addresses(peer(1)), [address(1)], "settings go first");
        assert_eq!(targets.speaks(peer(2), ReplicaId(1), vec![address(2)]), Some(peer(1)));
        for number in 3..100 {
            let spoke = Some(peer(number - 1));
            assert_eq!(targets.speaks(peer(number), ReplicaId(1), Vec::new()), spoke);
            assert_eq!(all(&targets).len(), 2, "the configured one and the last one");
        }
        assert!(targets.contains(peer(1)) && targets.contains(peer(99)));
        assert_eq!(targets.speaks(peer(99), ReplicaId(1), vec![address(3)]), None);
        assert_eq!(targets.addresses(peer(99)), [address(3)], "it has moved");
    }

    #[test]
    fn pauses_between_tries_grow_until_one_helps() {
        let mut targets = Targets::new(peer(0), vec![(peer(1), address(1))]);
        let mut now = Instant::now() + Duration::from_secs(2);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert_eq!(targets.due(now), [peer(1)]);
            targets.dialled(peer(1), now);
            let begun = now;
            while targets.due(now).is_empty() {
                now += PAUSE_MIN;
            }
            pauses.push((now - begun).as_millis());
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(targets.tries(peer(1)), 6);
        targets.connected(peer(1));
        assert_eq!(targets.tries(peer(1)), 0);
        targets.dialled(peer(1), now);
        assert_eq!(targets.due(now + 2 * PAUSE_MIN), [peer(1)]);
    }

    #[test]
    fn nobody_is_dialled_in_an_odd_way_because_it_says_so() {
        let good = address(1);
        let mut said = odd();
        said.push(good.clone());
        assert_eq!(dialable(said), std::slice::from_ref(&good));
        assert_eq!(dialable(vec![good; 99]).len() + ASKED_MAX, ADDRESSES_MAX);
    }
}
