//! Light clients: from the genesis to a certified header.

use std::sync::Arc;

use ciro_consensus::crypto::{Scheme, Stark};
use ciro_consensus::{
    Certificate, Digest, Epoch, EpochProof, Finality, LightClient, LightError, Pin, Record,
    ReplicaId, Seq, StakeChange, ValidatorSet,
};

use crate::support::{Lab, checkpoint, key, operation, proposal};

/// Runs a chain over one change of epochs and returns what proves its twelfth block.
fn finality(lab: &Lab) -> Finality {
    let mut subject = lab.open(1);
    for seq in 1..=12 {
        subject.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
        if seq % 4 == 0 {
            let digest = subject.replica.snapshot().digest::<Stark>();
            for sender in [0, 2, 3] {
                let message = lab.message(sender, (seq - 1) / 8, checkpoint(seq, digest));
                subject.receive(&message);
            }
        }
    }
    assert_eq!(subject.replica.stable().seq, Seq(12));
    let epochs = subject.log.iter().filter_map(|record| match record {
        Record::Epoch(proof) => Some(EpochProof::clone(proof)),
        _ => None,
    });
    Finality {
        epochs: epochs.collect(),
        checkpoint: subject.replica.stable().clone(),
        roots: subject.replica.snapshot().roots::<Stark>(),
        header: subject.replica.snapshot().header.unwrap(),
    }
}

#[test]
fn a_certified_header_is_proven_from_the_genesis_alone() {
    let lab = Lab::new();
    let finality = finality(&lab);
    let mut client = LightClient::new(&lab.genesis);
    assert_eq!(client.verify(&finality), Ok(finality.header));
    assert_eq!(client.verify(&finality), Ok(finality.header), "old proofs change nothing");
    let bytes = finality.to_bytes();
    assert_eq!(Finality::from_bytes(&bytes), Ok(finality));
    for index in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[index] ^= 1;
        if let Ok(other) = Finality::from_bytes(&flipped) {
            assert_eq!(other.to_bytes(), flipped);
        }
        assert!(Finality::from_bytes(&bytes[..index]).is_err());
    }
}

#[test]
fn each_check_of_a_light_client_refuses_by_name() {
    type Change = fn(&mut Finality);
    let lab = Lab::new();
    let good = finality(&lab);
    let opening = |what, seq| LightError::Opening { what, seq: Seq(seq) };
    let epoch = good.checkpoint.epoch;
    let cases: Vec<(Change, LightError)> = vec![
        (|it| it.header.state_root = Digest::from_u64(9), opening("header", 12)),
        (|it| it.header.height = Seq(11), opening("header", 12)),
        (|it| it.roots.rest = Digest::from_u64(9), opening("roots", 12)),
        (|it| it.epochs[0].roots.rest = Digest::from_u64(9), opening("roots", 8)),
        (|it| it.checkpoint.seq = Seq(10), LightError::Checkpoint { seq: Seq(10), epoch }),
        (
            |it| it.epochs[0].checkpoint.seq = Seq(4),
            LightError::Checkpoint { seq: Seq(4), epoch: good.epochs[0].checkpoint.epoch },
        ),
        (
            |it| it.epochs.clear(),
            LightError::Gap { known: good.epochs[0].checkpoint.epoch, got: epoch },
        ),
        (|it| smaller(&mut it.epochs[0].current), opening("current", 8)),
        (|it| smaller(&mut it.epochs[0].next), opening("next", 8)),
    ];
    for (change, expected) in cases {
        let mut changed = good.clone();
        change(&mut changed);
        assert_eq!(LightClient::new(&lab.genesis).verify(&changed), Err(expected));
    }
    for place in 0..2 {
        let mut uncertified = good.clone();
        let checkpoint = match place {
            0 => &mut uncertified.checkpoint,
            _ => &mut uncertified.epochs[0].checkpoint,
        };
        checkpoint.certificate = Certificate::default();
        let refused = LightClient::new(&lab.genesis).verify(&uncertified);
        assert!(matches!(refused, Err(LightError::Certificate { .. })), "{refused:?}");
    }
}

#[test]
fn whoever_holds_a_pin_follows_no_other_history_and_none_that_ends_before() {
    let lab = Lab::new();
    let good = finality(&lab);
    let follow = |epoch, validators| {
        let pin = Pin { epoch: Epoch(epoch), validators };
        LightClient::new(&lab.genesis).pinned(pin)?.verify(&good)
    };
    let set = |set: &Arc<ValidatorSet>| set.digest::<Stark>();
    let mut other = Arc::clone(&good.epochs[0].next);
    smaller(&mut other);
    let pinned = |epoch| Err(LightError::Pinned { epoch: Epoch(epoch) });
    assert_eq!(follow(0, set(lab.genesis.committee.set())), Ok(good.header));
    assert_eq!(follow(1, set(&good.epochs[0].current)), Ok(good.header));
    for epoch in 0..=2 {
        assert_eq!(follow(epoch, set(&other)), pinned(epoch));
    }
    for epoch in 2..=3 {
        let before = LightError::BeforePin { pinned: Epoch(epoch), got: Epoch(1) };
        assert_eq!(follow(epoch, set(&good.epochs[0].next)), Err(before));
    }
}

/// Takes a validator out of a set.
fn smaller(set: &mut Arc<ValidatorSet>) {
    let gone = StakeChange { id: ReplicaId(0), key: Stark::public_key(&key(0)), stake: 0 };
    *set = Arc::new(set.with_changes::<Stark>([&gone]).0);
}
