//! Validators, their stake, and who is primary when.

mod changes;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::crypto::{PublicKey, Scheme};
use crate::types::{Digest, Epoch, ReplicaId, View};
use crate::wire::{Reader, Wire, WireError, put_list};

/// The most validators of one set; it bounds certificates and every per-sender table.
pub const VALIDATORS_MAX: usize = 256;

/// Turns of the primary schedule for each validator.
const TURNS_PER_VALIDATOR: usize = 4;

/// One member of a validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Its identity, stable across epochs.
    pub id: ReplicaId,
    /// The key it signs with.
    pub key: PublicKey,
    /// Its voting weight, in stake units; at least 1.
    pub stake: u64,
}

/// A change that execution makes to the validator set two epochs later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakeChange {
    /// Whose stake changes.
    pub id: ReplicaId,
    /// The key to sign with from then on.
    pub key: PublicKey,
    /// The new stake; 0 removes the validator.
    pub stake: u64,
}

/// Why validators do not form a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidatorSetError {
    /// No validator was given.
    #[error("a validator set needs at least one validator")]
    Empty,
    /// There are more than [`VALIDATORS_MAX`] validators.
    #[error("{count} validators exceed the maximum of {VALIDATORS_MAX}")]
    TooMany {
        /// How many were given.
        count: usize,
    },
    /// Two validators share an identity.
    #[error("validator `{0}` appears twice")]
    Duplicate(ReplicaId),
    /// A validator has no stake.
    #[error("validator `{0}` has no stake")]
    NoStake(ReplicaId),
}

/// The validators of one epoch, with quorums by stake and the schedule of primaries.
///
/// Every threshold compares sums of stake in 128-bit integers. Counts of replicas decide nothing.
#[derive(Clone, Debug)]
pub struct ValidatorSet {
    validators: BTreeMap<ReplicaId, Validator>,
    total: u128,
    /// Computed when it is first asked for: sets that only travel cost nothing.
    schedule: OnceLock<Vec<ReplicaId>>,
    #[cfg(feature = "mutations")]
    counting: crate::mutation::Mutations,
}

impl ValidatorSet {
    /// Builds a set.
    ///
    /// # Errors
    ///
    /// [`ValidatorSetError`] when it would be empty, too large, or hold a duplicate or stakeless
    /// validator.
    pub fn new(validators: impl IntoIterator<Item = Validator>) -> Result<Self, ValidatorSetError> {
        let mut by_id = BTreeMap::new();
        for validator in validators {
            if validator.stake == 0 {
                return Err(ValidatorSetError::NoStake(validator.id));
            }
            if by_id.insert(validator.id, validator).is_some() {
                return Err(ValidatorSetError::Duplicate(validator.id));
            }
        }
        if by_id.is_empty() {
            return Err(ValidatorSetError::Empty);
        }
        if by_id.len() > VALIDATORS_MAX {
            return Err(ValidatorSetError::TooMany { count: by_id.len() });
        }
        let total = by_id.values().map(|validator| u128::from(validator.stake)).sum();
        Ok(Self {
            validators: by_id,
            total,
            schedule: OnceLock::new(),
            #[cfg(feature = "mutations")]
            counting: crate::mutation::Mutations::NONE,
        })
    }

    /// Returns the validator `id`.
    #[must_use]
    pub fn get(&self, id: ReplicaId) -> Option<&Validator> {
        self.validators.get(&id)
    }

    /// Whether `id` is a member.
    #[must_use]
    pub fn contains(&self, id: ReplicaId) -> bool {
        self.validators.contains_key(&id)
    }

    /// Returns the members in order of identity.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Validator> {
        self.validators.values()
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Whether there is no member; never true for a built set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// Returns the sum of all stake.
    #[must_use]
    pub const fn total(&self) -> u128 {
        self.total
    }

    /// Adds `id` to a tally of distinct voters; a stranger adds nothing.
    pub fn add(&self, tally: &mut Tally, id: ReplicaId) {
        if let Some(validator) = self.get(id) {
            tally.stake += u128::from(validator.stake);
            tally.voters += 1;
        }
    }

    /// Returns the tally of the distinct voters `ids`.
    #[must_use]
    pub fn tally(&self, ids: impl IntoIterator<Item = ReplicaId>) -> Tally {
        let mut tally = Tally::default();
        for id in ids {
            self.add(&mut tally, id);
        }
        tally
    }

    /// Whether the voters hold more than two thirds of the stake: `3 * stake > 2 * total`.
    ///
    /// Two quorums share more than a third of the stake, hence an honest replica.
    #[must_use]
    pub fn is_quorum(&self, tally: &Tally) -> bool {
        #[cfg(feature = "mutations")]
        if self.counting.has(crate::mutation::Mutation::CountedQuorum) {
            return tally.voters > 2 * ((self.len() - 1) / 3);
        }
        #[cfg(feature = "mutations")]
        if self.counting.has(crate::mutation::Mutation::TwoThirds) {
            return 3 * tally.stake >= 2 * self.total;
        }
        3 * tally.stake > 2 * self.total
    }

    /// Whether signatures of these voters prove a statement: those of a quorum do.
    pub(crate) fn certifies(&self, tally: &Tally) -> bool {
        #[cfg(feature = "mutations")]
        if self.counting.has(crate::mutation::Mutation::WeakCertificates) {
            return self.is_weak_quorum(tally);
        }
        self.is_quorum(tally)
    }

    /// Whether the voters hold at least a third of the stake, hence at least one is honest: `3 *
    /// stake >= total`.
    ///
    /// With less than a third Byzantine, exactly a third is enough. It also has to be: whoever is
    /// no weak quorum leaves a quorum to the others, so that either the others go on without them
    /// or all follow them. Demanding more than a third opens a gap at exactly a third, in which one
    /// side can neither go on nor follow.
    #[must_use]
    pub const fn is_weak_quorum(&self, tally: &Tally) -> bool {
        3 * tally.stake >= self.total
    }

    /// Returns the replica that leads `view` into being: it sends the NewView and proposes first.
    ///
    /// Turns follow smooth weighted round robin, so that each replica leads in proportion to its
    /// stake, turns are spread evenly, and consecutive views go to different replicas wherever
    /// stakes allow it. Each epoch begins one turn later than the one before, so that no replica
    /// begins them all.
    #[must_use]
    pub fn leader(&self, epoch: Epoch, view: View) -> ReplicaId {
        let schedule = self.schedule.get_or_init(|| schedule(&self.validators, self.total));
        let len = u64::try_from(schedule.len()).expect("a schedule is short");
        let turn =
            usize::try_from(epoch.0.wrapping_add(view.0) % len).expect("a schedule is short");
        schedule[turn]
    }

    /// Returns the replica that proposes in checkpoint interval `rotation` of a view, counted from
    /// the view's first.
    ///
    /// The first interval belongs to the leader. Later ones are drawn by a hash with probability
    /// proportional to stake, so that a faulty replica met in one view is not the one met next in
    /// the following view.
    #[must_use]
    pub fn proposer<S: Scheme>(&self, epoch: Epoch, view: View, rotation: u64) -> ReplicaId {
        if rotation == 0 {
            return self.leader(epoch, view);
        }
        let drawn = S::hash(&[
            Digest::short_string("CIRO_PROPOSER_V1"),
            Digest::from_u64(epoch.0),
            Digest::from_u64(view.0),
            Digest::from_u64(rotation),
        ]);
        let mut ticket = drawn.low_u128() % self.total;
        let winner = self.iter().find(|validator| {
            let rest = ticket.checked_sub(validator.stake.into());
            ticket = rest.unwrap_or(ticket);
            rest.is_none()
        });
        winner.map_or_else(|| self.leader(epoch, view), |validator| validator.id)
    }

    /// Returns the digest of the set: its identities, keys and stakes in order.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        let mut words = Vec::with_capacity(1 + 3 * self.len());
        words.push(Digest::short_string("CIRO_VALIDATORS_V1"));
        for validator in self.iter() {
            words.push(Digest::from_u64(validator.id.0.into()));
            words.push(validator.key.0);
            words.push(Digest::from_u64(validator.stake));
        }
        S::hash(&words)
    }

    /// Returns another set that counts with the same bug.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub(crate) fn counts_alike(&self, other: std::sync::Arc<Self>) -> Self {
        std::sync::Arc::unwrap_or_clone(other).counting(self.counting)
    }

    /// Counts with a bug: `2f + 1` replicas with `f = (n - 1) / 3` whatever `n` is, or too little
    /// stake.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub(crate) fn counting(self, counting: crate::mutation::Mutations) -> Self {
        Self { counting, ..self }
    }
}

impl PartialEq for ValidatorSet {
    /// Compares the members: everything else follows from them.
    fn eq(&self, other: &Self) -> bool {
        self.validators == other.validators
    }
}

impl Eq for ValidatorSet {}

/// The stake of a set of distinct voters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    stake: u128,
    voters: usize,
}

impl Tally {
    /// Returns the sum of the voters' stake.
    #[must_use]
    pub const fn stake(&self) -> u128 {
        self.stake
    }

    /// Returns how many voters were counted.
    #[must_use]
    pub const fn voters(&self) -> usize {
        self.voters
    }
}

/// Computes one cycle of smooth weighted round robin.
fn schedule(validators: &BTreeMap<ReplicaId, Validator>, total: u128) -> Vec<ReplicaId> {
    let total = i128::try_from(total).expect("256 stakes of 64 bits sum below 2^72");
    let mut priorities: Vec<(ReplicaId, i128, i128)> =
        validators.values().map(|v| (v.id, i128::from(v.stake), 0)).collect();
    let mut turns = Vec::with_capacity(TURNS_PER_VALIDATOR * priorities.len());
    for _ in 0..TURNS_PER_VALIDATOR * priorities.len() {
        for (_, stake, priority) in &mut priorities {
            *priority += *stake;
        }
        let first = priorities
            .iter_mut()
            .rev()
            .max_by_key(|(_, _, priority)| *priority)
            .expect("a set has a validator");
        first.2 -= total;
        turns.push(first.0);
    }
    turns
}

impl Wire for Validator {
    fn put(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.key.put(out);
        self.stake.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { id: Wire::get(input)?, key: Wire::get(input)?, stake: Wire::get(input)? })
    }
}

impl Wire for StakeChange {
    fn put(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.key.put(out);
        self.stake.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { id: Wire::get(input)?, key: Wire::get(input)?, stake: Wire::get(input)? })
    }
}

impl Wire for ValidatorSet {
    fn put(&self, out: &mut Vec<u8>) {
        let validators: Vec<Validator> = self.iter().copied().collect();
        put_list(&validators, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let validators: Vec<Validator> = input.list("validators", VALIDATORS_MAX)?;
        let ordered = validators.windows(2).all(|pair| pair[0].id < pair[1].id);
        let set = Self::new(validators).ok().filter(|_| ordered);
        set.ok_or(WireError::NotCanonical { what: "validators" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::Stark;

    fn set(stakes: &[u64]) -> ValidatorSet {
        ValidatorSet::new(stakes.iter().zip(0..).map(|(stake, id)| Validator {
            id: ReplicaId(id),
            key: PublicKey(Digest::from_u64(id.into())),
            stake: *stake,
        }))
        .unwrap()
    }

    #[test]
    fn quorums_are_strict_fractions_of_stake() {
        let equal = set(&[1, 1, 1]);
        let two = equal.tally([ReplicaId(0), ReplicaId(1)]);
        assert!(!equal.is_quorum(&two), "exactly two thirds are no quorum");
        let one = equal.tally([ReplicaId(0)]);
        assert!(equal.is_weak_quorum(&one), "exactly one third is a weak quorum");
        let heavy = set(&[u64::MAX, 1, 1, 1]);
        assert!(heavy.is_quorum(&heavy.tally([ReplicaId(0)])), "stake decides, not counts");
        assert!(!heavy.is_weak_quorum(&heavy.tally([1, 2, 3].map(ReplicaId))));
    }

    #[test]
    fn refused_sets_name_the_reason() {
        let validator =
            Validator { id: ReplicaId(1), key: PublicKey(Digest::from_u64(1)), stake: 1 };
        assert_eq!(ValidatorSet::new([]), Err(ValidatorSetError::Empty));
        assert_eq!(
            ValidatorSet::new([validator, validator]),
            Err(ValidatorSetError::Duplicate(ReplicaId(1)))
        );
        assert_eq!(
            ValidatorSet::new([Validator { stake: 0, ..validator }]),
            Err(ValidatorSetError::NoStake(ReplicaId(1)))
        );
        let many = (0..257).map(|id| Validator { id: ReplicaId(id), ..validator });
        assert_eq!(ValidatorSet::new(many), Err(ValidatorSetError::TooMany { count: 257 }));
        let gone = StakeChange { id: ReplicaId(1), key: validator.key, stake: 0 };
        let one = ValidatorSet::new([validator]).unwrap();
        assert_eq!(one.with_changes::<Stark>([&gone]), (one.clone(), vec![gone]));
    }

    #[test]
    fn equal_stakes_take_turns() {
        let equal = set(&[5, 5, 5, 5]);
        let leaders: Vec<u32> = (0..6).map(|view| equal.leader(Epoch(0), View(view)).0).collect();
        assert_eq!(leaders, [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn leaders_are_weighted_by_stake() {
        let uneven = set(&[6, 1, 1]);
        let turns =
            (0..12).filter(|view| uneven.leader(Epoch(7), View(*view)) == ReplicaId(0)).count();
        assert_eq!(turns, 9, "three quarters of the stake lead three quarters of the views");
    }

    proptest! {
        /// Two quorums always share a weak quorum, and a set is a quorum exactly if the others are
        /// no weak quorum.
        #[test]
        fn quorums_intersect_in_more_than_a_third(
            members in prop::collection::vec((1_u64.., any::<bool>(), any::<bool>()), 1..12)
        ) {
            let stakes: Vec<u64> = members.iter().map(|member| member.0).collect();
            let set = set(&stakes);
            let chosen = |pick: fn(&(u64, bool, bool)) -> bool| {
                let ids = members.iter().zip(0..).filter(|(member, _)| pick(member));
                set.tally(ids.map(|(_, id)| ReplicaId(id)))
            };
            if set.is_quorum(&chosen(|m| m.1)) && set.is_quorum(&chosen(|m| m.2)) {
                prop_assert!(set.is_weak_quorum(&chosen(|m| m.1 && m.2)));
            }
            prop_assert_ne!(set.is_quorum(&chosen(|m| m.1)), set.is_weak_quorum(&chosen(|m| !m.1)));
        }
    }
}
