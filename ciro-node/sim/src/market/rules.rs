//! What the ledger may do, written down once more and apart from it: each executed transaction is
//! checked against this, and after each block the ledger's jobs are compared with these.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ciro_ledger::state::{ENDED, JOBS, Phase, View};
use ciro_protocol::amount::Amount;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::{Event, LossReason, Movement, Purse, Why};
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::{JobOrder, Mode};
use ciro_protocol::provider::DirectKeys;
use ciro_protocol::receipt::{Outcome, TxReceipt};
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, Release, ReleaseReason, SignedTx, SubmitProof};

/// Ledger time after a deadline within which a job must have ended while blocks go on, in ms.
pub(super) const LATE_MS: u64 = 10_000;

/// A job as the rules have it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) order: JobOrder,
    requester: Address,
    pub(super) attempt: u8,
    failed: Vec<ProviderId>,
    /// Renewals of the lease at hand.
    renewals: u8,
    /// What the job's holders owe that gave it back, the first first, in units.
    owed: VecDeque<u128>,
    /// For what it is held.
    price: Amount,
    pub(super) phase: Stands,
    ends: u32,
    /// Units that left escrow for provider and market.
    paid: u128,
    /// Units that left its collateral for others than the bond.
    forfeited: u128,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Open,
    Held(ProviderId),
    Ended,
}

/// All jobs, and who speaks for which provider.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) providers: BTreeMap<Address, ProviderId>,
    /// The keys that direct orders may be for.
    pub(super) terms: BTreeMap<ProviderId, DirectKeys>,
    /// Providers whose worker is the real one.
    pub(super) honest: BTreeSet<ProviderId>,
    /// The part of the collateral that giving a job back costs, in basis points.
    release_bps: u16,
}

type Checked = Result<(), String>;

impl Rules {
    /// Begins with nobody.
    pub(super) fn of(spec: &ChainSpec) -> Self {
        let (jobs, providers, terms, honest) = Default::default();
        Self { jobs, providers, terms, honest, release_bps: spec.jobs.release_bps }
    }

    /// Checks a block: its executed transactions in order, then its events.
    pub(super) fn block(
        &mut self,
        txs: &[SignedTx],
        receipts: &[TxReceipt],
        events: &[Event],
        time_ms: u64,
    ) -> Checked {
        for (tx, receipt) in txs.iter().zip(receipts) {
            if receipt.refused.is_none() {
                self.executed(tx, time_ms)?;
            }
        }
        for event in events {
            self.happened(event)?;
        }
        match self.jobs.iter().find(|(_, job)| job.is_late(time_ms)) {
            Some((id, _)) => Err(format!("job {id} is not ended long after its deadline")),
            None => Ok(()),
        }
    }

    /// Compares the ledger's jobs with these.
    pub(super) fn compare(&self, state: &dyn View) -> Checked {
        for (id, job) in &self.jobs {
            let key = JOBS.key(id);
            let record = state.get(&key).map(|value| JOBS.decode(&key, &value));
            let record = record.transpose().map_err(|error| error.to_string())?;
            let ended = state.get(&ENDED.key(id)).is_some();
            let stands = match &record {
                Some(record) => match record.phase {
                    Phase::Open => Stands::Open,
                    Phase::Claimed(held) => Stands::Held(held.provider),
                },
                None => Stands::Ended,
            };
            let attempt = record.map_or(job.attempt, |record| record.attempt);
            if (stands, attempt) != (job.phase, job.attempt) || ended != (stands == Stands::Ended) {
                let expected = (job.phase, job.attempt);
                return Err(format!("job {id} is {stands:?} at {attempt}, expected {expected:?}"));
            }
        }
        Ok(())
    }

    /// Whether all jobs have ended.
    pub(super) fn all_ended(&self) -> Checked {
        match self.jobs.iter().find(|(_, job)| job.phase != Stands::Ended || job.ends != 1) {
            Some((id, job)) => {
                Err(format!("job {id} is {:?}, ended {} times", job.phase, job.ends))
            }
            None => Ok(()),
        }
    }

    fn executed(&mut self, tx: &SignedTx, time_ms: u64) -> Checked {
        let by = tx.body.header.account;
        let provider = self.providers.get(&by).copied();
        match &tx.body.body {
            Body::Order(order) => self.ordered(tx.body.id().into(), by, order, time_ms),
            Body::Cancel(body) => {
                let job = self.job(body.job)?;
                job.expect(Stands::Open, job.attempt, "cancelled")?;
                if job.requester != by {
                    return Err(format!("job {} is cancelled by another", body.job));
                }
                job.phase = Stands::Ended;
                Ok(())
            }
            Body::Claim(body) => {
                let provider = provider.ok_or("somebody claims who is no provider")?;
                let job = self.job(body.job)?;
                job.expect(Stands::Open, body.attempt, "claimed")?;
                if job.failed.contains(&provider) {
                    return Err(format!("{provider:?} failed job {} and claims it", body.job));
                }
                (job.phase, job.renewals) = (Stands::Held(provider), 0);
                Ok(())
            }
            Body::Release(body) => self.released(provider, body),
            Body::Renew(body) => {
                let provider = provider.ok_or("somebody renews who is no provider")?;
                let job = self.job(body.job)?;
                job.expect(Stands::Held(provider), body.attempt, "renewed")?;
                job.renewals += 1;
                Ok(())
            }
            Body::SubmitProof(body) => {
                let provider = provider.ok_or("somebody submits who is no provider")?;
                self.job(body.job)?.submitted(provider, body)
            }
            Body::Unbond(_) => {
                let holds = |job: &&Job| Some(job.phase) == provider.map(Stands::Held);
                match self.jobs.values().find(holds) {
                    Some(_) => Err(format!("{provider:?} takes its bond while it holds a job")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn ordered(&mut self, id: JobId, by: Address, order: &JobOrder, time_ms: u64) -> Checked {
        let phase = match order.offer.mode {
            Mode::Open => Stands::Open,
            Mode::Direct(to) if self.terms.get(&to).is_some_and(|it| it.admit(order.key)) => {
                Stands::Held(to)
            }
            Mode::Direct(to) => {
                return Err(format!("{to:?} holds job {id}, which it did not offer to take"));
            }
        };
        if order.offer.deadline_ms <= time_ms.saturating_sub(LATE_MS) {
            return Err(format!("job {id} is ordered after its deadline"));
        }
        let job = Job {
            order: order.clone(),
            requester: by,
            attempt: 1,
            failed: Vec::new(),
            renewals: 0,
            owed: VecDeque::new(),
            price: Amount::ZERO,
            phase,
            ends: 0,
            paid: 0,
            forfeited: 0,
        };
        match self.jobs.insert(id, job) {
            Some(_) => Err(format!("job {id} is ordered twice")),
            None => Ok(()),
        }
    }

    /// What was claimed, or is listed in terms, costs a part of the collateral whatever is said.
    fn released(&mut self, provider: Option<ProviderId>, body: &Release) -> Checked {
        let provider = provider.ok_or("somebody releases who is no provider")?;
        let honest = self.honest.contains(&provider);
        let (any, bps) = (self.terms.get(&provider) == Some(&DirectKeys::Any), self.release_bps);
        let job = self.job(body.job)?;
        job.expect(Stands::Held(provider), body.attempt, "given back")?;
        let asked = job.order.offer.mode == Mode::Open;
        if honest && asked && body.reason == ReleaseReason::InputUnavailable {
            return Err(format!("{provider:?} claims job {}, whose input it has not", body.job));
        }
        let nothing = match body.reason {
            ReleaseReason::Unable => false,
            ReleaseReason::InputUnavailable => !asked && job.renewals == 0,
            ReleaseReason::NotServed => !asked && job.renewals == 0 && any,
        };
        let part = job.order.offer.collateral.units() * u128::from(bps) / 10_000;
        job.owed.push_back(if nothing { 0 } else { part });
        job.over(provider);
        Ok(())
    }

    fn happened(&mut self, event: &Event) -> Checked {
        match event {
            Event::Moved(movement) => {
                self.moved(movement);
                Ok(())
            }
            Event::JobLost { job, attempt, provider, reason } => {
                let timed = matches!(reason, LossReason::LeaseEnded | LossReason::DeadlinePassed);
                let id = *job;
                let job = self.job(id)?;
                if timed {
                    job.expect(Stands::Held(*provider), *attempt, "lost")?;
                    if job.forfeited != job.order.offer.collateral.units() {
                        return Err(format!("a lease of job {id} ends and costs nothing"));
                    }
                    job.over(*provider);
                } else if job.owed.pop_front() != Some(job.forfeited) {
                    let paid = job.forfeited;
                    return Err(format!("job {id} is given back as {reason:?} for {paid} units"));
                }
                job.forfeited = 0;
                Ok(())
            }
            Event::JobEnded { receipt } => {
                let job = self.job(receipt.job)?;
                job.ends += 1;
                job.phase = Stands::Ended;
                let Outcome::Settled(settled) = &receipt.outcome else { return Ok(()) };
                let price = settled.price;
                if price != job.price || job.paid != price.units() {
                    return Err(format!("job {} is paid {}, for {price}", receipt.job, job.paid));
                }
                Ok(())
            }
            Event::JobClaimed { job, price, .. } => {
                self.job(*job)?.price = *price;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn moved(&mut self, movement: &Movement) {
        let units = movement.amount.units();
        if let (Purse::Escrow(job), Why::Price | Why::MarketFee) = (movement.from, movement.why)
            && let Some(job) = self.jobs.get_mut(&job)
        {
            job.paid += units;
        }
        if let (Purse::Collateral(job), Why::Slash | Why::Compensation) =
            (movement.from, movement.why)
            && let Some(job) = self.jobs.get_mut(&job)
        {
            job.forfeited += units;
        }
    }

    fn job(&mut self, job: JobId) -> Result<&mut Job, String> {
        self.jobs.get_mut(&job).ok_or_else(|| format!("job {job} was never ordered"))
    }
}

impl Job {
    /// Whether a provider holds it that has not claimed it.
    pub(super) fn is_direct_and_held(&self) -> bool {
        self.order.offer.mode != Mode::Open && matches!(self.phase, Stands::Held(_))
    }

    const fn is_late(&self, time_ms: u64) -> bool {
        !matches!(self.phase, Stands::Ended)
            && time_ms > self.order.offer.deadline_ms.saturating_add(LATE_MS)
    }

    fn expect(&self, phase: Stands, attempt: u8, what: &str) -> Checked {
        if (self.phase, self.attempt) == (phase, attempt) {
            return Ok(());
        }
        let is = (self.phase, self.attempt);
        Err(format!("attempt {attempt} of a job that is {is:?} was {what}, expected {phase:?}"))
    }

    /// The attempt is over: another may try, as long as one is left.
    fn over(&mut self, provider: ProviderId) {
        self.failed.push(provider);
        if self.attempt < self.order.offer.attempts_max {
            self.attempt += 1;
            self.phase = Stands::Open;
        } else {
            self.phase = Stands::Ended;
        }
    }

    fn submitted(&mut self, provider: ProviderId, body: &SubmitProof) -> Checked {
        self.expect(Stands::Held(provider), body.attempt, "settled")?;
        let (order, proven) = (&self.order, &body.proven);
        if (proven.key, proven.input) != (order.key, order.input.statement) {
            return Err("a proof of something else settles a job".to_owned());
        }
        self.phase = Stands::Ended;
        Ok(())
    }
}
