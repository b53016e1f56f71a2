//! Restarting from the log: nothing said is forgotten, nothing said is contradicted.

use std::time::Duration;

use ciro_consensus::message::Body;
use ciro_consensus::{
    Digest, Effect, Epoch, Kind, OpenError, Record, Replica, ReplicaId, Seq, Timer, View,
};

use crate::support::{Lab, Subject, checkpoint, operation, pre_prepare, proposal, said, votes};

/// A backup that went through blocks, a checkpoint, a view change and more blocks.
fn eventful(lab: &Lab) -> Subject {
    let mut backup = lab.open(2);
    for seq in 1..=4 {
        backup.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
    }
    let digest = backup.replica.snapshot().digest::<ciro_consensus::crypto::Stark>();
    for sender in [0, 1, 3] {
        backup.receive(&lab.message(sender, 0, checkpoint(4, digest)));
    }
    backup.commit(lab, 0, 5, &proposal(0, &[operation(1, 5)]));
    backup.submit(&[operation(1, 6)]);
    backup.fire(Timer::Progress, Duration::from_secs(3));
    backup
}

fn position(replica: &crate::support::TestReplica) -> (Epoch, View, bool, Seq) {
    (replica.epoch(), replica.view(), replica.is_active(), replica.stable().seq)
}

#[test]
fn a_restarted_replica_stands_where_it_stood() {
    let lab = Lab::new();
    let before = eventful(&lab);
    let mut after = lab.reopen(2, before.log.clone());
    assert_eq!(position(&after.replica), position(&before.replica));
    assert_eq!(after.replica.executed(), Seq(4), "blocks after the checkpoint run again");
    assert!(matches!(after.done[0], Effect::RestoreState { seq: Seq(4), .. }));
    assert_eq!(after.execute_all(), [Seq(5)]);
    assert_eq!(after.replica.snapshot(), before.replica.snapshot());
}

#[test]
fn the_view_change_sent_before_is_the_one_repeated_after() {
    let lab = Lab::new();
    let before = eventful(&lab);
    let sent = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Broadcast { message } if message.body.kind() == Kind::ViewChange => {
                Some(message.clone())
            }
            _ => None,
        })
    };
    let after = lab.reopen(2, before.log.clone());
    assert_eq!(sent(&after.done), sent(&before.done));
    assert!(sent(&after.done).is_some());
}

#[test]
fn a_second_proposal_after_a_restart_gets_no_second_prepare() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    let (first, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    let (second, _) = pre_prepare(0, 1, &proposal(0, &[operation(2, 1)]));
    backup.receive(&lab.message(0, 0, first));
    backup.answer_validation(true);
    assert_eq!(votes(&backup.done, Kind::Prepare), [vote]);
    let mut restarted = lab.reopen(2, backup.log.clone());
    let effects = restarted.receive(&lab.message(0, 0, second));
    assert_eq!(said(&effects), []);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Report(_))));
}

#[test]
fn a_restarted_primary_goes_on_behind_its_last_proposal() {
    let lab = Lab::new();
    let mut primary = lab.open(0);
    primary.submit(&[operation(1, 1)]);
    let mut restarted = lab.reopen(0, primary.log.clone());
    let effects = restarted.submit(&[operation(1, 1)]);
    assert_eq!(said(&effects), [], "block 1 is proposed already");
    let again: Vec<Kind> = said(&restarted.done);
    assert_eq!(again, []);
}

/// Cut anywhere between two steps, the log gives a replica that never contradicts the one that
/// wrote it.
#[test]
fn every_prefix_of_the_log_is_a_state_to_start_from() {
    let lab = Lab::new();
    let before = eventful(&lab);
    for cut in 0..=before.log.len() {
        let after = lab.reopen(2, before.log[..cut].to_vec());
        assert!(after.replica.view() <= before.replica.view());
        assert!(after.replica.stable().seq <= before.replica.stable().seq);
    }
}

#[test]
fn a_verdict_that_was_pending_is_asked_for_again() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    let (body, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    backup.receive(&lab.message(0, 0, body));
    let mut restarted = lab.reopen(2, backup.log.clone());
    let effects = restarted.answer_validation(true);
    assert_eq!(votes(&effects, Kind::Prepare), [vote]);
}

#[test]
fn unusable_logs_are_named() {
    let lab = Lab::new();
    let log = eventful(&lab).log;
    let open = |records: Vec<Record>| {
        let opened = Replica::open(&lab.genesis, Lab::identity(2), Duration::ZERO, records);
        opened.map(|_| ()).unwrap_err()
    };
    let Record::Base(base) = &log[0] else { panic!("the log was compacted") };
    let twice = vec![log[0].clone(), log[0].clone()];
    assert_eq!(open(twice), OpenError::MisplacedBase { index: 1 });
    let mut altered = base.clone();
    altered.checkpoint.digest = Digest::from_u64(1);
    assert_eq!(open(vec![Record::Base(altered)]), OpenError::BaseMismatch { seq: Seq(4) });
}

#[test]
fn a_replica_that_must_not_vote_yet_only_follows() {
    let lab = Lab::new();
    let mut identity = Lab::identity(2);
    identity.votes_from = Epoch(1);
    let mut silent = lab.reopen_as(identity, Vec::new());
    silent.commit(&lab, 0, 1, &proposal(0, &[operation(1, 1)]));
    assert_eq!(silent.replica.executed(), Seq(1));
    assert_eq!(said(&silent.done), []);
    assert_eq!(silent.replica.id(), ReplicaId(2));
    let own = |record: &Record| {
        matches!(record, Record::Signed(message)
        if !matches!(message.body, Body::Status(_)))
    };
    assert!(!silent.log.iter().any(own));
}
