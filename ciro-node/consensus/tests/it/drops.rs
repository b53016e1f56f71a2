//! Each reason for which a message is dropped, and what it takes to be counted under it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::Stark;
use ciro_consensus::message::{Body, PrePrepare, State, Status, Vote};
use ciro_consensus::{Certificate, Digest, Dropped, Params, ReplicaId, Seq, Timer, View};

use crate::support::{Lab, Proofs, Subject, checkpoint, operation, pre_prepare, proposal};

/// Executes an epoch and makes its last checkpoint stable.
fn enter_next_epoch(lab: &Lab, subject: &mut Subject) {
    for seq in 1..=8 {
        subject.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
    }
    let digest = subject.replica.snapshot().digest::<Stark>();
    for sender in [0, 1, 3] {
        subject.receive(&lab.message(sender, 0, checkpoint(8, digest)));
    }
    assert_eq!(subject.replica.epoch().0, 1);
}

/// Brings a replica to where it drops a message for this reason.
fn provoke(lab: &Lab, reason: Dropped) -> Subject {
    let mut subject = lab.open(2);
    let vote = Vote { view: View(0), seq: Seq(1), digest: Digest::from_u64(1) };
    let prepare = lab.message(3, 0, Body::Prepare(vote));
    let status = Status { view: View(0), active: true, stable: Seq(0), executed: Seq(0) };
    let (proposed, _) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    match reason {
        Dropped::Own => drop(subject.receive_from(1, &lab.message(2, 0, Body::Prepare(vote)))),
        Dropped::Stranger => drop(subject.receive_from(9, &prepare)),
        Dropped::Silenced | Dropped::Signature => {
            for digest in 0..70 {
                let vote = Vote { digest: Digest::from_u64(digest), ..vote };
                let mut forged = (*lab.message(3, 0, Body::Prepare(vote))).clone();
                forged.signature.s[31] ^= 1;
                subject.receive_from(1, &Arc::new(forged));
            }
        }
        Dropped::NotItsOwn => {
            subject.receive_from(1, &lab.message(3, 0, Body::Status(status)));
        }
        Dropped::Budget => {
            for executed in 1..=5 {
                let status = Status { executed: Seq(executed), ..status };
                subject.receive(&lab.message(3, 0, Body::Status(status)));
            }
        }
        Dropped::Unsolicited => {
            let state = State::Proposal { seq: Seq(1), proposal: Arc::new(proposal(0, &[])) };
            subject.receive(&lab.message(1, 0, Body::State(Arc::new(state))));
        }
        Dropped::OldEpoch => {
            enter_next_epoch(lab, &mut subject);
            subject.receive(&prepare);
        }
        Dropped::FarAhead => drop(subject.receive(&lab.message(3, 2, Body::Prepare(vote)))),
        Dropped::OldView => {
            subject.submit(&[operation(1, 1)]);
            subject.fire(Timer::Progress, Duration::from_secs(2));
            assert_eq!(subject.replica.view(), View(1));
            subject.receive(&lab.message(0, 0, proposed));
        }
        Dropped::Outside => {
            subject.receive(&lab.message(3, 0, checkpoint(0, Digest::from_u64(1))));
        }
        Dropped::Known => {
            subject.receive(&prepare);
            subject.receive(&prepare);
        }
        Dropped::NotItsTurn => drop(subject.receive(&lab.message(3, 0, proposed))),
        Dropped::Shape => {
            let many: Vec<_> = (1..=4097).map(|client| operation(client, 1)).collect();
            let (body, _) = pre_prepare(0, 1, &proposal(0, &many));
            subject.receive(&lab.message(0, 0, body));
        }
        Dropped::NoRoom => {
            let content = Arc::new(proposal(3, &vec![operation(1, 1); 4096]));
            for seq in 1..=60 {
                let (view, seq, digest) = (View(3), Seq(seq), Digest::from_u64(seq));
                let body = PrePrepare { view, seq, digest, proposal: Arc::clone(&content) };
                subject.receive(&lab.message(3, 0, Body::PrePrepare(body)));
            }
        }
        Dropped::Unproven => {
            let (claim, _) = lab.prepared(&[0, 1, 3], 0, 1, &proposal(0, &[operation(1, 1)]));
            let prepared = vec![Certificate::default()];
            let proofs = Proofs { checkpoint: None, prepared };
            subject.receive(&lab.view_change(1, lab.summary(1, &[claim]), proofs));
        }
        other => panic!("nothing provokes {other:?}"),
    }
    subject
}

#[test]
fn every_reason_for_a_drop_is_counted_under_its_name() {
    let small = Lab::new();
    let wide = Lab::with_params(Params { operations_per_block: 4096, ..Params::default() });
    for reason in Dropped::ALL {
        let lab = if matches!(reason, Dropped::NoRoom | Dropped::Shape) { &wide } else { &small };
        let subject = provoke(lab, reason);
        let counted = subject.replica.dropped().find(|(why, _)| *why == reason);
        assert!(counted.is_some_and(|(_, count)| count > 0), "{}", reason.name());
        assert_eq!(subject.replica.id(), ReplicaId(2));
    }
    let names: BTreeSet<&str> = Dropped::ALL.map(Dropped::name).into();
    assert_eq!(names.len(), Dropped::ALL.len());
}
