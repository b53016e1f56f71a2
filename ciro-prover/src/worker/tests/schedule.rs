//! Random schedules: the worker and the ledger with crashes, loss, duplicates, reordering and
//! clocks that jump.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::blob::BlobId;
use ciro_protocol::event::Event;
use ciro_protocol::id::{JobId, OutputDigest, TxId};
use ciro_protocol::order::{JobOrder, Mode};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{Body, Claim, Proven, Release, SignedTx, SubmitProof};

use super::world::{Chronicle, Dice, GENESIS_MS, ME, People, account, lost, tx};
use super::{order, settings, units};
use crate::queue::{JobOffer, Position};
use crate::worker::mutation::Mutation;
use crate::worker::{
    Answer, CLOCK_STEP_MAX_MS, Deed, Effect, FetchError, Input, Place, ProveError, ProveTask,
    Reason, Row, Sighting, Standing, State, Worker,
};

/// Turns with faults, and turns without in which everything ends.
const TURNS: u64 = 500;
const HEALED: u64 = 400;
/// Schedules that are played.
const SEEDS: u64 = 60;

/// How often what happened.
type Seen = BTreeMap<String, u64>;

struct Child {
    started: u64,
    lease_ms: u64,
    /// When it ends, and how; one that hangs never does.
    ends: Option<(u64, Result<Proven, ProveError>)>,
    reported: bool,
}

impl Child {
    fn runs(&self, now: u64) -> bool {
        self.ends.is_none_or(|(at, _)| at > now)
    }
}

struct Play<'a> {
    dice: Dice,
    seen: &'a mut Seen,
    people: People,
    chain: Chronicle,
    worker: Worker,
    faults: bool,
    /// The machine's clock, and the worker's.
    now: u64,
    before: Option<u64>,
    clock: u64,
    /// What outlives a crash.
    disk: BTreeMap<(JobId, u8), Row>,
    offers: BTreeMap<u64, JobOffer>,
    /// Attempts whose input was looked at.
    looked: BTreeSet<(JobId, u8)>,
    offset: u64,
    pool: Vec<SignedTx>,
    sent: BTreeMap<TxId, (Deed, JobId, u8, u64)>,
    /// What does not.
    inbox: Vec<Input>,
    children: BTreeMap<(JobId, u8), Child>,
    heard: BTreeSet<JobId>,
    told: BTreeSet<(JobId, u8)>,
}

fn play(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let people =
        People { me: account("me"), rival: account("rival"), requester: account("requester") };
    let chain = Chronicle::new(&people);
    assert_eq!(chain.provider_of(people.me), ME);
    let worker = Worker::new(settings(), vec![]);
    let mut play = Play {
        dice: Dice(seed.wrapping_mul(0xd134_2543_de82_ef95)),
        seen,
        people,
        chain,
        worker,
        faults: true,
        now: GENESIS_MS,
        before: None,
        clock: 0,
        disk: BTreeMap::new(),
        offers: BTreeMap::new(),
        looked: BTreeSet::new(),
        offset: 0,
        pool: Vec::new(),
        sent: BTreeMap::new(),
        inbox: Vec::new(),
        children: BTreeMap::new(),
        heard: BTreeSet::new(),
        told: BTreeSet::new(),
    };
    for turn in 0..TURNS + HEALED {
        play.faults = turn < TURNS;
        play.turn(turn).map_err(|error| format!("seed {seed}, turn {turn}: {error}"))?;
    }
    play.ended().map_err(|error| format!("seed {seed}: {error}"))
}

impl Play<'_> {
    fn turn(&mut self, turn: u64) -> Result<(), String> {
        self.now += self.dice.below(400);
        if self.faults && self.dice.one_in(60) {
            self.now += 60_000;
        } else if self.faults && self.dice.one_in(60) {
            self.now -= 30_000;
        }
        // The chain stands still at times.
        let stalled = self.faults && turn % 100 > 80;
        if !stalled && self.dice.one_in(2) {
            self.block()?;
        }
        if turn.is_multiple_of(20) {
            self.publish_again();
        }
        self.end_children();
        self.hear(Input::Tick)?;
        for _ in 0..6 {
            if self.inbox.is_empty() {
                break;
            }
            let place = self.dice.place(self.inbox.len());
            let input = self.inbox.swap_remove(place);
            if self.faults && self.dice.one_in(8) {
                continue;
            }
            if self.dice.one_in(8) && self.faults {
                self.inbox.push(input.clone());
            }
            self.hear(input)?;
        }
        if self.inbox.len() > 200 {
            self.inbox.truncate(100);
        }
        Ok(())
    }

    /// Gives an input to the worker and does what it wants; the machine may fail in between.
    fn hear(&mut self, input: Input) -> Result<(), String> {
        if let Input::Ledger(sighting) = &input {
            self.heard.insert(sighting.job);
            // What is not in its table the worker does not remember.
            let over = lost(sighting.standing);
            let rows = self.worker.rows().map(|row| (row.job, row.attempt));
            self.told.extend(rows.filter(|it| it.0 == sighting.job && over.contains(&it.1)));
        }
        let passed = self.before.map_or(0, |before| self.now.saturating_sub(before));
        self.clock += passed.min(CLOCK_STEP_MAX_MS);
        self.before = Some(self.now);
        let effects = self.worker.step(self.now, input);
        let rows: BTreeSet<_> = self.worker.rows().map(|row| (row.job, row.attempt)).collect();
        self.told.retain(|key| rows.contains(key));
        if rows.len() > 10 {
            return Err("the table outgrows its bound".to_owned());
        }
        for effect in effects {
            if self.faults && self.dice.one_in(200) {
                self.crash();
                return Ok(());
            }
            self.perform(effect)?;
        }
        let late = |child: &Child| {
            child.runs(self.clock) && self.clock >= child.started + child.lease_ms * 6 / 5
        };
        if self.children.values().any(late) {
            return Err("a child runs for longer than 1.2 leases".to_owned());
        }
        Ok(())
    }

    fn crash(&mut self) {
        self.count("crash");
        self.inbox.clear();
        self.children.clear();
        self.heard.clear();
        self.told.clear();
        (self.before, self.clock) = (None, 0);
        let rows = self.disk.values().cloned().collect();
        self.worker = Worker::new(settings(), rows);
        for (offset, offer) in &self.offers {
            let position = Position { partition: 0, offset: *offset };
            self.inbox.push(Input::Offer(Box::new(offer.clone()), position));
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Save(row) => {
                self.disk.insert((row.job, row.attempt), *row);
            }
            Effect::Forget(job, attempt) => drop(self.disk.remove(&(job, attempt))),
            Effect::Ack(position) => {
                self.offers.remove(&position.offset);
            }
            Effect::Ask(job) => {
                let sighting = self.chain.sighting(job);
                self.inbox.push(Input::Ledger(sighting));
            }
            Effect::Send { deed, job, attempt, until_ms } => {
                self.send((deed, job, attempt, until_ms))?;
            }
            Effect::Unjail { until_ms } => {
                self.count("unjail");
                let mut salt = [4; 16];
                salt[..8].copy_from_slice(&until_ms.to_be_bytes());
                self.pool.push(tx(self.people.me, salt, until_ms, Body::Unjail));
            }
            Effect::Look(task) => {
                let result = match self.dice.below(16) {
                    0 => Err(FetchError::Unavailable),
                    1 => Err(FetchError::Unreadable),
                    2 => Err(FetchError::Local),
                    _ => Ok(()),
                };
                if result.is_ok() {
                    self.looked.insert((task.job, task.attempt));
                }
                self.inbox.push(Input::Looked(task.job, task.attempt, result));
            }
            Effect::Fetch(blob) => {
                let result = match self.dice.below(12) {
                    0 => Err(FetchError::Unavailable),
                    1 => Err(FetchError::Local),
                    _ => Ok(()),
                };
                self.inbox.push(Input::Blob(blob, result));
            }
            Effect::Prove(task) => self.begin(&task),
            Effect::Kill(job, attempt) => {
                self.children.remove(&(job, attempt));
            }
            Effect::Store(bundle) => self.inbox.push(Input::Stored(bundle)),
            Effect::Again(_) => self.count("again"),
            Effect::Progress(_, _, state) => self.count(state.name()),
        }
        Ok(())
    }

    fn send(&mut self, sent: (Deed, JobId, u8, u64)) -> Result<(), String> {
        let (deed, job, attempt, until_ms) = sent;
        if self.told.contains(&(job, attempt)) {
            return Err(format!("{deed:?} for an attempt that is known to be over"));
        }
        if deed == Deed::Claim && !self.looked.contains(&(job, attempt)) {
            return Err("a job is claimed whose input nobody looked at".to_owned());
        }
        let submits = matches!(deed, Deed::Submit(_));
        if submits && !self.heard.contains(&job) {
            return Err("a proof is submitted before the ledger was asked".to_owned());
        }
        let (body, tag) = match deed {
            Deed::Claim => (Body::Claim(Claim { job, attempt }), 1),
            Deed::Release(reason) => (Body::Release(Release { job, attempt, reason }), 2),
            Deed::Submit(proven) => (Body::SubmitProof(SubmitProof { job, attempt, proven }), 3),
        };
        let mut salt: [u8; 16] = job.0[..16].try_into().unwrap();
        salt[0] ^= attempt << 4 | tag;
        let transaction = tx(self.people.me, salt, until_ms, body);
        self.sent.insert(transaction.body.id(), sent);
        let copies = if self.faults { self.dice.below(3) } else { 1 };
        for _ in 0..copies {
            self.pool.push(transaction.clone());
        }
        Ok(())
    }

    fn begin(&mut self, task: &ProveTask) {
        let key = (task.job, task.attempt);
        if let Some(child) = self.children.get_mut(&key) {
            child.reported = false;
            return;
        }
        let (order, started) = (&task.order, self.clock);
        let proven = Proven {
            verifier: 1,
            key_blob: BlobId([1; 32]),
            bundle: BlobId([task.job.0[0]; 32]),
            bundle_bytes: 30,
            key: order.key,
            input: order.input.statement,
            output: OutputDigest([6; 32]),
        };
        let result = match self.dice.below(10) {
            0 => Err(ProveError::Child),
            1 => Ok(Proven { verifier: 2, ..proven }),
            _ => Ok(proven),
        };
        let hangs = self.dice.one_in(6);
        let ends = (!hangs).then(|| (started + self.dice.below(3_000), result));
        let lease_ms = order.offer.lease_ms;
        self.children.insert(key, Child { started, lease_ms, ends, reported: false });
    }

    fn end_children(&mut self) {
        for (key, child) in &mut self.children {
            if let Some((at, result)) = child.ends
                && at <= self.clock
                && !std::mem::replace(&mut child.reported, true)
            {
                self.inbox.push(Input::Proof(key.0, key.1, result));
            }
        }
    }

    fn block(&mut self) -> Result<(), String> {
        let mut txs = Vec::new();
        let mut left = Vec::new();
        for transaction in std::mem::take(&mut self.pool) {
            let taken = !self.faults || self.dice.one_in(3);
            if !taken || (self.faults && self.dice.one_in(4)) {
                left.push(transaction.clone());
            }
            if taken && txs.len() < 100 {
                let place = self.dice.place(txs.len() + 1);
                txs.insert(place, transaction);
            }
        }
        let fresh = |it: &SignedTx| it.body.header.valid_until_ms + 2_000 > self.chain.time_ms;
        self.pool = left.into_iter().filter(fresh).collect();
        if self.faults && self.dice.one_in(3) {
            let body = Body::Order(Box::new(self.order()));
            let requester = self.people.requester;
            txs.push(self.chain.tx(requester, body));
        }
        if self.dice.one_in(3) {
            txs.extend(self.rival());
        }
        let ms = 50 + self.dice.below(700);
        let (receipts, events) = self.chain.block(txs, ms);
        for receipt in receipts {
            let Some((deed, job, attempt, until_ms)) = self.sent.get(&receipt.id).copied() else {
                continue;
            };
            let refused = receipt.refused;
            self.count(refused.map_or("executed", Refusal::name));
            self.inbox.push(Input::Answered(Answer { deed, job, attempt, until_ms, refused }));
        }
        let (height, time_ms) = (self.chain.height, self.chain.time_ms);
        for (event, index) in events.iter().zip(0..) {
            let place = Place { height, index };
            if let Some(sighting) = Sighting::of(event, place, time_ms) {
                self.inbox.push(Input::Ledger(sighting));
            }
            if let Event::JobOpened { job, attempt, .. } = event {
                self.offer(*job, *attempt);
            }
        }
        let head = self.chain.head();
        self.inbox.push(Input::Head(head));
        self.consistent()
    }

    fn order(&mut self) -> JobOrder {
        let now = self.chain.time_ms;
        let mut order = order(now);
        order.model = self.chain.model;
        order.offer.lease_ms = 2_000 + self.dice.below(6_000);
        order.offer.deadline_ms = now + 4_000 + self.dice.below(30_000);
        order.offer.price_min = units(100 + u128::from(self.dice.below(100)));
        if self.dice.one_in(8) {
            (order.offer.mode, order.offer.attempts_max) = (Mode::Direct(ME), 1);
        }
        order
    }

    /// The rival claims, and brings the proof, gives back or forgets.
    fn rival(&mut self) -> Option<SignedTx> {
        let rival = self.chain.provider_of(self.people.rival);
        let held = self.chain.held_by(rival);
        let body = if let Some((job, attempt)) = held.first().copied()
            && self.dice.one_in(2)
        {
            let order = &self.chain.orders[&job];
            let proven = Proven {
                verifier: 1,
                key_blob: BlobId([1; 32]),
                bundle: BlobId([2; 32]),
                bundle_bytes: 30,
                key: order.key,
                input: order.input.statement,
                output: OutputDigest([6; 32]),
            };
            Body::SubmitProof(SubmitProof { job, attempt, proven })
        } else {
            let open = self.chain.open();
            if open.is_empty() || !self.dice.one_in(4) {
                return None;
            }
            let (job, attempt) = open[self.dice.place(open.len())];
            Body::Claim(Claim { job, attempt })
        };
        Some(self.chain.tx(self.people.rival, body))
    }

    fn offer(&mut self, job: JobId, attempt: u8) {
        let offer = JobOffer { job, attempt, order: self.chain.orders[&job].clone() };
        self.offset += 1;
        self.offers.insert(self.offset, offer.clone());
        let position = Position { partition: 0, offset: self.offset };
        self.inbox.push(Input::Offer(Box::new(offer), position));
    }

    /// Nodes publish what is open again, and what was given to the provider directly.
    fn publish_again(&mut self) {
        let direct = |job: &JobId| self.chain.orders[job].offer.mode != Mode::Open;
        let held = self.chain.held_by(ME).into_iter().filter(|(job, _)| direct(job));
        let all: Vec<_> = self.chain.open().into_iter().chain(held).collect();
        for (job, attempt) in all {
            self.offer(job, attempt);
        }
    }

    /// What the ledger says is held, the disk knows; and it is never more than the capacity.
    fn consistent(&self) -> Result<(), String> {
        let mut claimed = 0;
        for key in self.chain.held_by(ME) {
            let open = self.chain.orders[&key.0].offer.mode == Mode::Open;
            claimed += usize::from(open);
            match self.disk.get(&key) {
                Some(row) if row.state.is_busy() => {}
                None if !open => {}
                row => return Err(format!("held, but its row is {:?}", row.map(|it| it.state))),
            }
        }
        let capacity = usize::from(settings().capacity);
        if claimed > capacity {
            return Err(format!("{claimed} jobs are held, the capacity is {capacity}"));
        }
        Ok(())
    }

    /// After the faults: nothing is held, nothing is left undone, and the provider is not in jail
    /// for longer than it has to be.
    fn ended(&mut self) -> Result<(), String> {
        if self.chain.overstays_ms() > 5_000 {
            return Err("the provider stays in jail".to_owned());
        }
        let held = self.chain.held_by(ME);
        let live: Vec<(State, Option<Reason>)> = self
            .worker
            .rows()
            .filter(|row| !row.state.is_end())
            .map(|row| (row.state, row.reason))
            .collect();
        let running = self.children.values().any(|child| child.runs(self.clock));
        if !held.is_empty() || !live.is_empty() || running {
            return Err(format!("not everything ends: {held:?}, {live:?}"));
        }
        for row in self.worker.rows().cloned().collect::<Vec<_>>() {
            let settled = Standing::Ended { by: Some(ME) } == self.chain.standing(row.job);
            if row.state == State::Done && !settled {
                return Err("done, but not settled".to_owned());
            }
            // What was never claimed leaves no trace.
            let kept = self.disk.get(&(row.job, row.attempt)).map(|it| it.state);
            if kept != Some(row.state) && (kept.is_some() || row.claim_until_ms > 0) {
                return Err("the disk differs from the table".to_owned());
            }
            self.count(&row.reason.map_or_else(|| "done: ".to_owned(), |it| format!("why: {it}")));
        }
        Ok(())
    }

    fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }
}

#[test]
fn no_schedule_breaks_the_worker() {
    let mut seen = Seen::new();
    for seed in 0..SEEDS {
        play(seed, &mut seen).unwrap();
    }
    println!("{seen:#?}");
    let wanted = ["crash", "executed", "unjail", "duplicate", "expired", "wrong_attempt"];
    let reached = State::ALL.map(State::name);
    for what in wanted.iter().chain(&reached) {
        // Rows begin as `seen` without an event, and come back to it by others.
        assert!(seen.contains_key(*what), "`{what}` never happened: {seen:?}");
    }
}

#[test]
fn schedules_find_every_rule_that_is_left_out() {
    for mutation in Mutation::ALL {
        let found =
            mutation.during(|| (0..SEEDS).find_map(|seed| play(seed, &mut Seen::new()).err()));
        let found = found.unwrap_or_else(|| panic!("{mutation:?} is not found"));
        println!("{mutation:?}: {found}");
    }
}
