//! Who votes, whose batches count and who may connect, as the ledger says after its last block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Digest, Epoch, Observers, Pin, ReplicaId, Validator, ValidatorSet};
use ciro_ledger::state::{POOLS, PURSES};
use ciro_protocol::amount::Amount;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::sign::Address;
use libp2p::PeerId;
use tokio::sync::watch;

use crate::store::{Snapshot, StoreError};

/// Validators at most, by the range of the parameter.
const REGISTERED_MAX: usize = 4_096;
/// Validators without a vote that may connect, those with the most stake: each may ask for blocks
/// of many MB, as voters may.
const OBSERVERS_MAX: usize = 64;

/// Why it cannot be said who votes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembersError {
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The number in the settings is another validator's.
    #[error(
        "validator {validator} has the key {key} on this network, not this node's: put the number \
         under which this node's key is registered in `node.toml` as `validator`"
    )]
    Own {
        /// The number.
        validator: ReplicaId,
        /// The key that is registered under it.
        key: Address,
    },
}

/// Who is who in the epoch of the next block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// The epoch and its voters in two words, which everybody asks for who asks for the chain.
    pin: Pin,
    voters: BTreeMap<ReplicaId, u64>,
    next: BTreeMap<ReplicaId, u64>,
    /// Everybody who was ever registered, with the key of each. It only grows, so that a batch that
    /// is valid stays so, whoever looks at it and when.
    keys: BTreeMap<ReplicaId, Address>,
    /// Voters of the epoch before, of this one and of the next one: they may submit. A batch that
    /// is on its way when an epoch ends is still taken, and whoever begins to vote is ready.
    submitters: BTreeSet<ReplicaId>,
    /// Who is registered, was not convicted and is no submitter: those with the most stake.
    observers: Vec<ReplicaId>,
}

impl Roll {
    /// Begins with the validators of the genesis.
    fn genesis(spec: &ChainSpec) -> Self {
        let validators = spec.validators.iter();
        let voters = validators.clone().map(|it| (ReplicaId(it.id), it.stake)).collect();
        let keys: BTreeMap<_, _> = validators.map(|it| (ReplicaId(it.id), it.key)).collect();
        let (next, submitters) = (BTreeMap::clone(&voters), keys.keys().copied().collect());
        let pin = pin_of(0, &voters, &keys);
        Self { pin, voters, next, keys, submitters, observers: Vec::new() }
    }

    /// Reads the state after a block.
    fn read(snapshot: &Snapshot, spec: &ChainSpec) -> Result<Self, StoreError> {
        let epoch = spec.epoch_of(snapshot.head()?.height.saturating_add(1));
        let (mut voters, mut next) = (BTreeMap::new(), BTreeMap::new());
        let (mut keys, mut submitters) = (BTreeMap::new(), BTreeSet::new());
        for near in epoch.saturating_sub(1)..=epoch.saturating_add(1) {
            for seat in ciro_ledger::seats(snapshot, spec, near)? {
                let id = ReplicaId(seat.id);
                submitters.insert(id);
                keys.insert(id, seat.key);
                if near == epoch {
                    voters.insert(id, seat.weight);
                } else if near > epoch {
                    next.insert(id, seat.weight);
                }
            }
        }
        let mut others: Vec<(Amount, ReplicaId)> = Vec::new();
        for (ValidatorId(id), pool) in snapshot.entries(POOLS, None, REGISTERED_MAX)? {
            let replica = ReplicaId(id);
            keys.insert(replica, pool.key);
            if pool.tombstoned || submitters.contains(&replica) {
                continue;
            }
            let stake = snapshot.entry(PURSES, &Purse::Stake(ValidatorId(id)))?;
            others.push((stake.unwrap_or_default(), replica));
        }
        snapshot.check()?;
        others.sort_by_key(|(stake, id)| (std::cmp::Reverse(*stake), *id));
        others.truncate(OBSERVERS_MAX);
        let observers = others.into_iter().map(|(_, id)| id).collect();
        let pin = pin_of(epoch, &voters, &keys);
        Ok(Self { pin, voters, next, keys, submitters, observers })
    }

    /// Returns the key of a validator, whether it votes or ever did.
    #[must_use]
    pub fn key(&self, id: ReplicaId) -> Option<Address> {
        self.keys.get(&id).copied()
    }

    /// Whether a validator may connect.
    #[must_use]
    pub fn admits(&self, id: ReplicaId) -> bool {
        self.submits(id) || self.observers.contains(&id)
    }

    /// Whether a validator may submit.
    #[must_use]
    pub fn submits(&self, id: ReplicaId) -> bool {
        self.submitters.contains(&id)
    }

    /// Returns a validator's weight; 0 for one that does not vote.
    #[must_use]
    pub fn weight(&self, id: ReplicaId) -> u64 {
        self.voters.get(&id).copied().unwrap_or(0)
    }

    /// Returns who votes in this epoch, with their weights.
    #[must_use]
    pub const fn voters(&self) -> &BTreeMap<ReplicaId, u64> {
        &self.voters
    }

    /// Returns who votes in this epoch, in two words for others to keep.
    #[must_use]
    pub const fn pin(&self) -> Pin {
        self.pin
    }

    /// Returns who votes in this epoch or the next one.
    pub fn members(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        let joining = self.next.keys().filter(|id| !self.voters.contains_key(id));
        self.voters.keys().chain(joining).copied()
    }

    /// Whether so much weight is more than two thirds of all.
    #[must_use]
    pub fn is_quorum(&self, weight: u128) -> bool {
        let total: u128 = self.voters.values().copied().map(u128::from).sum();
        3 * weight > 2 * total
    }
}

fn pin_of(
    epoch: u64,
    voters: &BTreeMap<ReplicaId, u64>,
    keys: &BTreeMap<ReplicaId, Address>,
) -> Pin {
    let validator = |(id, stake): (&ReplicaId, &u64)| {
        Some(Validator { id: *id, key: keys.get(id)?.0, stake: *stake })
    };
    let set = ValidatorSet::new(voters.iter().filter_map(validator));
    let validators = set.map_or(Digest::ZERO, |set| set.digest::<Stark>());
    Pin { epoch: Epoch(epoch), validators }
}

/// Who is who, for everybody in a node.
#[derive(Debug)]
pub struct Members {
    spec: Arc<ChainSpec>,
    own: (ReplicaId, Address),
    roll: watch::Sender<Arc<Roll>>,
    /// Validators of which the ledger says nothing yet, at peers that the settings name: whoever
    /// joins has them to learn of all others.
    named: Mutex<BTreeMap<PeerId, (ReplicaId, Address)>>,
}

impl Members {
    /// Begins with the validators of the genesis.
    #[must_use]
    pub fn new(spec: Arc<ChainSpec>, own: (ReplicaId, Address)) -> Self {
        let roll = watch::channel(Arc::new(Roll::genesis(&spec))).0;
        Self { spec, own, roll, named: Mutex::default() }
    }

    /// Returns this node's number.
    #[must_use]
    pub const fn own(&self) -> ReplicaId {
        self.own.0
    }

    /// Returns who is who now.
    #[must_use]
    pub fn roll(&self) -> Arc<Roll> {
        Arc::clone(&self.roll.borrow())
    }

    /// Follows it.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<Roll>> {
        self.roll.subscribe()
    }

    /// Whether batches of this node count.
    #[must_use]
    pub fn submits(&self) -> bool {
        self.roll.borrow().submits(self.own.0)
    }

    /// Waits until batches of this node count.
    pub(crate) async fn until_submitting(&self) {
        let own = self.own.0;
        // The sender is `self`.
        let _ = self.follow().wait_for(|roll| roll.submits(own)).await;
    }

    /// Reads the state after its last block; true if somebody came, left or changed weight.
    ///
    /// # Errors
    ///
    /// [`MembersError`] if the state is not usable, or this node is not who it says it is.
    pub fn update(&self, snapshot: &Snapshot) -> Result<bool, MembersError> {
        let roll = Roll::read(snapshot, &self.spec)?;
        let (validator, own) = self.own;
        if let Some(key) = roll.key(validator).filter(|key| *key != own) {
            return Err(MembersError::Own { validator, key });
        }
        Ok(self.roll.send_if_modified(|known| {
            let changed = **known != roll;
            if changed {
                *known = Arc::new(roll);
            }
            changed
        }))
    }

    /// Takes note of a validator that the ledger does not know yet, at a peer that the settings
    /// name: of one for each, the last. True if that is news.
    pub(crate) fn name(&self, peer: PeerId, id: ReplicaId, key: Address) -> bool {
        let unknown = self.roll.borrow().key(id).is_none();
        unknown && self.lock().insert(peer, (id, key)) != Some((id, key))
    }

    /// Returns whom consensus hears beside the voters that it knows of: those at peers that the
    /// settings name, the voters of the ledger's epoch, which may be far ahead of that of
    /// consensus, and those that follow without a vote.
    #[must_use]
    pub fn observers(&self) -> Observers {
        let roll = self.roll();
        // What the ledger says of a key goes before what a peer says.
        let key = |(id, said): &(ReplicaId, Address)| (*id, roll.key(*id).unwrap_or(*said));
        let named: Vec<(ReplicaId, Address)> = self.lock().values().map(key).collect();
        let others = roll.submitters.iter().chain(&roll.observers);
        let others = others.filter_map(|id| Some((*id, roll.key(*id)?)));
        let all = named.into_iter().chain(others).filter(|(id, _)| *id != self.own.0);
        Observers::new(all.map(|(id, key)| (id, key.0)))
    }

    /// Takes its vote from a validator that stays registered.
    #[cfg(test)]
    pub(crate) fn unseat(&self, id: ReplicaId) {
        let mut roll = Roll::clone(&self.roll());
        roll.voters.remove(&id);
        roll.next.remove(&id);
        roll.submitters.remove(&id);
        roll.observers.push(id);
        self.roll.send_replace(Arc::new(roll));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PeerId, (ReplicaId, Address)>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ciro_protocol::economy::EconomySpec;
    use ciro_protocol::sign::SecretKey;
    use ciro_protocol::wire::List;

    use super::*;
    use crate::store::StateStore;

    fn key(number: u8) -> Address {
        SecretKey::from_seed(&[number]).address()
    }

    /// A network of three validators and the state before its first block.
    fn network(folder: &std::path::Path) -> (Arc<ChainSpec>, StateStore) {
        let mut spec = crate::devnet::spec(&[0, 1, 2].map(key), 1_700_000_000_000);
        let economy = crate::devnet::economy(spec.genesis_ms);
        let mut validators = spec.validators.to_vec();
        validators.iter_mut().for_each(|it| it.stake = EconomySpec::weight_min(&economy));
        spec.validators = List::new(validators).unwrap();
        spec.economy = Some(economy);
        let (genesis, first) = ciro_ledger::genesis(spec.clone()).unwrap();
        let store = StateStore::open(&folder.join("ledger.redb"), &genesis, &first).unwrap();
        (Arc::new(spec), store)
    }

    #[test]
    fn the_validators_of_the_genesis_vote_until_others_are_elected() {
        let folder = tempfile::tempdir().unwrap();
        let (spec, store) = network(folder.path());
        let members = Members::new(Arc::clone(&spec), (ReplicaId(1), key(1)));
        let genesis = members.roll();
        assert!(!members.update(&store.snapshot().unwrap()).unwrap(), "the state says the same");
        assert_eq!(*members.roll(), *genesis);
        let ids = [0, 1, 2].map(ReplicaId);
        assert_eq!(genesis.members().collect::<Vec<_>>(), ids);
        let weight = u128::from(genesis.weight(ReplicaId(0)));
        assert!(genesis.is_quorum(2 * weight + 1) && !genesis.is_quorum(2 * weight));
        assert_eq!((genesis.weight(ReplicaId(3)), genesis.key(ReplicaId(3))), (0, None));
        assert!(genesis.admits(ReplicaId(2)) && !genesis.admits(ReplicaId(3)));
        assert!(members.submits());
    }

    #[test]
    fn a_number_that_is_anothers_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (spec, store) = network(folder.path());
        let members = Members::new(spec, (ReplicaId(1), key(9)));
        let refused = members.update(&store.snapshot().unwrap()).unwrap_err();
        assert!(matches!(refused, MembersError::Own { validator: ReplicaId(1), .. }));
        assert!(refused.to_string().contains("`validator`"), "{refused}");
    }

    #[test]
    fn whom_the_settings_name_is_an_observer_until_the_ledger_knows_it() {
        let folder = tempfile::tempdir().unwrap();
        let (spec, store) = network(folder.path());
        let members = Members::new(spec, (ReplicaId(7), key(7)));
        assert!(!members.submits());
        let peer = PeerId::random();
        assert!(members.name(peer, ReplicaId(8), key(8)));
        assert!(members.name(peer, ReplicaId(9), key(9)), "one for each peer, the last");
        assert!(!members.name(peer, ReplicaId(9), key(9)), "that is no news");
        assert!(!members.name(peer, ReplicaId(1), key(9)), "the ledger knows better");
        // With the three of the ledger, which consensus need not know.
        let observers = members.observers();
        assert_eq!((observers.len(), observers.get(ReplicaId(9))), (4, Some(&key(9).0)));
        assert_eq!(observers.get(ReplicaId(1)), Some(&key(1).0));
        members.update(&store.snapshot().unwrap()).unwrap();
        assert_eq!(members.observers().len(), 4, "it is not registered yet");
    }
}
