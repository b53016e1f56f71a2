//! Supply, stake and governance.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ciro_ledger::Seat;
use ciro_ledger::state::{
    DEPARTURES, GRANTS, LAUNCHES, LaunchRecord, PARAMS, POOLS, PROPOSALS, PURSES, PoolRecord,
    ProposalRecord, TIMERS, TOTALS, TimerKind,
};
use ciro_protocol::amount::Amount;
use ciro_protocol::api::{
    BucketInfo, EconomyInfo, GrantInfo, HoldingInfo, LaunchInfo, LeavingInfo, Page, ProposalInfo,
    StakeInfo, TallyInfo, ValidatorInfo,
};
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{LaunchId, ProposalId, ValidatorId};
use ciro_protocol::sign::Address;

use super::ApiState;
use super::paging::{Paging, page};
use super::reply::ApiError;
use super::request::{Names, Params, name};
use crate::store::{Snapshot, StoreError};

/// Validators at most, by the range of the parameter.
const VALIDATORS_MAX: usize = 4_096;
/// Grants, departures and timers that are looked through for those of an account.
const LOOKED_THROUGH_MAX: usize = 65_536;

pub(super) async fn economy(State(state): State<ApiState>) -> Result<Json<EconomyInfo>, ApiError> {
    let vesting = state.parts.genesis.spec.economy.as_ref().map(|economy| economy.vesting);
    let look = move |snapshot: &Snapshot| {
        let totals = snapshot.entries(TOTALS, None, 64)?.into_iter();
        let supply = totals.map(|(bucket, amount)| BucketInfo { bucket, amount }).collect();
        Ok(EconomyInfo { params: snapshot.entry(PARAMS, &())?, vesting, supply })
    };
    state.read(look).await.map(Json)
}

pub(super) async fn validators(
    State(state): State<ApiState>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<ValidatorInfo>>, ApiError> {
    let (after, limit) = paging.read::<u32>()?;
    let genesis = Arc::clone(&state.parts.genesis);
    let look = move |snapshot: &Snapshot| {
        let weights = Weights::read(snapshot, &genesis.spec)?;
        // In the order of their numbers, which have gaps, and which the store's is not.
        let mut found = snapshot.entries(POOLS, None, VALIDATORS_MAX)?;
        found.sort_by_key(|(id, _)| *id);
        let found = found.into_iter().filter(|(id, _)| after.is_none_or(|after| id.0 > after));
        let items: Result<Vec<ValidatorInfo>, StoreError> = found
            .take(limit)
            .map(|(id, pool)| validator_info(snapshot, &weights, id, pool))
            .collect();
        snapshot.check()?;
        items
    };
    let items: Vec<ValidatorInfo> = state.read(look).await?;
    Ok(page(items, limit, |it| it.validator))
}

/// Who votes in the epoch of the next block, and in the one after it.
struct Weights {
    now: Vec<Seat>,
    next: Vec<Seat>,
}

impl Weights {
    fn read(snapshot: &Snapshot, spec: &ChainSpec) -> Result<Self, StoreError> {
        let epoch = spec.epoch_of(snapshot.head()?.height.saturating_add(1));
        let now = ciro_ledger::seats(snapshot, spec, epoch)?;
        let next = ciro_ledger::seats(snapshot, spec, epoch.saturating_add(1))?;
        Ok(Self { now, next })
    }
}

fn weight_of(seats: &[Seat], validator: ValidatorId) -> u64 {
    seats.iter().find(|seat| seat.id == validator.0).map_or(0, |seat| seat.weight)
}

fn validator_info(
    snapshot: &Snapshot,
    weights: &Weights,
    validator: ValidatorId,
    pool: PoolRecord,
) -> Result<ValidatorInfo, StoreError> {
    let PoolRecord { operator, key, commission, jailed_until_ms, tombstoned, .. } = pool;
    let own = ciro_ledger::holding(snapshot, validator, operator)?;
    let weight = weight_of(&weights.now, validator);
    Ok(ValidatorInfo {
        validator,
        operator,
        key,
        stake: snapshot.entry(PURSES, &Purse::Stake(validator))?.unwrap_or_default(),
        own: own.map(|own| own.amount).unwrap_or_default(),
        commission,
        jailed_until_ms,
        tombstoned,
        counted: weight > 0,
        weight,
        next_weight: weight_of(&weights.next, validator),
    })
}

pub(super) async fn stake(
    State(state): State<ApiState>,
    Names(address): Names<String>,
) -> Result<Json<StakeInfo>, ApiError> {
    let address: Address = name("address", &address)?;
    let look = move |snapshot: &Snapshot| {
        let mut stakes = Vec::new();
        for (validator, _) in snapshot.entries(POOLS, None, VALIDATORS_MAX)? {
            if let Some(held) = ciro_ledger::holding(snapshot, validator, address)? {
                let (amount, earned) = (held.amount, held.earned);
                stakes.push(HoldingInfo { validator, amount, earned });
            }
        }
        snapshot.check()?;
        let mut grants = Vec::new();
        for (grant, record) in snapshot.entries(GRANTS, None, LOOKED_THROUGH_MAX)? {
            if record.to == address {
                let left = snapshot.entry(PURSES, &Purse::Vesting(grant))?.unwrap_or_default();
                let (tranche, amount, start_ms) = (record.tranche, record.amount, record.start_ms);
                grants.push(GrantInfo { grant, tranche, amount, left, start_ms });
            }
        }
        Ok(StakeInfo { address, stakes, leaving: leaving(snapshot, address)?, grants })
    };
    state.read(look).await.map(Json)
}

/// Returns what of an account's stake leaves, in the order in which it left.
fn leaving(snapshot: &Snapshot, address: Address) -> Result<Vec<LeavingInfo>, StoreError> {
    let mut found = Vec::new();
    for (number, departure) in snapshot.entries(DEPARTURES, None, LOOKED_THROUGH_MAX)? {
        if departure.account == address {
            let amount = ciro_ledger::departing(snapshot, &departure)?;
            let (validator, to) = (departure.validator, departure.to);
            found.push((number, LeavingInfo { validator, to, amount, until_ms: 0 }));
        }
    }
    snapshot.check()?;
    if !found.is_empty() {
        for (key, timer) in snapshot.entries(TIMERS, None, LOOKED_THROUGH_MAX)? {
            let TimerKind::Departure(number) = timer.kind else { continue };
            if let Some((_, info)) = found.iter_mut().find(|(name, _)| *name == number) {
                info.until_ms = key.at_ms;
            }
        }
    }
    Ok(found.into_iter().map(|(_, info)| info).collect())
}

pub(super) async fn proposals(
    State(state): State<ApiState>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<ProposalInfo>>, ApiError> {
    let (after, limit) = paging.read::<u32>()?;
    let look = move |snapshot: &Snapshot| {
        let found = snapshot.numbered(PROPOSALS, ProposalId, after, limit)?.into_iter();
        let items: Result<Vec<ProposalInfo>, StoreError> =
            found.map(|(id, record)| proposal_info(snapshot, id, record)).collect();
        snapshot.check()?;
        items
    };
    let items: Vec<ProposalInfo> = state.read(look).await?;
    Ok(page(items, limit, |it| it.proposal))
}

fn proposal_info(
    snapshot: &Snapshot,
    proposal: ProposalId,
    record: ProposalRecord,
) -> Result<ProposalInfo, StoreError> {
    let ProposalRecord { account, title, action, until_ms, status, failure, .. } = record;
    let mut tally = None;
    if status == ProposalStatus::Voting {
        let counted = ciro_ledger::tally(snapshot, proposal)?;
        let amount = |units| Amount::from_units(units).unwrap_or(Amount::SUPPLY);
        let [yes, no, abstain, veto] = counted.votes.map(amount);
        tally = Some(TallyInfo { yes, no, abstain, veto, stake: amount(counted.stake) });
    }
    Ok(ProposalInfo { proposal, account, title, action, until_ms, status, failure, tally })
}

pub(super) async fn launches(
    State(state): State<ApiState>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<LaunchInfo>>, ApiError> {
    let (after, limit) = paging.read::<u32>()?;
    let look = move |snapshot: &Snapshot| {
        let found = snapshot.numbered(LAUNCHES, LaunchId, after, limit)?.into_iter();
        found.map(|(id, record)| launch_info(snapshot, id, record)).collect()
    };
    let items: Vec<LaunchInfo> = state.read(look).await?;
    Ok(page(items, limit, |it| it.launch))
}

fn launch_info(
    snapshot: &Snapshot,
    launch: LaunchId,
    record: LaunchRecord,
) -> Result<LaunchInfo, StoreError> {
    let LaunchRecord { to, milestones, paid, status, ends } = record;
    let left = snapshot.entry(PURSES, &Purse::Launch(launch))?.unwrap_or_default();
    Ok(LaunchInfo { launch, to, milestones, paid, left, ends_ms: ends.at_ms, status })
}
