//! Checkpoints, garbage collection, epochs and catching up (PBFT §4.3).

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::{Scheme, Stark};
use ciro_consensus::evidence::Rule;
use ciro_consensus::message::{Body, Fetch, Message, State, Status};
use ciro_consensus::{
    Digest, Effect, Epoch, Fault, Kind, Record, ReplicaId, Seq, StakeChange, Timer, View,
};

use crate::support::{Lab, Subject, checkpoint, key, operation, proposal, said};

/// Runs blocks up to `last`, one operation each.
fn run_to(subject: &mut Subject, lab: &Lab, last: u64) {
    for seq in subject.replica.executed().0 + 1..=last {
        subject.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
    }
}

/// Returns the digest that a replica signs at a checkpoint it has just reached.
fn digest_of(subject: &Subject) -> Digest {
    subject.replica.snapshot().digest::<Stark>()
}

/// Lets two others agree to the own checkpoint.
fn stabilise(subject: &mut Subject, lab: &Lab, seq: u64, epoch: u64) {
    let digest = digest_of(subject);
    let others: Vec<u32> = (0..4).filter(|id| ReplicaId(*id) != subject.replica.id()).collect();
    for sender in others {
        subject.receive(&lab.message(sender, epoch, checkpoint(seq, digest)));
    }
}

fn answer(effects: &[Effect]) -> Option<Arc<Message>> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { message, .. } => Some(Arc::clone(message)),
        _ => None,
    })
}

#[test]
fn a_quorum_of_checkpoints_moves_the_window_and_shortens_the_log() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    run_to(&mut backup, &lab, 4);
    let digest = digest_of(&backup);
    let records = backup.log.len();
    backup.receive(&lab.message(0, 0, checkpoint(4, digest)));
    assert_eq!(backup.replica.stable().seq, Seq(0), "two of four are no quorum");
    backup.receive(&lab.message(3, 0, checkpoint(4, digest)));
    assert_eq!(backup.replica.stable().seq, Seq(4));
    assert!(backup.log.len() < records / 4, "{} of {records} records stay", backup.log.len());
    assert!(matches!(&backup.log[0], Record::Base(base) if base.checkpoint.seq == Seq(4)));
}

#[test]
fn contradicting_checkpoints_are_evidence() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    backup.receive(&lab.message(2, 0, checkpoint(4, Digest::from_u64(1))));
    let effects = backup.receive(&lab.message(2, 0, checkpoint(4, Digest::from_u64(2))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Report(evidence)
        if evidence.rule() == Some(Rule::E5) && evidence.offender() == ReplicaId(2))));
}

#[test]
fn checkpoints_between_intervals_or_far_away_are_ignored() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    for seq in [0, 3, 12, 1000] {
        backup.receive(&lab.message(2, 0, checkpoint(seq, Digest::from_u64(1))));
        assert_eq!(backup.replica.footprint().checkpoints, 0, "checkpoint {seq}");
    }
}

#[test]
fn a_state_that_a_quorum_contradicts_stops_the_replica() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    run_to(&mut backup, &lab, 4);
    let ours = digest_of(&backup);
    let certified = Digest::from_u64(1);
    for sender in [0, 2, 3] {
        backup.receive(&lab.message(sender, 0, checkpoint(4, certified)));
    }
    let fault = Fault::StateDivergence { seq: Seq(4), ours, certified };
    assert_eq!(backup.replica.fault(), Some(&fault));
    assert!(backup.submit(&[operation(9, 1)]).is_empty(), "it says nothing any more");
}

#[test]
fn an_epoch_begins_in_view_0_with_the_validators_of_two_epochs_ago() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    let joins = StakeChange { id: ReplicaId(7), key: Stark::public_key(&key(7)), stake: 5 };
    for seq in 1..=8 {
        let changes: &[StakeChange] = if seq == 3 { &[joins] } else { &[] };
        let content = proposal(0, &[operation(1, seq)]);
        commit_with(&mut backup, &lab, seq, &content, changes);
        if seq % 4 == 0 {
            stabilise(&mut backup, &lab, seq, 0);
        }
    }
    assert_eq!((backup.replica.epoch(), backup.replica.view()), (Epoch(1), View(0)));
    assert!(!backup.replica.validators().contains(ReplicaId(7)));
    assert!(backup.replica.snapshot().next.contains(ReplicaId(7)), "it votes in epoch 2");
}

fn commit_with(
    subject: &mut Subject,
    lab: &Lab,
    seq: u64,
    content: &ciro_consensus::Proposal,
    changes: &[StakeChange],
) {
    let (body, vote) = crate::support::pre_prepare(0, seq, content);
    let rotation = (seq - 1) / 4;
    let set = subject.replica.validators();
    let proposer = set.proposer::<Stark>(Epoch(0), View(0), rotation);
    subject.receive(&lab.message(proposer.0, 0, body));
    for kind in [Body::Prepare, Body::Commit] {
        for sender in [0, 2, 3] {
            subject.receive(&lab.message(sender, 0, kind(vote)));
        }
    }
    subject.answer_validation(true);
    subject.execute_all_with(changes);
}

#[test]
fn no_message_of_the_next_epoch_counts_before_its_first_checkpoint() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    run_to(&mut backup, &lab, 4);
    stabilise(&mut backup, &lab, 4, 0);
    run_to(&mut backup, &lab, 8);
    let content = proposal(0, &[operation(1, 9)]);
    let (body, _) = crate::support::pre_prepare(0, 9, &content);
    let leader = backup.replica.validators().leader(Epoch(1), View(0));
    assert_eq!(leader, ReplicaId(1), "the next epoch begins with another leader");
    backup.receive(&lab.message(0, 1, body));
    assert_eq!(backup.replica.footprint().stashed, 1);
    stabilise(&mut backup, &lab, 8, 0);
    assert_eq!(backup.replica.epoch(), Epoch(1));
    assert_eq!(backup.replica.footprint().stashed, 0);
    assert_eq!(said(&backup.submit(&[operation(1, 9)])), [Kind::PrePrepare, Kind::Prepare]);
}

#[test]
fn a_replica_that_missed_everything_follows_proofs_and_a_snapshot() {
    let lab = Lab::new();
    // Replica 1 proposes the blocks that the others commit here.
    let mut ahead = lab.open(3);
    for last in [4, 8] {
        run_to(&mut ahead, &lab, last);
        stabilise(&mut ahead, &lab, last, 0);
    }
    let end_of_epoch = ahead.replica.snapshot().header.unwrap().digest::<Stark>();
    run_to(&mut ahead, &lab, 12);
    stabilise(&mut ahead, &lab, 12, 1);
    assert_eq!((ahead.replica.epoch(), ahead.replica.executed()), (Epoch(1), Seq(12)));
    let mut behind = lab.open(2);
    // Not right after it asked at its start.
    behind.now += Duration::from_secs(1);
    let status = Status { view: View(0), active: true, stable: Seq(12), executed: Seq(12) };
    let effects = behind.receive(&lab.message(3, 1, Body::Status(status)));
    let asked = answer(&effects).expect("it asks for the way");
    assert_eq!(asked.body, Body::Fetch(Fetch::Checkpoint { epoch: Epoch(0) }));
    let proofs = answer(&ahead.receive(&asked)).expect("proofs come");
    let asked = answer(&behind.receive(&proofs)).expect("it asks for the state");
    assert_eq!(asked.body, Body::Fetch(Fetch::Snapshot { epoch: Epoch(1), from: Seq(12) }));
    let snapshot = answer(&ahead.receive(&asked)).expect("the state comes");
    let effects = behind.receive(&snapshot);
    let request = effects.iter().find_map(|effect| match effect {
        Effect::FetchState(request) => Some(request.clone()),
        _ => None,
    });
    let request = request.expect("the application is asked for it");
    assert_eq!((request.seq, request.sources), (Seq(12), vec![ReplicaId(3)]));
    // The end of the first epoch is on the way.
    let last = ahead.replica.snapshot().header.unwrap().digest::<Stark>();
    assert_eq!(request.headers, [(Seq(8), end_of_epoch), (Seq(12), last)]);
    behind.step(ciro_consensus::Input::StateFetched { seq: Seq(12) });
    assert_eq!(behind.replica.snapshot(), ahead.replica.snapshot());
    assert_eq!((behind.replica.epoch(), behind.replica.executed()), (Epoch(1), Seq(12)));
}

#[test]
fn a_snapshot_that_nobody_certified_is_ignored() {
    let lab = Lab::new();
    let mut ahead = lab.open(1);
    run_to(&mut ahead, &lab, 4);
    stabilise(&mut ahead, &lab, 4, 0);
    let fetch = Body::Fetch(Fetch::Snapshot { epoch: Epoch(0), from: Seq(4) });
    let good = answer(&ahead.receive(&lab.message(2, 0, fetch))).unwrap();
    let Body::State(state) = &good.body else { panic!("no state") };
    let State::Snapshot { proofs, checkpoint, snapshot } = &**state else { panic!("no snapshot") };
    let mut forged_snapshot = (**snapshot).clone();
    forged_snapshot.state_root = Digest::from_u64(1);
    let mut forged_checkpoint = checkpoint.clone();
    forged_checkpoint.digest = forged_snapshot.digest::<Stark>();
    let forgeries =
        [(checkpoint.clone(), forged_snapshot.clone()), (forged_checkpoint, forged_snapshot)];
    for (checkpoint, snapshot) in forgeries {
        let state =
            State::Snapshot { proofs: proofs.clone(), checkpoint, snapshot: Arc::new(snapshot) };
        let digest = ahead.replica.stable().digest;
        let mut behind = Subject::wanting_snapshot(&lab, 2, digest);
        let effects = behind.receive(&lab.message(1, 0, Body::State(Arc::new(state))));
        let fetches = |effect: &Effect| matches!(effect, Effect::FetchState(_));
        assert!(!effects.iter().any(fetches));
    }
    let mut behind = Subject::wanting_snapshot(&lab, 2, ahead.replica.stable().digest);
    let effects = behind.receive(&good);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::FetchState(_))));
}

#[test]
fn missed_blocks_come_with_their_commits() {
    let lab = Lab::new();
    let mut ahead = lab.open(1);
    run_to(&mut ahead, &lab, 3);
    let fetch = Body::Fetch(Fetch::Blocks { from: Seq(1) });
    let blocks = answer(&ahead.receive(&lab.message(2, 0, fetch))).expect("blocks come");
    let Body::State(state) = &blocks.body else { panic!("no state") };
    let State::Blocks(blocks) = &**state else { panic!("no blocks") };
    let mut behind = lab.open(2);
    behind.learn(&lab, 1, blocks);
    assert_eq!(behind.execute_all(), [Seq(1), Seq(2), Seq(3)]);
    let mut forged = blocks.clone();
    forged[0].proposal = Arc::new(proposal(0, &[operation(6, 6)]));
    let mut behind = lab.open(2);
    behind.learn(&lab, 1, &forged);
    assert_eq!(behind.execute_all(), []);
}

#[test]
fn a_lagging_replica_does_not_claim_the_checkpoint_it_heard_of() {
    let lab = Lab::new();
    let mut ahead = lab.open(1);
    run_to(&mut ahead, &lab, 4);
    stabilise(&mut ahead, &lab, 4, 0);
    let mut behind = lab.open(2);
    for sender in [0, 1, 3] {
        let digest = ahead.replica.stable().digest;
        behind.receive(&lab.message(sender, 0, checkpoint(4, digest)));
    }
    assert_eq!(behind.replica.stable().seq, Seq(4), "the window moves");
    assert_eq!(behind.replica.executed(), Seq(0), "the state does not");
    behind.fire(Timer::Resend, Duration::from_secs(1));
    assert!(said(&behind.done).is_empty(), "it signs no checkpoint");
}
