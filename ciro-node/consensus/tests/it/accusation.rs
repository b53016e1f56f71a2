//! What a replica notices: whoever only delays leaves evidence too.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::evidence::{Evidence, Rule};
use ciro_consensus::message::{Body, Message, Summary};
use ciro_consensus::{Digest, Effect, ReplicaId, Seq, Timer, View};

use crate::support::{Lab, Proofs, Subject, operation, pre_prepare, proposal};

/// Returns the faults that a replica reported.
fn reported(subject: &Subject) -> Vec<(u32, Rule)> {
    let evidence = subject.done.iter().filter_map(|effect| match effect {
        Effect::Report(evidence) => Some(evidence),
        _ => None,
    });
    evidence.map(|it| (it.offender().0, it.rule().unwrap())).collect()
}

/// A ViewChange of replica 0 with or without the certificate of view 0.
fn told(lab: &Lab, view: u64, shows: bool) -> Arc<Message> {
    let (claim, certificate) = lab.prepared(&[0, 1, 2], 0, 1, &proposal(0, &[operation(1, 1)]));
    let (claims, prepared) =
        if shows { (vec![claim], vec![certificate]) } else { (vec![], vec![]) };
    lab.view_change(0, lab.summary(view, &claims), Proofs { checkpoint: None, prepared })
}

#[test]
fn a_certificate_shown_late_or_forgotten_accuses_its_holder() {
    let lab = Lab::new();
    for shows in [false, true] {
        let mut witness = lab.open(3);
        witness.receive(&told(&lab, 1, shows));
        witness.receive(&told(&lab, 2, !shows));
        assert_eq!(reported(&witness), [(0, Rule::E7)], "first shown: {shows}");
        let mut witness = lab.open(3);
        witness.receive(&told(&lab, 1, shows));
        witness.receive(&told(&lab, 2, shows));
        assert_eq!(reported(&witness), [], "always shown: {shows}");
    }
}

#[test]
fn two_view_changes_for_one_view_accuse_their_author() {
    let lab = Lab::new();
    let mut witness = lab.open(3);
    witness.receive(&told(&lab, 1, false));
    witness.receive(&told(&lab, 1, false));
    assert_eq!(reported(&witness), [], "repeated");
    witness.receive(&told(&lab, 1, true));
    assert_eq!(reported(&witness), [(0, Rule::E6)]);
}

#[test]
fn what_a_new_view_quotes_is_compared_too() {
    let lab = Lab::new();
    let mut witness = lab.open(3);
    witness.receive(&told(&lab, 1, true));
    let quoted: Vec<(u32, Summary)> = [0, 1, 2].map(|sender| (sender, lab.summary(1, &[]))).into();
    witness.receive(&lab.new_view(1, &quoted, Proofs::default()));
    assert_eq!(witness.replica.view(), View(1));
    assert_eq!(reported(&witness), [(0, Rule::E6)]);
}

#[test]
fn a_view_that_is_started_twice_accuses_its_leader() {
    let lab = Lab::new();
    let mut witness = lab.open(3);
    let quoted = |senders: [u32; 3]| -> Vec<(u32, Summary)> {
        senders.map(|sender| (sender, lab.summary(1, &[]))).into()
    };
    let first = lab.new_view(1, &quoted([0, 1, 2]), Proofs::default());
    witness.receive(&first);
    witness.receive(&first);
    assert_eq!(reported(&witness), []);
    let second = lab.new_view(1, &quoted([0, 1, 3]), Proofs::default());
    witness.receive_from(2, &second);
    assert_eq!(reported(&witness), [(1, Rule::E8)]);
    assert!(witness.replica.is_active());
}

/// A cheap fault, reported first, shields from nothing.
#[test]
fn each_rule_is_accused_and_punished_for_itself() {
    let lab = Lab::new();
    let mut witness = lab.open(0);
    let [one, other] =
        [1, 2].map(|client| pre_prepare(0, 1, &proposal(0, &[operation(client, 1)])).1);
    for body in [Body::Prepare(one), Body::Prepare(other), Body::Commit(one), Body::Commit(other)] {
        witness.receive(&lab.message(3, 0, body));
    }
    assert_eq!(reported(&witness), [(3, Rule::E2), (3, Rule::E3)]);
    let proposed = witness.done.iter().find_map(|effect| match effect {
        Effect::Broadcast { message } => match &message.body {
            Body::PrePrepare(body) => Some(body.proposal.evidence.clone()),
            _ => None,
        },
        _ => None,
    });
    assert!(proposed.is_some_and(|evidence: Vec<Evidence>| !evidence.is_empty()));
}

#[test]
fn an_honest_replica_tells_the_same_story_after_a_restart() {
    let lab = Lab::new();
    let mut honest = lab.open(2);
    let content = proposal(0, &[operation(1, 1)]);
    honest.submit(&content.operations);
    let (body, vote) = pre_prepare(0, 1, &content);
    honest.receive(&lab.message(0, 0, body));
    for sender in [0, 1] {
        honest.receive(&lab.message(sender, 0, Body::Prepare(vote)));
    }
    let mut witness = lab.open(3);
    let tell = |effects: &[Effect], witness: &mut Subject| {
        for effect in effects {
            if let Effect::Broadcast { message } = effect {
                witness.receive(message);
            }
        }
    };
    let effects = honest.fire(Timer::Progress, Duration::from_secs(2));
    tell(&effects, &mut witness);
    let mut again = lab.reopen(2, honest.log.clone());
    for sender in [0, 1] {
        let empty = lab.view_change(sender, lab.summary(3, &[]), Proofs::default());
        let effects = again.receive(&empty);
        tell(&effects, &mut witness);
    }
    assert_eq!(again.replica.view(), View(3));
    assert_eq!(reported(&witness), []);
    assert_eq!(again.replica.id(), ReplicaId(2));
    assert_eq!((vote.seq, vote.digest == Digest::ZERO), (Seq(1), false));
}
