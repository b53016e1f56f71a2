//! What holds of stake, grants and votes in every state.

use std::collections::BTreeMap;

use ciro_protocol::economy::LaunchStatus;
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{ProposalId, ValidatorId};

use super::{Broken, all};
use crate::stake::shares::{INDEX_ONE, mul_div};
use crate::state::{
    BALLOTS, CHAIN, DELEGATIONS, DEPARTURES, ECONOMY, GRANTS, KEYS, LAUNCHES, LEAVING,
    LaunchRecord, OPERATORS, PARAMS, POOLS, PRESENCE, PROPOSALS, PURSES, SETS, SPEC, Seat,
    StateError, TIMERS, TimerKind, VALIDATORS, VOTES, View,
};

/// Checks that shares sum up, that rewards are there for whoever has earned them, that money of
/// the economy belongs to something that is there, and that all that waits has its timer.
pub(super) fn check(view: &dyn View) -> Result<(), Broken> {
    if all(view, PARAMS)?.is_empty() {
        return Ok(());
    }
    check_stake(view)?;
    check_seats(view)?;
    check_leaving(view)?;
    check_votes(view)?;
    check_timers(view)?;
    check_launches(view)?;
    check_purses(view)
}

fn broken(rule: &'static str) -> Result<(), Broken> {
    Err(Broken::Economy(rule))
}

fn add(sum: &mut u128, more: u128) -> Result<(), StateError> {
    *sum = sum.checked_add(more).ok_or(StateError::Sum("shares"))?;
    Ok(())
}

fn check_stake(view: &dyn View) -> Result<(), Broken> {
    let purses = all(view, PURSES)?;
    let pools = all(view, POOLS)?;
    let mut held: BTreeMap<ValidatorId, (u128, u128)> = BTreeMap::new();
    for ((validator, _), delegation) in all(view, DELEGATIONS)? {
        let Some(pool) = pools.get(&validator) else {
            return broken("a delegation is to nobody");
        };
        let (shares, owed) = held.entry(validator).or_default();
        add(shares, delegation.shares)?;
        let since = pool.index.checked_sub(delegation.index);
        let since = since.and_then(|since| mul_div(delegation.shares, since, INDEX_ONE));
        add(owed, since.ok_or(StateError::Sum("rewards"))?)?;
        add(owed, delegation.earned.units())?;
    }
    for (id, pool) in &pools {
        let (shares, owed) = held.get(id).copied().unwrap_or_default();
        if shares != pool.shares {
            return broken("shares of delegations are not those of their validator");
        }
        let money = |purse| purses.get(&purse).copied().unwrap_or_default().units();
        if owed > money(Purse::Earned(*id)) {
            return broken("more rewards are owed than are there");
        }
        // A share is worth a unit at first, and loses; what comes later pays what it is worth.
        if money(Purse::Stake(*id)) > pool.shares && pool.shares > 0 {
            return broken("a share is worth more than a unit");
        }
    }
    let operators = all(view, OPERATORS)?;
    let keys = all(view, KEYS)?;
    let known = |(id, pool): (&ValidatorId, &crate::state::PoolRecord)| {
        operators.get(&pool.operator) == Some(id) && keys.get(&pool.key) == Some(id)
    };
    let counts = [operators.len(), keys.len()] == [pools.len(); 2];
    let counted = all(view, ECONOMY)?.values().any(|it| it.validators as usize == pools.len());
    if counts && counted && pools.iter().all(known) {
        Ok(())
    } else {
        broken("validators are not those of operators and keys")
    }
}

/// Checks that epochs follow each other, that members are those of the epoch of the next block, and
/// that seats are those of validators, in order and with a weight.
fn check_seats(view: &dyn View) -> Result<(), Broken> {
    let (pools, sets) = (all(view, POOLS)?, all(view, SETS)?);
    let Some(spec) = all(view, SPEC)?.remove(&()) else { return broken("no specification") };
    let height = all(view, CHAIN)?.values().map(|it| it.height).max().unwrap_or_default();
    let epoch = spec.epoch_of(height.saturating_add(1));
    let kept = epoch.saturating_sub(2)..=epoch.saturating_add(1);
    if !sets.keys().copied().eq(kept) {
        return broken("the sets are not those of the epochs about");
    }
    for seats in sets.values() {
        let seated = |seat: &Seat| {
            let pool = pools.get(&ValidatorId(seat.id));
            seat.weight > 0 && pool.is_some_and(|pool| pool.key == seat.key)
        };
        if seats.is_empty() || !seats.is_sorted_by_key(|it| it.id) || !seats.iter().all(seated) {
            return broken("a seat is nobody's");
        }
    }
    let members = all(view, VALIDATORS)?;
    let seats = members.iter().map(|(id, it)| Seat { id: *id, key: it.key, weight: it.stake });
    let seated = sets.get(&epoch).is_some_and(|set| seats.eq(set.iter().copied()));
    if !seated || !all(view, PRESENCE)?.keys().all(|id| members.contains_key(id)) {
        return broken("members are not those whom stake elected");
    }
    Ok(())
}

fn check_leaving(view: &dyn View) -> Result<(), Broken> {
    let mut shares: BTreeMap<(ValidatorId, u64), u128> = BTreeMap::new();
    for departure in all(view, DEPARTURES)?.values() {
        let sum = shares.entry((departure.validator, departure.epoch)).or_default();
        add(sum, departure.shares)?;
    }
    let leaving = all(view, LEAVING)?;
    let counted = leaving.iter().map(|(name, leaving)| (*name, leaving.shares));
    if counted.eq(shares) { Ok(()) } else { broken("departures are not those of what leaves") }
}

fn check_votes(view: &dyn View) -> Result<(), Broken> {
    let proposals = all(view, PROPOSALS)?;
    let voting =
        |id: &ProposalId| proposals.get(id).is_some_and(|it| it.status == ProposalStatus::Voting);
    let open: Vec<_> = all(view, ECONOMY)?.values().flat_map(|it| it.open).flatten().collect();
    let counted = proposals.iter().filter(|(id, _)| voting(id)).count();
    if open.len() != counted || !open.iter().all(voting) {
        return broken("proposals that are voted on are not those that are open");
    }
    let delegations = all(view, DELEGATIONS)?;
    let mut sums: BTreeMap<_, ([u128; 4], u128)> = BTreeMap::new();
    for ((validator, _), delegation) in &delegations {
        for (proposal, late) in delegation.late.iter().filter(|(id, _)| voting(id)) {
            add(&mut sums.entry((*proposal, *validator)).or_default().1, *late)?;
        }
    }
    for ((proposal, validator, account), choice) in all(view, VOTES)? {
        if !voting(&proposal) {
            continue;
        }
        let delegation = delegations.get(&(validator, account));
        let shares = delegation.map_or(0, |it| it.voice(proposal));
        let sum = sums.entry((proposal, validator)).or_default();
        add(&mut sum.0[choice as usize], shares)?;
    }
    for (name, ballot) in all(view, BALLOTS)? {
        if sums.remove(&name).unwrap_or_default() != (ballot.shares, ballot.late) {
            return broken("ballots do not count the shares of those who voted or came late");
        }
    }
    if sums.is_empty() { Ok(()) } else { broken("votes are in no ballot") }
}

/// Compares timers with what waits for them.
fn check_timers(view: &dyn View) -> Result<(), Broken> {
    let mut expected = Vec::new();
    expected.extend(all(view, DEPARTURES)?.into_keys().map(TimerKind::Departure));
    for (id, proposal) in all(view, PROPOSALS)? {
        match proposal.status {
            ProposalStatus::Voting => expected.push(TimerKind::VoteEnds(id)),
            ProposalStatus::Passed => expected.push(TimerKind::Enact(id)),
            _ => {}
        }
    }
    let mut timers: Vec<TimerKind> = all(view, TIMERS)?.into_values().map(|it| it.kind).collect();
    let emissions = timers.iter().filter(|it| matches!(it, TimerKind::Emission)).count();
    timers.retain(|it| {
        matches!(it, TimerKind::Departure(_) | TimerKind::VoteEnds(_) | TimerKind::Enact(_))
    });
    // The clock of rewards starts with the first block.
    let complete = timers.len() == expected.len() && emissions <= 1;
    if complete && expected.iter().all(|kind| timers.contains(kind)) {
        Ok(())
    } else {
        broken("the timers are not those of what waits")
    }
}

/// Checks that what is put aside for a launch is what its milestones have still to pay, and that
/// each one that is open, and no other, will end.
fn check_launches(view: &dyn View) -> Result<(), Broken> {
    let (purses, launches) = (all(view, PURSES)?, all(view, LAUNCHES)?);
    let numbered = all(view, ECONOMY)?.values().any(|it| it.next_launch as usize == launches.len());
    if !numbered {
        return broken("launches are not numbered in order");
    }
    let mut ends = BTreeMap::new();
    for (id, launch) in &launches {
        let LaunchRecord { milestones, paid, status, .. } = launch;
        let rest = milestones.get(usize::from(*paid)..).unwrap_or_default();
        if rest.is_empty() != (*status == LaunchStatus::Completed) {
            return broken("a launch is completed and has something to pay, or is not and has not");
        }
        let open = *status == LaunchStatus::Open;
        let rest: u128 = rest.iter().filter(|_| open).map(|it| it.units()).sum();
        if purses.get(&Purse::Launch(*id)).map_or(0, |it| it.units()) != rest {
            return broken("what is put aside is not what milestones have still to pay");
        }
        if open {
            ends.insert(launch.ends, TimerKind::LaunchEnds(*id));
        }
    }
    let timers = all(view, TIMERS)?.into_iter().map(|(place, timer)| (place, timer.kind));
    let of_launches = timers.filter(|(_, kind)| matches!(kind, TimerKind::LaunchEnds(_)));
    if of_launches.collect::<BTreeMap<_, _>>() == ends {
        Ok(())
    } else {
        broken("the timers are not those of the launches that are open")
    }
}

/// Finds money that belongs to nothing.
fn check_purses(view: &dyn View) -> Result<(), Broken> {
    let (pools, leaving) = (all(view, POOLS)?, all(view, LEAVING)?);
    let (grants, proposals) = (all(view, GRANTS)?, all(view, PROPOSALS)?);
    let launches = all(view, LAUNCHES)?;
    for (purse, amount) in all(view, PURSES)? {
        let belongs = match purse {
            Purse::Stake(id) | Purse::Earned(id) => pools.contains_key(&id),
            Purse::Leaving(id, epoch) => leaving.contains_key(&(id, epoch)),
            Purse::Launch(id) => launches.contains_key(&id),
            Purse::Vesting(id) => grants.get(&id).is_some_and(|grant| amount <= grant.amount),
            Purse::Proposal(id) => {
                proposals.get(&id).is_some_and(|it| it.status == ProposalStatus::Voting)
            }
            _ => true,
        };
        if !belongs {
            return broken("money of the economy belongs to nothing");
        }
    }
    Ok(())
}
