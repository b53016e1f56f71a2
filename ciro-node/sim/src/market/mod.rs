//! The market in the virtual world: ledgers that execute one chain, workers on machines that fail,
//! a provider that breaks every rule it can, and a gateway that loses, repeats, reorders and brings
//! back what was long over.
//!
//! Consensus is what the other profiles are about: here its result is given, one chain.

mod chain;
mod honest;
mod rules;
mod sweep;

use std::collections::BTreeMap;

use ciro_protocol::id::{InputDigest, JobId, KeyDigest, ProviderId};
use ciro_protocol::order::{Input, JobOrder, Mode, Needs, Offer, Policy};
use ciro_protocol::provider::DirectKeys;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::tx::{
    Body, Cancel, Claim, Release, ReleaseReason, Renew, SignedTx, SubmitProof, Unbond,
};
use ciro_protocol::wire::{Bytes, List};
use ciro_protocol::{blob::BlobId, event::Event};
use ciro_prover::queue::JobOffer;

use self::chain::{Chain, Executed, GENESIS_MS, KEY, UNSERVED, units};
use self::honest::{CAPACITY, Honest, MISSING, Sight, proven};
use self::rules::{Job, Stands};
use crate::rng::Rng;

pub use self::sweep::MarketReport;

/// Turns with faults.
const TURNS: u64 = 120;
/// Turns without, in which everything ends.
const HEALED: u64 = 120;
/// Jobs of one run at most.
const JOBS: usize = 40;
/// Transactions that the gateway can bring back.
const REMEMBERED: usize = 64;
const MALLORY: &str = "mallory";
const MALLORY_ID: ProviderId = ProviderId(2);

/// How often what happened in some runs.
pub type MarketSeen = BTreeMap<String, u64>;

/// Runs the market of a seed, and counts what happened.
///
/// # Errors
/// The rule that was broken.
pub fn market(seed: u64, seen: &mut MarketSeen) -> Result<(), String> {
    let listed = |keys: &[KeyDigest]| List::new(keys.to_vec()).map(DirectKeys::Listed);
    let named = listed(&[KEY]).map_err(|many| many.to_string())?;
    let all = listed(&[UNSERVED, KEY]).map_err(|many| many.to_string())?;
    let providers =
        [("ann", CAPACITY + 1, named), ("ben", CAPACITY + 1, DirectKeys::Any), (MALLORY, 8, all)];
    let mut chain = Chain::new(&providers)?;
    chain.rules.honest = [ProviderId(0), ProviderId(1)].into();
    let workers =
        [("ann", ProviderId(0)), ("ben", ProviderId(1))].map(|(name, id)| Honest::new(name, id));
    let mut market = Market {
        rng: Rng::new(seed),
        chain,
        workers,
        ended: BTreeMap::new(),
        pool: Vec::new(),
        old: Vec::new(),
        now: GENESIS_MS,
        seen,
    };
    for turn in 0..TURNS + HEALED {
        let faults = turn < TURNS;
        market.turn(faults).map_err(|broken| format!("turn {turn}: {broken}"))?;
    }
    market.chain.follow(&mut market.rng, 1)?;
    market.chain.rules.all_ended()
}

struct Market<'s> {
    rng: Rng,
    chain: Chain,
    workers: [Honest; 2],
    ended: BTreeMap<JobId, Option<ProviderId>>,
    /// What waits at the gateway.
    pool: Vec<SignedTx>,
    /// What it has passed on before.
    old: Vec<SignedTx>,
    now: u64,
    seen: &'s mut MarketSeen,
}

impl Market<'_> {
    fn turn(&mut self, faults: bool) -> Result<(), String> {
        self.now += self.rng.below(400);
        for worker in &mut self.workers {
            let (chain, ended) = (&self.chain, &self.ended);
            let mut sight = Sight { chain, rng: &mut self.rng, ended, now: self.now, faults };
            self.pool.extend(worker.turn(&mut sight));
        }
        if faults {
            self.requester();
            self.mallory();
        }
        let txs = self.gateway(faults);
        let ms = self.rng.between(50, 700);
        let block = self.chain.block(txs, ms, &mut self.rng)?;
        self.tell(&block, faults)
    }

    /// Somebody orders and takes back.
    fn requester(&mut self) {
        if self.chain.rules.jobs.len() < JOBS && self.rng.chance(400) {
            let order = self.order();
            let tx = self.chain.tx("requester", Body::Order(Box::new(order)));
            self.pool.push(tx);
        }
        if self.rng.chance(60)
            && let Some((job, _)) = self.some_job()
        {
            let tx = self.chain.tx("requester", Body::Cancel(Cancel { job }));
            self.pool.push(tx);
        }
    }

    fn order(&mut self) -> JobOrder {
        let now = self.chain.time_ms;
        let price_min = units(u128::from(self.rng.between(160, 260)));
        let to = ProviderId(u32::try_from(self.rng.below(3)).unwrap_or(0));
        let mode = if self.rng.chance(300) { Mode::Direct(to) } else { Mode::Open };
        let attempts = u8::try_from(self.rng.between(1, 4)).unwrap_or(1);
        JobOrder {
            model: self.chain.model,
            key: if self.rng.chance(250) { UNSERVED } else { KEY },
            input: Input {
                blob: if self.rng.chance(150) { MISSING } else { BlobId([3; 32]) },
                bytes: 10,
                statement: InputDigest([4; 32]),
                recipients: List::default(),
            },
            offer: Offer {
                mode,
                price_min,
                price_max: units(500),
                ramp_start_ms: now,
                ramp_ms: 4_000,
                lease_ms: self.rng.between(2_000, 6_000),
                deadline_ms: now + self.rng.between(4_000, 24_000),
                collateral: units(50),
                attempts_max: if mode == Mode::Open { attempts } else { 1 },
            },
            policy: Policy { bits: 100, proven: false },
            needs: Needs::default(),
            memo: Bytes::default(),
        }
    }

    /// The provider that breaks rules: it says whatever could be said of some job, at this attempt
    /// or another.
    fn mallory(&mut self) {
        for _ in 0..self.rng.below(4) {
            let Some((job, attempt)) = self.some_job() else { return };
            let stale = attempt.saturating_sub(u8::from(self.rng.chance(400)));
            let attempt = if self.rng.chance(60) { attempt.saturating_add(1) } else { stale };
            let statement = if self.rng.chance(200) { [5; 32] } else { [4; 32] };
            let reason = match self.rng.below(3) {
                0 => ReleaseReason::Unable,
                1 => ReleaseReason::InputUnavailable,
                _ => ReleaseReason::NotServed,
            };
            let body = match self.rng.below(12) {
                0..4 => Body::Claim(Claim { job, attempt }),
                4..7 => {
                    let proven = proven(InputDigest(statement));
                    Body::SubmitProof(SubmitProof { job, attempt, proven })
                }
                7 | 8 => Body::Release(Release { job, attempt, reason }),
                9 => Body::Renew(Renew { job, attempt }),
                10 => Body::Unbond(Unbond { amount: units(10) }),
                _ => Body::Cancel(Cancel { job }),
            };
            let tx = self.chain.tx(MALLORY, body);
            self.pool.push(tx);
        }
        if self.rng.chance(50) {
            let tx = self.chain.tx(MALLORY, Body::Unjail);
            self.pool.push(tx);
        }
    }

    /// A job with the attempt at hand, mostly one that is not ended.
    fn some_job(&mut self) -> Option<(JobId, u8)> {
        let jobs = &self.chain.rules.jobs;
        let live: Vec<_> = jobs.iter().filter(|(_, job)| job.phase != Stands::Ended).collect();
        let all: Vec<_> =
            if live.is_empty() || self.rng.chance(100) { jobs.iter().collect() } else { live };
        if all.is_empty() {
            return None;
        }
        let (id, job) = all[self.rng.index(all.len())];
        Some((*id, job.attempt))
    }

    /// What gets into the next block: with faults the gateway loses some, repeats some, holds some
    /// back, changes their order, and brings back some that it passed on before.
    fn gateway(&mut self, faults: bool) -> Vec<SignedTx> {
        let mut txs = Vec::new();
        for tx in std::mem::take(&mut self.pool) {
            if faults && self.rng.chance(150) {
                self.count("lost");
                continue;
            }
            if faults && self.rng.chance(250) {
                self.pool.push(tx.clone());
            }
            self.old.push(tx.clone());
            txs.push(tx);
        }
        if faults && !self.old.is_empty() {
            for _ in 0..self.rng.below(3) {
                txs.push(self.old[self.rng.index(self.old.len())].clone());
            }
            self.rng.shuffle(&mut txs);
        }
        let surplus = self.old.len().saturating_sub(REMEMBERED);
        self.old.drain(..surplus);
        txs.truncate(200);
        txs
    }

    /// Everybody hears of a block, and the queue offers what is open; with faults twice, or late.
    fn tell(&mut self, block: &Executed, faults: bool) -> Result<(), String> {
        for (tx, receipt) in block.txs.iter().zip(&block.receipts) {
            if let (Body::Release(release), None) = (&tx.body.body, receipt.refused) {
                self.count(&format!("given back: {:?}", release.reason));
            }
            let what = receipt.refused.map_or("executed", |refusal| refusal.name());
            self.count(&format!("{} {what}", tx.body.body.kind()));
        }
        for event in &block.events {
            if let Event::JobEnded { receipt } = event {
                let by = match &receipt.outcome {
                    Outcome::Settled(settled) => Some(settled.provider),
                    Outcome::Refunded { .. } => None,
                };
                if by == Some(MALLORY_ID) {
                    self.count("mallory settles");
                }
                self.count(if by.is_some() { "settled" } else { "refunded" });
                self.ended.insert(receipt.job, by);
            }
        }
        let open = self.chain.rules.jobs.iter().filter(|(_, job)| job.phase == Stands::Open);
        let offer = |(id, job): (&JobId, &Job)| {
            let offer = JobOffer { job: *id, attempt: job.attempt, order: job.order.clone() };
            (job.phase, offer)
        };
        let held = self.chain.rules.jobs.iter().filter(|(_, job)| job.is_direct_and_held());
        let offers: Vec<(Stands, JobOffer)> = open.chain(held).map(offer).collect();
        for worker in &mut self.workers {
            if !faults || !self.rng.chance(100) {
                worker.told(block, &self.chain)?;
            }
            // A direct order is in the queue of its provider alone.
            let mine = |stands: Stands| stands == Stands::Open || stands == Stands::Held(worker.id);
            let mine: Vec<_> = offers.iter().filter(|(stands, _)| mine(*stands)).collect();
            for (_, offer) in mine {
                // A queue delivers at least once, and what is open is published again.
                if self.rng.chance(300) {
                    worker.offer(offer.clone());
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }
}
