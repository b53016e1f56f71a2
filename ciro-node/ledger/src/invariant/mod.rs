//! What holds in every state. Slow: for simulations, audits and tests.

mod economy;

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Bucket, Purse};
use ciro_protocol::id::{JobId, ProviderId};

use crate::state::{
    ENDED, JOBS, JobRecord, MODELS, PROVIDERS, PURSES, Phase, StateError, TIMERS, TOTALS, Table,
    TimerKind, View,
};

/// Which rule a state breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The state does not decode.
    #[error("the state is damaged")]
    State(#[from] StateError),
    /// Money came or went.
    #[error("all purses hold {got} units, the supply is {expected}")]
    Supply {
        /// The supply.
        expected: u128,
        /// The sum.
        got: u128,
    },
    /// A bucket's sum is not the sum of its purses.
    #[error("the purses of {bucket:?} hold {got} units, their sum says {expected}")]
    Total {
        /// The bucket.
        bucket: Bucket,
        /// What the sum says.
        expected: u128,
        /// What the purses hold.
        got: u128,
    },
    /// A purse holds something else than what it is for.
    #[error("{purse:?} holds {got}, expected {expected}")]
    Purse {
        /// The purse.
        purse: Purse,
        /// What it should hold.
        expected: Amount,
        /// What it holds.
        got: Amount,
    },
    /// A provider's counts are not those of its jobs.
    #[error("provider {0} counts other jobs or collateral than it holds")]
    Provider(ProviderId),
    /// A job that is not ended has no timer that ends it, or a timer has no job.
    #[error("the timers are not those of the jobs")]
    Timers,
    /// A job is ended and is not.
    #[error("job {0} is both running and ended")]
    Twice(JobId),
    /// Stake, grants or votes do not add up.
    #[error("the economy does not add up: {0}")]
    Economy(&'static str),
}

/// Checks that no money came or went, that escrow, collateral, deposits and what unbonds are those
/// of jobs, models and timers, that providers count what they hold, and that each job that runs
/// will end.
///
/// # Errors
///
/// [`Broken`] naming the first rule that does not hold.
pub fn check_invariants(view: &dyn View) -> Result<(), Broken> {
    let purses = all(view, PURSES)?;
    check_sums(view, &purses)?;
    let jobs = all(view, JOBS)?;
    check_purses(view, &purses, &jobs)?;
    check_providers(view, &jobs)?;
    check_timers(view, &jobs)?;
    economy::check(view)?;
    let ended = all(view, ENDED)?;
    match jobs.keys().find(|job| ended.contains_key(job)) {
        Some(job) => Err(Broken::Twice(*job)),
        None => Ok(()),
    }
}

/// Returns all entries of a table.
pub(crate) fn all<K, V>(view: &dyn View, table: Table<K, V>) -> Result<BTreeMap<K, V>, StateError>
where
    K: BorshSerialize + BorshDeserialize + Ord,
    V: BorshSerialize + BorshDeserialize,
{
    let entries = view.range(&[table.prefix], &[table.prefix + 1], usize::MAX);
    let entries = entries.iter();
    entries.map(|(key, value)| Ok((table.name_of(key)?, table.decode(key, value)?))).collect()
}

fn check_sums(view: &dyn View, purses: &BTreeMap<Purse, Amount>) -> Result<(), Broken> {
    let mut sums: BTreeMap<Bucket, u128> = BTreeMap::new();
    for (purse, amount) in purses {
        *sums.entry(purse.bucket()).or_default() += amount.units();
    }
    let got: u128 = sums.values().sum();
    let expected = Amount::SUPPLY.units();
    if got != expected {
        return Err(Broken::Supply { expected, got });
    }
    for (bucket, total) in all(view, TOTALS)? {
        let (expected, got) = (total.units(), sums.remove(&bucket).unwrap_or_default());
        if expected != got {
            return Err(Broken::Total { bucket, expected, got });
        }
    }
    match sums.pop_first() {
        Some((bucket, got)) => Err(Broken::Total { bucket, expected: 0, got }),
        None => Ok(()),
    }
}

/// Compares the purses that belong to something with what they belong to.
fn check_purses(
    view: &dyn View,
    purses: &BTreeMap<Purse, Amount>,
    jobs: &BTreeMap<JobId, JobRecord>,
) -> Result<(), Broken> {
    let mut expected: BTreeMap<Purse, Amount> = BTreeMap::new();
    for (id, job) in jobs {
        expected.insert(Purse::Escrow(*id), job.order.offer.price_max);
        if matches!(job.phase, Phase::Claimed(_)) {
            expected.insert(Purse::Collateral(*id), job.order.offer.collateral);
        }
    }
    for timer in all(view, TIMERS)?.values() {
        if let TimerKind::Unbonded { provider, amount } = timer.kind {
            let sum = expected.entry(Purse::Unbonding(provider)).or_default();
            *sum = sum.checked_add(amount).ok_or(StateError::Sum("unbonding"))?;
        }
    }
    let retired = all(view, MODELS)?.into_iter().filter(|(_, model)| model.retired);
    expected.extend(retired.map(|(model, _)| (Purse::Deposit(model), Amount::ZERO)));
    let owned = |purse: &&Purse| {
        let bucket = purse.bucket();
        matches!(bucket, Bucket::Escrow | Bucket::Collateral | Bucket::Unbonding)
    };
    for purse in purses.keys().filter(owned) {
        expected.entry(*purse).or_default();
    }
    for (purse, expected) in expected {
        let got = purses.get(&purse).copied().unwrap_or_default();
        if got != expected {
            return Err(Broken::Purse { purse, expected, got });
        }
    }
    Ok(())
}

fn check_providers(view: &dyn View, jobs: &BTreeMap<JobId, JobRecord>) -> Result<(), Broken> {
    let mut holds: BTreeMap<ProviderId, (u16, u128)> = BTreeMap::new();
    for job in jobs.values() {
        if let Phase::Claimed(held) = job.phase {
            let (count, locked) = holds.entry(held.provider).or_default();
            *count = count.saturating_add(1);
            *locked += job.order.offer.collateral.units();
        }
    }
    for (id, provider) in all(view, PROVIDERS)? {
        let held = holds.remove(&id).unwrap_or_default();
        if held != (provider.held, provider.locked.units()) {
            return Err(Broken::Provider(id));
        }
    }
    match holds.pop_first() {
        Some((id, _)) => Err(Broken::Provider(id)),
        None => Ok(()),
    }
}

fn check_timers(view: &dyn View, jobs: &BTreeMap<JobId, JobRecord>) -> Result<(), Broken> {
    let mut expected = BTreeMap::new();
    for (id, job) in jobs {
        expected.insert(job.deadline, TimerKind::Deadline(*id));
        if let Phase::Claimed(held) = job.phase {
            expected.insert(held.lease, TimerKind::Lease(*id));
        }
    }
    let timers = all(view, TIMERS)?.into_iter().map(|(place, timer)| (place, timer.kind));
    let of_jobs =
        timers.filter(|(_, kind)| matches!(kind, TimerKind::Lease(_) | TimerKind::Deadline(_)));
    let of_jobs: BTreeMap<_, _> = of_jobs.collect();
    if of_jobs == expected { Ok(()) } else { Err(Broken::Timers) }
}
