//! Who votes, epoch by epoch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::sign::Address;

use super::super::world::WEIGHT;
use super::Whole;

/// Who votes in an epoch: keys and weights by number.
pub(crate) type Set = BTreeMap<u32, (Address, u64)>;

/// One who votes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: Address,
    pub(crate) weight: u64,
    pub(crate) clock: u64,
    /// Slots of the epoch of rewards that were over when it joined.
    pub(crate) missed: BTreeSet<u64>,
}

impl Whole {
    /// Seats who votes in an epoch.
    pub(super) fn sit(&mut self, epoch: u64) {
        let before = std::mem::take(&mut self.seated);
        let clock = if self.height == 0 { 0 } else { self.market.now };
        for (number, (key, weight)) in self.sets[&epoch].clone() {
            let member = match before.get(&number) {
                Some(member) => Member { weight, ..member.clone() },
                None => Member { key, weight, clock, missed: self.slots.clone() },
            };
            self.seated.insert(number, member);
        }
        let left = before.into_keys().filter(|number| !self.seated.contains_key(number));
        for number in left.collect::<Vec<_>>() {
            self.market.happens("a member leaves");
            self.seen.remove(&number);
        }
    }

    /// Ends an epoch with its last block.
    pub(super) fn elect(&mut self) {
        let (length, epoch) = (self.market.spec.consensus.epoch_length, self.epoch());
        if self.market.spec.economy.is_none() || !self.height.is_multiple_of(length) {
            return;
        }
        let before = self.sets[&(epoch + 1)].clone();
        let mut after = self.choose(&before);
        if after.is_empty() {
            self.market.happens("the set stays");
            let kept = before.iter().filter(|(number, _)| {
                !self.validators[*number].dead && self.stake(**number) / WEIGHT > 0
            });
            let weight = |number: u32, was: u64| {
                let now = u64::try_from(self.stake(number) / WEIGHT).unwrap();
                if self.validators[&number].has_run { now } else { now.min(was) }
            };
            let keep = |(number, (key, was)): (&u32, &(Address, u64))| {
                (*number, (*key, weight(*number, *was)))
            };
            after = kept.map(keep).collect();
            if after.is_empty() || self.params.stake.seats == 0 {
                after = before;
            }
        }
        self.sets.insert(epoch + 2, after);
        self.sit(epoch + 1);
    }

    /// Whom stake elects after a set, with weights; nobody if that cannot be said.
    fn choose(&mut self, before: &Set) -> Set {
        let seats = self.params.stake.seats as usize;
        if seats == 0 {
            return before.clone();
        }
        let weight = |whole: &Self, number| whole.stake(number) / WEIGHT;
        let min = self.params.stake.self_bond_min.units();
        let mut able: Vec<u32> = Vec::new();
        for (number, it) in &self.validators {
            let own = self.worth(*number, &self.shares_of(*number, it.operator));
            if !it.dead && own >= min && weight(self, *number) > 0 {
                able.push(*number);
            }
        }
        let jailed = |number: &u32| self.validators[number].jail.is_some();
        let ran = |number: &u32| self.validators[number].has_run;
        let sum =
            |numbers: Vec<u32>| -> u128 { numbers.into_iter().map(|it| weight(self, it)).sum() };
        // Whoever could leave jail and is no member has turned away.
        let away = |number: &u32| {
            let over = |until: u64| until <= self.market.now;
            !before.contains_key(number) && self.validators[number].jail.is_some_and(over)
        };
        let runners: Vec<u32> = able.iter().copied().filter(|it| ran(it) && !away(it)).collect();
        let out: Vec<u32> = runners.iter().copied().filter(|it| !jailed(it)).collect();
        let few = sum(out) * 3 <= sum(runners) * 2;
        let spared = |it: &u32| few && ran(it) && before.contains_key(it);
        let mut left: Vec<u32> = able.into_iter().filter(|it| !jailed(it) || spared(it)).collect();
        let spares = left.iter().any(jailed);
        let run = left.iter().filter(|it| ran(it)).count();
        // A sixth of the seats, but never all, and those that are left over.
        let mut new = seats.div_ceil(6).min(seats - 1).max(seats - run.min(seats));
        let mut elected: Vec<(u32, bool, u128)> = Vec::new();
        while elected.len() < seats {
            let open = left.iter().filter(|it| ran(it) || new > 0);
            let Some(best) = open.max_by_key(|it| (weight(self, **it), Reverse(**it))).copied()
            else {
                break;
            };
            new -= usize::from(!ran(&best));
            left.retain(|it| *it != best);
            elected.push((best, ran(&best), weight(self, best)));
        }
        let mut room = elected.iter().filter(|it| it.1).map(|it| it.2).sum::<u128>() / 5;
        let mut set = Set::new();
        let mut seen: BTreeSet<&'static str> = BTreeSet::new();
        if spares {
            seen.insert("members in jail stay");
        }
        for (number, ran, mut weight) in elected {
            if !ran {
                seen.insert("a newcomer is elected");
                if weight > room {
                    seen.insert("a newcomer has less weight than stake");
                }
                weight = weight.min(room);
                room -= weight;
            }
            if weight > 0 {
                set.insert(number, (self.validators[&number].key, u64::try_from(weight).unwrap()));
            }
        }
        for what in seen {
            self.market.happens(what);
        }
        set
    }
}
