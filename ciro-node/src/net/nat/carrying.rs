//! What a relay carries for whom. libp2p counts circuits for their source and their destination
//! alike, so that one validator could use up what another may have; and it forgets streams to a
//! destination beyond ten at once, whose circuits then count for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::relay;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    ConnectionId, FromSwarm, NotifyHandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

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

/// What is done there because the relay wants it.
type Told = <THandlerInEvent<relay::Behaviour> as Halves>::Left;

/// Names the first of two types: libp2p has no name for it.
trait Halves {
    type Left;
}

impl<L, R> Halves for Either<L, R> {
    type Left = L;
}

/// A connection, and who is at its other end.
type End = (PeerId, ConnectionId);

/// A circuit that is being made.
#[derive(Clone, Copy, Debug)]
struct Making {
    since: Instant,
    /// Over which connection its destination is being asked. If that one closes, nobody hears of
    /// the circuit again.
    over: Option<ConnectionId>,
}

/// Circuits of a source to a destination over one connection of the source.
#[derive(Debug, Default)]
struct Line {
    making: Vec<Making>,
    made: usize,
}

impl Line {
    const fn len(&self) -> usize {
        self.making.len() + self.made
    }

    /// Those that are being made and of which something is still to be heard.
    fn making(&self, now: Instant) -> impl Iterator<Item = &Making> {
        let young = move |it: &&Making| now.saturating_duration_since(it.since) < MAKING_PATIENCE;
        self.making.iter().filter(young)
    }

    /// Takes out one that is being made and whose destination is not being asked. Returns whether
    /// there is one.
    fn take(&mut self) -> bool {
        let at = self.making.iter().position(|it| it.over.is_none());
        at.map(|at| self.making.remove(at)).is_some()
    }
}

/// Circuits that this relay carries or makes.
#[derive(Debug, Default)]
pub(in crate::net) struct Carrying {
    /// By destination and source: a question looks at those of its destination alone.
    lines: BTreeMap<PeerId, BTreeMap<End, Line>>,
    /// How many each source has.
    own: BTreeMap<PeerId, usize>,
    /// How many circuits each destination is being asked to take, by its connections. Those whose
    /// source has left count on: libp2p waits for their answer.
    stops: BTreeMap<PeerId, BTreeMap<ConnectionId, usize>>,
}

impl Carrying {
    /// Returns how many circuits this relay carries.
    pub(super) fn carried(&self) -> usize {
        self.lines.values().flatten().map(|(_, line)| line.made).sum()
    }

    /// Whether a circuit is made.
    fn asked(&mut self, from: End, to: PeerId, now: Instant) -> bool {
        if from.0 == to {
            return false;
        }
        let own = self.own.get(&from.0).copied().unwrap_or_default();
        // Those that the destination is being asked about, and those that it is not.
        let mut making: usize = self.stops.get(&to).into_iter().flat_map(BTreeMap::values).sum();
        let (mut pair, mut pair_making) = (0, 0);
        for ((source, _), line) in self.lines.get(&to).into_iter().flatten() {
            making += line.making(now).filter(|it| it.over.is_none()).count();
            if *source == from.0 {
                pair += line.len();
                pair_making += line.making(now).count();
            }
        }
        let many = own >= PER_SOURCE_MAX || pair >= PER_PAIR_MAX;
        if many || pair_making > 0 || making >= MAKING_MAX {
            return false;
        }
        let line = self.lines.entry(to).or_default().entry(from).or_default();
        line.making.push(Making { since: now, over: None });
        *self.own.entry(from.0).or_default() += 1;
        true
    }

    /// Takes note that the destination of a circuit is being asked.
    fn passed_on(&mut self, from: End, (to, over): End) {
        *self.stops.entry(to).or_default().entry(over).or_default() += 1;
        self.change(from, to, |line| {
            if let Some(last) = line.making.iter_mut().rev().find(|it| it.over.is_none()) {
                last.over = Some(over);
            }
        });
    }

    /// Takes note that it has answered or cannot be asked: what comes next comes from the source.
    fn answered(&mut self, from: End, (to, over): End) {
        if let Some(stops) = self.stops.get_mut(&to).and_then(|stops| stops.get_mut(&over)) {
            *stops = stops.saturating_sub(1);
        }
        self.change(from, to, |line| {
            for making in line.making.iter_mut().filter(|it| it.over == Some(over)) {
                making.over = None;
            }
        });
    }

    /// Takes note that a circuit is made.
    fn made(&mut self, from: End, to: PeerId) {
        self.change(from, to, |line| {
            if line.take() {
                line.made += 1;
            }
        });
    }

    /// Takes note that a circuit is not made.
    fn failed(&mut self, from: End, to: PeerId) {
        self.change(from, to, |line| {
            line.take();
        });
    }

    /// Takes note that a circuit is over.
    fn over(&mut self, from: End, to: PeerId) {
        self.change(from, to, |line| line.made = line.made.saturating_sub(1));
    }

    /// Changes a line, and forgets it if nothing is left of it.
    fn change(&mut self, from: End, to: PeerId, change: impl FnOnce(&mut Line)) {
        let Some(lines) = self.lines.get_mut(&to) else { return };
        let Some(line) = lines.get_mut(&from) else { return };
        let before = line.len();
        change(line);
        let left = line.len();
        if left == 0 {
            lines.remove(&from);
        }
        if lines.is_empty() {
            self.lines.remove(&to);
        }
        if let Some(own) = self.own.get_mut(&from.0) {
            *own = (*own + left).saturating_sub(before);
            if *own == 0 {
                self.own.remove(&from.0);
            }
        }
    }

    /// Takes note that a connection is gone, and how many its peer has left.
    fn gone(&mut self, (peer, id): End, remaining: usize) {
        if let Some(stops) = self.stops.get_mut(&peer) {
            stops.remove(&id);
            if stops.is_empty() || remaining == 0 {
                self.stops.remove(&peer);
            }
        }
        self.lines.retain(|to, lines| {
            lines.retain(|from, line| {
                if *to == peer {
                    line.making.retain(|it| it.over != Some(id));
                }
                let unreached = *to == peer && remaining == 0;
                *from != (peer, id) && !unreached && line.len() > 0
            });
            !lines.is_empty()
        });
        self.own.clear();
        for ((source, _), line) in self.lines.values().flatten() {
            *self.own.entry(*source).or_default() += line.len();
        }
    }
}

impl Rules<relay::Behaviour> for Carrying {
    fn hears(&mut self, event: &FromSwarm<'_>) -> bool {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.gone((closed.peer_id, closed.connection_id), closed.remaining_established);
        }
        true
    }

    fn heeds(&mut self, end: End, event: &THandlerOutEvent<relay::Behaviour>) -> bool {
        let Either::Left(said) = event else { return true };
        match said {
            Said::CircuitReqReceived { inbound_circuit_req: request, .. } => {
                return self.asked(end, request.dst(), Instant::now());
            }
            Said::OutboundConnectNegotiated { src_peer_id, src_connection_id, .. }
            | Said::OutboundConnectNegotiationFailed { src_peer_id, src_connection_id, .. } => {
                self.answered((*src_peer_id, *src_connection_id), end);
            }
            Said::CircuitReqAccepted { dst_peer_id: to, .. } => self.made(end, *to),
            Said::CircuitReqDenied { dst_peer_id: to, .. }
            | Said::CircuitReqDenyFailed { dst_peer_id: to, .. }
            | Said::CircuitReqAcceptFailed { dst_peer_id: to, .. } => self.failed(end, *to),
            Said::CircuitClosed { dst_peer_id: to, .. } => self.over(end, *to),
            _ => {}
        }
        true
    }

    fn lets(&mut self, wish: &ToSwarm<relay::Event, THandlerInEvent<relay::Behaviour>>) -> bool {
        if let ToSwarm::NotifyHandler { peer_id: to, handler: NotifyHandler::One(over), event } =
            wish
            && let Either::Left(Told::NegotiateOutboundConnect {
                src_peer_id,
                src_connection_id,
                ..
            }) = event
        {
            self.passed_on((*src_peer_id, *src_connection_id), (*to, *over));
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
            carrying.failed(from(number), silent);
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
            carrying.made(from(source), peer(to));
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
            carrying.made(from(1), peer(2));
        }
        carrying.over(from(1), peer(2));
        assert!(carrying.asked(from(1), peer(2), now));
        carrying.gone(from(2), 1);
        assert_eq!(carrying.carried(), 1, "it has another connection");
        carrying.gone(from(2), 0);
        assert!(carrying.lines.is_empty());
        assert!(carrying.asked(from(1), peer(2), now));
        carrying.gone(from(1), 1);
        assert!(carrying.lines.is_empty());
        carrying.over(from(1), peer(2));
        carrying.failed(from(1), peer(2));
        assert_eq!(carrying.carried(), 0, "once");
    }

    #[test]
    fn a_circuit_ends_with_the_connection_over_which_its_destination_is_asked() {
        let (mut carrying, now) = (Carrying::default(), Instant::now());
        let to = from(2);
        for _ in 0..=PER_PAIR_MAX {
            assert!(carrying.asked(from(1), to.0, now));
            carrying.passed_on(from(1), to);
            carrying.gone((to.0, from(3).1), 1);
            assert!(!carrying.asked(from(1), to.0, now), "another connection");
            carrying.gone(to, 1);
            assert!(carrying.lines.is_empty() && carrying.own.is_empty());
        }
        // Once it has answered it is the source of which something is heard.
        assert!(carrying.asked(from(1), to.0, now));
        carrying.passed_on(from(1), to);
        carrying.answered(from(1), to);
        carrying.gone(to, 1);
        carrying.made(from(1), to.0);
        assert_eq!(carrying.carried(), 1);
    }

    #[test]
    fn what_a_destination_is_asked_is_not_forgotten_with_who_asks() {
        let (mut carrying, now) = (Carrying::default(), Instant::now());
        let (to, another) = (from(2), (peer(2), ConnectionId::new_unchecked(77)));
        assert!(!carrying.asked(from(2), to.0, now), "itself");
        for number in 0..MAKING_MAX {
            let source = (peer(1), ConnectionId::new_unchecked(100 + number));
            assert!(carrying.asked(source, to.0, now), "{number}");
            carrying.passed_on(source, if number % 2 == 0 { to } else { another });
            carrying.gone(source, 1);
        }
        assert!(carrying.lines.is_empty() && !carrying.asked(from(3), to.0, now));
        // Not even in time: libp2p has no more room.
        assert!(!carrying.asked(from(3), to.0, now + 2 * MAKING_PATIENCE));
        carrying.answered(from(1), to);
        assert!(carrying.asked(from(3), to.0, now));
        assert!(!carrying.asked(from(4), to.0, now), "one place, which is taken");
        carrying.gone(another, 1);
        assert!(carrying.asked(from(4), to.0, now));
        carrying.gone(to, 0);
        assert!(carrying.stops.is_empty());
    }

    #[test]
    fn sources_that_take_no_answer_keep_nobody_from_a_destination_for_long() {
        let (mut carrying, mut now) = (Carrying::default(), Instant::now());
        let to = from(2);
        for _ in 0..PER_PAIR_MAX {
            for silent in 10..20 {
                assert!(carrying.asked(from(silent), to.0, now), "{silent}");
                carrying.passed_on(from(silent), to);
                carrying.answered(from(silent), to);
            }
            assert!(!carrying.asked(from(3), to.0, now));
            now += MAKING_PATIENCE;
        }
        assert!(carrying.asked(from(3), to.0, now));
    }

    #[test]
    fn what_a_source_has_is_what_its_lines_have() {
        let (mut carrying, mut now) = (Carrying::default(), Instant::now());
        for step in 0..2_000_u32 {
            let of = |salt: u32, most: u32| u8::try_from(step * salt / 7 % most).unwrap();
            let (source, to) = (from(1 + of(5, 4)), from(10 + of(11, 6)));
            match of(13, 9) {
                0..=2 => {
                    carrying.asked(source, to.0, now);
                }
                3 => carrying.passed_on(source, to),
                4 => carrying.answered(source, to),
                5 => carrying.made(source, to.0),
                6 => carrying.failed(source, to.0),
                7 => carrying.over(source, to.0),
                _ => carrying.gone(if step % 2 == 0 { source } else { to }, 1),
            }
            now += Duration::from_secs(20);
            let mut own: BTreeMap<PeerId, usize> = BTreeMap::new();
            for ((source, _), line) in carrying.lines.values().flatten() {
                assert!(line.len() > 0);
                *own.entry(*source).or_default() += line.len();
            }
            assert_eq!(carrying.own, own, "after {step} steps");
        }
        assert!(!carrying.own.is_empty());
    }
}
