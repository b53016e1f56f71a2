//! Who votes after changes of stake.

use std::collections::BTreeSet;

use super::{StakeChange, VALIDATORS_MAX, Validator, ValidatorSet};
use crate::crypto::{PublicKey, Scheme};

impl ValidatorSet {
    /// Returns this set with `changes` applied, and those that could not be.
    ///
    /// Stake that leaves always leaves: removals and reductions come first and depend on nothing.
    /// Then members get more stake or another key, then newcomers join, the largest first, while
    /// there is room. A key is refused that another validator has or that the scheme does not
    /// accept. If nobody would be left, nothing changes: a chain without validators cannot repair
    /// itself.
    #[must_use]
    pub fn with_changes<'a, S: Scheme>(
        &self,
        changes: impl IntoIterator<Item = &'a StakeChange>,
    ) -> (Self, Vec<StakeChange>) {
        let changes: Vec<StakeChange> = changes.into_iter().copied().collect();
        let mut members = self.validators.clone();
        let (mut refused, mut joining) = (Vec::new(), Vec::new());
        for change in &changes {
            match members.get_mut(&change.id) {
                Some(_) if change.stake == 0 => {
                    members.remove(&change.id);
                }
                Some(member) => {
                    member.stake = member.stake.min(change.stake);
                    joining.push((true, *change));
                }
                None if change.stake > 0 => joining.push((false, *change)),
                None => {}
            }
        }
        joining.sort_by_key(|(member, change)| (!member, u64::MAX - change.stake, change.id));
        let mut keys: BTreeSet<PublicKey> = members.values().map(|member| member.key).collect();
        for (member, change) in joining {
            let StakeChange { id, key, stake } = change;
            let same = members.get(&id).is_some_and(|member| member.key == key);
            let room = member || members.len() < VALIDATORS_MAX;
            if !room || !(same || (!keys.contains(&key) && S::expand(&key).is_ok())) {
                refused.push(change);
                continue;
            }
            if let Some(replaced) = members.insert(id, Validator { id, key, stake }) {
                keys.remove(&replaced.key);
            }
            keys.insert(key);
        }
        match Self::new(members.into_values()) {
            Ok(set) => {
                #[cfg(feature = "mutations")]
                let set = Self { counting: self.counting, ..set };
                (set, refused)
            }
            Err(_) => (self.clone(), changes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Stark;
    use crate::types::{Digest, ReplicaId};

    /// Returns keys that the scheme accepts.
    fn keys() -> impl Iterator<Item = PublicKey> {
        let words = (1..).map(|word| PublicKey(Digest::from_u64(word)));
        words.filter(|key| Stark::expand(key).is_ok())
    }

    #[test]
    fn stake_that_leaves_leaves_however_many_join() {
        let members = keys().take(4).zip(0..);
        let members = members.map(|(key, id)| Validator { id: ReplicaId(id), key, stake: 10 });
        let set = ValidatorSet::new(members).unwrap();
        let convict = *set.get(ReplicaId(3)).unwrap();
        let removal = StakeChange { id: convict.id, key: convict.key, stake: 0 };
        let joins = keys().skip(4).take(260).zip(4..);
        let joins =
            joins.map(|(key, id)| StakeChange { id: ReplicaId(id), key, stake: u64::from(id) });
        let changes: Vec<StakeChange> = joins.chain([removal]).collect();
        let (after, refused) = set.with_changes::<Stark>(&changes);
        assert!(!after.contains(convict.id));
        assert_eq!(after.len(), VALIDATORS_MAX);
        let smallest: Vec<u32> = refused.iter().map(|change| change.id.0).collect();
        assert_eq!(smallest, [10, 9, 8, 7, 6, 5, 4], "the largest join first");
    }

    #[test]
    fn keys_that_are_taken_or_no_keys_are_refused() {
        let mut good = keys();
        let [one, two, three] = [(); 3].map(|()| good.next().unwrap());
        let off_curve = (1..).map(|word| PublicKey(Digest::from_u64(word)));
        let off_curve = off_curve.into_iter().find(|key| Stark::expand(key).is_err()).unwrap();
        let member = |id, key| Validator { id: ReplicaId(id), key, stake: 10 };
        let set = ValidatorSet::new([member(0, one), member(1, two)]).unwrap();
        let change = |id, key, stake| StakeChange { id: ReplicaId(id), key, stake };
        let changes = [
            change(0, two, 5),
            change(1, two, 20),
            change(2, one, 7),
            change(3, off_curve, 7),
            change(4, three, 7),
        ];
        let (after, mut refused) = set.with_changes::<Stark>(&changes);
        refused.sort_by_key(|change| change.id);
        assert_eq!(refused, [changes[0], changes[2], changes[3]]);
        let stakes: Vec<(u32, u64)> = after.iter().map(|it| (it.id.0, it.stake)).collect();
        assert_eq!(stakes, [(0, 5), (1, 20), (4, 7)], "what the first loses is lost all the same");
        assert_eq!(after.get(ReplicaId(0)).unwrap().key, one);
    }
}
