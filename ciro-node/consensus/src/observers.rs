//! Who may follow the chain without a vote.

use std::collections::BTreeMap;

use crate::crypto::PublicKey;
use crate::stake::VALIDATORS_MAX;
use crate::types::ReplicaId;

/// Replicas that are in no validator set which counts, and may ask and answer all the same: those
/// that are registered and not elected yet, or not any more.
///
/// There are at most [`VALIDATORS_MAX`], each with the key it signs with; there may be none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observers(BTreeMap<ReplicaId, PublicKey>);

impl Observers {
    /// Takes the first [`VALIDATORS_MAX`] identities, so that whoever has more names those first
    /// that matter most. The first key of an identity stands.
    #[must_use]
    pub fn new(observers: impl IntoIterator<Item = (ReplicaId, PublicKey)>) -> Self {
        let mut by_id = BTreeMap::new();
        for (id, key) in observers {
            if by_id.len() == VALIDATORS_MAX {
                break;
            }
            by_id.entry(id).or_insert(key);
        }
        Self(by_id)
    }

    /// Returns the key of an observer.
    #[must_use]
    pub fn get(&self, id: ReplicaId) -> Option<&PublicKey> {
        self.0.get(&id)
    }

    /// Returns the observers in order of identity.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ReplicaId, &PublicKey)> {
        self.0.iter().map(|(id, key)| (*id, key))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Digest;

    fn entry(id: u32, key: u64) -> (ReplicaId, PublicKey) {
        (ReplicaId(id), PublicKey(Digest::from_u64(key)))
    }

    #[test]
    fn a_list_is_bounded_and_the_first_key_of_an_identity_stands() {
        let many = (0..1000).map(|id| entry(id, 1));
        let observers = Observers::new([entry(3, 7), entry(3, 8)].into_iter().chain(many));
        assert_eq!(observers.len(), VALIDATORS_MAX);
        assert_eq!(observers.get(ReplicaId(3)), Some(&entry(3, 7).1));
        assert_eq!(observers.get(ReplicaId(999)), None);
        assert!(Observers::default().is_empty());
    }
}
