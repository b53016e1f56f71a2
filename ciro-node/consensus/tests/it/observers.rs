//! Following without a vote: who may, what it costs, and how a replica comes to vote.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::{PublicKey, Scheme, Stark};
use ciro_consensus::message::{Body, Fetch, Message, Status, Summary};
use ciro_consensus::{
    Digest, Dropped, Effect, Epoch, Identity, Input, Kind, Observers, Operation, Params, Pin,
    Replica, ReplicaId, Seq, StakeChange, Timer, VALIDATORS_MAX, View,
};

use crate::support::{
    Lab, Proofs, Subject, TestReplica, checkpoint, key, operation, pre_prepare, proposal,
};

/// The replica that joins.
const NEWCOMER: u32 = 9;

fn observers(ids: impl IntoIterator<Item = u32>) -> Observers {
    Observers::new(ids.into_iter().map(|id| (ReplicaId(id), Stark::public_key(&key(id)))))
}

fn dropped(subject: &Subject, reason: Dropped) -> u64 {
    subject.replica.dropped().find(|(why, _)| *why == reason).map_or(0, |(_, count)| count)
}

fn status(executed: u64) -> Body {
    Body::Status(Status {
        view: View(0),
        active: true,
        stable: Seq(executed),
        executed: Seq(executed),
    })
}

/// Returns the bytes sent to one replica.
fn sent_to(effects: &[Effect], receiver: u32) -> usize {
    let messages = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message } if *to == ReplicaId(receiver) => Some(message),
        _ => None,
    });
    messages.map(|message| message.to_bytes().len()).sum()
}

/// A replica that holds a block of 4,000 operations, and the request for it.
fn serving(lab: &Lab) -> (Subject, Body) {
    let mut replica = lab.open(2);
    let operations: Vec<_> = (1..=4000).map(|client| operation(client, 1)).collect();
    let (body, vote) = pre_prepare(0, 1, &proposal(0, &operations));
    replica.receive(&lab.message(0, 0, body));
    (replica, Body::Fetch(Fetch::Proposal { seq: Seq(1), digest: vote.digest }))
}

fn large_blocks() -> Lab {
    Lab::with_params(Params { operations_per_block: 4096, ..Params::default() })
}

#[test]
fn rights_come_and_go_with_the_list() {
    let lab = large_blocks();
    let (mut replica, fetch) = serving(&lab);
    let request = lab.message(NEWCOMER, 0, fetch);
    assert_eq!(sent_to(&replica.receive(&request), NEWCOMER), 0, "a stranger gets nothing");
    assert_eq!(dropped(&replica, Dropped::Stranger), 1);
    assert_eq!(replica.replica.footprint().peers, 1, "nor does it cost memory");
    replica.step(Input::Observers(observers([NEWCOMER])));
    assert!(sent_to(&replica.receive(&request), NEWCOMER) > 0);
    assert_eq!(replica.replica.footprint().observers, 1);
    let forged =
        Message { signature: lab.message(NEWCOMER, 0, status(1)).signature, ..(*request).clone() };
    replica.receive(&Arc::new(forged));
    assert_eq!(dropped(&replica, Dropped::Signature), 1);
    replica.step(Input::Observers(Observers::default()));
    assert_eq!(sent_to(&replica.receive(&request), NEWCOMER), 0);
    assert_eq!(dropped(&replica, Dropped::Stranger), 2);
    replica.fire(Timer::Resend, lab.genesis.params.resend_interval);
    let footprint = replica.replica.footprint();
    assert_eq!((footprint.peers, footprint.observers), (1, 0), "it is forgotten");
}

#[test]
fn nothing_else_of_an_observer_counts() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    replica.step(Input::Observers(observers([NEWCOMER])));
    let (proposed, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    let summary = Summary {
        view: View(1),
        stable_seq: Seq(0),
        stable_digest: replica.replica.stable().digest,
        claims: Vec::new(),
    };
    let view_change = lab.view_change(NEWCOMER, summary, Proofs::default());
    let summaries: Vec<(u32, Summary)> =
        [0, 1, 3].map(|sender| (sender, lab.summary(1, &[]))).into();
    let new_view = lab.new_view(1, &summaries, Proofs::default());
    let said = [
        lab.message(NEWCOMER, 0, proposed.clone()),
        lab.message(NEWCOMER, 0, Body::Prepare(vote)),
        lab.message(NEWCOMER, 0, Body::Commit(vote)),
        lab.message(NEWCOMER, 0, checkpoint(4, Digest::from_u64(1))),
        view_change,
        lab.message(NEWCOMER, 0, new_view.body.clone()),
    ];
    for (count, message) in (1..).zip(&said) {
        assert!(replica.receive(message).is_empty());
        assert_eq!(dropped(&replica, Dropped::Stranger), count, "{message:?}");
    }
    for message in &said {
        assert!(replica.receive_from(1, message).is_empty(), "passed on by a member");
    }
    // Nobody passes on a ViewChange.
    assert_eq!(dropped(&replica, Dropped::NotItsOwn), 1);
    assert_eq!(dropped(&replica, Dropped::Stranger), 11);
    // Nor does it pass on what members say.
    replica.receive_from(NEWCOMER, &lab.message(0, 0, proposed));
    assert_eq!(dropped(&replica, Dropped::Stranger), 12);
    assert_eq!(replica.replica.footprint().slots, 0);
}

#[test]
fn a_member_is_judged_by_its_set_whatever_the_list_says() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let other = Stark::public_key(&key(77));
    replica.step(Input::Observers(Observers::new([(ReplicaId(1), other)])));
    let domain = lab.genesis.message_domain();
    let forged = Message::sign::<Stark>((ReplicaId(1), &key(77)), &domain, Epoch(0), status(4));
    replica.receive(&Arc::new(forged.unwrap()));
    assert_eq!(dropped(&replica, Dropped::Signature), 1);
    let (_, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    replica.receive(&lab.message(1, 0, status(0)));
    replica.receive(&lab.message(1, 0, Body::Prepare(vote)));
    assert_eq!(dropped(&replica, Dropped::Signature), 1);
    assert_eq!(replica.replica.footprint().votes, 1);
}

#[test]
fn observers_share_what_one_member_may_cost() {
    let lab = large_blocks();
    let (mut replica, fetch) = serving(&lab);
    let all = 100..100 + u32::try_from(VALIDATORS_MAX).unwrap();
    replica.step(Input::Observers(observers(all.clone())));
    let greedy: Vec<_> = all.map(|id| (id, lab.message(id, 0, fetch.clone()))).collect();
    let mut answered = BTreeSet::new();
    for _ in 0..64 {
        let (mut bytes, mut served) = (0, 0);
        for (id, request) in &greedy {
            let sent: usize = (0..20).map(|_| sent_to(&replica.receive(request), *id)).sum();
            bytes += sent;
            if sent > 0 {
                served += 1;
                answered.insert(*id);
            }
        }
        assert!(bytes <= (2 << 20) + (256 << 10), "{bytes} bytes");
        assert!((1..=8).contains(&served), "{served} of them");
        // Members get theirs all the same.
        let request = lab.message(1, 0, fetch.clone());
        let member: usize = (0..20).map(|_| sent_to(&replica.receive(&request), 1)).sum();
        assert!(member >= 3 << 19, "{member} bytes");
        replica.fire(Timer::Resend, lab.genesis.params.resend_interval);
    }
    assert_eq!(answered.len(), VALIDATORS_MAX, "however much others ask, each has its turn");
}

#[test]
fn observers_do_not_keep_a_replica_busy() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let all = 100..100 + u32::try_from(VALIDATORS_MAX).unwrap();
    replica.step(Input::Observers(observers(all.clone())));
    let fetch = Body::Fetch(Fetch::Blocks { from: Seq(1000) });
    for id in all {
        let request = lab.message(id, 0, fetch.clone());
        for _ in 0..20 {
            replica.receive(&request);
        }
    }
    assert_eq!(dropped(&replica, Dropped::Outside), 128, "so many signatures are checked");
    assert_eq!(dropped(&replica, Dropped::Budget), 20 * 256 - 128);
}

/// Returns whom a replica asks for what during some intervals.
fn asked(lab: &Lab, subject: &mut Subject, intervals: usize) -> Vec<(u32, Fetch)> {
    let mut asked = Vec::new();
    for _ in 0..intervals {
        let effects = subject.fire(Timer::Resend, lab.genesis.params.resend_interval);
        asked.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Send { to, message } => match message.body {
                Body::Fetch(fetch) => Some((to.0, fetch)),
                _ => None,
            },
            _ => None,
        }));
    }
    asked
}

#[test]
fn observers_that_lie_have_one_turn_together() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    replica.step(Input::Observers(observers(100..108)));
    for liar in 100..108 {
        let lie =
            Status { view: View(u64::MAX), active: true, stable: Seq(1000), executed: Seq(1000) };
        let effects = replica.receive(&lab.message(liar, u64::MAX, Body::Status(lie)));
        assert!(effects.is_empty(), "what it claims makes nobody ask at once");
    }
    for member in [0, 1, 3] {
        replica.receive(&lab.message(member, 0, status(4)));
    }
    let asked = asked(&lab, &mut replica, 40);
    let blocks = asked.iter().filter(|(_, fetch)| matches!(fetch, Fetch::Blocks { .. }));
    let (members, liars) = blocks.partition::<Vec<&(u32, Fetch)>, _>(|(to, _)| *to < 100);
    assert_eq!((members.len(), liars.len()), (30, 10), "as often as one member");
    let view = |fetch: &Fetch| matches!(fetch, Fetch::NewView { .. } | Fetch::Proposal { .. });
    assert!(!asked.iter().any(|(to, fetch)| *to >= 100 && view(fetch)));
}

/// Some replicas on a network that loses nothing. The newcomer hears of members' broadcasts no
/// more than their Statuses.
struct Net {
    params: Params,
    replicas: BTreeMap<ReplicaId, TestReplica>,
    queue: VecDeque<(ReplicaId, Input)>,
    now: Duration,
    /// What execution of a block does to the stakes.
    changes: BTreeMap<Seq, StakeChange>,
    /// What the newcomer said to all, with its epoch.
    said: Vec<(Kind, Epoch)>,
    /// States that applications fetched.
    fetched: Vec<Vec<ReplicaId>>,
}

impl Net {
    fn new(lab: &Lab, ids: impl IntoIterator<Item = u32>) -> Self {
        let mut net = Self {
            params: lab.genesis.params.clone(),
            replicas: BTreeMap::new(),
            queue: VecDeque::new(),
            now: Duration::ZERO,
            changes: BTreeMap::new(),
            said: Vec::new(),
            fetched: Vec::new(),
        };
        ids.into_iter().for_each(|id| net.open(lab, id));
        net
    }

    fn open(&mut self, lab: &Lab, id: u32) {
        let identity = Identity { id: ReplicaId(id), key: key(id), votes_from: Epoch(0) };
        let opened = Replica::open(&lab.genesis, identity, self.now, Vec::new());
        let (replica, effects) = opened.unwrap();
        self.replicas.insert(ReplicaId(id), replica);
        self.perform(ReplicaId(id), effects);
        self.run();
    }

    fn announce(&mut self, to: u32, list: &Observers) {
        self.queue.push_back((ReplicaId(to), Input::Observers(list.clone())));
        self.run();
    }

    fn run(&mut self) {
        while let Some((to, input)) = self.queue.pop_front() {
            let Some(replica) = self.replicas.get_mut(&to) else { continue };
            let effects = replica.step(self.now, input);
            self.perform(to, effects);
        }
    }

    fn perform(&mut self, from: ReplicaId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    self.queue.push_back((to, Input::Message { peer: from, message }));
                }
                Effect::Broadcast { message } => self.broadcast(from, &message),
                Effect::Execute(block) => {
                    let changes = self.changes.get(&block.seq).copied().into_iter().collect();
                    let state_root = Digest::from_u64(block.seq.0);
                    let seq = block.seq;
                    self.queue.push_back((from, Input::Executed { seq, state_root, changes }));
                }
                Effect::Validate { seq, digest, .. } => {
                    self.queue.push_back((from, Input::Verdict { seq, digest, valid: true }));
                }
                Effect::FetchState(request) => {
                    self.fetched.push(request.sources);
                    self.queue.push_back((from, Input::StateFetched { seq: request.seq }));
                }
                Effect::Halt(fault) => panic!("{from} halts: {fault}"),
                _ => {}
            }
        }
    }

    fn broadcast(&mut self, from: ReplicaId, message: &Arc<Message>) {
        let kind = message.body.kind();
        if from == ReplicaId(NEWCOMER) {
            self.said.push((kind, message.epoch));
        }
        let joined =
            |epoch| self.replicas.get(&ReplicaId(NEWCOMER)).is_some_and(|it| it.epoch() >= epoch);
        let votes = joined(Epoch(4));
        for to in self.replicas.keys().copied().filter(|to| *to != from) {
            if to != ReplicaId(NEWCOMER) || kind == Kind::Status || votes {
                let message = Arc::clone(message);
                self.queue.push_back((to, Input::Message { peer: from, message }));
            }
        }
    }

    /// Orders operations, one a block, with a resend interval after each.
    fn order(&mut self, blocks: std::ops::RangeInclusive<u64>) {
        for nonce in blocks {
            let operation: Operation = operation(1, nonce);
            let members = self.replicas.keys().copied().filter(|id| *id != ReplicaId(NEWCOMER));
            self.queue.extend(members.map(|id| (id, Input::Operation(operation))));
            self.run();
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.now += self.params.resend_interval;
        let ids = self.replicas.keys().copied();
        self.queue.extend(ids.map(|id| (id, Input::Timeout(Timer::Resend))));
        self.run();
    }

    fn replica(&self, id: u32) -> &TestReplica {
        &self.replicas[&ReplicaId(id)]
    }
}

fn short_epochs() -> Lab {
    let params = Params { checkpoint_interval: 2, epoch_length: 4, ..Params::default() };
    Lab::with_params(Params { operations_per_block: 4, pipeline_depth: 2, ..params })
}

#[test]
fn a_newcomer_follows_from_genesis_and_votes_in_its_first_epoch() {
    let lab = short_epochs();
    let mut net = Net::new(&lab, 0..4);
    // It is elected in epoch 2, block 10, and votes from epoch 4, block 17.
    let newcomer =
        StakeChange { id: ReplicaId(NEWCOMER), key: Stark::public_key(&key(NEWCOMER)), stake: 10 };
    net.changes.insert(Seq(10), newcomer);
    net.order(1..=6);
    net.open(&lab, NEWCOMER);
    for _ in 0..20 {
        net.tick();
    }
    assert_eq!(net.replica(NEWCOMER).executed(), Seq(0), "a stranger gets nothing");
    let list = observers([NEWCOMER]);
    (0..4).for_each(|id| net.announce(id, &list));
    for _ in 0..20 {
        net.tick();
    }
    assert_eq!(net.replica(NEWCOMER).executed(), Seq(6), "no block is missing");
    assert_eq!(net.replica(NEWCOMER).epoch(), Epoch(1));
    net.order(7..=11);
    // Nobody knows it as a member yet.
    assert!(!net.replica(0).snapshot().next.contains(ReplicaId(NEWCOMER)));
    assert!(net.replica(NEWCOMER).executed() >= Seq(10), "it follows");
    net.order(12..=20);
    for _ in 0..4 {
        net.tick();
    }
    assert_eq!(net.replica(NEWCOMER).snapshot(), net.replica(0).snapshot());
    let votes = net.said.iter().filter(|(kind, _)| *kind != Kind::Status);
    let epochs: Vec<Epoch> = votes.map(|(_, epoch)| *epoch).collect();
    assert!(!epochs.is_empty() && epochs.iter().all(|epoch| *epoch == Epoch(4)), "{epochs:?}");
}

#[test]
fn a_replica_that_knows_no_living_member_finds_the_way_by_observers() {
    let lab = short_epochs();
    let mut net = Net::new(&lab, 0..4);
    // Four others take over, in epochs 3 and 4; the first four leave.
    let key_of = |id| -> PublicKey { Stark::public_key(&key(id)) };
    for (seq, id) in (1..=4).zip(20..24) {
        let joins = StakeChange { id: ReplicaId(id), key: key_of(id), stake: 100 };
        net.changes.insert(Seq(seq), joins);
    }
    for (seq, id) in (5..=8).zip(0..4) {
        let leaves = StakeChange { id: ReplicaId(id), key: key_of(id), stake: 0 };
        net.changes.insert(Seq(seq), leaves);
    }
    (20..24).for_each(|id| net.open(&lab, id));
    let registered = observers(20..24);
    (0..4).for_each(|id| net.announce(id, &registered));
    net.order(1..=24);
    assert_eq!(net.replica(20).executed(), Seq(24));
    (0..4).for_each(|id| assert!(net.replicas.remove(&ReplicaId(id)).is_some()));
    net.order(25..=40);
    assert!(net.replica(20).executed() >= Seq(36));
    // The newcomer knows the genesis and nothing else. Those who are left know it as registered.
    net.open(&lab, NEWCOMER);
    (20..24).for_each(|id| net.announce(id, &observers([NEWCOMER])));
    for _ in 0..10 {
        net.tick();
    }
    assert_eq!(net.replica(NEWCOMER).executed(), Seq(0));
    net.announce(NEWCOMER, &registered);
    for _ in 0..20 {
        net.tick();
    }
    assert_eq!(net.replica(NEWCOMER).snapshot(), net.replica(20).snapshot());
    assert!(net.fetched.iter().all(|sources| !sources.is_empty()));
}

#[test]
fn what_a_member_pushes_no_observer_is_sent() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    replica.step(Input::Observers(observers([NEWCOMER])));
    let (body, _) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    replica.receive(&lab.message(0, 0, body));
    replica.answer_validation(true);
    replica.now += Duration::from_secs(5);
    assert!(sent_to(&replica.receive(&lab.message(3, 0, status(0))), 3) > 0);
    assert_eq!(sent_to(&replica.receive(&lab.message(NEWCOMER, 0, status(0))), NEWCOMER), 0);
    // And a replica that is no member pushes nothing to members, who would not look at it.
    let mut follower = lab.open(NEWCOMER);
    let (body, _) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    follower.receive(&lab.message(0, 0, body));
    for turn in 0..8 {
        follower.now += Duration::from_secs(turn);
        let effects = follower.receive(&lab.message(3, 0, status(0)));
        assert_eq!(sent_to(&effects, 3), 0);
        follower.fire(Timer::Resend, lab.genesis.params.resend_interval);
    }
}

/// A newcomer with a pin that follows a network for a while.
fn pinned(net: &mut Net, epoch: u64, validators: Digest) -> Seq {
    let mut lab = short_epochs();
    lab.genesis.pin = Some(Pin { epoch: Epoch(epoch), validators });
    net.open(&lab, NEWCOMER);
    (0..4).for_each(|id| net.announce(id, &observers([NEWCOMER])));
    for _ in 0..30 {
        net.tick();
    }
    net.replicas.remove(&ReplicaId(NEWCOMER)).unwrap().executed()
}

#[test]
fn a_replica_with_a_pin_takes_no_block_of_a_way_that_does_not_lead_there() {
    let lab = short_epochs();
    let mut net = Net::new(&lab, 0..4);
    net.order(1..=40);
    let epoch = net.replica(0).epoch();
    let set = net.replica(0).validators().digest::<Stark>();
    assert!(epoch >= Epoch(4));
    assert_eq!(pinned(&mut net, epoch.0, set), Seq(0), "it has no checkpoint yet");
    net.order(41..=48);
    let at = net.replica(0).executed();
    for pinned_epoch in [epoch.0, epoch.0 - 1, 1] {
        assert!(pinned(&mut net, pinned_epoch, set) >= Seq(at.0 - 8), "{pinned_epoch}");
    }
    let other = Digest::from_u64(7);
    for pinned_epoch in [2, epoch.0] {
        assert_eq!(pinned(&mut net, pinned_epoch, other), Seq(0), "{pinned_epoch}");
    }
    // Nor does it begin where it cannot know.
    assert_eq!(pinned(&mut net, epoch.0 + 9, set), Seq(0));
}
