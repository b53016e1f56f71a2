//! One replica under test, and the keys of all others to speak in their names.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::{Scheme, Stark, StarkSigningKey};
use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::{
    Body, CheckpointVote, Claim, Message, NewView, PrePrepare, SignedSummary, State, Status,
    Summary, ViewChange, Vote,
};
use ciro_consensus::new_view::select;
use ciro_consensus::{
    Block, Certificate, ChainId, ClientId, CommittedBlock, Digest, Effect, Epoch, Fault, Genesis,
    Host, Identity, Input, Kind, Nonce, Operation, Params, Proposal, Record, Replica, ReplicaId,
    Seq, StakeChange, StateRequest, Statement, Timer, Validator, ValidatorSet, View, Write,
    perform,
};

pub(crate) type TestReplica = Replica<Stark>;

/// A chain of four equal validators with small windows, and everyone's keys.
pub(crate) struct Lab {
    pub(crate) genesis: Genesis<Stark>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with_params(Params {
            checkpoint_interval: 4,
            epoch_length: 8,
            operations_per_block: 4,
            pipeline_depth: 4,
            ..Params::default()
        })
    }

    pub(crate) fn with_params(params: Params) -> Self {
        let validators = (0..4).map(|id| Validator {
            id: ReplicaId(id),
            key: Stark::public_key(&key(id)),
            stake: 10,
        });
        let set = ValidatorSet::new(validators).unwrap();
        let chain = ChainId::new("ciro-test");
        Self { genesis: Genesis::new(chain, params, set, Digest::short_string("genesis")) }
    }

    pub(crate) fn identity(id: u32) -> Identity<Stark> {
        Identity { id: ReplicaId(id), key: key(id), votes_from: Epoch(0) }
    }

    pub(crate) fn open(&self, id: u32) -> Subject {
        self.reopen(id, Vec::new())
    }

    pub(crate) fn reopen(&self, id: u32, records: Vec<Record>) -> Subject {
        self.reopen_as(Self::identity(id), records)
    }

    pub(crate) fn reopen_as(&self, identity: Identity<Stark>, records: Vec<Record>) -> Subject {
        let opened = Replica::open(&self.genesis, identity, Duration::ZERO, records.clone());
        let (replica, effects) = opened.unwrap();
        let (writes, now, done) = (Vec::new(), Duration::ZERO, Vec::new());
        let mut subject = Subject { replica, log: records, writes, now, done };
        subject.absorb(effects);
        subject
    }

    /// Signs a message in anyone's name.
    pub(crate) fn message(&self, sender: u32, epoch: u64, body: Body) -> Arc<Message> {
        let domain = self.genesis.message_domain();
        let signed =
            Message::sign::<Stark>((ReplicaId(sender), &key(sender)), &domain, Epoch(epoch), body);
        Arc::new(signed.unwrap())
    }

    pub(crate) fn certificate(&self, signers: &[u32], statement: &Statement) -> Certificate {
        let hash = statement.hash::<Stark>(self.genesis.chain);
        let signatures: Vec<_> = signers
            .iter()
            .map(|id| (ReplicaId(*id), Stark::sign(&key(*id), &hash).unwrap()))
            .collect();
        let set = self.genesis.committee.set();
        Certificate::collect(set, signatures.iter().map(|(id, s)| (*id, s))).unwrap()
    }

    /// Signs a NewView of these ViewChanges in the name of its leader.
    pub(crate) fn new_view(
        &self,
        view: u64,
        summaries: &[(u32, Summary)],
        proofs: Proofs,
    ) -> Arc<Message> {
        let Proofs { checkpoint, prepared } = proofs;
        let view = View(view);
        let leader = self.genesis.committee.set().leader(Epoch(0), view).0;
        let selection = select(summaries.iter().map(|(_, summary)| summary)).unwrap();
        let null = Proposal::null().digest::<Stark>();
        let pre_prepares = selection.iter().map(|(seq, claim)| {
            let digest = claim.map_or(null, |claim| claim.digest);
            let kind = Kind::PrePrepare;
            let statement = Statement { epoch: Epoch(0), kind, view, seq, digest };
            let hash = statement.hash::<Stark>(self.genesis.chain);
            (digest, Stark::sign(&key(leader), &hash).unwrap())
        });
        let pre_prepares = pre_prepares.collect();
        let view_changes = summaries.iter().map(|(sender, summary)| {
            let signed = self.view_change(*sender, summary.clone(), Proofs::default());
            let (sender, summary) = (ReplicaId(*sender), summary.clone());
            SignedSummary { sender, summary, signature: signed.signature }
        });
        let view_changes = view_changes.collect();
        let body = NewView { view, view_changes, checkpoint, prepared, pre_prepares };
        self.message(leader, 0, Body::NewView(Arc::new(body)))
    }

    /// Returns a block with Commits of replicas in a view.
    pub(crate) fn committed(
        &self,
        signers: &[u32],
        view: u64,
        seq: u64,
        proposal: &Proposal,
    ) -> CommittedBlock {
        let (view, seq, digest) = (View(view), Seq(seq), proposal.digest::<Stark>());
        let epoch = self.genesis.params.epoch_of(seq);
        let statement = Statement { epoch, kind: Kind::Commit, view, seq, digest };
        let certificate = self.certificate(signers, &statement);
        CommittedBlock { seq, view, proposal: Arc::new(proposal.clone()), certificate }
    }

    /// Returns a claim of a prepared block with its certificate.
    pub(crate) fn prepared(
        &self,
        signers: &[u32],
        view: u64,
        seq: u64,
        proposal: &Proposal,
    ) -> (Claim, Certificate) {
        let (view, seq, digest) = (View(view), Seq(seq), proposal.digest::<Stark>());
        let statement = Statement { epoch: Epoch(0), kind: Kind::Prepare, view, seq, digest };
        (Claim { seq, view, digest }, self.certificate(signers, &statement))
    }

    /// Returns the summary of someone whose checkpoint is genesis.
    pub(crate) fn summary(&self, view: u64, claims: &[Claim]) -> Summary {
        let stable_digest = self.open(3).replica.stable().digest;
        let (view, claims) = (View(view), claims.to_vec());
        Summary { view, stable_seq: Seq(0), stable_digest, claims }
    }

    pub(crate) fn view_change(
        &self,
        sender: u32,
        summary: Summary,
        proofs: Proofs,
    ) -> Arc<Message> {
        let Proofs { checkpoint, prepared } = proofs;
        let body = ViewChange { summary, checkpoint, prepared };
        self.message(sender, 0, Body::ViewChange(Arc::new(body)))
    }
}

/// What stands beside a ViewChange's summary.
#[derive(Default)]
pub(crate) struct Proofs {
    pub(crate) checkpoint: Option<Certificate>,
    pub(crate) prepared: Vec<Certificate>,
}

/// Keeps the log, and notes everything else that is asked for.
struct Witness<'a> {
    log: &'a mut Vec<Record>,
    writes: &'a mut Vec<Vec<Write>>,
    rest: Vec<Effect>,
}

impl Host for Witness<'_> {
    type Error = Infallible;

    fn persist(&mut self, writes: Vec<Write>) -> Result<(), Infallible> {
        self.writes.push(writes.clone());
        for write in writes {
            match write {
                Write::Append(record) => self.log.push(*record),
                Write::KeepProof(proof) => self.log.push(Record::Epoch(proof)),
                Write::Compact(records) => {
                    let is_proof = |record: &Record| matches!(record, Record::Epoch(_));
                    let proofs = self.log.iter().filter(|it| is_proof(it)).cloned();
                    *self.log = records.into_iter().chain(proofs).collect();
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, to: ReplicaId, message: Arc<Message>) {
        self.rest.push(Effect::Send { to, message });
    }

    fn broadcast(&mut self, message: Arc<Message>) {
        self.rest.push(Effect::Broadcast { message });
    }

    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>) {
        self.rest.push(Effect::Relay { to, operations });
    }

    fn set_timeout(&mut self, timer: Timer, after: Duration) {
        self.rest.push(Effect::SetTimeout { timer, after });
    }

    fn cancel_timeout(&mut self, timer: Timer) {
        self.rest.push(Effect::CancelTimeout { timer });
    }

    fn validate(&mut self, seq: Seq, digest: Digest, operations: Vec<Operation>) {
        self.rest.push(Effect::Validate { seq, digest, operations });
    }

    fn execute(&mut self, block: Box<Block>) {
        self.rest.push(Effect::Execute(block));
    }

    fn restore_state(&mut self, seq: Seq, state_root: Digest) {
        self.rest.push(Effect::RestoreState { seq, state_root });
    }

    fn fetch_state(&mut self, request: StateRequest) {
        self.rest.push(Effect::FetchState(request));
    }

    fn stable(&mut self, seq: Seq, keep_from: Seq) {
        self.rest.push(Effect::Stable { seq, keep_from });
    }

    fn validators(&mut self, epoch: Epoch, set: Arc<ValidatorSet>) {
        self.rest.push(Effect::Validators { epoch, set });
    }

    fn stake_refused(&mut self, seq: Seq, changes: Vec<StakeChange>) {
        self.rest.push(Effect::StakeRefused { seq, changes });
    }

    fn report(&mut self, evidence: Box<Evidence>) {
        self.rest.push(Effect::Report(evidence));
    }

    fn halt(&mut self, fault: Fault) {
        self.rest.push(Effect::Halt(fault));
    }
}

/// A replica with its log and everything it did.
pub(crate) struct Subject {
    pub(crate) replica: TestReplica,
    pub(crate) log: Vec<Record>,
    /// The writes of each step that asked for any.
    pub(crate) writes: Vec<Vec<Write>>,
    pub(crate) now: Duration,
    pub(crate) done: Vec<Effect>,
}

impl Subject {
    /// Feeds an input; log effects go to the log, the others are returned.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.replica.step(self.now, input);
        self.absorb(effects)
    }

    pub(crate) fn receive(&mut self, message: &Arc<Message>) -> Vec<Effect> {
        self.receive_from(message.sender.0, message)
    }

    /// Receives a message that a peer passes on.
    pub(crate) fn receive_from(&mut self, peer: u32, message: &Arc<Message>) -> Vec<Effect> {
        self.step(Input::Message { peer: ReplicaId(peer), message: Arc::clone(message) })
    }

    /// Opens a replica that knows checkpoint 4 to be stable, has executed nothing, and has asked
    /// replica 1 for the state.
    pub(crate) fn wanting_snapshot(lab: &Lab, id: u32, digest: Digest) -> Self {
        let mut subject = lab.open(id);
        for sender in (0..4).filter(|sender| *sender != id) {
            subject.receive(&lab.message(sender, 0, checkpoint(4, digest)));
        }
        let status = Status { view: View(0), active: true, stable: Seq(4), executed: Seq(4) };
        for _ in 0..6 {
            subject.receive(&lab.message(1, 0, Body::Status(status)));
            subject.fire(Timer::Resend, lab.genesis.params.resend_interval);
        }
        subject
    }

    /// Learns committed blocks from a replica that says it has them.
    pub(crate) fn learn(&mut self, lab: &Lab, from: u32, blocks: &[CommittedBlock]) -> Vec<Effect> {
        let executed = blocks.last().unwrap().seq;
        let status = Status { view: View(0), active: true, stable: Seq(0), executed };
        let epoch = self.replica.epoch().0;
        self.receive(&lab.message(from, epoch, Body::Status(status)));
        self.fire(Timer::Resend, lab.genesis.params.resend_interval);
        let state = State::Blocks(blocks.to_vec());
        self.receive(&lab.message(from, epoch, Body::State(Arc::new(state))))
    }

    /// Lets time pass and a timer fire.
    pub(crate) fn fire(&mut self, timer: Timer, after: Duration) -> Vec<Effect> {
        self.now += after;
        self.step(Input::Timeout(timer))
    }

    fn absorb(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut host = Witness { log: &mut self.log, writes: &mut self.writes, rest: Vec::new() };
        let Ok(()) = perform(effects, &mut host);
        let rest = host.rest;
        self.done.extend(rest.iter().cloned());
        rest
    }

    /// Answers every block to execute, each state root being the block's number.
    pub(crate) fn execute_all(&mut self) -> Vec<Seq> {
        self.execute_all_with(&[])
    }

    pub(crate) fn execute_all_with(&mut self, changes: &[StakeChange]) -> Vec<Seq> {
        let mut executed = Vec::new();
        loop {
            let next = self.done.iter().rev().find_map(|effect| match effect {
                Effect::Execute(block) => Some(block.seq),
                _ => None,
            });
            match next.filter(|seq| *seq > self.replica.executed()) {
                Some(seq) => {
                    executed.push(seq);
                    let state_root = Digest::from_u64(seq.0);
                    let changes = changes.to_vec();
                    self.step(Input::Executed { seq, state_root, changes });
                }
                None => return executed,
            }
        }
    }

    pub(crate) fn submit(&mut self, operations: &[Operation]) -> Vec<Effect> {
        operations.iter().flat_map(|operation| self.step(Input::Operation(*operation))).collect()
    }

    /// Runs one block through all phases with replicas 0 to 2 voting, this one among them or not.
    pub(crate) fn commit(&mut self, lab: &Lab, view: u64, seq: u64, proposal: &Proposal) {
        let epoch = self.replica.epoch().0;
        let leader = self.replica.validators().proposer::<Stark>(
            self.replica.epoch(),
            View(view),
            rotation(lab, epoch, seq),
        );
        let (body, vote) = pre_prepare(view, seq, proposal);
        if leader != self.replica.id() {
            self.receive(&lab.message(leader.0, epoch, body));
        } else {
            self.submit(&proposal.operations);
        }
        for kind in [Body::Prepare, Body::Commit] {
            let own = self.replica.id();
            for sender in (0..4).filter(|id| ReplicaId(*id) != own) {
                self.receive(&lab.message(sender, epoch, kind(vote)));
            }
        }
        self.answer_validation(true);
        self.execute_all();
    }

    pub(crate) fn answer_validation(&mut self, valid: bool) -> Vec<Effect> {
        let asked: Vec<(Seq, Digest)> = self
            .done
            .iter()
            .filter_map(|effect| match effect {
                Effect::Validate { seq, digest, .. } => Some((*seq, *digest)),
                _ => None,
            })
            .collect();
        asked
            .into_iter()
            .flat_map(|(seq, digest)| self.step(Input::Verdict { seq, digest, valid }))
            .collect()
    }
}

/// Intervals since the epoch's first, for views that began with the epoch.
fn rotation(lab: &Lab, epoch: u64, seq: u64) -> u64 {
    let params = &lab.genesis.params;
    params.interval_of(Seq(seq)) - params.interval_of(params.epoch_start(Epoch(epoch)).next())
}

pub(crate) fn key(id: u32) -> StarkSigningKey {
    let secret =
        Stark::hash(&[Digest::short_string("test secret"), Digest::from_u64(u64::from(id))]);
    StarkSigningKey::from_bytes(secret.as_bytes()).unwrap()
}

pub(crate) fn operation(client: u64, nonce: u64) -> Operation {
    let payload = Digest::from_u64(1000 * client + nonce);
    Operation { client: ClientId(client), nonce: Nonce(nonce), payload }
}

pub(crate) fn proposal(view: u64, operations: &[Operation]) -> Proposal {
    Proposal { view: View(view), operations: operations.to_vec(), evidence: Vec::new() }
}

/// Returns a PrePrepare and the vote that agrees to it.
pub(crate) fn pre_prepare(view: u64, seq: u64, proposal: &Proposal) -> (Body, Vote) {
    let (view, seq, digest) = (View(view), Seq(seq), proposal.digest::<Stark>());
    let body = PrePrepare { view, seq, digest, proposal: Arc::new(proposal.clone()) };
    (Body::PrePrepare(body), Vote { view, seq, digest })
}

pub(crate) fn checkpoint(seq: u64, digest: Digest) -> Body {
    Body::Checkpoint(CheckpointVote { seq: Seq(seq), digest })
}

/// Returns the kinds of protocol messages sent to all, in order.
pub(crate) fn said(effects: &[Effect]) -> Vec<Kind> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { message } => Some(message.body.kind()),
            _ => None,
        })
        .filter(|kind| *kind != Kind::Status)
        .collect()
}

/// Whether a step asks for another view, and says nothing else. A repetition is no second wish.
pub(crate) fn asks_for_a_view(effects: &[Effect]) -> bool {
    let said = said(effects);
    !said.is_empty() && said.iter().all(|kind| *kind == Kind::ViewChange)
}

/// Returns the votes of one kind sent to all.
pub(crate) fn votes(effects: &[Effect], kind: Kind) -> Vec<Vote> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { message } => Some(&message.body),
            _ => None,
        })
        .filter(|body| body.kind() == kind)
        .filter_map(|body| match body {
            Body::Prepare(vote) | Body::Commit(vote) => Some(*vote),
            _ => None,
        })
        .collect()
}
