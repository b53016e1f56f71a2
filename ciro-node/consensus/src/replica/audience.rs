//! The observers that may ask, and what all of them together may cost.
//!
//! Members of the validator sets need the machine to vote, and there may be as many observers as
//! members. So observers are served in turns, [`SERVED`] of them in each resend interval, and each
//! of those gets an eighth of what a member gets: together they cost what one member may. The turns
//! make it fair: whoever asks as much as it may takes nothing from the others' turns.

use std::collections::BTreeMap;

use super::{Committees, Replica};
use crate::certificate::Committee;
use crate::crypto::{PublicKey, Scheme};
use crate::observers::Observers;
use crate::types::ReplicaId;

/// Observers whose turn it is in one resend interval. As many as chains usually have are always
/// served; of [`VALIDATORS_MAX`](crate::VALIDATORS_MAX) each is every 32 intervals, or 16 s.
pub(super) const SERVED: usize = 8;
/// Messages of one observer that are looked at in a resend interval, its answers apart: its Status,
/// and questions for more than 200 blocks, which is more than a chain grows by in its turns.
pub(super) const LOOKS: u32 = 16;
/// Messages of all observers that are looked at in a resend interval: 128 signature checks, or 8 %
/// of one CPU by default.
pub(super) const LOOKS_JOINT: u32 = 128;
/// Bytes of answers that one observer gets in a resend interval.
pub(super) const ANSWER_BYTES: i64 = 256 << 10;
/// Bytes of answers that all observers get in a resend interval, and one answer more: as many as
/// one member. Whoever of a turn comes late may find nothing left, but not each time: those who
/// took more than their share have less in their next turns.
pub(super) const ANSWER_BYTES_JOINT: i64 = 2 << 20;

/// The observers in force, with their keys expanded.
#[derive(Clone, Debug)]
pub(crate) struct Audience<S: Scheme> {
    keys: BTreeMap<ReplicaId, (PublicKey, S::VerifyingKey)>,
    /// Whose turn it is.
    turn: Vec<ReplicaId>,
    /// Whose turn came last.
    last: Option<ReplicaId>,
    /// Messages that may still be looked at before the next resend interval.
    looks: u32,
    /// Bytes of answers left before the next resend interval; what an answer takes too much counts
    /// for the next.
    answers: i64,
}

impl<S: Scheme> Audience<S> {
    pub(super) const fn new() -> Self {
        let (looks, answers) = (LOOKS_JOINT, ANSWER_BYTES_JOINT);
        Self { keys: BTreeMap::new(), turn: Vec::new(), last: None, looks, answers }
    }

    /// Takes a list in place of the former one. Keys that did not change, or that `committees`
    /// have, are not expanded again, and those that the scheme refuses are left out.
    fn replace(&mut self, observers: &Observers, committees: &[&Committee<S>]) {
        let mut former = std::mem::take(&mut self.keys);
        let keys = observers.iter().filter_map(|(id, key)| {
            let known = former.remove(&id).filter(|(known, _)| known == key).map(|(_, it)| it);
            let elected = || {
                let same = |it: &&&Committee<S>| it.set().get(id).is_some_and(|it| it.key == *key);
                committees.iter().find(same).and_then(|committee| committee.key(id)).cloned()
            };
            let expanded = known.or_else(elected).or_else(|| S::expand(key).ok())?;
            Some((id, (*key, expanded)))
        });
        self.keys = keys.collect();
    }

    /// Begins a resend interval for all of them together.
    fn refill(&mut self) {
        self.looks = LOOKS_JOINT;
        self.answers = (self.answers + ANSWER_BYTES_JOINT).min(ANSWER_BYTES_JOINT);
        self.turn.clear();
    }

    /// Gives the free turns to those of `candidates`, ordered, that have waited longest.
    fn fill_turns(&mut self, candidates: &[ReplicaId]) {
        self.turn.retain(|id| candidates.binary_search(id).is_ok());
        let start = self.last.map_or(0, |last| candidates.partition_point(|id| *id <= last));
        let (waited, next) = candidates.split_at(start);
        for id in next.iter().chain(waited) {
            if self.turn.len() == SERVED {
                break;
            }
            if !self.turn.contains(id) {
                self.turn.push(*id);
                self.last = Some(*id);
            }
        }
    }

    pub(crate) fn key(&self, id: ReplicaId) -> Option<&S::VerifyingKey> {
        self.keys.get(&id).map(|(_, key)| key)
    }

    pub(super) fn contains(&self, id: ReplicaId) -> bool {
        self.keys.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_turn(&self, id: ReplicaId) -> bool {
        self.turn.contains(&id)
    }

    /// Whether it is an observer's turn, and something is left for all.
    pub(super) fn may_look(&self, id: ReplicaId) -> bool {
        self.looks > 0 && self.is_turn(id)
    }

    pub(super) const fn look(&mut self) {
        self.looks = self.looks.saturating_sub(1);
    }

    pub(super) const fn may_answer(&self) -> bool {
        self.answers > 0
    }

    pub(super) const fn answer(&mut self, bytes: i64) {
        self.answers = self.answers.saturating_sub(bytes);
    }
}

impl<S: Scheme> Replica<S> {
    /// Takes who may ask without a vote, in place of all who might before.
    pub(crate) fn on_observers(&mut self, observers: &Observers) {
        let Committees { previous, current, next } = &self.committees;
        let known: Vec<&Committee<S>> = [Some(current), Some(next), previous.as_ref()]
            .into_iter()
            .flatten()
            .map(|it| &**it)
            .collect();
        self.audience.replace(observers, &known);
        self.fill_turns();
    }

    /// Begins a resend interval for the observers together, with other turns.
    pub(super) fn refill_audience(&mut self) {
        self.audience.refill();
        self.fill_turns();
    }

    /// Members have turns of their own at all times: an entry of theirs takes nobody's.
    fn fill_turns(&mut self) {
        let own = self.identity.id;
        let candidates = self.audience.keys.keys().copied();
        let candidates: Vec<ReplicaId> =
            candidates.filter(|id| *id != own && !self.is_member(*id)).collect();
        self.audience.fill_turns(&candidates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Stark;
    use crate::types::Digest;

    fn ids(ids: impl IntoIterator<Item = u32>) -> Vec<ReplicaId> {
        ids.into_iter().map(ReplicaId).collect()
    }

    #[test]
    fn every_observer_has_its_turn() {
        let mut audience = Audience::<Stark>::new();
        let candidates = ids(0..20);
        let mut turns = vec![0; 20];
        for _ in 0..20 {
            audience.refill();
            audience.fill_turns(&candidates);
            assert_eq!(audience.turn.len(), SERVED);
            audience.turn.iter().for_each(|id| turns[id.0 as usize] += 1);
        }
        assert_eq!(turns, vec![SERVED; 20], "of 20 intervals each has 8");
        audience.refill();
        audience.fill_turns(&ids([3, 9]));
        assert_eq!(audience.turn.len(), 2, "few are always served");
    }

    #[test]
    fn a_new_list_gives_free_turns_only() {
        let mut audience = Audience::<Stark>::new();
        audience.fill_turns(&ids(0..8));
        audience.fill_turns(&ids(4..16));
        assert_eq!(audience.turn, ids(4..12));
        audience.fill_turns(&[]);
        assert_eq!(audience.turn, []);
    }

    #[test]
    fn a_key_that_is_none_is_left_out() {
        let mut audience = Audience::<Stark>::new();
        let good = Stark::public_key(
            &crate::crypto::StarkSigningKey::from_bytes(Digest::from_u64(5).as_bytes()).unwrap(),
        );
        let bad = PublicKey(Digest::from_u128(u128::MAX));
        let refused = Stark::expand(&bad).is_err();
        let list = Observers::new([(ReplicaId(1), good), (ReplicaId(2), bad)]);
        audience.replace(&list, &[]);
        assert!(audience.contains(ReplicaId(1)));
        assert_eq!(audience.contains(ReplicaId(2)), !refused);
        audience.replace(&Observers::default(), &[]);
        assert_eq!(audience.len(), 0);
    }
}
