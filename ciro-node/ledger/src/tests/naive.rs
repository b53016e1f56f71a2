//! The ledger once more, as plainly as possible: whole copies instead of overlays, plain numbers, no table.
//! It shares values with the ledger, and no rule.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{JobId, ModelId, ProviderId, TxId};
use ciro_protocol::order::{Class, JobOrder, Mode};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, ReleaseReason, SignedTx};
use ciro_protocol::wire::Message;

#[derive(Clone, Debug)]
pub(super) struct Naive {
    pub(super) spec: ChainSpec,
    pub(super) now: u64,
    pub(super) money: BTreeMap<Purse, u128>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) providers: Vec<Provider>,
    pub(super) models: BTreeMap<ModelId, Model>,
    pub(super) seen: BTreeMap<TxId, u64>,
    given: BTreeMap<u64, u128>,
    takers: BTreeSet<Address>,
    timers: Vec<(u64, u64, Alarm)>,
    alarms: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) by: Address,
    pub(super) order: JobOrder,
    class: Class,
    pub(super) attempt: u8,
    failed: Vec<u32>,
    no_input: u8,
    pub(super) status: Status,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Status {
    Open,
    Held { provider: u32, price: u128, renewals: u8 },
    Settled,
    Refunded,
}

#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) account: Address,
    memory: u32,
    region: [u8; 2],
    classes: BTreeMap<Class, u128>,
    capacity: u16,
    strikes: Vec<u64>,
    pub(super) jail: Option<u64>,
    pub(super) settled: u64,
    pub(super) lost: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) owner: Address,
    keys: Vec<([u8; 32], u16, u16, Class)>,
    listed: Vec<u32>,
    pub(super) retired: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Alarm {
    Lease(JobId),
    Deadline(JobId),
    Free(u32, u128),
}

type Result = std::result::Result<(), Refusal>;

impl Naive {
    pub(super) fn new(spec: ChainSpec) -> Self {
        let mut money: BTreeMap<Purse, u128> = BTreeMap::new();
        for account in spec.accounts.iter() {
            money.insert(Purse::Account(account.address), account.amount.units());
        }
        money.insert(Purse::Faucet, spec.faucet.unwrap().total.units());
        let rest = 10_u128.pow(27) - money.values().sum::<u128>();
        money.insert(Purse::Treasury, rest);
        Self {
            now: spec.genesis_ms,
            spec,
            money,
            jobs: BTreeMap::new(),
            providers: Vec::new(),
            models: BTreeMap::new(),
            seen: BTreeMap::new(),
            given: BTreeMap::new(),
            takers: BTreeSet::new(),
            timers: Vec::new(),
            alarms: 0,
        }
    }

    pub(super) fn has(&self, purse: Purse) -> u128 {
        self.money.get(&purse).copied().unwrap_or(0)
    }

    fn give(&mut self, from: Purse, to: Purse, amount: u128) -> Result {
        if self.has(from) < amount {
            return Err(Refusal::InsufficientFunds);
        }
        *self.money.entry(from).or_default() -= amount;
        *self.money.entry(to).or_default() += amount;
        self.money.retain(|_, amount| *amount > 0);
        Ok(())
    }

    fn burn_part(&mut self, from: Purse, fee: u128) {
        let burned = fee * u128::from(self.spec.fees.burn_bps) / 10_000;
        self.give(from, Purse::Burned, burned).unwrap();
        self.give(from, Purse::Treasury, fee - burned).unwrap();
    }

    fn alarm(&mut self, at: u64, alarm: Alarm) {
        self.alarms += 1;
        self.timers.push((at, self.alarms, alarm));
    }

    /// Executes a transaction; returns fee and refusal.
    pub(super) fn execute(&mut self, tx: &SignedTx) -> (u128, Option<Refusal>) {
        let (header, id, body) = (tx.body.header, tx.body.id(), &tx.body.body);
        let fees = &self.spec.fees;
        let checks = match body {
            Body::SubmitProof(_) | Body::ReportFraud(_) => 1,
            Body::RegisterModel(model) => model.card.keys.len(),
            _ => 0,
        };
        let fee = match body {
            Body::Faucet => 0,
            _ => {
                fees.base.units()
                    + tx.to_bytes().len() as u128 * fees.per_byte.units()
                    + checks as u128 * fees.per_check.units()
            }
        };
        let account = Purse::Account(header.account);
        let refused = if header.valid_until_ms < self.now {
            Some(Refusal::Expired)
        } else if header.valid_until_ms - self.now > self.spec.time.validity_max_ms {
            Some(Refusal::ValidityTooLong)
        } else if self.seen.contains_key(&id) {
            Some(Refusal::Duplicate)
        } else if fee > header.fee_max.units() {
            Some(Refusal::FeeAboveMax)
        } else if self.has(account) < fee {
            Some(Refusal::FeeUnaffordable)
        } else {
            None
        };
        if refused.is_some() {
            return (0, refused);
        }
        self.burn_part(account, fee);
        self.seen.insert(id, header.valid_until_ms);
        let before = self.clone();
        let result = self.perform(id, header.account, body);
        if result.is_err() {
            *self = before;
        }
        (fee, result.err())
    }

    fn perform(&mut self, id: TxId, by: Address, body: &Body) -> Result {
        match body {
            Body::Order(order) => self.order(id.into(), by, order),
            Body::Cancel(body) => self.cancel(body.job, by),
            Body::Claim(body) => self.claim(body.job, by, body.attempt),
            Body::Release(body) => self.release(body.job, by, body.attempt, body.reason),
            Body::Renew(body) => self.renew(body.job, by, body.attempt),
            Body::SubmitProof(body) => {
                let (provider, price) = self.holder(body.job, by, body.attempt)?;
                let order = self.jobs[&body.job].order.clone();
                match () {
                    () if self.now > order.offer.deadline_ms => Err(Refusal::DeadlinePassed),
                    () if body.proven.verifier != 1 => Err(Refusal::VerifierInactive),
                    () if body.proven.key != order.key => Err(Refusal::WrongKey),
                    () if body.proven.input != order.input.statement => Err(Refusal::WrongInput),
                    () => self.settle(body.job, provider, price),
                }
            }
            Body::ReportFraud(body) => {
                let (job, attempt) = (body.submitted.job, body.submitted.attempt);
                let (provider, _) = self.holder(job, body.header.account, attempt)?;
                self.fraud(job, provider, by);
                Ok(())
            }
            other => self.perform_other(by, other),
        }
    }

    fn perform_other(&mut self, by: Address, body: &Body) -> Result {
        let account = Purse::Account(by);
        match body {
            Body::Transfer(body) if body.amount.is_zero() => Err(Refusal::ZeroAmount),
            Body::Transfer(body) => {
                self.give(account, Purse::Account(body.to), body.amount.units())
            }
            Body::Faucet => self.faucet(by),
            Body::RegisterModel(body) => self.register_model(by, body),
            Body::UpdateModel(body) => {
                let model = self.own(body.model, by)?;
                model.listed = body.listing.providers.iter().map(|it| it.0).collect();
                Ok(())
            }
            Body::RetireModel(body) => {
                self.own(body.model, by)?.retired = true;
                let purse = Purse::Deposit(body.model);
                self.give(purse, account, self.has(purse))
            }
            other => self.perform_provider(by, other),
        }
    }

    fn perform_provider(&mut self, by: Address, body: &Body) -> Result {
        let account = Purse::Account(by);
        let mine = self.providers.iter().position(|it| it.account == by);
        let mine = mine.ok_or(Refusal::ProviderUnknown);
        match body {
            Body::RegisterProvider(body) => {
                if mine.is_ok() {
                    return Err(Refusal::ProviderExists);
                }
                self.register_provider(by, body)
            }
            Body::SetAsks(body) => {
                let mine = mine?;
                asks_fit(&body.asks)?;
                let prices = body.asks.prices.iter();
                self.providers[mine].classes =
                    prices.map(|it| (it.class, it.price.units())).collect();
                self.providers[mine].capacity = body.asks.capacity;
                Ok(())
            }
            Body::AddBond(body) => {
                let id = ProviderId(u32::try_from(mine?).unwrap());
                if body.amount.is_zero() {
                    return Err(Refusal::ZeroAmount);
                }
                self.give(account, Purse::Bond(id), body.amount.units())
            }
            Body::Unbond(body) => {
                let (mine, amount) = (mine?, body.amount.units());
                let id = ProviderId(u32::try_from(mine).unwrap());
                if amount == 0 {
                    return Err(Refusal::ZeroAmount);
                }
                if self.providers[mine].jail.is_some() {
                    return Err(Refusal::ProviderJailed);
                }
                let free = self.give(Purse::Bond(id), Purse::Unbonding(id), amount);
                free.map_err(|_| Refusal::BondLocked)?;
                let at = self.now + self.spec.time.unbonding_ms;
                self.alarm(at, Alarm::Free(id.0, amount));
                Ok(())
            }
            Body::Unjail => {
                let provider = &mut self.providers[mine?];
                let until = provider.jail.ok_or(Refusal::NotJailed)?;
                if self.now < until {
                    return Err(Refusal::JailNotOver);
                }
                provider.jail = None;
                Ok(())
            }
            _ => unreachable!("bodies about jobs are handled before"),
        }
    }

    fn register_provider(
        &mut self,
        by: Address,
        body: &ciro_protocol::tx::RegisterProvider,
    ) -> Result {
        asks_fit(&body.asks)?;
        if body.bond < self.spec.providers.bond_min {
            return Err(Refusal::BondTooSmall);
        }
        let id = ProviderId(u32::try_from(self.providers.len()).unwrap());
        self.give(Purse::Account(by), Purse::Bond(id), body.bond.units())?;
        let prices = body.asks.prices.iter();
        self.providers.push(Provider {
            account: by,
            memory: body.profile.memory_mb,
            region: body.profile.region.code(),
            classes: prices.map(|it| (it.class, it.price.units())).collect(),
            capacity: body.asks.capacity,
            strikes: Vec::new(),
            jail: None,
            settled: 0,
            lost: 0,
        });
        Ok(())
    }

    fn faucet(&mut self, by: Address) -> Result {
        let faucet = self.spec.faucet.ok_or(Refusal::FaucetClosed)?;
        if self.takers.contains(&by) {
            return Err(Refusal::FaucetTaken);
        }
        let gift = faucet.per_account.units();
        let today = self.given.entry(self.now / 86_400_000).or_default();
        if *today + gift > faucet.per_day.units() {
            return Err(Refusal::FaucetDry);
        }
        *today += gift;
        self.takers.insert(by);
        self.give(Purse::Faucet, Purse::Account(by), gift).map_err(|_| Refusal::FaucetDry)
    }

    fn register_model(&mut self, by: Address, body: &ciro_protocol::tx::RegisterModel) -> Result {
        let card = &body.card;
        let distinct: BTreeSet<_> = card.keys.iter().map(|key| key.facts.digest).collect();
        let tensor = ciro_protocol::order::Route::Tensor;
        match () {
            () if card.owner != by => Err(Refusal::NotOwner),
            () if distinct.is_empty() || distinct.len() < card.keys.len() => Err(Refusal::NoKeys),
            () if card.keys.iter().any(|key| key.facts.route != tensor) => {
                Err(Refusal::RouteClosed)
            }
            () if card.bytes > 4 << 20 => Err(Refusal::ModelTooLarge),
            () if self.models.contains_key(&card.id()) => Err(Refusal::ModelExists),
            () => {
                let mib = u128::from(card.bytes).div_ceil(1 << 20);
                self.give(Purse::Account(by), Purse::Deposit(card.id()), 1_000 * mib)?;
                let keys = card.keys.iter().map(|key| {
                    let facts = key.facts;
                    (facts.digest.0, facts.bits, facts.proven_bits, Class::Xs)
                });
                let keys = keys.collect();
                let listed = body.listing.providers.iter().map(|it| it.0).collect();
                let model = Model { owner: by, keys, listed, retired: false };
                self.models.insert(card.id(), model);
                Ok(())
            }
        }
    }

    fn own(&mut self, id: ModelId, by: Address) -> std::result::Result<&mut Model, Refusal> {
        let model = self.models.get_mut(&id).ok_or(Refusal::ModelUnknown)?;
        if model.owner != by {
            return Err(Refusal::NotOwner);
        }
        if model.retired { Err(Refusal::ModelRetired) } else { Ok(model) }
    }

    fn order(&mut self, id: JobId, by: Address, order: &JobOrder) -> Result {
        let model = self.models.get(&order.model).ok_or(Refusal::ModelUnknown)?;
        if model.retired {
            return Err(Refusal::ModelRetired);
        }
        let key = model.keys.iter().find(|key| key.0 == order.key.0);
        let &(_, bits, proven_bits, class) = key.ok_or(Refusal::KeyUnknown)?;
        if order.policy.bits < 100 {
            return Err(Refusal::PolicyTooWeak);
        }
        if order.policy.bits > if order.policy.proven { proven_bits } else { bits } {
            return Err(Refusal::PolicyUnmet);
        }
        let offer = &order.offer;
        let direct = matches!(offer.mode, Mode::Direct(_));
        if offer.price_min > offer.price_max {
            return Err(Refusal::PriceRange);
        }
        if offer.lease_ms < 2_000 || offer.lease_ms > 20_000 {
            return Err(Refusal::LeaseRange);
        }
        if offer.deadline_ms <= self.now || offer.deadline_ms > self.now + 60_000 {
            return Err(Refusal::DeadlineRange);
        }
        if offer.attempts_max == 0 || offer.attempts_max > if direct { 1 } else { 4 } {
            return Err(Refusal::AttemptsRange);
        }
        if order.input.bytes > 1_000 {
            return Err(Refusal::InputTooLarge);
        }
        self.give(Purse::Account(by), Purse::Escrow(id), offer.price_max.units())?;
        self.alarm(offer.deadline_ms, Alarm::Deadline(id));
        let (order, status) = (order.clone(), Status::Open);
        let job = Job { by, order, class, attempt: 1, failed: vec![], no_input: 0, status };
        self.jobs.insert(id, job);
        if let Mode::Direct(provider) = self.jobs[&id].order.offer.mode {
            if provider.0 as usize >= self.providers.len() {
                return Err(Refusal::ProviderUnknown);
            }
            self.may_hold(id, provider.0)?;
            let ask = self.providers[provider.0 as usize].classes[&class];
            if ask > self.jobs[&id].order.offer.price_max.units() {
                return Err(Refusal::AskAbovePrice);
            }
            self.hold(id, provider.0, ask);
        }
        Ok(())
    }

    fn may_hold(&self, id: JobId, number: u32) -> Result {
        let (job, provider) = (&self.jobs[&id], &self.providers[number as usize]);
        let order = &job.order;
        let held = self.jobs.values().filter(|it| it.holder() == Some(number));
        let locked: u128 = held.clone().map(|it| it.order.offer.collateral.units()).sum();
        let free = self.has(Purse::Bond(ProviderId(number)));
        let listed = &self.models[&order.model].listed;
        let recipients: Vec<u32> = order.input.recipients.iter().map(|it| it.0).collect();
        let regions: Vec<[u8; 2]> = order.needs.regions.iter().map(|it| it.code()).collect();
        let failing = [
            (provider.jail.is_some(), Refusal::ProviderJailed),
            (free + locked < 5_000, Refusal::ProviderInactive),
            (job.failed.contains(&number), Refusal::FailedBefore),
            (!provider.classes.contains_key(&job.class), Refusal::ClassNotOffered),
            (!regions.is_empty() && !regions.contains(&provider.region), Refusal::RegionMismatch),
            (provider.memory < order.needs.memory_mb, Refusal::MemoryTooSmall),
            (!listed.is_empty() && !listed.contains(&number), Refusal::NotListed),
            (!recipients.is_empty() && !recipients.contains(&number), Refusal::NotRecipient),
            (held.count() >= usize::from(provider.capacity), Refusal::CapacityFull),
            (free < order.offer.collateral.units(), Refusal::CollateralUnaffordable),
        ];
        failing.into_iter().find(|(fails, _)| *fails).map_or(Ok(()), |(_, refusal)| Err(refusal))
    }

    fn hold(&mut self, id: JobId, provider: u32, price: u128) {
        let offer = self.jobs[&id].order.offer.clone();
        let bond = Purse::Bond(ProviderId(provider));
        self.give(bond, Purse::Collateral(id), offer.collateral.units()).unwrap();
        self.jobs.get_mut(&id).unwrap().status = Status::Held { provider, price, renewals: 0 };
        self.alarm(self.now + offer.lease_ms, Alarm::Lease(id));
    }

    fn claim(&mut self, id: JobId, by: Address, attempt: u8) -> Result {
        self.must_be_open(id)?;
        let provider = self.providers.iter().position(|it| it.account == by);
        let provider = u32::try_from(provider.ok_or(Refusal::ProviderUnknown)?).unwrap();
        let job = &self.jobs[&id];
        if job.attempt != attempt {
            return Err(Refusal::WrongAttempt);
        }
        let offer = job.order.offer.clone();
        if self.now >= offer.deadline_ms {
            return Err(Refusal::DeadlinePassed);
        }
        self.may_hold(id, provider)?;
        let (low, high) = (offer.price_min.units(), offer.price_max.units());
        let passed = u128::from(self.now.max(offer.ramp_start_ms) - offer.ramp_start_ms);
        let ramp = u128::from(offer.ramp_ms);
        let price = if self.now < offer.ramp_start_ms {
            low
        } else if passed >= ramp {
            high
        } else {
            low + (high - low) * passed / ramp
        };
        self.hold(id, provider, price);
        Ok(())
    }

    fn cancel(&mut self, id: JobId, by: Address) -> Result {
        self.must_be_open(id)?;
        if self.jobs[&id].by != by {
            return Err(Refusal::NotRequester);
        }
        self.refund(id);
        Ok(())
    }

    fn must_be_open(&self, id: JobId) -> Result {
        match self.jobs.get(&id).map(|job| &job.status) {
            None => Err(Refusal::JobUnknown),
            Some(Status::Open) => Ok(()),
            Some(Status::Held { .. }) => Err(Refusal::JobClaimed),
            Some(Status::Settled) => Err(Refusal::JobSettled),
            Some(Status::Refunded) => Err(Refusal::JobRefunded),
        }
    }

    fn holder(
        &self,
        id: JobId,
        by: Address,
        attempt: u8,
    ) -> std::result::Result<(u32, u128), Refusal> {
        match self.must_be_open(id) {
            Ok(()) => return Err(Refusal::JobNotClaimed),
            Err(Refusal::JobClaimed) => {}
            Err(other) => return Err(other),
        }
        let job = &self.jobs[&id];
        if job.attempt != attempt {
            return Err(Refusal::WrongAttempt);
        }
        let Status::Held { provider, price, .. } = job.status else { unreachable!() };
        if self.providers[provider as usize].account == by {
            Ok((provider, price))
        } else {
            Err(Refusal::NotHolder)
        }
    }

    fn renew(&mut self, id: JobId, by: Address, attempt: u8) -> Result {
        self.holder(id, by, attempt)?;
        let now = self.now;
        let job = self.jobs.get_mut(&id).unwrap();
        if now > job.order.offer.deadline_ms {
            return Err(Refusal::DeadlinePassed);
        }
        let Status::Held { renewals, .. } = &mut job.status else { unreachable!() };
        if *renewals == 2 {
            return Err(Refusal::RenewalsSpent);
        }
        *renewals += 1;
        let at = now + job.order.offer.lease_ms;
        self.timers.retain(|(_, _, alarm)| *alarm != Alarm::Lease(id));
        self.alarm(at, Alarm::Lease(id));
        Ok(())
    }

    fn settle(&mut self, id: JobId, provider: u32, price: u128) -> Result {
        let escrow = Purse::Escrow(id);
        let fee = price / 10;
        self.burn_part(escrow, fee);
        let account = Purse::Account(self.providers[provider as usize].account);
        self.give(escrow, account, price - fee)?;
        self.collateral_back(id, provider);
        self.providers[provider as usize].settled += 1;
        self.close(id, Status::Settled);
        Ok(())
    }

    fn release(&mut self, id: JobId, by: Address, attempt: u8, why: ReleaseReason) -> Result {
        let (provider, _) = self.holder(id, by, attempt)?;
        let requester = Purse::Account(self.jobs[&id].by);
        if why == ReleaseReason::Unable {
            let part = self.has(Purse::Collateral(id)) * 5 / 100;
            self.give(Purse::Collateral(id), requester, part)?;
        } else {
            self.jobs.get_mut(&id).unwrap().no_input += 1;
        }
        self.collateral_back(id, provider);
        self.providers[provider as usize].lost += 1;
        if self.jobs[&id].no_input == 2 {
            self.refund(id);
        } else {
            self.next_attempt(id, provider);
        }
        Ok(())
    }

    fn fraud(&mut self, id: JobId, provider: u32, reporter: Address) {
        let bond = Purse::Bond(ProviderId(provider));
        let held = self.jobs.values().filter(|it| it.holder() == Some(provider));
        let locked: u128 = held.map(|it| it.order.offer.collateral.units()).sum();
        let free = self.has(bond);
        let slashed = ((free + locked) / 10).min(free);
        let reward = slashed * 5 / 100;
        self.give(bond, Purse::Account(reporter), reward).unwrap();
        self.give(bond, Purse::Burned, slashed - reward).unwrap();
        self.collateral_gone(id);
        self.providers[provider as usize].lost += 1;
        self.providers[provider as usize].jail = Some(self.now + self.spec.time.jail_ms);
        self.next_attempt(id, provider);
    }

    fn collateral_back(&mut self, id: JobId, provider: u32) {
        let purse = Purse::Collateral(id);
        self.give(purse, Purse::Bond(ProviderId(provider)), self.has(purse)).unwrap();
    }

    fn collateral_gone(&mut self, id: JobId) {
        let (purse, requester) = (Purse::Collateral(id), Purse::Account(self.jobs[&id].by));
        let burned = self.has(purse) / 2;
        self.give(purse, Purse::Burned, burned).unwrap();
        self.give(purse, requester, self.has(purse)).unwrap();
    }

    fn next_attempt(&mut self, id: JobId, failed: u32) {
        self.timers.retain(|(_, _, alarm)| *alarm != Alarm::Lease(id));
        let job = self.jobs.get_mut(&id).unwrap();
        if job.attempt == job.order.offer.attempts_max {
            return self.refund(id);
        }
        job.failed.push(failed);
        job.attempt += 1;
        job.status = Status::Open;
    }

    fn refund(&mut self, id: JobId) {
        self.close(id, Status::Refunded);
    }

    fn close(&mut self, id: JobId, status: Status) {
        let escrow = Purse::Escrow(id);
        self.give(escrow, Purse::Account(self.jobs[&id].by), self.has(escrow)).unwrap();
        let job = self.jobs.get_mut(&id).unwrap();
        assert!(job.is_running(), "a job ends once");
        job.status = status;
        let of_job = |alarm: Alarm| alarm == Alarm::Lease(id) || alarm == Alarm::Deadline(id);
        self.timers.retain(|(_, _, alarm)| !of_job(*alarm));
    }

    fn late(&mut self, id: JobId) -> Option<u32> {
        let provider = self.jobs[&id].holder()?;
        self.collateral_gone(id);
        let (now, jail) = (self.now, self.spec.time.jail_ms);
        let record = &mut self.providers[provider as usize];
        record.lost += 1;
        record.strikes.push(now);
        record.strikes.retain(|at| now < at + 30_000);
        if record.strikes.len() == 2 {
            record.strikes.clear();
            record.jail = Some(now + jail);
        }
        Some(provider)
    }

    /// Begins a block whose only batch carries this time.
    pub(super) fn begin(&mut self, first: bool, time: u64) {
        if time > self.now {
            self.now = if first { time } else { time.min(self.now + 5_000) };
        }
    }

    /// Ends a block: what is due happens, the first three of it.
    pub(super) fn end(&mut self) {
        self.timers.sort_by_key(|(at, number, _)| (*at, *number));
        let due: Vec<_> =
            self.timers.iter().filter(|it| it.0 <= self.now).take(3).copied().collect();
        for alarm in due {
            if !self.timers.contains(&alarm) {
                continue;
            }
            self.timers.retain(|it| *it != alarm);
            match alarm.2 {
                Alarm::Free(provider, amount) => {
                    let account = Purse::Account(self.providers[provider as usize].account);
                    let bound = Purse::Unbonding(ProviderId(provider));
                    self.give(bound, account, amount).unwrap();
                }
                Alarm::Lease(id) => {
                    let provider = self.late(id).expect("a lease is of a job that is held");
                    self.next_attempt(id, provider);
                }
                Alarm::Deadline(id) => {
                    self.late(id);
                    self.refund(id);
                }
            }
        }
        let now = self.now;
        self.seen.retain(|_, until| *until >= now);
    }
}

impl Job {
    pub(super) const fn holder(&self) -> Option<u32> {
        match self.status {
            Status::Held { provider, .. } => Some(provider),
            _ => None,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.status, Status::Open | Status::Held { .. })
    }
}

fn asks_fit(asks: &ciro_protocol::provider::Asks) -> Result {
    let listed: Vec<Class> = asks.prices.iter().map(|ask| ask.class).collect();
    let distinct: BTreeSet<Class> = listed.iter().copied().collect();
    let fit = distinct.iter().eq(listed.iter()) && asks.capacity <= 4;
    if fit { Ok(()) } else { Err(Refusal::AsksRange) }
}
