//! From an order to a receipt that the genesis alone proves: ledger, tree, consensus and light
//! client together.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::{Scheme as _, Stark};
use ciro_consensus::evidence::{DoubleSign, Evidence, SignedDigest};
use ciro_consensus::message::Message;
use ciro_consensus::{
    Digest, Epoch, EpochProof, Fault, Finality, Host, Identity, Input, Kind, Operation, Replica,
    ReplicaId, Seq, StakeChange, StateRequest, Statement, Timer, ValidatorSet,
    View as ConsensusView, Write, perform,
};
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::{ChainSpec, Genesis, GenesisValidator};
use ciro_protocol::economy::{Offence, OffenceError};
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::light::{EndedJob, ReceiptError, ReceiptProof, StateProofError, StateWords};
use ciro_protocol::receipt::{Receipt, RefundReason};
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::{Body, Cancel, RegisterModel};
use ciro_protocol::wire::{Bytes, List, Message as _};

use super::naive::Naive;
use super::play::{Dice, Play};
use super::support::{GENESIS_MS, batch, card, key, spec, unsigned};
use crate::state::{OFFENCES, PURSES, View as _};
use crate::{Block, MemoryState, Seat, check_invariants, execute, genesis, seats};

/// A validator that is a quorum alone.
struct Node {
    genesis: Genesis,
    replica: Replica<Stark>,
    state: MemoryState,
    bodies: BTreeMap<Digest, Batch>,
    epochs: Vec<EpochProof>,
    words: Option<StateWords>,
    receipts: Vec<Receipt>,
    now: Duration,
    inputs: VecDeque<Input>,
}

impl Node {
    fn new() -> Self {
        Self::of(spec())
    }

    fn of(spec: ChainSpec) -> Self {
        let (genesis, writes) = genesis(spec).unwrap();
        let mut state = MemoryState::default();
        state.commit(&writes).unwrap();
        let key = SecretKey::from_seed(b"validator").into_consensus();
        let identity = Identity { id: ReplicaId(0), key, votes_from: Epoch(0) };
        let consensus = genesis.consensus().unwrap();
        let (replica, _) = Replica::open(&consensus, identity, Duration::ZERO, vec![]).unwrap();
        Self {
            genesis,
            replica,
            state,
            bodies: BTreeMap::new(),
            epochs: Vec::new(),
            words: None,
            receipts: Vec::new(),
            now: Duration::ZERO,
            inputs: VecDeque::new(),
        }
    }

    fn submit(&mut self, batch: Batch) {
        let operation = batch.operation();
        self.bodies.insert(operation.payload, batch);
        self.now += Duration::from_millis(1);
        self.inputs.push_back(Input::Operation(operation));
        while let Some(input) = self.inputs.pop_front() {
            let effects = self.replica.step(self.now, input);
            let Ok(()) = perform(effects, self);
        }
    }

    fn prove(&self, receipt: &Receipt) -> ReceiptProof {
        let snapshot = self.replica.snapshot();
        let finality = Finality {
            epochs: self.epochs.clone(),
            checkpoint: self.replica.stable().clone(),
            roots: snapshot.roots::<Stark>(),
            header: snapshot.header.unwrap(),
        };
        ReceiptProof {
            receipt: receipt.clone(),
            state: self.words.unwrap(),
            path: self.state.prove(&EndedJob::key(receipt.job)).unwrap(),
            finality: Bytes::new(finality.to_bytes()).unwrap(),
        }
    }
}

/// A validator alone has nobody to talk to, nothing to fetch, and no crash to survive.
impl Host for Node {
    type Error = Infallible;

    fn persist(&mut self, writes: Vec<Write>) -> Result<(), Infallible> {
        for write in writes {
            if let Write::KeepProof(proof) = write {
                self.epochs.push(EpochProof::clone(&proof));
            }
        }
        Ok(())
    }

    fn send(&mut self, _: ReplicaId, _: Arc<Message>) {}

    fn broadcast(&mut self, _: Arc<Message>) {}

    fn relay(&mut self, _: ReplicaId, _: Vec<Operation>) {}

    fn set_timeout(&mut self, _: Timer, _: Duration) {}

    fn cancel_timeout(&mut self, _: Timer) {}

    fn validate(&mut self, seq: Seq, digest: Digest, _: Vec<Operation>) {
        self.inputs.push_back(Input::Verdict { seq, digest, valid: true });
    }

    fn execute(&mut self, block: Box<ciro_consensus::Block>) {
        let operations = block.operations.iter();
        let batches: Vec<Batch> = operations.map(|it| self.bodies[&it.payload].clone()).collect();
        let punish: Vec<Offence> = block.punish.iter().filter_map(Offence::of).collect();
        let block_of = Block { height: block.seq.0, batches: &batches, punish: &punish };
        let outcome = execute(&self.genesis.spec, &self.state, &block_of).unwrap();
        let words = outcome.words(self.state.commit(&outcome.writes).unwrap());
        self.words = Some(words);
        self.receipts.extend(outcome.events.iter().filter_map(|event| match event {
            Event::JobEnded { receipt } => Some((**receipt).clone()),
            _ => None,
        }));
        let (seq, state_root) = (block.seq, words.root());
        let change = |it: &Seat| {
            let (id, key, stake) = (ReplicaId(it.id), it.key.0, it.weight);
            StakeChange { id, key, stake }
        };
        let changes = outcome.changes.iter().map(change).collect();
        self.inputs.push_back(Input::Executed { seq, state_root, changes });
    }

    fn restore_state(&mut self, _: Seq, _: Digest) {
        unreachable!("a validator that was never restarted");
    }

    fn fetch_state(&mut self, _: StateRequest) {
        unreachable!("a validator that is never behind");
    }

    fn stable(&mut self, _: Seq, _: Seq) {}

    fn validators(&mut self, _: Epoch, _: Arc<ValidatorSet>) {}

    fn stake_refused(&mut self, _: Seq, _: Vec<StakeChange>) {
        unreachable!("no change is refused");
    }

    /// The block says it too.
    fn report(&mut self, _: Box<Evidence>) {}

    fn halt(&mut self, fault: Fault) {
        unreachable!("{fault}");
    }
}

/// Runs twelve blocks, an order and its end among them, over a change of epochs.
fn run() -> (Node, ReceiptProof) {
    let mut node = Node::new();
    let until = GENESIS_MS + 50_000;
    let listing = ciro_protocol::model::Listing {
        providers: ciro_protocol::wire::List::default(),
        price_hint: ciro_protocol::Amount::ZERO,
    };
    let card = card(0, 1, vec![key(1, ciro_protocol::order::Route::Tensor)]);
    let model = card.id();
    let register = Body::RegisterModel(Box::new(RegisterModel { card, listing }));
    let naive = Naive::new(spec());
    let mut dice = Dice::new(1);
    let mut order = Play { dice: &mut dice, naive: &naive, sent: &[], salt: 0 }.plain_order();
    order.model = model;
    let order = unsigned(0, 2, until, Body::Order(Box::new(order)));
    let job = order.body.job().unwrap();
    let cancel = unsigned(0, 3, until, Body::Cancel(Cancel { job }));
    let mut txs = VecDeque::from([unsigned(0, 1, until, register), order, cancel]);
    for height in 1..=12 {
        let txs = txs.pop_front().into_iter().collect();
        node.submit(batch(height, GENESIS_MS + height, txs));
    }
    assert_eq!(node.replica.stable().seq.0, 12);
    assert_eq!(node.receipts.len(), 1);
    let proof = node.prove(&node.receipts[0]);
    (node, proof)
}

#[test]
fn a_receipt_is_proven_by_the_genesis_alone() {
    let (node, proof) = run();
    let bytes = proof.to_bytes();
    let proof = ReceiptProof::from_bytes(&bytes).unwrap();
    assert_eq!(proof.verify(&node.genesis, None), Ok(12));
    assert!(bytes.len() < 8_000, "{} bytes", bytes.len());

    let mut other = proof.clone();
    other.receipt.refund = ciro_protocol::Amount::CIRO;
    let refused = ReceiptError::State(StateProofError::OtherValue);
    assert_eq!(other.verify(&node.genesis, None), Err(refused));

    let mut other = proof.clone();
    other.receipt.outcome =
        ciro_protocol::receipt::Outcome::Refunded { reason: RefundReason::Expired };
    assert!(other.verify(&node.genesis, None).is_err());

    let mut other = proof.clone();
    other.receipt.job.0[0] ^= 1;
    let refused = ReceiptError::State(StateProofError::OtherKey);
    assert_eq!(other.verify(&node.genesis, None), Err(refused));

    let mut other = proof.clone();
    other.state.time_ms += 1;
    assert_eq!(other.verify(&node.genesis, None), Err(ReceiptError::StateRoot { height: 12 }));

    let mut other = proof.clone();
    other.finality = Bytes::new(vec![1]).unwrap();
    assert!(matches!(other.verify(&node.genesis, None), Err(ReceiptError::Finality(_))));

    // The same specification with another first state is another network.
    let mut elsewhere = node.genesis.clone();
    elsewhere.state_root.0 = Digest::from_u64(1);
    assert!(matches!(proof.verify(&elsewhere, None), Err(ReceiptError::Header(_))));
    let mut elsewhere = node.genesis;
    elsewhere.spec.jobs.attempts_max = 99;
    assert!(matches!(proof.verify(&elsewhere, None), Err(ReceiptError::Genesis(_))));
}

/// Two Commits for one block, which no honest replica signs.
fn equivocation(genesis: &Genesis) -> Evidence {
    let key = SecretKey::from_seed(b"validator").into_consensus();
    let chain = genesis.chain().unwrap().0;
    let commit = |digest| {
        let digest = Digest::from_u64(digest);
        let (kind, view, seq) = (Kind::Commit, ConsensusView(0), Seq(3));
        Statement { epoch: Epoch(0), kind, view, seq, digest }
    };
    let sign = |statement: &Statement| Stark::sign(&key, &statement.hash::<Stark>(chain)).unwrap();
    let (one, other) = (commit(1), commit(2));
    let signed = SignedDigest { digest: other.digest, signature: sign(&other) };
    Evidence::DoubleSign(DoubleSign::new(ReplicaId(0), &one, sign(&one), signed))
}

fn with_economy() -> ChainSpec {
    ChainSpec { economy: Some(super::economy::economy()), ..spec() }
}

#[test]
fn what_consensus_proves_costs_stake_in_the_next_block() {
    let mut node = Node::of(with_economy());
    let stake = PURSES.key(&Purse::Stake(ValidatorId(0)));
    node.submit(batch(1, GENESIS_MS + 1, vec![]));
    assert!(node.state.get(&stake).is_some());
    let evidence = equivocation(&node.genesis);
    node.inputs.push_back(Input::Evidence(Box::new(evidence)));
    node.submit(batch(2, GENESIS_MS + 2, vec![]));
    node.submit(batch(3, GENESIS_MS + 3, vec![]));
    let offence = Offence { validator: ValidatorId(0), epoch: 0, rule: 3 };
    assert!(node.state.get(&OFFENCES.key(&offence)).is_some());
    assert_eq!(node.state.get(&stake), None, "a validator alone is more than a third");
    assert_eq!(check_invariants(&node.state), Ok(()));
}

#[test]
fn whom_stake_elects_votes_in_consensus_two_epochs_later() {
    let mut spec = super::economy::network();
    let key = SecretKey::from_seed(b"validator").address();
    let first = GenesisValidator { id: 0, key, stake: 16 };
    spec.validators = List::new(vec![first]).unwrap();
    let mut node = Node::of(spec.clone());
    let until = GENESIS_MS + 50_000;
    let register = super::economy::register(4, 1_000_000_000);
    let register = Body::RegisterValidator(Box::new(register));
    let mut txs: VecDeque<_> = [register, Body::UnjailValidator].into();
    for height in 1..=33 {
        let txs = txs.pop_front().into_iter();
        let txs = txs.map(|body| unsigned(4, height, until, body)).collect();
        node.submit(batch(height, GENESIS_MS + height, txs));
        let snapshot = node.replica.snapshot();
        for (epoch, set) in [(0, &snapshot.current), (1, &snapshot.next)] {
            let expected = seats(&node.state, &spec, spec.epoch_of(height + 1) + epoch).unwrap();
            let got = set.iter().map(|it| (it.id.0, it.key, it.stake));
            assert!(got.eq(expected.iter().map(|it| (it.id, it.key.0, it.weight))), "{height}");
            assert_eq!(expected.len(), if height + 8 * epoch < 16 { 1 } else { 2 }, "{height}");
        }
    }
}

#[test]
fn evidence_that_an_account_brings_counts_if_it_holds_for_this_network() {
    let genesis = genesis(with_economy()).unwrap().0;
    let (spec, chain) = (&genesis.spec, genesis.chain().unwrap());
    let key = spec.validators[0].key;
    let evidence = equivocation(&genesis);
    let offence = Offence { validator: ValidatorId(0), epoch: 0, rule: 3 };
    let prove = |evidence: &[u8], chain| Offence::prove(evidence, key, spec, chain);
    assert_eq!(prove(&evidence.to_bytes(), chain), Ok(offence));
    assert!(matches!(prove(&[1, 2], chain), Err(OffenceError::Encoding(_))));
    let elsewhere = super::support::chain();
    let refused = prove(&evidence.to_bytes(), elsewhere);
    assert!(matches!(refused, Err(OffenceError::Evidence(_))), "{refused:?}");
    let Evidence::DoubleSign(mut other) = evidence else { unreachable!("it is two Commits") };
    other.offender = ReplicaId(7);
    let evidence = Evidence::DoubleSign(other.clone()).to_bytes();
    // Whose key it is, the ledger says.
    let named = Offence { validator: ValidatorId(7), ..offence };
    assert_eq!(prove(&evidence, chain), Ok(named));
    let another = SecretKey::from_seed(b"another").address();
    let refused = Offence::prove(&evidence, another, spec, chain);
    assert!(matches!(refused, Err(OffenceError::Evidence(_))), "{refused:?}");
    other.offender = ReplicaId(0);
    other.seq = Seq(4);
    let refused = prove(&Evidence::DoubleSign(other).to_bytes(), chain);
    assert!(matches!(refused, Err(OffenceError::Evidence(_))), "{refused:?}");
}
