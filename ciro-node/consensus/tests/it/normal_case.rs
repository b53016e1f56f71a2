//! The three phases without a failure (PBFT §4.2), seen from one replica.

use ciro_consensus::crypto::Stark;
use ciro_consensus::evidence::{Evidence, Rule};
use ciro_consensus::message::{Body, Vote};
use ciro_consensus::{
    ChainId, Digest, Effect, Genesis, Kind, Operation, Proposal, Seq, View, executed_digest,
};

use crate::support::{Lab, operation, pre_prepare, proposal, said, votes};

fn one() -> Proposal {
    proposal(0, &[operation(1, 1)])
}

fn reports(effects: &[Effect]) -> Vec<&Evidence> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Report(evidence) => Some(&**evidence),
            _ => None,
        })
        .collect()
}

#[test]
fn a_primary_proposes_and_prepares_what_it_is_given() {
    let lab = Lab::new();
    let mut primary = lab.open(0);
    let effects = primary.submit(&[operation(1, 1)]);
    assert_eq!(said(&effects), [Kind::PrePrepare, Kind::Prepare]);
}

#[test]
fn a_backup_prepares_commits_and_executes() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    backup.submit(&[operation(1, 1)]);
    let (body, vote) = pre_prepare(0, 1, &one());
    let effects = backup.receive(&lab.message(0, 0, body));
    assert_eq!(votes(&effects, Kind::Prepare), [vote]);
    assert_eq!(said(&backup.receive(&lab.message(0, 0, Body::Prepare(vote)))), []);
    let effects = backup.receive(&lab.message(2, 0, Body::Prepare(vote)));
    assert_eq!(votes(&effects, Kind::Commit), [vote], "three of four are a quorum");
    assert_eq!(said(&backup.receive(&lab.message(0, 0, Body::Commit(vote)))), []);
    let effects = backup.receive(&lab.message(3, 0, Body::Commit(vote)));
    assert!(
        matches!(&effects[..], [Effect::Execute(block)] if block.operations == [operation(1, 1)])
    );
    assert_eq!(backup.execute_all(), [Seq(1)]);
    assert_eq!(backup.replica.executed(), Seq(1));
}

#[test]
fn unknown_operations_are_validated_before_the_prepare() {
    let lab = Lab::new();
    let (body, vote) = pre_prepare(0, 1, &one());
    let message = lab.message(0, 0, body);
    for (valid, expected) in [(true, vec![vote]), (false, vec![])] {
        let mut backup = lab.open(1);
        let effects = backup.receive(&message);
        assert!(matches!(&effects[..], [Effect::Validate { operations, .. }]
            if *operations == [operation(1, 1)]));
        let effects = backup.answer_validation(valid);
        assert_eq!(votes(&effects, Kind::Prepare), expected);
    }
}

#[test]
fn what_only_a_proposal_brought_is_judged_anew_for_the_next_one() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    // Its client's first operation is missing: the block executes nothing.
    backup.commit(&lab, 0, 1, &proposal(0, &[operation(1, 2)]));
    assert_eq!(backup.replica.executed(), Seq(1));
    backup.submit(&[operation(1, 1)]);
    let both = proposal(0, &[operation(1, 1), operation(1, 2)]);
    let effects = backup.receive(&lab.message(0, 0, pre_prepare(0, 2, &both).0));
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Validate { operations, .. } => Some(&operations[..]),
        _ => None,
    });
    assert_eq!(asked, Some(&[operation(1, 2)][..]));
}

#[test]
fn votes_may_come_before_the_proposal() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    backup.submit(&[operation(1, 1)]);
    let (body, vote) = pre_prepare(0, 1, &one());
    for sender in [0, 2, 3] {
        backup.receive(&lab.message(sender, 0, Body::Prepare(vote)));
        backup.receive(&lab.message(sender, 0, Body::Commit(vote)));
    }
    assert!(backup.replica.executed() == Seq(0), "its content is missing");
    let effects = backup.receive(&lab.message(0, 0, body));
    assert_eq!(said(&effects), [Kind::Prepare, Kind::Commit]);
    assert_eq!(backup.execute_all(), [Seq(1)]);
}

#[test]
fn blocks_execute_in_order_whatever_order_they_commit_in() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    let second = proposal(0, &[operation(1, 2)]);
    backup.commit(&lab, 0, 2, &second);
    assert_eq!(backup.replica.executed(), Seq(0));
    backup.commit(&lab, 0, 1, &one());
    assert_eq!(backup.replica.executed(), Seq(2));
}

/// Proposals that a backup must not prepare, each wrong in one way.
#[test]
fn flawed_proposals_are_ignored() {
    let lab = Lab::new();
    let twice = proposal(0, &[operation(1, 1), operation(1, 1)]);
    let large = proposal(0, &[1, 2, 3, 4, 5].map(|nonce| operation(1, nonce)));
    let other_view = proposal(1, &[operation(1, 1)]);
    let empty = proposal(0, &[]);
    let wrong_digest = match pre_prepare(0, 1, &one()).0 {
        Body::PrePrepare(mut body) => {
            body.digest = Digest::from_u64(1);
            Body::PrePrepare(body)
        }
        body => body,
    };
    let flawed = [
        ("twice the same operation", 0, pre_prepare(0, 1, &twice).0),
        ("too many operations", 0, pre_prepare(0, 1, &large).0),
        ("made for another view", 0, pre_prepare(0, 1, &other_view).0),
        ("empty", 0, pre_prepare(0, 1, &empty).0),
        ("not the primary's", 2, pre_prepare(0, 1, &one()).0),
        ("a view that has not begun", 1, pre_prepare(1, 1, &one()).0),
        ("behind the checkpoint", 0, pre_prepare(0, 0, &one()).0),
        ("beyond the window", 0, pre_prepare(0, 9, &one()).0),
        ("under a digest not its own", 0, wrong_digest),
    ];
    for (flaw, sender, body) in flawed {
        let mut backup = lab.open(1);
        let effects = backup.receive(&lab.message(sender, 0, body));
        backup.answer_validation(true);
        assert_eq!(said(&backup.done), [], "a proposal that is {flaw}");
        assert!(reports(&effects).is_empty());
    }
}

#[test]
fn the_first_proposal_counts_and_a_second_one_is_evidence() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    let (first, vote) = pre_prepare(0, 1, &one());
    let (second, _) = pre_prepare(0, 1, &proposal(0, &[operation(2, 1)]));
    backup.receive(&lab.message(0, 0, first));
    let effects = backup.receive(&lab.message(0, 0, second));
    let reported = reports(&effects);
    assert_eq!(reported.len(), 1);
    assert_eq!(reported[0].rule(), Some(Rule::E1));
    assert_eq!(reported[0].offender().0, 0);
    backup.answer_validation(true);
    assert_eq!(votes(&backup.done, Kind::Prepare), [vote]);
}

#[test]
fn contradicting_votes_are_evidence_and_count_once() {
    let lab = Lab::new();
    let (_, vote) = pre_prepare(0, 1, &one());
    let other = Vote { digest: Digest::from_u64(7), ..vote };
    for (kind, rule) in [
        (Body::Prepare as fn(Vote) -> Body, Rule::E2),
        (Body::Commit as fn(Vote) -> Body, Rule::E3),
    ] {
        let mut backup = lab.open(1);
        backup.receive(&lab.message(2, 0, kind(vote)));
        let effects = backup.receive(&lab.message(2, 0, kind(other)));
        assert_eq!(reports(&effects)[0].rule(), Some(rule));
        let again = backup.receive(&lab.message(2, 0, kind(other)));
        assert!(reports(&again).is_empty(), "an offender is reported once an epoch");
    }
}

/// Messages whose signature does not hold for this chain, epoch or sender.
#[test]
fn foreign_signatures_are_ignored() {
    let lab = Lab::new();
    let (_, vote) = pre_prepare(0, 1, &one());
    let elsewhere = Lab {
        genesis: Genesis::new(
            ChainId::new("other"),
            lab.genesis.params.clone(),
            lab.genesis.committee.set().as_ref().clone(),
            lab.genesis.state_root,
        ),
    };
    let of_other_chain = elsewhere.message(2, 0, Body::Prepare(vote));
    let mut renamed = (*lab.message(2, 0, Body::Prepare(vote))).clone();
    renamed.sender = ciro_consensus::ReplicaId(3);
    let of_later_epoch = lab.message(2, 5, Body::Prepare(vote));
    let of_stranger = lab.message(9, 0, Body::Prepare(vote));
    for message in [of_other_chain, renamed.into(), of_later_epoch, of_stranger] {
        let mut backup = lab.open(1);
        backup.receive(&message);
        assert_eq!(backup.replica.footprint().votes, 0, "{message:?}");
    }
}

#[test]
fn early_messages_are_kept_for_later_but_not_too_early_ones() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    let vote = |view, seq| {
        Body::Prepare(Vote { view: View(view), seq: Seq(seq), digest: Digest::from_u64(1) })
    };
    for (view, seq, stashed) in [(0, 9, 1), (0, 12, 2), (0, 13, 2), (3, 1, 3), (3, 13, 3)] {
        backup.receive(&lab.message(2, 0, vote(view, seq)));
        assert_eq!(backup.replica.footprint().stashed, stashed, "view {view}, block {seq}");
    }
    backup.receive(&lab.message(2, 1, vote(0, 9)));
    assert_eq!(backup.replica.footprint().stashed, 4, "the next epoch's are kept, too");
    backup.receive(&lab.message(2, 2, vote(0, 17)));
    assert_eq!(backup.replica.footprint().stashed, 4);
}

#[test]
fn an_operation_proposed_again_is_not_executed_again() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    backup.commit(&lab, 0, 1, &one());
    let again = proposal(0, &[operation(1, 1), operation(1, 3), operation(1, 2)]);
    backup.commit(&lab, 0, 2, &again);
    let executed: Vec<_> = backup
        .done
        .iter()
        .filter_map(|effect| match effect {
            Effect::Execute(block) => Some((block.operations.clone(), block.executed)),
            _ => None,
        })
        .collect();
    let expected = [[operation(1, 1)], [operation(1, 2)]];
    let digest = |operations: &[Operation]| executed_digest::<Stark>(operations, []);
    assert_eq!(executed, expected.map(|it| (it.to_vec(), digest(&it))));
    // The header says what counted, whatever was proposed.
    let header = backup.replica.snapshot().header.unwrap();
    assert_eq!(header.content, again.content::<Stark>());
    assert_eq!(header.executed, digest(&expected[1]));
}

#[test]
fn a_pipeline_holds_full_blocks_only_behind_the_first() {
    let lab = Lab::new();
    let mut primary = lab.open(0);
    let operations: Vec<_> = (1..=11).map(|nonce| operation(1, nonce)).collect();
    let effects = primary.submit(&operations);
    let sizes: Vec<usize> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { message } => match &message.body {
                Body::PrePrepare(body) => Some(body.proposal.operations.len()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [1, 4, 4], "the first block waits for nothing, the last two wait to fill");
}
