//! The economy once more, as plainly as possible: every delegator is walked over for everything
//! that concerns it, numbers have no end, nothing is kept that can be summed up. It shares values
//! with the ledger, and no rule.

mod offences;
mod stake;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::{AirdropSpec, Commission, EconomyParams, Offence, Tranche};
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{GrantId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Action, Body, ClaimAirdrop, SignedTx, VoteOption};
use num_bigint::BigUint;

use super::world::KEYS;

pub(super) type Done = Result<(), Refusal>;

#[derive(Clone, Debug)]
pub(super) struct Naive {
    spec: ChainSpec,
    pub(super) params: EconomyParams,
    pub(super) now: u64,
    pub(super) height: u64,
    pub(super) money: BTreeMap<Purse, u128>,
    pub(super) validators: BTreeMap<u32, Validator>,
    next_validator: u32,
    pub(super) departures: BTreeMap<u64, Departure>,
    next_departure: u64,
    /// What convictions have cost of what left a validator in an epoch.
    lost: BTreeMap<(u32, u64), u64>,
    grants: Vec<(Address, u128, u64)>,
    taken: BTreeSet<u32>,
    pub(super) proposals: Vec<Proposal>,
    /// How many proposals have replaced the parameters.
    replaced: usize,
    /// What was paid out of the treasury since the epoch of rewards began.
    spent: u128,
    offences: BTreeSet<Offence>,
    clocks: BTreeMap<u32, u64>,
    slots: BTreeSet<u64>,
    seen: BTreeMap<u32, BTreeSet<u64>>,
    timers: Vec<(u64, u64, Alarm)>,
    alarms: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Validator {
    pub(super) operator: Address,
    key: Address,
    commission: Commission,
    changed: u64,
    pub(super) jail: Option<u64>,
    pub(super) dead: bool,
    lost: u64,
    pub(super) members: BTreeMap<Address, Member>,
}

/// What one account has at a validator's stake.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) shares: BigUint,
    /// Rewards since its shares last changed, in units of 2^-64.
    since: BigUint,
    earned: BigUint,
}

#[derive(Clone, Debug)]
pub(super) struct Departure {
    validator: u32,
    epoch: u64,
    account: Address,
    shares: BigUint,
    to: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Proposal {
    by: Address,
    action: Action,
    pub(super) status: ProposalStatus,
    votes: BTreeMap<(u32, Address), VoteOption>,
    /// The least that everybody who was there when it was made has had since.
    least: BTreeMap<(u32, Address), BigUint>,
    /// The parameters when it was made.
    seen: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Alarm {
    Epoch,
    AirdropEnds,
    Departs(u64),
    VoteEnds(usize),
    Enact(usize),
}

pub(super) fn big(number: u128) -> BigUint {
    BigUint::from(number)
}

pub(super) fn small(number: &BigUint) -> u128 {
    u128::try_from(number).unwrap()
}

impl Naive {
    pub(super) fn new(spec: &ChainSpec) -> Self {
        let economy = spec.economy.clone().unwrap();
        let supply = 10_u128.pow(27);
        let part = |bps: u16| supply / 10_000 * u128::from(bps);
        let mut money = BTreeMap::new();
        money.insert(Purse::Rewards, part(economy.allocation.rewards_bps));
        money.insert(Purse::Reserve(Tranche::Team), part(economy.allocation.team_bps));
        money.insert(Purse::Reserve(Tranche::Investors), part(economy.allocation.investors_bps));
        money.insert(Purse::Airdrop, part(economy.allocation.public_bps));
        money.insert(Purse::Treasury, part(economy.allocation.ecosystem_bps));
        let mut naive = Self {
            params: economy.params,
            now: spec.genesis_ms,
            height: 0,
            money,
            validators: BTreeMap::new(),
            next_validator: 4,
            departures: BTreeMap::new(),
            next_departure: 0,
            lost: BTreeMap::new(),
            grants: Vec::new(),
            taken: BTreeSet::new(),
            proposals: Vec::new(),
            replaced: 0,
            spent: 0,
            offences: BTreeSet::new(),
            clocks: BTreeMap::new(),
            slots: BTreeSet::new(),
            seen: BTreeMap::new(),
            timers: Vec::new(),
            alarms: 0,
            spec: spec.clone(),
        };
        for account in spec.accounts.iter() {
            let to = Purse::Account(account.address);
            naive.give(Purse::Treasury, to, account.amount.units()).unwrap();
        }
        for grant in economy.grants.iter() {
            naive.start_grant(grant.tranche, grant.to, grant.amount.units());
            naive.grants.last_mut().unwrap().2 = economy.vesting.start_ms;
        }
        for genesis in spec.validators.iter() {
            let bond = u128::from(genesis.stake) * 1_000_000_000;
            let to = Purse::Stake(ValidatorId(genesis.id));
            naive.give(Purse::Treasury, to, bond).unwrap();
            let own = Member { shares: big(bond), ..Member::default() };
            naive.clocks.insert(genesis.id, 0);
            naive.validators.insert(
                genesis.id,
                Validator {
                    operator: genesis.key,
                    key: genesis.key,
                    commission: economy.commission,
                    changed: spec.genesis_ms,
                    jail: None,
                    dead: false,
                    lost: 0,
                    members: BTreeMap::from([(genesis.key, own)]),
                },
            );
        }
        naive
    }

    pub(super) fn has(&self, purse: Purse) -> u128 {
        self.money.get(&purse).copied().unwrap_or(0)
    }

    fn give(&mut self, from: Purse, to: Purse, amount: u128) -> Done {
        if self.has(from) < amount {
            return Err(Refusal::InsufficientFunds);
        }
        *self.money.entry(from).or_default() -= amount;
        *self.money.entry(to).or_default() += amount;
        self.money.retain(|_, amount| *amount > 0);
        Ok(())
    }

    fn alarm(&mut self, at: u64, alarm: Alarm) {
        self.alarms += 1;
        self.timers.push((at, self.alarms, alarm));
    }

    pub(super) fn epoch(&self) -> u64 {
        self.height.saturating_sub(1) / self.spec.consensus.epoch_length
    }

    /// Begins a block: the clock, who was there, and what consensus punishes.
    pub(super) fn begin(&mut self, batches: &[(u32, u64)], punish: &[Offence]) {
        self.height += 1;
        for (member, time) in batches {
            if let Some(clock) = self.clocks.get_mut(member) {
                *clock = (*clock).max(*time);
            }
        }
        // Everybody's clock as often as it weighs.
        let mut clocks = Vec::new();
        for member in self.spec.validators.iter() {
            let weight = usize::try_from(member.stake).unwrap();
            clocks.extend(std::iter::repeat_n(self.clocks[&member.id], weight));
        }
        clocks.sort_unstable();
        let median = clocks[clocks.len().div_ceil(2) - 1];
        let furthest = if self.height == 1 { u64::MAX } else { self.now + 5_000 };
        self.now = self.now.max(median.min(furthest));
        if self.height == 1 {
            let until = self.spec.economy.as_ref().unwrap().airdrop.unwrap().until_ms;
            self.alarm(self.now + self.params.epoch_ms, Alarm::Epoch);
            self.alarm(until + 1, Alarm::AirdropEnds);
        }
        let slot = self.now / self.params.penalty.slot_ms;
        self.slots.insert(slot);
        for (member, _) in batches.iter().filter(|(member, _)| self.clocks.contains_key(member)) {
            self.seen.entry(*member).or_default().insert(slot);
        }
        for offence in punish {
            let before = self.clone();
            if self.convict(*offence, None).is_err() {
                *self = before;
            }
        }
    }

    /// Ends a block: what is due happens, the first four of it.
    pub(super) fn end(&mut self) {
        self.timers.sort_by_key(|(at, number, _)| (*at, *number));
        let due: Vec<_> = self.timers.iter().filter(|it| it.0 <= self.now).copied().collect();
        for alarm in due.into_iter().take(4) {
            self.timers.retain(|it| *it != alarm);
            match alarm.2 {
                Alarm::Epoch => self.end_epoch(alarm.0),
                Alarm::AirdropEnds => {
                    let rest = self.has(Purse::Airdrop);
                    self.give(Purse::Airdrop, Purse::Treasury, rest).unwrap();
                }
                Alarm::Departs(number) => self.departs(number),
                Alarm::VoteEnds(proposal) => self.vote_ends(proposal),
                Alarm::Enact(proposal) => self.enact(proposal),
            }
            self.watch();
        }
    }

    /// Executes a transaction and returns why it is refused.
    pub(super) fn execute(&mut self, tx: &SignedTx) -> Option<Refusal> {
        let before = self.clone();
        let refused = self.perform(tx.body.header.account, &tx.body.body).err();
        if refused.is_some() {
            *self = before;
        }
        self.watch();
        refused
    }

    fn perform(&mut self, by: Address, body: &Body) -> Done {
        match body {
            Body::ClaimGrant(body) => self.claim_grant(by, body.grant),
            Body::ClaimAirdrop(body) => self.claim_airdrop(body),
            Body::RegisterValidator(body) => self.register(by, body),
            Body::SetCommission(body) => self.set_commission(by, body.bps),
            Body::Delegate(body) => self.delegate(by, body.validator.0, body.amount.units()),
            Body::Undelegate(body) => {
                self.known(body.validator.0)?;
                self.depart(by, body.validator.0, None, body.amount.units())
            }
            Body::Redelegate(body) => {
                if body.from == body.to {
                    return Err(Refusal::SameValidator);
                }
                if self.known(body.to.0)?.dead {
                    return Err(Refusal::ValidatorTombstoned);
                }
                self.known(body.from.0)?;
                self.depart(by, body.from.0, Some(body.to.0), body.amount.units())
            }
            Body::ClaimRewards(body) => self.claim_rewards(by, body.validator.0),
            Body::UnjailValidator => self.unjail(by),
            Body::ReportOffence(body) => {
                let offence = Offence::claimed(&body.evidence);
                self.convict(offence.ok_or(Refusal::ValidatorUnknown)?, Some(by))
            }
            Body::Propose(body) => self.propose(by, body.action),
            Body::Vote(body) => self.vote(by, body),
            other => panic!("nobody does {}", other.kind()),
        }
    }

    pub(super) fn known(&self, validator: u32) -> Result<&Validator, Refusal> {
        self.validators.get(&validator).ok_or(Refusal::ValidatorUnknown)
    }

    fn start_grant(&mut self, tranche: Tranche, to: Address, amount: u128) {
        let number = u32::try_from(self.grants.len()).unwrap();
        self.give(Purse::Reserve(tranche), Purse::Vesting(GrantId(number)), amount).unwrap();
        self.grants.push((to, amount, self.now));
    }

    fn claim_grant(&mut self, by: Address, grant: GrantId) -> Done {
        let (to, amount, start) =
            *self.grants.get(grant.0 as usize).ok_or(Refusal::GrantUnknown)?;
        if to != by {
            return Err(Refusal::NotGrantee);
        }
        let vesting = self.spec.economy.as_ref().unwrap().vesting;
        let elapsed = self.now.saturating_sub(start);
        let vested = match () {
            () if elapsed < vesting.cliff_ms => 0,
            () if elapsed >= vesting.duration_ms => amount,
            () => small(&(big(amount) * elapsed / vesting.duration_ms)),
        };
        let taken = amount - self.has(Purse::Vesting(grant));
        if vested <= taken {
            return Err(Refusal::NothingVested);
        }
        self.give(Purse::Vesting(grant), Purse::Account(by), vested - taken)
    }

    fn claim_airdrop(&mut self, body: &ClaimAirdrop) -> Done {
        let AirdropSpec { until_ms, .. } = self.spec.economy.as_ref().unwrap().airdrop.unwrap();
        if self.now > until_ms {
            return Err(Refusal::AirdropClosed);
        }
        if !super::world::SHARES.1.iter().any(|(share, _)| *share == body.share) {
            return Err(Refusal::NoShare);
        }
        if !self.taken.insert(body.share.index) {
            return Err(Refusal::AirdropTaken);
        }
        self.give(Purse::Airdrop, Purse::Account(body.share.to), body.share.amount.units())
    }

    /// Whether a key may be registered by an operator: the key of the same person.
    fn possessed(by: Address, key: Address) -> bool {
        let person = super::world::PEOPLE.iter().position(|it| *it == by);
        person.is_some_and(|person| KEYS[person].0 == key)
    }
}
