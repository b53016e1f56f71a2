//! Who votes in consensus: at the end of an epoch those with the most stake are elected for the
//! epoch after the next, as consensus takes changes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::UNITS_PER_WEIGHT;
use ciro_protocol::wire::List;

use super::seats::changes;
use crate::block::Ledger;
use crate::mutation::Rule;
use crate::state::{
    ECONOMY, PARAMS, PRESENCE, SETS, Seat, StateError, VALIDATORS, ValidatorRecord,
};

/// Newcomers have a fifth of the weight of those who have run at most, which is a sixth of all, and
/// the same part of seats that others want: if none of them runs, a sixth is left of the third that
/// may fail.
const NEWCOMERS_OF_OTHERS: u128 = 5;
const NEWCOMERS_OF_SEATS: usize = 6;

/// A validator with enough stake of its own, with its weight.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    seat: Seat,
    /// Whether it is in jail.
    jailed: bool,
    /// Whether its time there is over, and it has not asked to leave.
    lingers: bool,
    /// Whether it has run, or was there from the genesis.
    proven: bool,
}

impl Ledger<'_> {
    /// At the last block of an epoch of consensus, elects who votes in the epoch after the next,
    /// and seats those who vote in the next.
    pub(crate) fn end_consensus_epoch(&mut self) -> Result<(), StateError> {
        let epoch = self.consensus_epoch();
        let next = epoch.saturating_add(1);
        let ends = self.spec.epoch_of(self.chain.height.saturating_add(1)) >= next;
        if self.spec.economy.is_none() || !ends {
            return Ok(());
        }
        let before = self.state.expect(SETS, &next)?.into_inner();
        let params = self.state.expect(PARAMS, &())?.stake;
        let mut after = Vec::new();
        if params.seats > 0 {
            let candidates = self.candidates(params.self_bond_min)?;
            let count = usize::try_from(params.seats).unwrap_or(usize::MAX);
            after = elected(&candidates, &before, count);
            // A chain without validators cannot repair itself: those who have stake go on with what
            // they have, or else all do.
            if after.is_empty() {
                after = self.remaining(&before)?;
            }
        }
        let after = if after.is_empty() { before.clone() } else { after };
        let after = List::new(after).map_err(|_| StateError::Sum("seats"))?;
        self.state.put(SETS, &next.saturating_add(1), &after);
        self.changes = changes(&before, &after);
        if let Some(old) = epoch.checked_sub(2) {
            self.state.remove(SETS, &old);
        }
        self.seat(before)?;
        self.state.keep();
        Ok(())
    }

    /// Returns whoever may be elected, in or out of jail.
    fn candidates(&self, self_bond_min: Amount) -> Result<Vec<Candidate>, StateError> {
        let mut candidates = Vec::new();
        for (id, pool) in self.pools()? {
            let stake = self.stake(id, &pool)?;
            let weight = stake.money.units() / u128::from(UNITS_PER_WEIGHT);
            let weight = u64::try_from(weight).map_err(|_| StateError::Sum("weights"))?;
            let bonded = self.own_stake(id, &pool, stake)? >= self_bond_min;
            if pool.tombstoned || !bonded || weight == 0 {
                continue;
            }
            let seat = Seat { id: id.0, key: pool.key, weight };
            let (jailed, proven) = (pool.jailed_until_ms.is_some(), pool.proven);
            let lingers = pool.jailed_until_ms.is_some_and(|until| until <= self.chain.time_ms);
            candidates.push(Candidate { seat, jailed, lingers, proven });
        }
        Ok(candidates)
    }

    /// Returns those of a set who have stake and were not convicted, with its weight, whatever else
    /// they lack.
    fn remaining(&self, before: &[Seat]) -> Result<Vec<Seat>, StateError> {
        let goes_on = |it: Candidate| {
            let was = before.iter().find(|seat| seat.id == it.seat.id)?.weight;
            // Who has never run has no more than it had.
            let weight = if it.proven { it.seat.weight } else { it.seat.weight.min(was) };
            Some(Seat { weight, ..it.seat })
        };
        Ok(self.candidates(Amount::ZERO)?.into_iter().filter_map(goes_on).collect())
    }

    /// Makes those members who vote in the epoch that begins. The clock of one that joins is the
    /// ledger's, so that it does not hold back the median of clocks.
    fn seat(&mut self, seats: Vec<Seat>) -> Result<(), StateError> {
        let joined_slots = self.state.expect(ECONOMY, &())?.slots.count;
        let mut known: BTreeMap<u32, ValidatorRecord> = self.members()?;
        for Seat { id, key, weight: stake } in seats {
            let joins = ValidatorRecord { key, stake, time_ms: self.chain.time_ms, joined_slots };
            let member = known.remove(&id).unwrap_or(joins);
            self.state.put(VALIDATORS, &id, &ValidatorRecord { key, stake, ..member });
        }
        for id in known.into_keys() {
            self.state.remove(VALIDATORS, &id);
            self.state.remove(PRESENCE, &id);
        }
        Ok(())
    }
}

/// Elects so many at most, by weight and then by number, and returns them by number.
///
/// Who is in jail is not elected. But if those who are out of it have no more than two thirds of
/// the weight of all who have run, members in jail stay: what jails many at a time must not leave
/// the chain to a few. Whoever is no member and could leave jail, but has not asked to, is not
/// among those: stake that has turned away does not keep dead members in the set.
///
/// Who has never run takes a part of the seats and of the weight at most, until it has: anybody
/// with money can register keys that nobody runs.
fn elected(candidates: &[Candidate], before: &[Seat], count: usize) -> Vec<Seat> {
    let weight = |it: &Candidate| u128::from(it.seat.weight);
    let members: BTreeSet<u32> = before.iter().map(|seat| seat.id).collect();
    let proven = || candidates.iter().filter(|it| it.proven);
    let counts = |it: &&Candidate| !it.lingers || members.contains(&it.seat.id);
    let all: u128 = proven().filter(counts).map(weight).sum();
    let free: u128 = proven().filter(|it| !it.jailed).map(weight).sum();
    let spared = if 3 * free <= 2 * all { members } else { BTreeSet::new() };
    let is_free = |it: &Candidate| {
        !it.jailed || Rule::JailedElected.chosen() || (it.proven && spared.contains(&it.seat.id))
    };
    let mut ranked: Vec<Candidate> = candidates.iter().copied().filter(is_free).collect();
    ranked.sort_by_key(|it| (Reverse(it.seat.weight), it.seat.id));
    let uncapped = Rule::NewcomersUncapped.chosen();
    let proven = ranked.iter().filter(|it| it.proven).count();
    // Of seats that nobody else wants they take all, and never the only one.
    let contested = count.div_ceil(NEWCOMERS_OF_SEATS).min(count.saturating_sub(1));
    let mut places = contested.max(count.saturating_sub(proven));
    ranked.retain(|it| {
        let takes = it.proven || uncapped || places > 0;
        places = if it.proven { places } else { places.saturating_sub(1) };
        takes
    });
    ranked.truncate(count);
    let others: u128 = ranked.iter().filter(|it| it.proven).map(weight).sum();
    let room = u64::try_from(others / NEWCOMERS_OF_OTHERS).unwrap_or(u64::MAX);
    let mut room = if uncapped { u64::MAX } else { room };
    let seat = |it: Candidate| {
        let mut seat = it.seat;
        if !it.proven {
            seat.weight = seat.weight.min(room);
            room -= seat.weight;
        }
        (seat.weight > 0).then_some(seat)
    };
    let mut seats: Vec<Seat> = ranked.into_iter().filter_map(seat).collect();
    seats.sort_by_key(|seat| seat.id);
    seats
}

#[cfg(test)]
mod tests {
    use ciro_protocol::sign::SecretKey;

    use super::*;

    /// Elects so many of candidates, each with its weight, that have run or not.
    fn elect(count: usize, proven: &[u64], newcomers: &[u64]) -> Vec<(u32, u64)> {
        let key = SecretKey::from_seed(b"validator").address();
        let run = proven.iter().map(|weight| (*weight, true));
        let all = run.chain(newcomers.iter().map(|weight| (*weight, false)));
        let candidate = |(id, (weight, proven)): (u32, (u64, bool))| Candidate {
            seat: Seat { id, key, weight },
            jailed: false,
            lingers: false,
            proven,
        };
        let candidates: Vec<Candidate> = (0..).zip(all).map(candidate).collect();
        let seats = elected(&candidates, &[], count);
        seats.iter().map(|seat| (seat.id, seat.weight)).collect()
    }

    #[test]
    fn newcomers_with_more_stake_than_all_others_take_a_sixth_of_seats_and_weight() {
        let six = [30, 20, 20, 10, 10, 10];
        let whale = [9_000, 9_000, 8_000];
        let expected = [(0, 30), (1, 20), (2, 20), (3, 10), (4, 10), (6, 18)];
        assert_eq!(elect(6, &six, &whale), expected, "one of six seats, a fifth of ninety");
        let more = elect(7, &six, &whale);
        assert_eq!(more[5..], [(6, 18)], "two of seven seats, and no weight for the second");
        assert_eq!(elect(9, &six, &[7, 8, 9]).len(), 9, "seats that nobody else wants");
        assert_eq!(elect(9, &six, &[7, 8, 9])[6..], [(6, 3), (7, 8), (8, 9)], "a fifth of 100");
        assert_eq!(elect(6, &six, &[7, 8, 9]).len(), 6, "they are the last by weight");
        assert_eq!(elect(2, &[5, 3], &[9]), [(0, 5), (2, 1)]);
        assert_eq!(elect(1, &[5, 3], &[9]), [(0, 5)], "never the only seat");
        assert_eq!(elect(3, &[4], &[9]), [(0, 4)], "a fifth of four is nothing");
        assert_eq!(elect(3, &[], &[9, 8]), [], "nobody vouches for them");
        assert_eq!(elect(300, &[1; 260], &[]).len(), 260);
    }
}
