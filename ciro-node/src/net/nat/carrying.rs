//! What a relay carries for whom. libp2p counts circuits for their source and their destination
//! alike, so that one validator could use up what another may have; and it forgets streams to a
//! destination beyond ten at once, whose circuits then count for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::relay;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{ConnectionId, FromSwarm, THandlerOutEvent};

use crate::net::ruled::Rules;

/// Circuits of one source to one destination, with those that are being made.
const PER_PAIR_MAX: usize = 2;
/// Circuits of one source.
const PER_SOURCE_MAX: usize = 128;
/// Circuits to one destination that are being made: libp2p has no room for more.
const MAKING_MAX: usize = 10;
/// How long a destination has to take a circuit, and a little more.
const MAKING_PATIENCE: Duration = Duration::from_secs(75);

/// What comes over a connection with somebody who uses this relay.
type Said = <THandlerOutEvent<relay::Behaviour> as Halves>::Left;

/// Names the first of two types: libp2p has no name for it.
trait Halves {
    type Left;
}

impl<L, R> Halves for Either<L, R> {
    type Left = L;
}

/// Circuits of a source to a destination over one connection of the source.
#[derive(Debug)]
struct Line {
    source: PeerId,
    /// Since when circuits are being made.
    making: Vec<Instant>,
    made: usize,
}

impl Line {
    const fn len(&self) -> usize {
        self.making.len() + self.made
    }

    fn making(&self, now: Instant) -> usize {
        let young = |at: &&Instant| now.saturating_duration_since(**at) < MAKING_PATIENCE;
        self.making.iter().filter(young).count()
    }
}

/// Circuits that this relay carries or makes.
#[derive(Debug, Default)]
pub(in crate::net) struct Carrying {
    lines: BTreeMap<(ConnectionId, PeerId), Line>,
}

impl Carrying {
    /// Returns how many circuits this relay carries.
    pub(super) fn carried(&self) -> usize {
        self.lines.values().map(|line| line.made).sum()
    }

    /// Whether a circuit is made.
    fn asked(&mut self, (source, id): (PeerId, ConnectionId), to: PeerId, now: Instant) -> bool {
        let lines = || self.lines.iter().map(|((_, to), line)| (*to, line));
        let own = || lines().filter(|(_, line)| line.source == source);
        let pair = || own().filter(|(other, _)| *other == to);
        let many = own().map(|(_, line)| line.len()).sum::<usize>() >= PER_SOURCE_MAX
            || pair().map(|(_, line)| line.len()).sum::<usize>() >= PER_PAIR_MAX;
        let making = |it: (PeerId, &Line)| it.1.making(now);
        let there = lines().filter(|(other, _)| *other == to).map(making).sum::<usize>();
        if many || pair().map(making).sum::<usize>() > 0 || there >= MAKING_MAX {
            return false;
        }
        let line = self.lines.entry((id, to));
        line.or_insert(Line { source, making: Vec::new(), made: 0 }).making.push(now);
        true
    }

    /// Takes note that a circuit is made.
    fn made(&mut self, id: ConnectionId, to: PeerId) {
        if let Some(line) = self.lines.get_mut(&(id, to)).filter(|line| !line.making.is_empty()) {
            line.making.remove(0);
            line.made += 1;
        }
    }

    /// Takes note that a circuit is not made.
    fn failed(&mut self, id: ConnectionId, to: PeerId) {
        if let Some(line) = self.lines.get_mut(&(id, to)).filter(|line| !line.making.is_empty()) {
            line.making.remove(0);
        }
        self.lines.retain(|_, line| line.len() > 0);
    }

    /// Takes note that a circuit is over.
    fn over(&mut self, id: ConnectionId, to: PeerId) {
        if let Some(line) = self.lines.get_mut(&(id, to)) {
            line.made = line.made.saturating_sub(1);
        }
        self.lines.retain(|_, line| line.len() > 0);
    }

    /// Takes note that a connection is gone, and whether it was the last one of its peer.
    fn gone(&mut self, peer: PeerId, id: ConnectionId, remaining: usize) {
        self.lines.retain(|(source, to), _| {
            let unreached = *to == peer && remaining == 0;
            *source != id && !unreached
        });
    }
}

impl Rules<relay::Behaviour> for Carrying {
    fn hears(&mut self, event: &FromSwarm<'_>) -> bool {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.gone(closed.peer_id, closed.connection_id, closed.remaining_established);
        }
        true
    }

    fn heeds(
        &mut self,
        (peer, id): (PeerId, ConnectionId),
        event: &THandlerOutEvent<relay::Behaviour>,
    ) -> bool {
        let Either::Left(said) = event else { return true };
        match said {
            Said::CircuitReqReceived { inbound_circuit_req: request, .. } => {
                return self.asked((peer, id), request.dst(), Instant::now());
            }
            Said::CircuitReqAccepted { dst_peer_id: to, .. } => self.made(id, *to),
            Said::CircuitReqDenied { dst_peer_id: to, .. }
            | Said::CircuitReqDenyFailed { dst_peer_id: to, .. }
            | Said::CircuitReqAcceptFailed { dst_peer_id: to, .. } => self.failed(id, *to),
            Said::CircuitClosed { dst_peer_id: to, .. } => self.over(id, *to),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::identity::Identity;

    fn peer(number: u8) -> PeerId {
        Identity::from_secret([number; 32]).unwrap().peer()
    }

    /// The connection of a source.
    fn from(number: u8) -> (PeerId, ConnectionId) {
        (peer(number), ConnectionId::new_unchecked(number.into()))
    }

    #[test]
    fn a_destination_that_takes_no_circuit_takes_nobody_else_s_room() {
        let (mut carrying, now) = (Carrying::default(), Instant::now());
        let silent = peer(100);
        let asked = (1..=20).filter(|it| carrying.asked(from(*it), silent, now)).count();
        assert_eq!(asked, MAKING_MAX, "libp2p forgets none of them");
        assert!(!carrying.asked(from(1), silent, now), "one at a time");
        assert!(carrying.asked(from(1), peer(101), now), "another destination");
        for number in 1..=9 {
            carrying.failed(from(number).1, silent);
        }
        assert!(carrying.asked(from(1), silent, now));
        // What nobody tells about is over after a while, and counts for its pair alone.
        let later = now + MAKING_PATIENCE;
        assert!(carrying.asked(from(11), silent, later));
        assert_eq!((0..9).filter(|_| carrying.asked(from(10), silent, later)).count(), 1);
        assert!(!carrying.asked(from(10), silent, later + MAKING_PATIENCE), "two are stuck");
    }

    #[test]
    fn a_source_has_few_circuits_and_those_that_come_to_it_are_not_its_own() {
        let (mut carrying, now) = (Carrying::default(), Instant::now());
        let mut open = |source: u8, to: u8| {
            let asked = carrying.asked(from(source), peer(to), now);
            carrying.made(from(source).1, peer(to));
            asked
        };
        assert_eq!((0..9).filter(|_| open(1, 2)).count(), PER_PAIR_MAX);
        let opened = (3..=200).filter(|to| open(1, *to)).count();
        assert_eq!(opened, PER_SOURCE_MAX - PER_PAIR_MAX);
        assert!(open(2, 1), "a destination has its own");
        assert_eq!(carrying.carried(), PER_SOURCE_MAX + 1);
    }

    #[test]
    fn what_is_over_makes_room() {
        let (mut carrying, now) = (Carrying::default(), Instant::now());
        for _ in 0..PER_PAIR_MAX {
            assert!(carrying.asked(from(1), peer(2), now));
            carrying.made(from(1).1, peer(2));
        }
        carrying.over(from(1).1, peer(2));
        assert!(carrying.asked(from(1), peer(2), now));
        carrying.gone(peer(2), from(2).1, 1);
        assert_eq!(carrying.carried(), 1, "it has another connection");
        carrying.gone(peer(2), from(2).1, 0);
        assert!(carrying.lines.is_empty());
        assert!(carrying.asked(from(1), peer(2), now));
        carrying.gone(peer(1), from(1).1, 1);
        assert!(carrying.lines.is_empty());
        carrying.over(from(1).1, peer(2));
        carrying.failed(from(1).1, peer(2));
        assert_eq!(carrying.carried(), 0, "once");
    }
}
