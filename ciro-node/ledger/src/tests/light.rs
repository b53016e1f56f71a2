//! From an order to a receipt that the genesis alone proves: ledger, tree, consensus and light
//! client together.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::Stark;
use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::Message;
use ciro_consensus::{
    Digest, Epoch, EpochProof, Fault, Finality, Host, Identity, Input, Operation, Replica,
    ReplicaId, Seq, StakeChange, Timer, ValidatorSet, Write, perform,
};
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::Genesis;
use ciro_protocol::event::Event;
use ciro_protocol::light::{EndedJob, ReceiptError, ReceiptProof, StateProofError, StateWords};
use ciro_protocol::receipt::{Receipt, RefundReason};
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::{Body, Cancel, RegisterModel};
use ciro_protocol::wire::{Bytes, Message as _};

use super::naive::Naive;
use super::play::{Dice, Play};
use super::support::{GENESIS_MS, batch, card, key, spec, unsigned};
use crate::{Block, MemoryState, execute, genesis};

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
        let (genesis, writes) = genesis(spec()).unwrap();
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
        let block_of = Block { height: block.seq.0, batches: &batches, punish: &[] };
        let outcome = execute(&self.genesis.spec, &self.state, &block_of).unwrap();
        let words = outcome.words(self.state.commit(&outcome.writes).unwrap());
        self.words = Some(words);
        self.receipts.extend(outcome.events.into_iter().filter_map(|event| match event {
            Event::JobEnded { receipt } => Some(*receipt),
            _ => None,
        }));
        let (seq, state_root) = (block.seq, words.root());
        self.inputs.push_back(Input::Executed { seq, state_root, changes: vec![] });
    }

    fn restore_state(&mut self, _: Seq, _: Digest) {
        unreachable!("a validator that was never restarted");
    }

    fn fetch_state(&mut self, _: Seq, _: Digest, _: Vec<ReplicaId>) {
        unreachable!("a validator that is never behind");
    }

    fn stable(&mut self, _: Seq, _: Seq) {}

    fn validators(&mut self, _: Epoch, _: Arc<ValidatorSet>) {}

    fn stake_refused(&mut self, _: Seq, _: Vec<StakeChange>) {
        unreachable!("no stake changes");
    }

    fn report(&mut self, _: Box<Evidence>) {
        unreachable!("nobody to convict");
    }

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
    assert_eq!(proof.verify(&node.genesis), Ok(12));
    assert!(bytes.len() < 8_000, "{} bytes", bytes.len());

    let mut other = proof.clone();
    other.receipt.refund = ciro_protocol::Amount::CIRO;
    let refused = ReceiptError::State(StateProofError::OtherValue);
    assert_eq!(other.verify(&node.genesis), Err(refused));

    let mut other = proof.clone();
    other.receipt.outcome =
        ciro_protocol::receipt::Outcome::Refunded { reason: RefundReason::Expired };
    assert!(other.verify(&node.genesis).is_err());

    let mut other = proof.clone();
    other.receipt.job.0[0] ^= 1;
    let refused = ReceiptError::State(StateProofError::OtherKey);
    assert_eq!(other.verify(&node.genesis), Err(refused));

    let mut other = proof.clone();
    other.state.time_ms += 1;
    assert_eq!(other.verify(&node.genesis), Err(ReceiptError::StateRoot { height: 12 }));

    let mut other = proof.clone();
    other.finality = Bytes::new(vec![1]).unwrap();
    assert!(matches!(other.verify(&node.genesis), Err(ReceiptError::Finality(_))));

    // The same specification with another first state is another network.
    let mut elsewhere = node.genesis.clone();
    elsewhere.state_root.0 = Digest::from_u64(1);
    assert!(matches!(proof.verify(&elsewhere), Err(ReceiptError::Header(_))));
    let mut elsewhere = node.genesis;
    elsewhere.spec.jobs.attempts_max = 99;
    assert!(matches!(proof.verify(&elsewhere), Err(ReceiptError::Genesis(_))));
}
