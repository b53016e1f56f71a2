//! View changes (PBFT §4.4), seen from one replica.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::Stark;
use ciro_consensus::evidence::{Evidence, Rule};
use ciro_consensus::message::{Body, Claim, Message, Summary};
use ciro_consensus::{Digest, Effect, Epoch, Kind, Proposal, Seq, Statement, Timer, View};

use crate::support::{
    Lab, Proofs, Subject, asks_for_a_view, operation, pre_prepare, proposal, said, votes,
};

const PATIENCE: Duration = Duration::from_secs(2);

/// A ViewChange of someone who has seen nothing.
fn empty(lab: &Lab, sender: u32, view: u64, subject: &Subject) -> Arc<Message> {
    let stable_digest = subject.replica.stable().digest;
    let summary =
        Summary { view: View(view), stable_seq: Seq(0), stable_digest, claims: Vec::new() };
    lab.view_change(sender, summary, Proofs::default())
}

fn new_view_of(effects: &[Effect]) -> Arc<Message> {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Broadcast { message } if message.body.kind() == Kind::NewView => {
                Some(Arc::clone(message))
            }
            _ => None,
        })
        .expect("a NewView is sent")
}

/// Brings replica `id` to where it has prepared block 1 of view 0 and sent its Commit.
fn prepared(lab: &Lab, id: u32) -> (Subject, Proposal) {
    let mut subject = lab.open(id);
    let content = proposal(0, &[operation(1, 1)]);
    subject.submit(&content.operations);
    let (body, vote) = pre_prepare(0, 1, &content);
    subject.receive(&lab.message(0, 0, body));
    for sender in (0..4).filter(|sender| *sender != id) {
        subject.receive(&lab.message(sender, 0, Body::Prepare(vote)));
    }
    assert_eq!(votes(&subject.done, Kind::Commit), [vote]);
    (subject, content)
}

#[test]
fn impatience_asks_for_the_next_view_and_stops_voting() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1)]);
    assert_eq!(said(&backup.fire(Timer::Progress, PATIENCE / 2)), [], "it is not time yet");
    assert!(asks_for_a_view(&backup.fire(Timer::Progress, PATIENCE)));
    let (body, _) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    assert_eq!(said(&backup.receive(&lab.message(0, 0, body))), [], "view 0 is left for good");
}

#[test]
fn nothing_to_wait_for_keeps_the_peace() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    assert_eq!(said(&backup.fire(Timer::Progress, PATIENCE * 9)), []);
    backup.submit(&[operation(1, 2)]);
    assert_eq!(
        said(&backup.fire(Timer::Progress, PATIENCE * 9)),
        [],
        "an operation whose predecessor is missing blames nobody"
    );
}

#[test]
fn a_busy_primary_that_censors_is_found_out() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(7, 1)]);
    for seq in 1..=3 {
        backup.now += PATIENCE / 4;
        backup.commit(&lab, 0, seq, &proposal(0, &[operation(1, seq)]));
    }
    assert_eq!(backup.replica.executed(), Seq(3));
    assert!(asks_for_a_view(&backup.fire(Timer::Progress, PATIENCE / 4)));
}

#[test]
fn a_weak_quorum_pulls_along_and_a_single_voice_does_not() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    assert_eq!(said(&backup.receive(&empty(&lab, 3, 5, &backup))), []);
    let effects = backup.receive(&empty(&lab, 1, 3, &backup));
    assert_eq!(said(&effects), [Kind::ViewChange]);
    assert_eq!(backup.replica.view(), View(3), "the highest view that a weak quorum supports");
}

#[test]
fn the_timer_for_a_new_view_starts_with_a_quorum() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1)]);
    backup.fire(Timer::Progress, PATIENCE);
    let waits = |effects: &[Effect]| {
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::SetTimeout { timer: Timer::NewView, .. }))
    };
    assert!(!waits(&backup.done), "it asked alone");
    assert!(!waits(&backup.receive(&empty(&lab, 0, 1, &backup))));
    assert!(waits(&backup.receive(&empty(&lab, 3, 1, &backup))));
    let effects = backup.fire(Timer::NewView, PATIENCE * 2);
    assert!(asks_for_a_view(&effects));
    assert_eq!(backup.replica.view(), View(2));
}

#[test]
fn a_view_change_is_repeated_until_it_is_answered() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1)]);
    backup.fire(Timer::Progress, PATIENCE);
    for _ in 0..3 {
        let effects = backup.fire(Timer::Resend, Duration::from_secs(1));
        assert_eq!(said(&effects), [Kind::ViewChange]);
    }
}

#[test]
fn a_leader_starts_the_view_with_what_was_prepared() {
    let lab = Lab::new();
    let (mut leader, content) = prepared(&lab, 1);
    leader.fire(Timer::Progress, PATIENCE);
    leader.receive(&empty(&lab, 2, 1, &leader));
    let effects = leader.receive(&empty(&lab, 3, 1, &leader));
    let Body::NewView(body) = &new_view_of(&effects).body else { panic!("no NewView") };
    let digests: Vec<Digest> = body.pre_prepares.iter().map(|(digest, _)| *digest).collect();
    assert_eq!(digests, [content.digest::<Stark>()]);
    assert_eq!(said(&effects), [Kind::NewView, Kind::Prepare]);
    assert!(leader.replica.is_active());
}

#[test]
fn a_gap_below_a_prepared_block_is_filled_with_null() {
    let lab = Lab::new();
    let mut leader = lab.open(1);
    let content = proposal(0, &[operation(1, 1)]);
    let (body, vote) = pre_prepare(0, 2, &content);
    leader.receive(&lab.message(0, 0, body));
    leader.answer_validation(true);
    for sender in [0, 2, 3] {
        leader.receive(&lab.message(sender, 0, Body::Prepare(vote)));
    }
    leader.receive(&empty(&lab, 2, 1, &leader));
    let effects = leader.receive(&empty(&lab, 3, 1, &leader));
    let Body::NewView(body) = &new_view_of(&effects).body else { panic!("no NewView") };
    let digests: Vec<Digest> = body.pre_prepares.iter().map(|(digest, _)| *digest).collect();
    assert_eq!(digests, [Proposal::null().digest::<Stark>(), content.digest::<Stark>()]);
    let seqs: Vec<Seq> = votes(&effects, Kind::Prepare).iter().map(|vote| vote.seq).collect();
    assert_eq!(seqs, [Seq(1), Seq(2)], "a null block goes through the same phases");
}

/// NewViews that a backup must refuse, each wrong in one way.
#[test]
fn a_backup_recomputes_the_new_view() {
    let lab = Lab::new();
    let (mut leader, _) = prepared(&lab, 1);
    leader.fire(Timer::Progress, PATIENCE);
    leader.receive(&empty(&lab, 2, 1, &leader));
    let effects = leader.receive(&empty(&lab, 3, 1, &leader));
    let Body::NewView(good) = new_view_of(&effects).body.clone() else { panic!("no NewView") };
    type Spoil = fn(&mut ciro_consensus::message::NewView);
    let flaws: [(&str, u32, Spoil); 8] = [
        ("too few ViewChanges", 1, |it| it.view_changes.truncate(2)),
        ("one ViewChange twice", 1, |it| it.view_changes[2] = it.view_changes[1].clone()),
        ("a ViewChange that was altered", 1, |it| it.view_changes[0].summary.claims.clear()),
        ("a block left out", 1, |it| it.pre_prepares.clear()),
        ("a block replaced", 1, |it| it.pre_prepares[0].0 = Proposal::null().digest::<Stark>()),
        ("a certificate left out", 1, |it| it.prepared.clear()),
        ("a PrePrepare not signed", 1, |it| it.pre_prepares[0].1.r[31] ^= 1),
        ("another leader", 3, |_| {}),
    ];
    for (flaw, sender, spoil) in flaws {
        let mut body = (*good).clone();
        spoil(&mut body);
        let mut backup = lab.open(2);
        backup.receive(&lab.message(sender, 0, Body::NewView(Arc::new(body))));
        assert!(backup.replica.view() == View(0), "{flaw}");
    }
    let mut backup = lab.open(2);
    backup.receive(&new_view_of(&effects));
    assert_eq!((backup.replica.view(), backup.replica.is_active()), (View(1), true));
}

#[test]
fn a_block_taken_over_without_its_content_is_fetched_before_the_prepare() {
    let lab = Lab::new();
    let (mut leader, content) = prepared(&lab, 1);
    leader.fire(Timer::Progress, PATIENCE);
    leader.receive(&empty(&lab, 2, 1, &leader));
    let effects = leader.receive(&empty(&lab, 3, 1, &leader));
    let mut backup = lab.open(2);
    let effects = backup.receive(&new_view_of(&effects));
    assert_eq!(said(&effects), [], "its content is missing");
    let state = ciro_consensus::message::State::Proposal {
        seq: Seq(1),
        proposal: Arc::new(content.clone()),
    };
    let effects = backup.receive(&lab.message(1, 0, Body::State(Arc::new(state))));
    let (_, vote) = pre_prepare(1, 1, &content);
    assert_eq!(votes(&effects, Kind::Prepare), [vote]);
}

/// ViewChanges that must not count, each wrong in one way.
#[test]
fn unproven_view_changes_do_not_count() {
    let lab = Lab::new();
    let backup = lab.open(2);
    let genesis = backup.replica.stable().digest;
    let digest = Digest::from_u64(5);
    let claim = Claim { seq: Seq(1), view: View(0), digest };
    let statement =
        Statement { epoch: Epoch(0), kind: Kind::Prepare, view: View(0), seq: Seq(1), digest };
    let certificate = lab.certificate(&[0, 1, 3], &statement);
    let other = lab.certificate(&[0, 1, 3], &Statement { kind: Kind::Commit, ..statement });
    let summary = |stable_seq, stable_digest, claims: &[Claim]| Summary {
        view: View(4),
        stable_seq: Seq(stable_seq),
        stable_digest,
        claims: claims.to_vec(),
    };
    let proven = |certificate: &_| Proofs {
        checkpoint: None,
        prepared: vec![ciro_consensus::Certificate::clone(certificate)],
    };
    let later = Claim { view: View(4), ..claim };
    let outside = Claim { seq: Seq(9), ..claim };
    let flawed = [
        ("without a certificate", summary(0, genesis, &[claim]), Proofs::default()),
        ("with a certificate of Commits", summary(0, genesis, &[claim]), proven(&other)),
        ("from a later view", summary(0, genesis, &[later]), proven(&certificate)),
        ("beyond the window", summary(0, genesis, &[outside]), proven(&certificate)),
        ("from another genesis", summary(0, digest, &[claim]), proven(&certificate)),
        ("from an uncertified checkpoint", summary(4, digest, &[]), Proofs::default()),
        ("from no checkpoint", summary(3, digest, &[]), Proofs::default()),
    ];
    for (flaw, summary, proofs) in flawed {
        let mut backup = lab.open(2);
        backup.receive(&lab.view_change(0, summary, proofs));
        assert_eq!(backup.replica.footprint().view_changes, 0, "a ViewChange {flaw}");
    }
    let mut backup = lab.open(2);
    let good = lab.view_change(0, summary(0, genesis, &[claim]), proven(&certificate));
    backup.receive(&good);
    assert_eq!(backup.replica.footprint().view_changes, 1);
}

#[test]
fn a_view_change_that_forgets_a_commit_is_evidence_in_either_order() {
    let lab = Lab::new();
    let (_, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    let commit = lab.message(3, 0, Body::Commit(vote));
    let reported = |subject: &Subject| -> Vec<Evidence> {
        let effects = subject.done.iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Report(evidence) => Some((**evidence).clone()),
                _ => None,
            })
            .collect()
    };
    let mut backup = lab.open(2);
    let view_change = empty(&lab, 3, 1, &backup);
    backup.receive(&commit);
    backup.receive(&view_change);
    let first = reported(&backup);
    let mut backup = lab.open(2);
    backup.receive(&view_change);
    backup.receive(&commit);
    assert_eq!(reported(&backup), first);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].rule(), first[0].offender().0), (Some(Rule::E4), 3));
}

#[test]
fn a_commit_is_remembered_by_the_own_view_change() {
    let lab = Lab::new();
    let (mut backup, content) = prepared(&lab, 2);
    let effects = backup.fire(Timer::Progress, PATIENCE);
    let own = effects.iter().find_map(|effect| match effect {
        Effect::Broadcast { message } => match &message.body {
            Body::ViewChange(body) => Some(body.summary.clone()),
            _ => None,
        },
        _ => None,
    });
    let claim = Claim { seq: Seq(1), view: View(0), digest: content.digest::<Stark>() };
    assert_eq!(own.unwrap().claims, [claim]);
}
