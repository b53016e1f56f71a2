//! The ledger once more, as plainly as possible: the market of the other model, and the economy, in
//! which every delegator is walked over for everything that concerns it, numbers have no end, and
//! nothing is kept that can be summed up. It shares values with the ledger, and no rule.

mod launches;
mod offences;
mod seats;
mod stake;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::{
    AirdropSpec, Commission, EconomyParams, EconomySpec, Offence, Tranche,
};
use ciro_protocol::event::{Failure, ProposalStatus, Purse};
use ciro_protocol::id::{GrantId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Action, Body, ClaimAirdrop, SignedTx, VoteOption};
use num_bigint::BigUint;

use super::super::naive::{Alarm, Naive};
use super::world::{KEYS, params};

use self::launches::Launch;
pub(crate) use self::seats::{Member as Seated, Set};

type Done = Result<(), Refusal>;

#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// Money, models, providers, jobs, timers and the time.
    pub(crate) market: Naive,
    pub(crate) params: EconomyParams,
    height: u64,
    pub(crate) validators: BTreeMap<u32, Validator>,
    next_validator: u32,
    pub(crate) departures: BTreeMap<u64, Departure>,
    next_departure: u64,
    /// What convictions have cost of what left a validator in an epoch.
    lost: BTreeMap<(u32, u64), u64>,
    grants: Vec<(Address, u128, u64)>,
    taken: BTreeSet<u32>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) launches: Vec<Launch>,
    /// How many proposals have replaced the parameters.
    replaced: usize,
    /// What votes took out of the treasury since the epoch of rewards began.
    spent: u128,
    offences: BTreeSet<Offence>,
    /// Who votes in each epoch that was elected.
    pub(crate) sets: BTreeMap<u64, Set>,
    /// Who votes in the epoch of the next block.
    pub(crate) seated: BTreeMap<u32, Seated>,
    slots: BTreeSet<u64>,
    seen: BTreeMap<u32, BTreeSet<u64>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Validator {
    pub(crate) operator: Address,
    pub(crate) key: Address,
    /// Whether it was there from the beginning, or has been a member that was there.
    pub(crate) has_run: bool,
    commission: Commission,
    changed: u64,
    pub(crate) jail: Option<u64>,
    pub(crate) dead: bool,
    lost: u64,
    pub(crate) members: BTreeMap<Address, Member>,
}

/// What one account has at a validator's stake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) shares: BigUint,
    /// Rewards since its shares last changed, in units of 2^-64.
    since: BigUint,
    earned: BigUint,
}

#[derive(Clone, Debug)]
pub(crate) struct Departure {
    validator: u32,
    epoch: u64,
    account: Address,
    shares: BigUint,
    to: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    by: Address,
    action: Action,
    pub(crate) status: ProposalStatus,
    pub(crate) failure: Option<Failure>,
    votes: BTreeMap<(u32, Address), VoteOption>,
    /// The least that everybody who was there when it was made has had since.
    least: BTreeMap<(u32, Address), BigUint>,
    /// The parameters when it was made.
    seen: usize,
}

pub(super) fn big(number: u128) -> BigUint {
    BigUint::from(number)
}

pub(super) fn small(number: &BigUint) -> u128 {
    u128::try_from(number).unwrap()
}

impl Whole {
    pub(crate) fn new(spec: &ChainSpec) -> Self {
        let mut whole = Self {
            market: Naive::new(spec.clone()),
            params: spec.economy.as_ref().map_or_else(params, |it| it.params),
            height: 0,
            validators: BTreeMap::new(),
            next_validator: 4,
            departures: BTreeMap::new(),
            next_departure: 0,
            lost: BTreeMap::new(),
            grants: Vec::new(),
            taken: BTreeSet::new(),
            proposals: Vec::new(),
            launches: Vec::new(),
            replaced: 0,
            spent: 0,
            offences: BTreeSet::new(),
            sets: BTreeMap::new(),
            seated: BTreeMap::new(),
            slots: BTreeSet::new(),
            seen: BTreeMap::new(),
        };
        let first = spec.validators.iter().map(|it| (it.id, (it.key, it.stake)));
        whole.sets = [(0, first.clone().collect()), (1, first.collect())].into();
        whole.sit(0);
        if let Some(economy) = &spec.economy {
            whole.endow(spec, economy);
        }
        whole
    }

    /// Divides the supply among its parts: what is given out from the start is the ecosystem's.
    fn endow(&mut self, spec: &ChainSpec, economy: &EconomySpec) {
        let part = |bps: u16| 10_u128.pow(27) / 10_000 * u128::from(bps);
        let allocation = economy.allocation;
        let parts = [
            (Purse::Rewards, part(allocation.rewards_bps)),
            (Purse::Reserve(Tranche::Team), part(allocation.team_bps)),
            (Purse::Reserve(Tranche::Investors), part(allocation.investors_bps)),
            (Purse::Airdrop, part(allocation.public_bps)),
        ];
        for (purse, amount) in parts {
            self.give(Purse::Treasury, purse, amount).unwrap();
        }
        for grant in economy.grants.iter() {
            self.start_grant(grant.tranche, grant.to, grant.amount.units());
            self.grants.last_mut().unwrap().2 = economy.vesting.start_ms;
        }
        for genesis in spec.validators.iter() {
            let bond = u128::from(genesis.stake) * 1_000_000_000;
            let to = Purse::Stake(ValidatorId(genesis.id));
            self.give(Purse::Treasury, to, bond).unwrap();
            let own = Member { shares: big(bond), ..Member::default() };
            let validator = Validator {
                operator: genesis.key,
                key: genesis.key,
                has_run: true,
                commission: economy.commission,
                changed: spec.genesis_ms,
                jail: None,
                dead: false,
                lost: 0,
                members: BTreeMap::from([(genesis.key, own)]),
            };
            self.validators.insert(genesis.id, validator);
        }
    }

    pub(crate) fn has(&self, purse: Purse) -> u128 {
        self.market.has(purse)
    }

    fn give(&mut self, from: Purse, to: Purse, amount: u128) -> Done {
        self.market.give(from, to, amount)
    }

    fn alarm(&mut self, at: u64, alarm: Alarm) {
        self.market.alarm(at, alarm);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.height.saturating_sub(1) / self.market.spec.consensus.epoch_length
    }

    /// Begins a block: the clock, who was there, and what consensus punishes.
    pub(crate) fn begin(&mut self, batches: &[(u32, u64)], punish: &[Offence]) {
        self.height += 1;
        let before = self.median();
        for (member, time) in batches {
            if let Some(member) = self.seated.get_mut(member) {
                member.clock = member.clock.max(*time);
            }
        }
        let median = self.median();
        let is_late = median > self.market.now + 24 * 3_600_000;
        let step = if is_late { 5_000 } else { (2 * (median - before)).min(5_000) };
        let furthest = if self.height == 1 { u64::MAX } else { self.market.now + step };
        self.market.now = self.market.now.max(median.min(furthest));
        let Some(economy) = self.market.spec.economy.clone() else { return };
        if self.height == 1 {
            self.alarm(self.market.now + self.params.epoch_ms, Alarm::Epoch);
            self.alarm(economy.airdrop.unwrap().until_ms + 1, Alarm::AirdropEnds);
        }
        let slot_ms = self.params.penalty.slot_ms;
        if median <= self.market.now + slot_ms {
            let slot = self.market.now / slot_ms;
            self.slots.insert(slot);
            for (member, _) in batches.iter().filter(|(it, _)| self.seated.contains_key(it)) {
                self.seen.entry(*member).or_default().insert(slot);
            }
        } else {
            self.market.happens("a slot does not count");
        }
        for offence in punish {
            let before = self.clone();
            let what = match self.convict(*offence, None) {
                Ok(()) if offence.rule > 5 => "a fault that delays is punished",
                Ok(()) => "a fault that forks is punished",
                Err(refusal) => {
                    *self = before;
                    refusal.name()
                }
            };
            self.market.happens(what);
        }
    }

    /// The time that at least half of the weight has reached.
    fn median(&self) -> u64 {
        let mut clocks: Vec<(u64, u64)> =
            self.seated.values().map(|it| (it.clock, it.weight)).collect();
        clocks.sort_unstable();
        let all: u64 = clocks.iter().map(|(_, weight)| weight).sum();
        let reached = |time: u64| -> u64 {
            clocks.iter().filter(|(it, _)| *it <= time).map(|(_, weight)| weight).sum()
        };
        clocks.iter().map(|(time, _)| *time).find(|time| 2 * reached(*time) >= all).unwrap()
    }

    /// Ends a block: what is due happens, the first of it.
    pub(crate) fn end(&mut self) {
        for timer in self.market.due() {
            if !self.market.take(&timer) {
                continue;
            }
            match timer.2 {
                Alarm::Epoch => self.end_epoch(timer.0),
                Alarm::AirdropEnds => {
                    self.market.happens("the airdrop ends");
                    let rest = self.has(Purse::Airdrop);
                    self.give(Purse::Airdrop, Purse::Treasury, rest).unwrap();
                }
                Alarm::Departs(number) => self.departs(number),
                Alarm::VoteEnds(proposal) => self.vote_ends(proposal),
                Alarm::Enact(proposal) => self.enact(proposal),
                Alarm::LaunchEnds(launch) => self.expire(launch),
                other => self.market.fire(other),
            }
            self.watch();
        }
        self.market.forget();
        self.elect();
    }

    /// Executes a transaction; returns its fee, and why it is refused.
    pub(crate) fn execute(&mut self, tx: &SignedTx) -> (u128, Option<Refusal>) {
        let fee = match self.market.admit(tx) {
            Ok(fee) => fee,
            Err(refusal) => return (0, Some(refusal)),
        };
        let before = self.clone();
        let refused = self.perform(tx).err();
        if refused.is_some() {
            *self = before;
        }
        self.watch();
        (fee, refused)
    }

    fn perform(&mut self, tx: &SignedTx) -> Done {
        let (by, body) = (tx.body.header.account, &tx.body.body);
        if let Body::Redelegate(body) = body
            && body.from == body.to
        {
            return Err(Refusal::SameValidator);
        }
        if self.market.spec.economy.is_none() && is_of_the_economy(body) {
            return Err(Refusal::EconomyClosed);
        }
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
                if self.known(body.to.0)?.dead {
                    return Err(Refusal::ValidatorTombstoned);
                }
                self.known(body.from.0)?;
                self.depart(by, body.from.0, Some(body.to.0), body.amount.units())
            }
            Body::ClaimRewards(body) => self.claim_rewards(by, body.validator.0),
            Body::UnjailValidator => self.unjail(by),
            Body::ReportOffence(body) => {
                let offence = Offence::claimed(&body.evidence).ok_or(Refusal::ValidatorUnknown)?;
                if self.known(offence.validator.0)?.key != body.key {
                    return Err(Refusal::OffenderKey);
                }
                self.convict(offence, Some(by))
            }
            Body::Propose(body) => self.propose(by, &body.action),
            Body::Vote(body) => self.vote(by, body),
            other => self.market.perform(tx.body.id(), by, other),
        }
    }

    pub(super) fn known(&self, validator: u32) -> Result<&Validator, Refusal> {
        self.validators.get(&validator).ok_or(Refusal::ValidatorUnknown)
    }

    fn start_grant(&mut self, tranche: Tranche, to: Address, amount: u128) {
        let number = u32::try_from(self.grants.len()).unwrap();
        self.give(Purse::Reserve(tranche), Purse::Vesting(GrantId(number)), amount).unwrap();
        self.grants.push((to, amount, self.market.now));
    }

    fn claim_grant(&mut self, by: Address, grant: GrantId) -> Done {
        let (to, amount, start) =
            *self.grants.get(grant.0 as usize).ok_or(Refusal::GrantUnknown)?;
        if to != by {
            return Err(Refusal::NotGrantee);
        }
        let vesting = self.market.spec.economy.as_ref().unwrap().vesting;
        let elapsed = self.market.now.saturating_sub(start);
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
        let economy = self.market.spec.economy.as_ref().unwrap();
        let AirdropSpec { until_ms, .. } = economy.airdrop.unwrap();
        if self.market.now > until_ms {
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

/// Whether a network without an economy refuses it for that.
const fn is_of_the_economy(body: &Body) -> bool {
    matches!(
        body,
        Body::ClaimGrant(_)
            | Body::ClaimAirdrop(_)
            | Body::RegisterValidator(_)
            | Body::SetCommission(_)
            | Body::Delegate(_)
            | Body::Undelegate(_)
            | Body::Redelegate(_)
            | Body::ClaimRewards(_)
            | Body::UnjailValidator
            | Body::ReportOffence(_)
            | Body::Propose(_)
            | Body::Vote(_)
    )
}
