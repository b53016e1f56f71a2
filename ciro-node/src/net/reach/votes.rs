//! What other validators say about where this node is. No one of them decides it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::Reachability;
use crate::net::plain::is_plain;

/// How long what a validator has found counts: it is asked again sooner, and maybe not at once.
const VOTE_AGE: Duration = Duration::from_secs(1800);
/// Addresses under which others punch holes to this node.
const CANDIDATES_MAX: usize = 8;

/// What a validator found when it dialled this node.
#[derive(Clone, Debug)]
struct Vote {
    at: Instant,
    /// Where it reached this node, if it did.
    found: Option<Multiaddr>,
}

/// What all of them say.
#[derive(Debug)]
pub(super) struct Votes {
    stakes: BTreeMap<ReplicaId, u64>,
    /// How much stake has to agree: more than may lie, which is less than a third of all.
    agreed: u128,
    found: BTreeMap<ReplicaId, Vote>,
    /// Where each sees this node's connections come from, by whether they go over UDP.
    observed: BTreeMap<(ReplicaId, bool), Multiaddr>,
}

impl Votes {
    /// Begins in a network of validators with these stakes.
    pub(super) fn new(stakes: BTreeMap<ReplicaId, u64>) -> Self {
        let mut votes = Self {
            stakes: BTreeMap::new(),
            agreed: 0,
            found: BTreeMap::new(),
            observed: BTreeMap::new(),
        };
        votes.weigh(stakes);
        votes
    }

    /// Counts by other stakes from now on.
    pub(super) fn weigh(&mut self, stakes: BTreeMap<ReplicaId, u64>) {
        let all: u128 = stakes.values().copied().map(u128::from).sum();
        self.agreed = all.saturating_sub(1) / 3 + 1;
        self.found.retain(|id, _| stakes.contains_key(id));
        self.observed.retain(|(id, _), _| stakes.contains_key(id));
        self.stakes = stakes;
    }

    fn stake(&self, id: ReplicaId) -> u128 {
        self.stakes.get(&id).copied().unwrap_or_default().into()
    }

    /// Takes note of what a validator found.
    pub(super) fn found(&mut self, id: ReplicaId, found: Option<Multiaddr>, at: Instant) {
        self.found.insert(id, Vote { at, found });
    }

    /// Returns whether this node can be dialled, and where: where it listens itself, at a host at
    /// which enough validators have found it. What was so before stays until enough say otherwise,
    /// and so does then where: nowhere is said.
    pub(super) fn verdict(
        &mut self,
        before: Reachability,
        listening: &[Multiaddr],
        now: Instant,
    ) -> (Reachability, BTreeSet<Multiaddr>) {
        self.found.retain(|_, vote| now.saturating_duration_since(vote.at) < VOTE_AGE);
        let mut hosts: BTreeMap<String, (u128, BTreeSet<Multiaddr>)> = BTreeMap::new();
        let mut missed = 0;
        for (id, vote) in &self.found {
            let Some(at) = &vote.found else {
                missed += self.stake(*id);
                continue;
            };
            if let Some((host, own)) =
                host_of(at).zip(listening.iter().find_map(|own| own_port(own, at)))
            {
                let (stake, addresses) = hosts.entry(host.to_string()).or_default();
                *stake += self.stake(*id);
                addresses.insert(iter::once(host).chain(own).collect());
            }
        }
        let (found, addresses) =
            hosts.into_values().max_by_key(|(stake, _)| *stake).unwrap_or_default();
        if found >= self.agreed && found > missed {
            (Reachability::Public, addresses)
        } else if missed >= self.agreed && missed > found {
            (Reachability::Private, BTreeSet::new())
        } else if self.found.is_empty() {
            (Reachability::Unknown, BTreeSet::new())
        } else {
            (before, BTreeSet::new())
        }
    }

    /// Takes note of where a validator sees a connection of this node come from. Returns whether
    /// that is new.
    pub(super) fn observed(&mut self, id: ReplicaId, at: &Multiaddr) -> bool {
        let at: Multiaddr = at.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let parts: Vec<_> = at.iter().collect();
        let udp = match parts[..] {
            [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)] => false,
            [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1] => true,
            _ => return false,
        };
        self.observed.insert((id, udp), at.clone()).as_ref() != Some(&at)
    }

    /// Returns where others may reach this node through a hole, what most say last.
    pub(super) fn candidates(&self) -> Vec<Multiaddr> {
        let mut said: BTreeMap<&Multiaddr, usize> = BTreeMap::new();
        for at in self.observed.values() {
            *said.entry(at).or_default() += 1;
        }
        let mut said: Vec<_> = said.into_iter().collect();
        said.sort_by_key(|(_, times)| *times);
        let first = said.len().saturating_sub(CANDIDATES_MAX);
        said[first..].iter().map(|(at, _)| (*at).clone()).collect()
    }
}

/// Returns the host of an address.
fn host_of(address: &Multiaddr) -> Option<Protocol<'_>> {
    address.iter().next().filter(|part| matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_)))
}

/// Returns what follows the host where this node listens, if an address is that but for its host,
/// and perhaps with a name at its end.
fn own_port<'a>(own: &'a Multiaddr, at: &Multiaddr) -> Option<impl Iterator<Item = Protocol<'a>>> {
    let port = |address: &Multiaddr| -> Multiaddr {
        let parts = address.iter().skip(1);
        parts.filter(|part| !matches!(part, Protocol::P2p(_))).collect()
    };
    let same = is_plain(own) && is_plain(at) && port(own) == port(at);
    same.then(|| own.iter().skip(1).filter(|part| !matches!(part, Protocol::P2p(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Multiaddr {
        address.parse().unwrap()
    }

    /// So many validators of equal stake.
    fn equal(validators: u32) -> BTreeMap<ReplicaId, u64> {
        (0..validators).map(|id| (ReplicaId(id), 1)).collect()
    }

    /// Asks a node of a network of seven what it is once these have said where they found it.
    fn check(said: &[Option<&str>], before: Reachability) -> (Reachability, Vec<String>) {
        let (mut votes, now) = (Votes::new(equal(7)), Instant::now());
        for (number, found) in (1..).zip(said) {
            votes.found(ReplicaId(number), found.map(at), now);
        }
        let listening = [at("/ip4/10.0.0.1/tcp/1"), at("/ip4/10.0.0.1/udp/1/quic-v1")];
        let (reachability, addresses) = votes.verdict(before, &listening, now);
        (reachability, addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn several_validators_have_to_agree() {
        use Reachability::{Private, Public, Unknown};
        let addresses = ["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1"];
        let [tcp, quic] = addresses.map(Some);
        for (validators, agreed) in [(1, 1), (3, 1), (4, 2), (7, 3), (10, 4), (256, 86)] {
            assert_eq!(Votes::new(equal(validators)).agreed, agreed, "of {validators}");
        }
        for (said, before, now) in [
            (&[][..], Public, Unknown),
            (&[tcp], Unknown, Unknown),
            (&[tcp, quic], Unknown, Unknown),
            (&[tcp, quic, tcp], Unknown, Public),
            (&[None], Public, Public),
            (&[None, None, None], Public, Private),
            (&[tcp, tcp, tcp, None, None], Private, Public),
            (&[tcp, tcp, tcp, None, None, None], Private, Private),
        ] {
            assert_eq!(check(said, before).0, now, "{said:?}");
        }
        assert_eq!(check(&[tcp, quic, tcp], Unknown).1, addresses);
    }

    #[test]
    fn an_address_is_this_node_s_own_if_it_listens_there_and_several_found_it_there() {
        let own = "/ip4/192.0.2.1/tcp/1";
        let tcp = Some(own);
        let (elsewhere, port) = (Some("/ip4/192.0.2.9/tcp/1"), Some("/ip4/192.0.2.1/tcp/22"));
        let strange = Some("/ip4/192.0.2.1/tcp/1/ip4/10.0.0.9/tcp/22");
        let name = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        let named = format!("/ip4/192.0.2.1/tcp/1/p2p/{name}/p2p/{name}");
        for one in [elsewhere, port, strange, Some(&named)] {
            let (reachability, addresses) = check(&[one, tcp, tcp, tcp], Reachability::Unknown);
            assert_eq!(reachability, Reachability::Public);
            assert_eq!(addresses, [own]);
            assert_eq!(check(&[one, tcp, tcp], Reachability::Unknown).0, Reachability::Unknown);
        }
    }

    #[test]
    fn stake_decides_and_not_how_many_say_so() {
        let stakes = [30, 30, 30, 1, 1, 1, 1, 1, 1];
        let stakes = (0..).map(ReplicaId).zip(stakes).collect();
        let (mut votes, now) = (Votes::new(stakes), Instant::now());
        let mut say = |id, found: Option<&str>| {
            votes.found(ReplicaId(id), found.map(at), now);
            votes.verdict(Reachability::Unknown, &[at("/ip4/10.0.0.1/tcp/1")], now).0
        };
        for id in 3..9 {
            assert_eq!(say(id, None), Reachability::Unknown);
        }
        assert_eq!(say(1, Some("/ip4/192.0.2.1/tcp/1")), Reachability::Unknown);
        assert_eq!(say(2, Some("/ip4/192.0.2.1/tcp/1")), Reachability::Public);
    }

    #[test]
    fn what_nobody_has_said_for_long_counts_no_more() {
        let (mut votes, now) = (Votes::new(equal(2)), Instant::now());
        votes.found(ReplicaId(1), None, now);
        let mut verdict = |after| votes.verdict(Reachability::Private, &[], now + after).0;
        assert_eq!(verdict(VOTE_AGE / 2), Reachability::Private);
        assert_eq!(verdict(VOTE_AGE), Reachability::Unknown);
    }

    #[test]
    fn holes_are_punched_where_most_validators_see_this_node() {
        let mut votes = Votes::new(equal(100));
        let seen = at("/ip4/192.0.2.1/tcp/5");
        for id in 1..4 {
            assert!(votes.observed(ReplicaId(id), &seen));
        }
        assert!(!votes.observed(ReplicaId(1), &seen), "nothing new");
        for id in 10..50 {
            let lie = at(&format!("/ip4/198.51.100.{id}/udp/5/quic-v1"));
            assert!(votes.observed(ReplicaId(id), &lie));
        }
        for again in 1..100 {
            votes.observed(ReplicaId(60), &at(&format!("/ip4/203.0.113.{again}/tcp/5")));
        }
        let candidates = votes.candidates();
        assert_eq!((candidates.len(), candidates.last()), (CANDIDATES_MAX, Some(&seen)));
        assert_eq!(votes.observed.len(), 3 + 40 + 1, "one of each");
        for no in ["/dns4/example.org/tcp/1", "/ip4/192.0.2.1/tcp/5/ip4/10.0.0.1/tcp/1", "/tcp/1"] {
            assert!(!votes.observed(ReplicaId(1), &at(no)), "{no}");
        }
    }
}
