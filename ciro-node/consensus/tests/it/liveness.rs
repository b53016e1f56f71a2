//! What must not stop an honest replica, whatever others send and however late.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::message::{Body, Fetch, NewView, SignedNewView, State, Summary};
use ciro_consensus::{
    Certificate, Contradiction, Digest, Effect, Epoch, Fault, ForkProofError, Kind, Params, Seq,
    Statement, Timer, View,
};

use crate::support::{
    Lab, Proofs, Subject, asks_for_a_view, checkpoint, operation, pre_prepare, proposal, said,
    votes,
};

const PATIENCE: Duration = Duration::from_secs(2);

/// Returns the fault of a replica that asked to halt.
fn halted(effects: &[Effect]) -> Option<&Fault> {
    effects.iter().find_map(|effect| match effect {
        Effect::Halt(fault) => Some(fault),
        _ => None,
    })
}

/// A NewView of view 1 that begins with a block which was only prepared in view 0.
fn late_new_view(lab: &Lab) -> Arc<ciro_consensus::message::Message> {
    let (claim, certificate) = lab.prepared(&[0, 1, 2], 0, 1, &proposal(0, &[operation(1, 1)]));
    let summaries: Vec<(u32, Summary)> =
        vec![(0, lab.summary(1, &[])), (1, lab.summary(1, &[claim])), (2, lab.summary(1, &[]))];
    lab.new_view(1, &summaries, Proofs { checkpoint: None, prepared: vec![certificate] })
}

#[test]
fn a_new_view_that_comes_after_a_block_of_a_later_view_halts_nobody() {
    let lab = Lab::new();
    let mut late = lab.open(3);
    let block = lab.committed(&[0, 1, 2], 2, 1, &proposal(2, &[operation(2, 1)]));
    late.learn(&lab, 0, &[block]);
    let effects = late.receive(&late_new_view(&lab));
    assert_eq!(halted(&effects), None);
    assert_eq!(late.replica.view(), View(1));
    assert_eq!(said(&effects), [], "it agrees to nothing in place of a committed block");
    assert_eq!(late.execute_all(), [Seq(1)]);
}

#[test]
fn two_new_views_of_one_view_halt_nobody() {
    let lab = Lab::new();
    let mut late = lab.open(3);
    let block = lab.committed(&[0, 1, 2], 1, 1, &proposal(1, &[operation(2, 1)]));
    late.learn(&lab, 0, &[block]);
    let effects = late.receive(&late_new_view(&lab));
    assert_eq!(halted(&effects), None);
    assert_eq!(late.execute_all(), [Seq(1)]);
}

/// Brings a replica to where a NewView contradicts a block that it saw committed before.
fn forked(lab: &Lab) -> (Subject, Fault) {
    let mut witness = lab.open(3);
    let block = lab.committed(&[0, 1, 2], 0, 1, &proposal(0, &[operation(2, 1)]));
    witness.learn(lab, 0, &[block]);
    let effects = witness.receive(&late_new_view(lab));
    let fault = halted(&effects).expect("a quorum forgot what a quorum committed").clone();
    (witness, fault)
}

#[test]
fn a_halt_carries_the_certificates_that_prove_it() {
    let lab = Lab::new();
    let (witness, fault) = forked(&lab);
    let Fault::Fork { seq, proof, .. } = fault else { panic!("{fault}") };
    assert_eq!(seq, Seq(1));
    let rules = witness.replica.rules();
    assert_eq!(proof.verify(&rules), Ok(()));

    let mut later = (*proof).clone();
    later.block = lab.committed(&[0, 1, 2], 1, 1, &later.block.proposal);
    let not_later = ForkProofError::NotLater { view: View(1), committed_in: View(1) };
    assert_eq!(later.verify(&rules), Err(not_later));

    let mut unproven = (*proof).clone();
    unproven.block.certificate = Certificate::default();
    assert!(matches!(unproven.verify(&rules), Err(ForkProofError::Block { seq: Seq(1), .. })));

    let mut unsigned = (*proof).clone();
    let Contradiction::NewView(signed) = &mut unsigned.against else { panic!("no NewView") };
    signed.signature.r[31] ^= 1;
    assert_eq!(unsigned.verify(&rules), Err(ForkProofError::Unsigned(View(1))));

    let mut same = (*proof).clone();
    same.against = Contradiction::Block(same.block.clone());
    assert_eq!(same.verify(&rules), Err(ForkProofError::Agreement(Seq(1))));

    let mut other_epoch = (*proof).clone();
    other_epoch.epoch = Epoch(1);
    let expected = ForkProofError::Epoch { expected: Epoch(0), got: Epoch(1) };
    assert_eq!(other_epoch.verify(&rules), Err(expected));

    let mut two = (*proof).clone();
    let other = lab.committed(&[0, 1, 3], 0, 1, &proposal(0, &[operation(9, 1)]));
    two.against = Contradiction::Block(other);
    assert_eq!(two.verify(&rules), Ok(()));
}

#[test]
fn a_new_view_that_does_not_follow_from_its_view_changes_proves_no_fork() {
    let lab = Lab::new();
    let (witness, fault) = forked(&lab);
    let Fault::Fork { proof, .. } = fault else { panic!("{fault}") };
    let mut proof = *proof;
    let Contradiction::NewView(signed) = &proof.against else { panic!("no NewView") };
    let mut body: NewView = (*signed.new_view).clone();
    body.view_changes.pop();
    let message = lab.message(signed.leader.0, 0, Body::NewView(Arc::new(body)));
    let Body::NewView(new_view) = &message.body else { panic!("no NewView") };
    proof.against = Contradiction::NewView(SignedNewView {
        leader: message.sender,
        epoch: message.epoch,
        signature: message.signature,
        new_view: Arc::clone(new_view),
    });
    let verified = proof.verify(&witness.replica.rules());
    assert_eq!(verified, Err(ForkProofError::Unjustified(View(1))));
}

#[test]
fn a_restarted_replica_says_again_that_it_halted() {
    let lab = Lab::new();
    let (witness, fault) = forked(&lab);
    let again = lab.reopen(3, witness.log.clone());
    assert_eq!(halted(&again.done), Some(&fault));
    assert_eq!(again.replica.fault(), Some(&fault));
}

#[test]
fn a_timer_that_fires_early_fires_again() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1)]);
    let early = Duration::from_micros(1);
    let effects = backup.fire(Timer::Progress, PATIENCE - early);
    let again = |effects: &[Effect], timer| {
        effects.iter().find_map(|effect| match effect {
            Effect::SetTimeout { timer: set, after } if *set == timer => Some(*after),
            _ => None,
        })
    };
    assert_eq!(again(&effects, Timer::Progress), Some(early));
    assert!(asks_for_a_view(&backup.fire(Timer::Progress, early)));
    let interval = lab.genesis.params.resend_interval;
    let mut idle = lab.open(2);
    let effects = idle.fire(Timer::Resend, interval - early);
    assert_eq!(again(&effects, Timer::Resend), Some(early));
}

#[test]
fn a_timer_that_fires_twice_counts_once() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1)]);
    assert!(asks_for_a_view(&backup.fire(Timer::Progress, PATIENCE)));
    assert_eq!(said(&backup.fire(Timer::Progress, Duration::ZERO)), []);
    assert_eq!(backup.replica.view(), View(1));
}

#[test]
fn a_timer_that_is_lost_is_noticed_by_the_next_event() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1)]);
    backup.now += PATIENCE + lab.genesis.params.resend_interval;
    assert!(asks_for_a_view(&backup.submit(&[operation(2, 1)])));
}

/// The leader's checkpoint moves on between a ViewChange and the quorum of them.
#[test]
fn a_leader_quotes_only_checkpoints_that_it_verified() {
    let params = Params { checkpoint_interval: 4, epoch_length: 16, ..Params::default() };
    let lab = Lab::with_params(Params { operations_per_block: 4, pipeline_depth: 4, ..params });
    let at_checkpoint = |id: u32| {
        let mut subject = lab.open(id);
        for seq in 1..=4 {
            subject.commit(&lab, 0, seq, &proposal(0, &[operation(1, seq)]));
        }
        let digest = subject.replica.snapshot().digest::<ciro_consensus::crypto::Stark>();
        for sender in (0..4).filter(|sender| *sender != id) {
            subject.receive(&lab.message(sender, 0, checkpoint(4, digest)));
        }
        assert_eq!(subject.replica.stable().seq, Seq(4));
        (subject, digest)
    };
    let (mut leader, digest) = at_checkpoint(1);
    let summary = |view| Summary {
        view: View(view),
        stable_seq: Seq(4),
        stable_digest: digest,
        claims: Vec::new(),
    };
    let statement =
        Statement { epoch: Epoch(0), kind: Kind::Checkpoint, view: View(0), seq: Seq(4), digest };
    let certificate = |checkpoint| Proofs { checkpoint: Some(checkpoint), prepared: Vec::new() };
    // An honest ViewChange with another's certificate in place of its own: the signature does not
    // cover it.
    leader.receive(&lab.view_change(0, summary(1), certificate(Certificate::default())));
    leader.submit(&[operation(5, 1)]);
    leader.fire(Timer::Progress, PATIENCE);
    for sender in [0, 2, 3] {
        leader.receive(&lab.message(sender, 0, checkpoint(8, Digest::from_u64(8))));
    }
    assert_eq!(leader.replica.stable().seq, Seq(8));
    let good = lab.certificate(&[0, 2, 3], &statement);
    let effects = leader.receive(&lab.view_change(2, summary(1), certificate(good)));
    let sent = effects.iter().find_map(|effect| match effect {
        Effect::Broadcast { message } if message.body.kind() == Kind::NewView => Some(message),
        _ => None,
    });
    let (mut backup, _) = at_checkpoint(3);
    backup.receive(sent.expect("a quorum asked for the view"));
    assert_eq!((backup.replica.view(), backup.replica.is_active()), (View(1), true));
    let mut behind = lab.open(3);
    behind.receive(sent.unwrap());
    assert_eq!(behind.replica.view(), View(1), "the certificate convinces whoever lags behind");
}

/// The leader of view 1 with a certificate of someone who shows it and hands out nothing.
#[test]
fn a_leader_counts_a_claim_only_with_its_content() {
    let lab = Lab::new();
    let mut leader = lab.open(1);
    let withheld = proposal(0, &[operation(9, 1)]);
    let (claim, certificate) = lab.prepared(&[0, 2, 3], 0, 1, &withheld);
    leader.submit(&[operation(1, 1)]);
    leader.fire(Timer::Progress, PATIENCE);
    let shown = Proofs { checkpoint: None, prepared: vec![certificate] };
    let effects = leader.receive(&lab.view_change(0, lab.summary(1, &[claim]), shown));
    let fetch = Fetch::Proposal { seq: Seq(1), digest: claim.digest };
    let asks = |effect: &Effect| match effect {
        Effect::Send { to, message } => to.0 == 0 && message.body == Body::Fetch(fetch),
        _ => false,
    };
    assert!(effects.iter().any(asks), "the claimant is asked for the content");
    let started = |effects: &[Effect]| said(effects).contains(&Kind::NewView);
    let effects = leader.receive(&lab.view_change(2, lab.summary(1, &[]), Proofs::default()));
    assert!(
        !started(&effects),
        "a quorum of ViewChanges, one of them with a claim that nobody can fill"
    );
    let effects = leader.receive(&lab.view_change(3, lab.summary(1, &[]), Proofs::default()));
    assert!(started(&effects), "the others are a quorum without it");
    assert!(leader.replica.is_active());
}

#[test]
fn a_leader_counts_a_claim_once_its_content_comes() {
    let lab = Lab::new();
    let mut leader = lab.open(1);
    let content = proposal(0, &[operation(9, 1)]);
    let (claim, certificate) = lab.prepared(&[0, 2, 3], 0, 1, &content);
    leader.submit(&[operation(1, 1)]);
    leader.fire(Timer::Progress, PATIENCE);
    let shown = Proofs { checkpoint: None, prepared: vec![certificate] };
    leader.receive(&lab.view_change(0, lab.summary(1, &[claim]), shown));
    leader.receive(&lab.view_change(2, lab.summary(1, &[]), Proofs::default()));
    let state = State::Proposal { seq: Seq(1), proposal: Arc::new(content) };
    let effects = leader.receive(&lab.message(0, 0, Body::State(Arc::new(state))));
    assert_eq!(said(&effects), [Kind::NewView, Kind::Prepare]);
}

#[test]
fn what_a_replica_voted_for_stays_here_when_a_view_begins_with_something_else() {
    let lab = Lab::new();
    let mut backup = lab.open(3);
    let content = proposal(0, &[operation(1, 1)]);
    backup.submit(&content.operations);
    let (body, vote) = pre_prepare(0, 1, &content);
    backup.receive(&lab.message(0, 0, body));
    assert_eq!(votes(&backup.done, Kind::Prepare), [vote]);
    let nothing: Vec<(u32, Summary)> = [0, 1, 2].map(|sender| (sender, lab.summary(1, &[]))).into();
    backup.receive(&lab.new_view(1, &nothing, Proofs::default()));
    let other = proposal(1, &[operation(2, 1)]);
    backup.submit(&other.operations);
    let (body, _) = pre_prepare(1, 1, &other);
    backup.receive(&lab.message(1, 0, body));
    // The certificate of view 0 comes up in view 2.
    let (claim, certificate) = lab.prepared(&[0, 1, 3], 0, 1, &content);
    let shown: Vec<(u32, Summary)> =
        vec![(0, lab.summary(2, &[claim])), (1, lab.summary(2, &[])), (2, lab.summary(2, &[]))];
    let proofs = Proofs { checkpoint: None, prepared: vec![certificate] };
    let effects = backup.receive(&lab.new_view(2, &shown, proofs));
    let vote = ciro_consensus::message::Vote { view: View(2), ..vote };
    assert_eq!(votes(&effects, Kind::Prepare), [vote], "nothing needs to be fetched");
    let restarted = lab.reopen(3, backup.log.clone());
    assert_eq!(restarted.replica.view(), View(2));
}
