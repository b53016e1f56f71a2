//! What others make a replica hold and compute, counted: bytes by the allocator, hashes and
//! signature checks by the scheme. The table in `docs/consensus.md` states these numbers.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use ciro_consensus::crypto::{CryptoError, PublicKey, Scheme, Signature, Stark, StarkSigningKey};
use ciro_consensus::message::{
    Body, CLAIMS_MAX, Claim, Fetch, Message, NewView, PrePrepare, Status, Summary, ViewChange, Vote,
};
use ciro_consensus::{
    Certificate, ChainId, Digest, Effect, Epoch, Genesis, Identity, Input,
    OPERATIONS_PER_BLOCK_MAX, Operation, Params, Replica, ReplicaId, Seq, Timer, Validator,
    ValidatorSet, View,
};

use crate::support::{Lab, Proofs, key, operation, pre_prepare, proposal};

const MIB: i64 = 1 << 20;

thread_local! {
    static COMPUTED: Cell<Computed> = const { Cell::new(Computed { hashes: 0, checks: 0 }) };
}

/// What a replica computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Computed {
    /// Poseidon permutations: two words each.
    hashes: u64,
    /// Signatures verified.
    checks: u64,
}

/// The network's scheme, counting.
#[derive(Clone, Debug)]
struct Counted;

fn count(hashes: u64, checks: u64) {
    COMPUTED.with(|it| {
        let Computed { hashes: before, checks: checked } = it.get();
        it.set(Computed { hashes: before + hashes, checks: checked + checks });
    });
}

impl Scheme for Counted {
    type SigningKey = StarkSigningKey;
    type VerifyingKey = <Stark as Scheme>::VerifyingKey;

    fn hash(words: &[Digest]) -> Digest {
        count(words.len() as u64 / 2 + 1, 0);
        Stark::hash(words)
    }

    fn compress(left: &Digest, right: &Digest) -> Digest {
        count(1, 0);
        Stark::compress(left, right)
    }

    fn hash_bytes(bytes: &[u8]) -> Digest {
        Stark::hash_bytes(bytes)
    }

    fn expand(key: &PublicKey) -> Result<Self::VerifyingKey, CryptoError> {
        Stark::expand(key)
    }

    fn public_key(key: &StarkSigningKey) -> PublicKey {
        Stark::public_key(key)
    }

    fn sign(key: &StarkSigningKey, message: &Digest) -> Result<Signature, CryptoError> {
        Stark::sign(key, message)
    }

    fn verify(
        key: &Self::VerifyingKey,
        message: &Digest,
        signature: &Signature,
    ) -> Result<(), CryptoError> {
        count(0, 1);
        Stark::verify(key, message, signature)
    }
}

/// What some inputs cost a replica.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    computed: Computed,
    /// Bytes that it holds afterwards and did not before.
    held: i64,
    /// Bytes that it sent.
    sent: usize,
}

/// Replica 2 of a lab's chain, counted.
struct Victim {
    replica: Replica<Counted>,
    now: Duration,
    interval: Duration,
}

impl Victim {
    fn new(lab: &Lab) -> Self {
        let validators = (0..4).map(|id| Validator {
            id: ReplicaId(id),
            key: Stark::public_key(&key(id)),
            stake: 10,
        });
        let set = ValidatorSet::new(validators).unwrap();
        let (params, root) = (lab.genesis.params.clone(), lab.genesis.state_root);
        let interval = params.resend_interval;
        let genesis = Genesis::<Counted>::new(ChainId::new("ciro-test"), params, set, root);
        assert_eq!(genesis.chain, lab.genesis.chain);
        let identity = Identity { id: ReplicaId(2), key: key(2), votes_from: Epoch(0) };
        let (replica, _) = Replica::open(&genesis, identity, Duration::ZERO, Vec::new()).unwrap();
        Self { replica, now: Duration::ZERO, interval }
    }

    fn step(&mut self, input: Input) -> usize {
        let effects = self.replica.step(self.now, input);
        let sent = effects.iter().map(|effect| match effect {
            Effect::Send { message, .. } | Effect::Broadcast { message } => {
                message.to_bytes().len()
            }
            _ => 0,
        });
        sent.sum()
    }

    /// Feeds what a driver reads off the wire from one peer.
    fn receive(&mut self, peer: u32, messages: &[Vec<u8>]) -> Cost {
        self.measured(|victim| {
            let read = messages.iter().map(|bytes| Message::from_bytes(bytes).unwrap());
            let peer = ReplicaId(peer);
            read.map(|message| victim.step(Input::Message { peer, message: Arc::new(message) }))
                .sum()
        })
    }

    fn measured(&mut self, run: impl FnOnce(&mut Self) -> usize) -> Cost {
        COMPUTED.with(|it| it.set(Computed::default()));
        let mut sent = 0;
        let bytes = measure(|| sent = run(self));
        Cost { computed: COMPUTED.with(Cell::get), held: bytes.bytes_current, sent }
    }

    /// Lets a resend interval pass.
    fn tick(&mut self) {
        self.now += self.interval;
        self.step(Input::Timeout(Timer::Resend));
    }
}

fn encoded(messages: impl IntoIterator<Item = Arc<Message>>) -> Vec<Vec<u8>> {
    messages.into_iter().map(|message| message.to_bytes()).collect()
}

fn lab() -> Lab {
    Lab::with_params(Params::default())
}

/// A ViewChange of the next epoch with as many claims and signatures as an honest one can have.
fn large_view_change(lab: &Lab, sender: u32, view: u64) -> Arc<Message> {
    let start = lab.genesis.params.epoch_length;
    let window = u64::try_from(CLAIMS_MAX).unwrap().min(2 * lab.genesis.params.checkpoint_interval);
    let claims = (start + 1..=start + window).map(|seq| Claim {
        seq: Seq(seq),
        view: View(0),
        digest: Digest::from_u64(seq),
    });
    let claims: Vec<Claim> = claims.collect();
    let (_, certificate) = lab.prepared(&[0, 1, 2, 3], 0, 1, &proposal(0, &[]));
    let prepared = vec![certificate; claims.len()];
    let (view, stable_seq, stable_digest) = (View(view), Seq(start), Digest::from_u64(1));
    let summary = Summary { view, stable_seq, stable_digest, claims };
    let body = ViewChange { summary, checkpoint: None, prepared };
    lab.message(sender, 1, Body::ViewChange(Arc::new(body)))
}

/// A NewView as large as four validators can justify one.
fn large_new_view(lab: &Lab, sender: u32, epoch: u64, view: u64) -> Arc<Message> {
    let vote = large_view_change(lab, sender, view);
    let Body::ViewChange(body) = &vote.body else { panic!("no ViewChange") };
    let quoted = (0..4).map(|id| ciro_consensus::message::SignedSummary {
        sender: ReplicaId(id),
        summary: body.summary.clone(),
        signature: vote.signature,
    });
    let body = NewView {
        view: View(view),
        view_changes: quoted.collect(),
        checkpoint: None,
        prepared: body.prepared.clone(),
        pre_prepares: vec![(Digest::from_u64(1), vote.signature); body.prepared.len()],
    };
    lab.message(sender, epoch, Body::NewView(Arc::new(body)))
}

#[test]
fn a_stranger_costs_nothing() {
    let lab = lab();
    let mut victim = Victim::new(&lab);
    let messages = encoded((1..=50).map(|view| large_new_view(&lab, 1, 0, view)));
    let cost = victim.receive(77, &messages);
    // The counters of drops are a map of their own.
    assert!(cost.held < 1024 && cost.sent == 0, "{cost:?}");
    assert_eq!(cost.computed, Computed::default());
}

/// Sixty of the largest messages that a sender can have kept: early ones of every kind, and
/// proposals in its turn.
#[test]
fn sixty_large_messages_keep_a_replica_below_64_megabytes_for_each_sender() {
    let params = Params { operations_per_block: OPERATIONS_PER_BLOCK_MAX, ..Params::default() };
    let lab = Lab::with_params(params);
    let operations: Vec<Operation> = vec![operation(1, 1); OPERATIONS_PER_BLOCK_MAX];
    let early = Arc::new(proposal(3, &operations));
    let mut worst = 0;
    let stories: [Vec<Arc<Message>>; 4] = [
        (1..=60).map(|view| large_view_change(&lab, 3, view)).collect(),
        (1..=60).map(|view| large_new_view(&lab, 3, 1, view)).collect(),
        (1..=60)
            .map(|seq| {
                let (view, seq, digest) = (View(3), Seq(seq), Digest::from_u64(seq));
                let body = PrePrepare { view, seq, digest, proposal: Arc::clone(&early) };
                lab.message(3, 0, Body::PrePrepare(body))
            })
            .collect(),
        (1..=60)
            .map(|seq| {
                let own: Vec<Operation> =
                    (0..OPERATIONS_PER_BLOCK_MAX as u64).map(|at| operation(seq, at + 1)).collect();
                lab.message(0, 0, pre_prepare(0, seq, &proposal(0, &own)).0)
            })
            .collect(),
    ];
    for messages in stories {
        let mut victim = Victim::new(&lab);
        let (sender, kind) = (messages[0].sender.0, messages[0].body.kind());
        let messages = encoded(messages);
        let sent: usize = messages.iter().map(Vec::len).sum();
        // One in each resend interval, so that no budget of an interval protects the replica.
        let held: i64 = messages
            .iter()
            .map(|message| {
                let held = victim.receive(sender, std::slice::from_ref(message)).held;
                victim.tick();
                held
            })
            .sum();
        println!("{kind:?}: {sent} bytes sent, {held} held");
        assert!(held < 64 * 1_000_000, "{kind:?}: {held} bytes of {sent}");
        worst = worst.max(held);
    }
    assert!(worst > 0);
}

/// Whoever sends what does not verify is charged by size: what it makes a replica compute is
/// bounded in each interval.
#[test]
fn work_in_vain_is_bounded_in_every_resend_interval() {
    let lab = lab();
    let forged = |message: Arc<Message>| {
        let mut message = (*message).clone();
        message.signature.s[31] ^= 1;
        message.to_bytes()
    };
    let vote = |digest| Vote { view: View(0), seq: Seq(1), digest: Digest::from_u64(digest) };
    let operations: Vec<Operation> = (1..=512).map(|client| operation(client, 1)).collect();
    let block = proposal(0, &operations);
    let floods: [(&str, u32, Vec<Vec<u8>>); 4] = [
        (
            "votes",
            3,
            (0..400).map(|it| forged(lab.message(3, 0, Body::Prepare(vote(it))))).collect(),
        ),
        (
            "proposals",
            0,
            (1..=60).map(|seq| forged(lab.message(0, 0, pre_prepare(0, seq, &block).0))).collect(),
        ),
        (
            "new views",
            3,
            (0..60).map(|it| forged(large_new_view(&lab, 3, 0, 4 * it + 3))).collect(),
        ),
        ("view changes", 3, (1..=60).map(|it| forged(large_view_change(&lab, 3, it))).collect()),
    ];
    for (name, sender, messages) in floods {
        let mut victim = Victim::new(&lab);
        let first = victim.receive(sender, &messages).computed;
        let mut later = Computed::default();
        for _ in 0..20 {
            victim.tick();
            let cost = victim.receive(sender, &messages).computed;
            later = Computed {
                hashes: later.hashes.max(cost.hashes),
                checks: later.checks.max(cost.checks),
            };
        }
        println!("{name}: at once {first:?}, in an interval at most {later:?}");
        assert!(first.checks <= 64 && later.checks <= 16, "{name}: {first:?}, {later:?}");
        assert!(first.hashes <= 8_000 && later.hashes <= 4_000, "{name}: {first:?}, {later:?}");
    }
}

#[test]
fn answers_to_one_peer_are_bounded_in_every_resend_interval() {
    let lab = lab();
    let mut victim = Victim::new(&lab);
    let operations: Vec<Operation> = (1..=512).map(|client| operation(client, 1)).collect();
    let (body, vote) = pre_prepare(0, 1, &proposal(0, &operations));
    victim.receive(0, &encoded([lab.message(0, 0, body)]));
    let fetch = Body::Fetch(Fetch::Proposal { seq: Seq(1), digest: vote.digest });
    let requests = vec![lab.message(3, 0, fetch).to_bytes(); 1000];
    let mut worst = Cost::default();
    for _ in 0..4 {
        let cost = victim.receive(3, &requests);
        worst.sent = worst.sent.max(cost.sent);
        worst.computed.hashes = worst.computed.hashes.max(cost.computed.hashes);
        worst.computed.checks = worst.computed.checks.max(cost.computed.checks);
        assert!(cost.held < MIB / 4, "{cost:?}");
        victim.tick();
    }
    println!("a thousand requests: {worst:?}");
    assert!(worst.sent < 3 << 20, "{worst:?}");
    assert!(worst.computed.hashes < 20_000, "{worst:?}");
}

#[test]
fn a_client_keeps_a_replica_busy_with_a_thousand_operations_at_most() {
    let lab = lab();
    let mut victim = Victim::new(&lab);
    let cost = victim.measured(|victim| {
        (2..=5000).map(|nonce| victim.step(Input::Operation(operation(7, nonce)))).sum()
    });
    println!("one client: {cost:?}");
    assert!(cost.held < MIB / 4 && cost.computed == Computed::default(), "{cost:?}");
    let all = victim.measured(|victim| {
        let operations =
            (8..200).flat_map(|client| (2..=1025).map(move |it| operation(client, it)));
        operations.map(|operation| victim.step(Input::Operation(operation))).sum()
    });
    println!("two hundred clients: {all:?}");
    assert_eq!(victim.replica.footprint().pending, lab.genesis.params.pending);
    assert!(all.held < 4 * MIB, "{all:?}");
}

#[test]
fn a_peer_that_talks_of_its_position_is_looked_at_four_times_an_interval() {
    let lab = lab();
    let mut victim = Victim::new(&lab);
    let statuses = (1..=500).map(|executed| {
        let status =
            Status { view: View(0), active: true, stable: Seq(0), executed: Seq(executed) };
        lab.message(3, 0, Body::Status(status))
    });
    let statuses = encoded(statuses);
    victim.receive(3, &statuses);
    victim.tick();
    let cost = victim.receive(3, &statuses);
    println!("statuses: {cost:?}");
    assert_eq!(cost.computed.checks, 4);
    assert!(cost.held < 4096, "{cost:?}");
}

/// A leader checks each certificate of a claim once, whoever repeats it.
#[test]
fn claims_cost_a_quorum_of_checks_for_each_block_of_a_window() {
    let lab = lab();
    let mut victim = Victim::new(&lab);
    let window = 2 * lab.genesis.params.checkpoint_interval;
    let proven = (1..=window).map(|seq| {
        let content = proposal(0, &[operation(1, seq)]);
        lab.prepared(&[0, 1, 3], 0, seq, &content)
    });
    let (claims, prepared): (Vec<Claim>, Vec<Certificate>) = proven.unzip();
    let first = lab.view_change(3, lab.summary(1, &claims), Proofs { checkpoint: None, prepared });
    let cost = victim.receive(3, &encoded([Arc::clone(&first)]));
    println!("one view change of a whole window: {cost:?}");
    assert!(cost.computed.checks <= 3 * window + 1, "{cost:?}");
    assert!(cost.held < MIB, "{cost:?}");
    let again = victim.receive(3, &encoded([first]));
    assert_eq!(again.computed, Computed::default(), "the same again is known before it is hashed");
}
