//! A provider whose worker is the real one, on a machine that fails.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::event::Event;
use ciro_protocol::id::{JobId, OutputDigest, ProviderId, TxId};
use ciro_protocol::tx::{Body, Claim, Proven, Release, SignedTx, SubmitProof};
use ciro_prover::queue::{JobOffer, Position};
use ciro_prover::worker::{
    Answer, Deed, Effect, FetchError, Input, Place, ProveError, ProveTask, Row, Served, Settings,
    Sighting, Worker,
};

use super::chain::{Chain, Executed, KEY, units};
use crate::rng::Rng;

/// Jobs that it takes at once.
pub(super) const CAPACITY: u16 = 3;
const ROWS_MAX: usize = 12;
/// An input that nobody has: whoever ordered has not brought it.
pub(super) const MISSING: BlobId = BlobId([9; 32]);
/// The most that waits to be heard.
const INBOX_MAX: usize = 200;

/// What everybody sees.
pub(super) struct Sight<'w> {
    pub(super) chain: &'w Chain,
    pub(super) rng: &'w mut Rng,
    /// Who settled what has ended.
    pub(super) ended: &'w BTreeMap<JobId, Option<ProviderId>>,
    /// The clock of the machines, in ms.
    pub(super) now: u64,
    pub(super) faults: bool,
}

/// One provider.
pub(super) struct Honest {
    name: &'static str,
    pub(super) id: ProviderId,
    worker: Worker,
    /// What outlives a crash: rows, and records that the queue has not been told of.
    disk: BTreeMap<(JobId, u8), Row>,
    offers: BTreeMap<u64, JobOffer>,
    offset: u64,
    sent: BTreeMap<TxId, (Deed, JobId, u8, u64)>,
    inbox: Vec<Input>,
    /// When children end, and how.
    children: BTreeMap<(JobId, u8), (u64, Result<Proven, ProveError>)>,
    reported: BTreeSet<(JobId, u8)>,
}

impl Honest {
    pub(super) fn new(name: &'static str, id: ProviderId) -> Self {
        Self {
            name,
            id,
            worker: Worker::new(settings(id), Vec::new()),
            disk: BTreeMap::new(),
            offers: BTreeMap::new(),
            offset: 0,
            sent: BTreeMap::new(),
            inbox: Vec::new(),
            children: BTreeMap::new(),
            reported: BTreeSet::new(),
        }
    }

    /// The queue brings a record.
    pub(super) fn offer(&mut self, offer: JobOffer) {
        self.offset += 1;
        self.offers.insert(self.offset, offer.clone());
        let position = Position { partition: 0, offset: self.offset };
        self.inbox.push(Input::Offer(Box::new(offer), position));
    }

    /// The node tells what a block did.
    pub(super) fn told(&mut self, block: &Executed, chain: &Chain) -> Result<(), String> {
        for receipt in &block.receipts {
            if let Some((deed, job, attempt, until_ms)) = self.sent.get(&receipt.id).copied() {
                let refused = receipt.refused;
                self.inbox.push(Input::Answered(Answer { deed, job, attempt, until_ms, refused }));
            }
        }
        for (event, index) in block.events.iter().zip(0..) {
            self.saw(event, Place { height: chain.height, index }, chain.time_ms);
        }
        self.inbox.push(Input::Head(chain.head(self.id)?));
        Ok(())
    }

    fn saw(&mut self, event: &Event, place: Place, time_ms: u64) {
        if let Some(sighting) = Sighting::of(event, place, time_ms) {
            self.inbox.push(Input::Ledger(sighting));
        }
    }

    /// One turn of its machine; returns what it sends.
    pub(super) fn turn(&mut self, sight: &mut Sight<'_>) -> Vec<SignedTx> {
        let mut sends = Vec::new();
        for (key, (at, result)) in &self.children {
            if *at <= sight.now && self.reported.insert(*key) {
                self.inbox.push(Input::Proof(key.0, key.1, *result));
            }
        }
        self.hear(Input::Tick, sight, &mut sends);
        for _ in 0..8 {
            if self.inbox.is_empty() {
                break;
            }
            // In any order, not at all, or twice.
            let input = self.inbox.swap_remove(sight.rng.index(self.inbox.len()));
            if sight.faults && sight.rng.chance(120) {
                continue;
            }
            if sight.faults && sight.rng.chance(120) {
                self.inbox.push(input.clone());
            }
            self.hear(input, sight, &mut sends);
        }
        self.inbox.truncate(INBOX_MAX);
        sends
    }

    fn hear(&mut self, input: Input, sight: &mut Sight<'_>, sends: &mut Vec<SignedTx>) {
        for effect in self.worker.step(sight.now, input) {
            if sight.faults && sight.rng.chance(5) {
                self.crash();
                return;
            }
            self.perform(effect, sight, sends);
        }
    }

    fn crash(&mut self) {
        self.inbox.clear();
        self.children.clear();
        self.reported.clear();
        let rows = self.disk.values().cloned().collect();
        self.worker = Worker::new(settings(self.id), rows);
        for (offset, offer) in &self.offers {
            let position = Position { partition: 0, offset: *offset };
            self.inbox.push(Input::Offer(Box::new(offer.clone()), position));
        }
    }

    fn perform(&mut self, effect: Effect, sight: &mut Sight<'_>, sends: &mut Vec<SignedTx>) {
        match effect {
            Effect::Save(row) => drop(self.disk.insert((row.job, row.attempt), *row)),
            Effect::Forget(job, attempt) => drop(self.disk.remove(&(job, attempt))),
            Effect::Ack(position) => drop(self.offers.remove(&position.offset)),
            Effect::Ask(job) => {
                let sighting = sight.chain.sighting(job, sight.ended.get(&job).copied());
                self.inbox.push(Input::Ledger(sighting));
            }
            Effect::Send { deed, job, attempt, until_ms } => {
                let (body, tag) = match deed {
                    Deed::Claim => (Body::Claim(Claim { job, attempt }), 1),
                    Deed::Release(reason) => (Body::Release(Release { job, attempt, reason }), 2),
                    Deed::Submit(proven) => {
                        (Body::SubmitProof(SubmitProof { job, attempt, proven }), 3)
                    }
                };
                let mut salt = [0; 16];
                salt.copy_from_slice(&job.0[..16]);
                salt[0] ^= attempt << 4 | tag;
                let tx = sight.chain.salted(self.name, (salt, until_ms), body);
                self.sent.insert(tx.body.id(), (deed, job, attempt, until_ms));
                sends.push(tx);
            }
            Effect::Unjail { until_ms } => {
                let mut salt = [4; 16];
                salt[..8].copy_from_slice(&until_ms.to_be_bytes());
                sends.push(sight.chain.salted(self.name, (salt, until_ms), Body::Unjail));
            }
            Effect::Look(task) => {
                let result = fetched(task.order.input.blob, sight.rng);
                self.inbox.push(Input::Looked(task.job, task.attempt, result));
            }
            Effect::Fetch(blob) => {
                let result = fetched(blob, sight.rng);
                self.inbox.push(Input::Blob(blob, result));
            }
            Effect::Prove(task) => self.prove(&task, sight),
            Effect::Kill(job, attempt) => drop(self.children.remove(&(job, attempt))),
            Effect::Store(bundle) => self.inbox.push(Input::Stored(bundle)),
            Effect::Again(_) | Effect::Progress(..) => {}
        }
    }

    fn prove(&mut self, task: &ProveTask, sight: &mut Sight<'_>) {
        let key = (task.job, task.attempt);
        self.reported.remove(&key);
        if self.children.contains_key(&key) {
            return;
        }
        let proven = proven(task.order.input.statement);
        let result = if sight.rng.chance(80) { Err(ProveError::Child) } else { Ok(proven) };
        // Some never end: the worker kills them.
        let takes = if sight.rng.chance(100) { u64::MAX / 2 } else { sight.rng.below(2_000) };
        self.children.insert(key, (sight.now + takes, result));
    }
}

fn fetched(blob: BlobId, rng: &mut Rng) -> Result<(), FetchError> {
    if blob == MISSING {
        return Err(FetchError::Unavailable);
    }
    // The disk is full at times.
    if rng.chance(80) { Err(FetchError::Local) } else { Ok(()) }
}

/// A proof about an input.
pub(super) const fn proven(input: ciro_protocol::id::InputDigest) -> Proven {
    Proven {
        verifier: 1,
        key_blob: BlobId([1; 32]),
        bundle: BlobId([2; 32]),
        bundle_bytes: 30,
        key: KEY,
        input,
        output: OutputDigest([6; 32]),
    }
}

fn settings(provider: ProviderId) -> Settings {
    let fees = Amount::ZERO;
    let served = Served { cells: 1 << 10, memory_mb: 100, prepare_ms: 0, fees };
    Settings {
        provider,
        capacity: CAPACITY,
        children: 1,
        rows_max: ROWS_MAX,
        memory_mb: 100,
        cells_per_s: 1 << 10,
        price_per_gcell: units(150 << 20),
        collateral_max: Amount::SUPPLY,
        input_bytes_max: 1 << 28,
        bytes_per_s: 1 << 30,
        models: [(KEY, served)].into(),
        listen_only: false,
        unjail: true,
        validity_ms: 4_000,
        retry_ms: 500,
        rank_ms: 25,
        open_ms_max: u64::MAX,
    }
}
