//! Which validators can be reached, and which connection speaks for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ciro_consensus::ReplicaId;
use ciro_protocol::id::Chain;
use ciro_protocol::sign::{Address, KeyCache, SignError};
use ciro_protocol::wire::Message as _;
use libp2p::PeerId;
use tokio::sync::watch;

use super::record::Hello;
use crate::members::Members;

/// How long the last record of a validator stands before another one is looked at: a node signs one
/// when it starts, and looking costs a verification on the task that owns the swarm.
const RECORD_PAUSE: Duration = Duration::from_secs(1);

/// Why a record does not bind its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not signed for this network by its key.
    #[error(transparent)]
    Signature(#[from] SignError),
    /// The key is no validator's, or another validator's.
    #[error("validator {validator} of the network has another key")]
    Key {
        /// The number that the record names.
        validator: u32,
    },
    /// It does not vote, and there is no place for it among those that follow.
    #[error("validator {validator} has no vote, and others that follow have more stake")]
    NoPlace {
        /// The validator.
        validator: u32,
    },
    /// Another identity speaks than the one that the record names.
    #[error("the record is about another peer than the one that sent it")]
    Peer,
    /// It is this node's own.
    #[error("the record is this node's own: two nodes have its key")]
    Own,
    /// A newer record is known.
    #[error("a newer record of validator {validator} is known")]
    Old {
        /// The validator.
        validator: u32,
    },
    /// Another record came a moment ago.
    #[error("another record of validator {validator} came a moment ago")]
    Soon {
        /// The validator.
        validator: u32,
    },
}

impl RecordError {
    /// Returns the label under which it is counted.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Signature(_) => "record_signature",
            Self::Key { .. } => "record_key",
            Self::NoPlace { .. } => "record_no_place",
            Self::Peer => "record_peer",
            Self::Own => "record_own",
            Self::Old { .. } => "record_old",
            Self::Soon { .. } => "record_soon",
        }
    }
}

/// Validators, and who of them is connected.
#[derive(Debug)]
pub struct Peers {
    chain: Chain,
    members: Arc<Members>,
    /// Peers that the settings name: they may speak for validators that the ledger does not know.
    named: BTreeSet<PeerId>,
    inner: Mutex<Inner>,
    connected: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    bound: BTreeMap<ReplicaId, PeerId>,
    /// Peers that have taken this node's record.
    welcome: BTreeSet<PeerId>,
    /// The last record of each validator.
    records: BTreeMap<ReplicaId, Accepted>,
    /// For whom peers speak, and since when, of whom the ledger does not know.
    said: BTreeMap<PeerId, (ReplicaId, Instant)>,
}

/// A record that was verified.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    key: Address,
    digest: [u8; 32],
    issued_ms: u64,
    at: Instant,
}

impl Peers {
    /// Begins without connections. `named` are the peers of the settings.
    #[must_use]
    pub fn new(chain: Chain, members: Arc<Members>, named: BTreeSet<PeerId>) -> Self {
        Self { chain, members, named, inner: Mutex::default(), connected: watch::channel(0).0 }
    }

    /// Checks a record and binds the connection's identity to its validator.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the record does not say that this peer speaks for a validator.
    pub fn bind(
        &self,
        peer: PeerId,
        hello: &Hello,
        keys: &mut KeyCache,
    ) -> Result<ReplicaId, RecordError> {
        let record = &hello.0.body;
        let validator = record.validator;
        let id = ReplicaId(validator);
        // Before the signature, which costs: only a validator's key is looked at.
        let roll = self.members.roll();
        let (known, named) = (roll.key(id), self.named.contains(&peer));
        if known.map_or(!named, |key| key != record.key) {
            return Err(RecordError::Key { validator });
        }
        if !roll.admits(id) && !named {
            return Err(RecordError::NoPlace { validator });
        }
        if id == self.own() {
            return Err(RecordError::Own);
        }
        if *record.peer != *peer.to_bytes() {
            return Err(RecordError::Peer);
        }
        let (digest, issued_ms, at) = (hello.digest(), record.issued_ms, Instant::now());
        // Of another key is what somebody said before the ledger knew better.
        let last = self.lock().records.get(&id).copied().filter(|last| last.key == record.key);
        if known.is_none() {
            self.check_unknown(peer, id, at)?;
        }
        let seen = last.is_some_and(|last| last.digest == digest);
        if !seen {
            if last.is_some_and(|last| last.issued_ms > issued_ms) {
                return Err(RecordError::Old { validator });
            }
            if last.is_some_and(|last| at.saturating_duration_since(last.at) < RECORD_PAUSE) {
                return Err(RecordError::Soon { validator });
            }
            hello.0.verify(self.chain, keys)?;
        }
        let mut inner = self.lock();
        if !seen {
            inner.records.insert(id, Accepted { key: record.key, digest, issued_ms, at });
        }
        if known.is_none() {
            inner.said.insert(peer, (id, at));
        }
        inner.bound.insert(id, peer);
        self.tell(&inner);
        Ok(id)
    }

    /// A peer that the settings name may speak for one validator whom the ledger does not know, and
    /// for another one after a pause, if nobody else does.
    fn check_unknown(&self, peer: PeerId, id: ReplicaId, at: Instant) -> Result<(), RecordError> {
        let validator = id.0;
        let mut inner = self.lock();
        if inner.bound.get(&id).is_some_and(|bound| *bound != peer) {
            return Err(RecordError::Key { validator });
        }
        let Some((before, since)) = inner.said.get(&peer).copied() else { return Ok(()) };
        if before == id {
            return Ok(());
        }
        if at.saturating_duration_since(since) < RECORD_PAUSE {
            return Err(RecordError::Soon { validator });
        }
        if self.members.roll().key(before).is_none() {
            inner.bound.remove(&before);
            inner.records.remove(&before);
        }
        Ok(())
    }

    /// Takes note that a peer has taken this node's record.
    pub(super) fn welcomed(&self, peer: PeerId) {
        let mut inner = self.lock();
        inner.welcome.insert(peer);
        self.tell(&inner);
    }

    /// Whether a peer has taken this node's record.
    pub(super) fn is_welcome(&self, peer: PeerId) -> bool {
        self.lock().welcome.contains(&peer)
    }

    /// Takes note that the last connection to a peer is gone.
    pub(super) fn gone(&self, peer: PeerId) {
        let mut inner = self.lock();
        inner.bound.retain(|_, bound| *bound != peer);
        inner.welcome.remove(&peer);
        self.tell(&inner);
    }

    /// Returns the validator that a connected peer speaks for.
    pub(super) fn validator(&self, peer: PeerId) -> Option<ReplicaId> {
        let inner = self.lock();
        inner.bound.iter().find(|(_, bound)| **bound == peer).map(|(id, _)| *id)
    }

    /// Whether a connected peer speaks for a validator, and has taken this node's record.
    pub(super) fn is_met(&self, peer: PeerId) -> bool {
        let inner = self.lock();
        inner.welcome.contains(&peer) && inner.bound.values().any(|bound| *bound == peer)
    }

    /// Returns the peer that speaks for a validator, once both have taken the other's record.
    pub(super) fn reach(&self, id: ReplicaId) -> Option<PeerId> {
        let inner = self.lock();
        inner.bound.get(&id).copied().filter(|bound| inner.welcome.contains(bound))
    }

    /// Returns this node's number.
    #[must_use]
    pub fn own(&self) -> ReplicaId {
        self.members.own()
    }

    /// Returns who votes, and who may connect.
    #[must_use]
    pub const fn members(&self) -> &Arc<Members> {
        &self.members
    }

    /// Returns the other validators that vote in this epoch or the next one.
    #[must_use]
    pub fn voters(&self) -> Vec<ReplicaId> {
        let own = self.own();
        self.members.roll().members().filter(|id| *id != own).collect()
    }

    /// Returns the same with those that are connected without a vote.
    #[must_use]
    pub fn others(&self) -> Vec<ReplicaId> {
        let voters = self.voters().into_iter();
        let all: BTreeSet<ReplicaId> = voters.chain(self.lock().bound.keys().copied()).collect();
        all.into_iter().collect()
    }

    /// Returns the validators that can be reached.
    #[must_use]
    pub fn reachable(&self) -> Vec<ReplicaId> {
        self.others().into_iter().filter(|id| self.reach(*id).is_some()).collect()
    }

    /// Returns the peers that speak for a validator and may not any more: it has no place, or the
    /// ledger has come to know it by another key.
    pub(super) fn left(&self) -> Vec<(ReplicaId, PeerId)> {
        let roll = self.members.roll();
        let inner = self.lock();
        let may = |(id, peer): &(&ReplicaId, &PeerId)| {
            let said = inner.records.get(*id).map(|record| record.key);
            let same = roll.key(**id).is_none_or(|key| said == Some(key));
            same && (roll.admits(**id) || self.named.contains(*peer))
        };
        let left = inner.bound.iter().filter(|bound| !may(bound));
        left.map(|(id, peer)| (*id, *peer)).collect()
    }

    /// Follows how many validators can be reached.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<usize> {
        self.connected.subscribe()
    }

    fn tell(&self, inner: &Inner) {
        let reachable = inner.bound.values().filter(|it| inner.welcome.contains(*it)).count();
        self.connected.send_replace(reachable);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::identity::{Addresses, Identity};
    use ciro_protocol::SecretKey;

    /// Four validators as the first of them sees them, once somebody speaks for one.
    pub(in crate::net) fn with_bound(id: u32, who: &Identity) -> Peers {
        let (peers, mut keys) = (peers(), KeyCache::new(4));
        let record = hello(id, SEEDS[id as usize], who);
        assert_eq!(peers.bind(who.peer(), &record, &mut keys), Ok(ReplicaId(id)));
        peers
    }

    const SEEDS: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];

    fn peers() -> Peers {
        let keys = SEEDS.map(|seed| SecretKey::from_seed(seed).address());
        let spec = Arc::new(crate::devnet::spec(&keys, 1_700_000_000_000));
        let members = Members::new(spec, (ReplicaId(0), keys[0]));
        Peers::new(chain(), Arc::new(members), BTreeSet::new())
    }

    fn chain() -> Chain {
        Chain(ciro_consensus::ChainId::new("a test"))
    }

    fn hello(id: u32, seed: &[u8], who: &Identity) -> Hello {
        signed(chain(), id, seed, who)
    }

    fn signed(chain: Chain, id: u32, seed: &[u8], who: &Identity) -> Hello {
        let key = SecretKey::from_seed(seed);
        Hello::new(chain, (ReplicaId(id), &key), who, &Addresses::default()).unwrap()
    }

    fn identity(byte: u8) -> Identity {
        Identity::from_secret([byte; 32]).unwrap()
    }

    #[test]
    fn a_record_binds_its_peer_and_no_other() {
        let (peers, mut keys) = (peers(), KeyCache::new(4));
        let (first, second) = (identity(1), identity(2));
        let record = hello(1, b"b", &first);
        let (first, second) = (first.peer(), second.peer());
        assert_eq!(peers.bind(second, &record, &mut keys), Err(RecordError::Peer));
        assert_eq!(peers.bind(first, &record, &mut keys), Ok(ReplicaId(1)));
        assert_eq!((peers.validator(first), peers.validator(second)), (Some(ReplicaId(1)), None));
        assert_eq!(peers.reach(ReplicaId(1)), None, "it has not taken our record yet");
        assert!(!peers.is_met(first));
        peers.welcomed(first);
        assert!(peers.is_met(first) && !peers.is_met(second));
        assert_eq!(peers.reach(ReplicaId(1)), Some(first));
        peers.gone(first);
        assert_eq!((peers.reach(ReplicaId(1)), peers.validator(first)), (None, None));
    }

    #[test]
    fn records_of_others_of_this_node_and_of_other_networks_are_refused() {
        let (peers, mut keys, who) = (peers(), KeyCache::new(4), identity(1));
        let mut bind = |record: &Hello| peers.bind(who.peer(), record, &mut keys).unwrap_err();
        assert_eq!(bind(&hello(2, b"b", &who)), RecordError::Key { validator: 2 });
        assert_eq!(bind(&hello(9, b"b", &who)), RecordError::Key { validator: 9 });
        assert_eq!(bind(&hello(0, b"a", &who)), RecordError::Own);
        let mut forged = hello(1, b"b", &who);
        forged.0.body.issued_ms += 1;
        assert!(matches!(bind(&forged), RecordError::Signature(SignError::Signature { .. })));
        let other = Chain(ciro_consensus::ChainId::new("another"));
        let foreign = signed(other, 1, b"b", &who);
        assert!(matches!(bind(&foreign), RecordError::Signature(SignError::Chain { .. })));
    }

    #[test]
    fn records_of_one_validator_cost_one_verification_a_second() {
        let (peers, mut keys) = (peers(), KeyCache::new(4));
        let (first, second) = (identity(1), identity(2));
        let record = hello(1, b"b", &first);
        assert_eq!(peers.bind(first.peer(), &record, &mut keys), Ok(ReplicaId(1)));
        // The same one again is known, also on another connection.
        peers.gone(first.peer());
        assert_eq!(peers.bind(first.peer(), &record, &mut keys), Ok(ReplicaId(1)));
        // Another one is not looked at, be it forged or not.
        let mut other = hello(1, b"b", &second);
        other.0.body.issued_ms += 1;
        let soon = RecordError::Soon { validator: 1 };
        assert_eq!(peers.bind(second.peer(), &other, &mut keys), Err(soon));
        std::thread::sleep(RECORD_PAUSE);
        let refused = peers.bind(second.peer(), &other, &mut keys);
        assert!(matches!(refused, Err(RecordError::Signature(_))));
        let later = hello(1, b"b", &second);
        assert_eq!(peers.bind(second.peer(), &later, &mut keys), Ok(ReplicaId(1)));
        assert_eq!(peers.validator(first.peer()), None);
        let old = RecordError::Old { validator: 1 };
        assert_eq!(peers.bind(first.peer(), &record, &mut keys), Err(old));
    }

    #[test]
    fn whom_the_settings_name_may_speak_for_one_whom_nobody_has_registered() {
        let (mut keys, who) = (KeyCache::new(4), identity(1));
        let unknown = |id: u32| hello(id, b"z", &who);
        let key = |validator| Err(RecordError::Key { validator });
        assert_eq!(peers().bind(who.peer(), &unknown(8), &mut keys), key(8));
        let peers = Peers { named: BTreeSet::from([who.peer()]), ..peers() };
        assert_eq!(peers.bind(who.peer(), &hello(1, b"z", &who), &mut keys), key(1));
        assert_eq!(peers.bind(who.peer(), &unknown(8), &mut keys), Ok(ReplicaId(8)));
        let soon = Err(RecordError::Soon { validator: 9 });
        assert_eq!(peers.bind(who.peer(), &unknown(9), &mut keys), soon);
        std::thread::sleep(RECORD_PAUSE);
        assert_eq!(peers.bind(who.peer(), &unknown(9), &mut keys), Ok(ReplicaId(9)));
        let others = [1, 2, 3, 9].map(ReplicaId);
        assert_eq!(peers.others(), others, "one, the last");
        assert_eq!(peers.voters(), &others[..3]);
        // Nobody takes the place of another one whom the settings name.
        let other = identity(2);
        let peers = Peers { named: BTreeSet::from([who.peer(), other.peer()]), ..peers };
        assert_eq!(peers.bind(other.peer(), &hello(9, b"y", &other), &mut keys), key(9));
    }
}
