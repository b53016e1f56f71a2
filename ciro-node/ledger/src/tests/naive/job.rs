//! Jobs of the naive model.

use ciro_protocol::event::Purse;
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::{Class, JobOrder, Mode};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::ReleaseReason;

use super::{Alarm, Job, Naive, Result, Status};

impl Naive {
    /// Returns the class of what is ordered, and whom the model is listed for.
    fn ordered(&self, order: &JobOrder) -> std::result::Result<(Class, Vec<u32>), Refusal> {
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
        Ok((class, model.listed_at(self.now)))
    }

    pub(super) fn order(&mut self, id: JobId, by: Address, order: &JobOrder) -> Result {
        let (class, listed) = self.ordered(order)?;
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
        if offer.collateral.units() < offer.price_max.units() / 10 {
            return Err(Refusal::CollateralTooSmall);
        }
        if order.input.bytes > 1_000 {
            return Err(Refusal::InputTooLarge);
        }
        self.give(Purse::Account(by), Purse::Escrow(id), offer.price_max.units())?;
        self.alarm(offer.deadline_ms, Alarm::Deadline(id));
        let order_key = order.key.0;
        let (order, status) = (order.clone(), Status::Open);
        let job = Job { by, order, class, attempt: 1, failed: vec![], listed, status };
        self.jobs.insert(id, job);
        if let Mode::Direct(provider) = self.jobs[&id].order.offer.mode {
            if provider.0 as usize >= self.providers.len() {
                return Err(Refusal::ProviderUnknown);
            }
            self.may_hold(id, provider.0)?;
            let offer = &self.jobs[&id].order.offer;
            let terms = self.providers[provider.0 as usize].direct.clone();
            let terms = terms.ok_or(Refusal::DirectNotOffered)?;
            if terms.keys.as_ref().is_some_and(|keys| !keys.contains(&order_key)) {
                return Err(Refusal::DirectNotServed);
            }
            let any_key = terms.keys.is_none();
            let unmet = [
                offer.collateral.units() > terms.collateral,
                offer.lease_ms < terms.lease,
                self.now + offer.lease_ms > offer.deadline_ms,
                self.jobs[&id].order.input.bytes > terms.bytes,
            ];
            if unmet.contains(&true) {
                return Err(Refusal::DirectTermsUnmet);
            }
            let ask = self.providers[provider.0 as usize].classes[&class];
            if ask > self.jobs[&id].order.offer.price_max.units() {
                return Err(Refusal::AskAbovePrice);
            }
            self.hold(id, provider.0, ask);
            let job = self.jobs.get_mut(&id).unwrap();
            job.status = Status::Held { provider: provider.0, price: ask, renewals: 0, any_key };
        }
        Ok(())
    }

    pub(super) fn may_hold(&self, id: JobId, number: u32) -> Result {
        let (job, provider) = (&self.jobs[&id], &self.providers[number as usize]);
        let order = &job.order;
        let held = self.jobs.values().filter(|it| it.holder() == Some(number));
        let locked: u128 = held.clone().map(|it| it.order.offer.collateral.units()).sum();
        let free = self.has(Purse::Bond(ProviderId(number)));
        let listed = &job.listed;
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

    pub(super) fn hold(&mut self, id: JobId, provider: u32, price: u128) {
        let offer = self.jobs[&id].order.offer.clone();
        let bond = Purse::Bond(ProviderId(provider));
        self.give(bond, Purse::Collateral(id), offer.collateral.units()).unwrap();
        let status = Status::Held { provider, price, renewals: 0, any_key: false };
        self.jobs.get_mut(&id).unwrap().status = status;
        self.alarm(self.now + offer.lease_ms, Alarm::Lease(id));
    }

    pub(super) fn claim(&mut self, id: JobId, by: Address, attempt: u8) -> Result {
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

    pub(super) fn cancel(&mut self, id: JobId, by: Address) -> Result {
        self.must_be_open(id)?;
        if self.jobs[&id].by != by {
            return Err(Refusal::NotRequester);
        }
        self.refund(id);
        Ok(())
    }

    pub(super) fn must_be_open(&self, id: JobId) -> Result {
        match self.jobs.get(&id).map(|job| &job.status) {
            None => Err(Refusal::JobUnknown),
            Some(Status::Open) => Ok(()),
            Some(Status::Held { .. }) => Err(Refusal::JobClaimed),
            Some(Status::Settled) => Err(Refusal::JobSettled),
            Some(Status::Refunded) => Err(Refusal::JobRefunded),
        }
    }

    pub(super) fn holder(
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

    pub(super) fn renew(&mut self, id: JobId, by: Address, attempt: u8) -> Result {
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

    pub(super) fn settle(&mut self, id: JobId, provider: u32, price: u128) -> Result {
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

    pub(super) fn release(
        &mut self,
        id: JobId,
        by: Address,
        attempt: u8,
        why: ReleaseReason,
    ) -> Result {
        let (provider, _) = self.holder(id, by, attempt)?;
        let requester = Purse::Account(self.jobs[&id].by);
        let direct = matches!(self.jobs[&id].order.offer.mode, Mode::Direct(_));
        let Status::Held { renewals, any_key, .. } = self.jobs[&id].status else { unreachable!() };
        let for_nothing = direct
            && renewals == 0
            && (why == ReleaseReason::InputUnavailable
                || (why == ReleaseReason::NotServed && any_key));
        if !for_nothing {
            let part = self.has(Purse::Collateral(id)) * 5 / 100;
            self.give(Purse::Collateral(id), requester, part)?;
        }
        self.collateral_back(id, provider);
        self.providers[provider as usize].lost += 1;
        self.next_attempt(id, provider);
        Ok(())
    }

    pub(super) fn fraud(&mut self, id: JobId, provider: u32, reporter: Address) {
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

    pub(super) fn collateral_back(&mut self, id: JobId, provider: u32) {
        let purse = Purse::Collateral(id);
        self.give(purse, Purse::Bond(ProviderId(provider)), self.has(purse)).unwrap();
    }

    pub(super) fn collateral_gone(&mut self, id: JobId) {
        let (purse, requester) = (Purse::Collateral(id), Purse::Account(self.jobs[&id].by));
        let burned = self.has(purse) / 2;
        self.give(purse, Purse::Burned, burned).unwrap();
        self.give(purse, requester, self.has(purse)).unwrap();
    }

    pub(super) fn next_attempt(&mut self, id: JobId, failed: u32) {
        self.timers.retain(|(_, _, alarm)| *alarm != Alarm::Lease(id));
        let job = self.jobs.get_mut(&id).unwrap();
        if job.attempt == job.order.offer.attempts_max {
            return self.refund(id);
        }
        job.failed.push(failed);
        job.attempt += 1;
        job.status = Status::Open;
    }

    pub(super) fn refund(&mut self, id: JobId) {
        self.close(id, Status::Refunded);
    }

    pub(super) fn close(&mut self, id: JobId, status: Status) {
        let escrow = Purse::Escrow(id);
        self.give(escrow, Purse::Account(self.jobs[&id].by), self.has(escrow)).unwrap();
        let job = self.jobs.get_mut(&id).unwrap();
        assert!(job.is_running(), "a job ends once");
        job.status = status;
        let of_job = |alarm: Alarm| alarm == Alarm::Lease(id) || alarm == Alarm::Deadline(id);
        self.timers.retain(|(_, _, alarm)| !of_job(*alarm));
    }

    pub(super) fn late(&mut self, id: JobId) -> Option<u32> {
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
}
