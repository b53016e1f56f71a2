//! What one peer may make a replica hold, send and compute.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::Stark;
use ciro_consensus::message::{
    Body, Fetch, Message, NewView, PrePrepare, State, Status, Summary, ViewChange, Vote,
};
use ciro_consensus::{
    Certificate, Digest, Dropped, Effect, Params, ReplicaId, Seq, StateRequest, Timer, Validator,
    ValidatorSet, View,
};

use crate::support::{Lab, Proofs, Subject, checkpoint, operation, pre_prepare, proposal};

const MIB: usize = 1 << 20;

/// Returns how many messages were dropped for a reason.
fn dropped(subject: &Subject, reason: Dropped) -> u64 {
    subject.replica.dropped().find(|(why, _)| *why == reason).map_or(0, |(_, count)| count)
}

/// Returns the bytes sent to one replica.
fn sent_to(effects: &[Effect], receiver: u32) -> usize {
    let to_receiver = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message } if *to == ReplicaId(receiver) => {
            Some(message.to_bytes().len())
        }
        _ => None,
    });
    to_receiver.sum()
}

fn status(view: u64, active: bool, executed: u64) -> Body {
    Body::Status(Status { view: View(view), active, stable: Seq(0), executed: Seq(executed) })
}

/// A certificate with the signatures of a hundred and seventy-one validators.
fn oversize() -> Certificate {
    let lab = Lab::new();
    let key = lab.genesis.committee.set().iter().next().unwrap().key;
    let many = (0..256).map(|id| Validator { id: ReplicaId(id), key, stake: 1 });
    let signature = lab.message(0, 0, status(0, true, 0)).signature;
    let signatures: Vec<_> = (0..256).map(|id| (ReplicaId(id), signature)).collect();
    let set = ValidatorSet::new(many).unwrap();
    Certificate::collect(&set, signatures.iter().map(|(id, it)| (*id, it))).unwrap()
}

#[test]
fn sixty_large_view_changes_of_the_next_epoch_are_not_kept() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let claims: Vec<_> = (9..=16)
        .map(|seq| ciro_consensus::message::Claim {
            seq: Seq(seq),
            view: View(0),
            digest: Digest::from_u64(seq),
        })
        .collect();
    for view in 1..=60 {
        let summary = Summary {
            view: View(view),
            stable_seq: Seq(8),
            stable_digest: Digest::from_u64(1),
            claims: claims.clone(),
        };
        let prepared = vec![oversize(); claims.len()];
        let body = ViewChange { summary, checkpoint: Some(oversize()), prepared };
        replica.receive(&lab.message(1, 1, Body::ViewChange(Arc::new(body))));
    }
    assert_eq!(replica.replica.footprint().stashed, 0);
    assert!(dropped(&replica, Dropped::Shape) > 0);
    // Of those that have the right shape one is kept.
    for view in 1..=60 {
        replica.fire(Timer::Resend, lab.genesis.params.resend_interval);
        let summary = Summary {
            view: View(view),
            stable_seq: Seq(8),
            stable_digest: Digest::from_u64(1),
            claims: Vec::new(),
        };
        let body = ViewChange { summary, checkpoint: None, prepared: Vec::new() };
        replica.receive(&lab.message(1, 1, Body::ViewChange(Arc::new(body))));
    }
    assert_eq!(replica.replica.footprint().stashed, 1);
}

#[test]
fn early_proposals_of_one_sender_stay_below_their_share() {
    let params = Params { operations_per_block: 4096, ..Params::default() };
    let lab = Lab::with_params(params);
    let mut replica = lab.open(2);
    let content = Arc::new(proposal(3, &vec![operation(1, 1); 4096]));
    for seq in 1..=100 {
        let (view, seq, digest) = (View(3), Seq(seq), Digest::from_u64(seq));
        let body = PrePrepare { view, seq, digest, proposal: Arc::clone(&content) };
        replica.receive(&lab.message(3, 0, Body::PrePrepare(body)));
    }
    let footprint = replica.replica.footprint();
    assert!(footprint.stashed_bytes <= 8 * MIB && footprint.stashed > 30, "{footprint:?}");
    assert!(dropped(&replica, Dropped::NoRoom) > 50);
    let far = PrePrepare {
        view: View(1000),
        seq: Seq(1),
        digest: Digest::from_u64(1),
        proposal: content,
    };
    replica.receive(&lab.message(1, 0, Body::PrePrepare(far)));
    assert_eq!(dropped(&replica, Dropped::FarAhead), 1);
}

#[test]
fn equal_requests_are_answered_up_to_a_budget() {
    let params = Params { operations_per_block: 4096, ..Params::default() };
    let lab = Lab::with_params(params);
    let mut replica = lab.open(2);
    let operations: Vec<_> = (1..=4000).map(|client| operation(client, 1)).collect();
    let content = proposal(0, &operations);
    let (body, vote) = pre_prepare(0, 1, &content);
    replica.receive(&lab.message(0, 0, body));
    let fetch = Body::Fetch(Fetch::Proposal { seq: Seq(1), digest: vote.digest });
    let answers = |replica: &mut Subject, sender| -> usize {
        let request = lab.message(sender, 0, fetch.clone());
        (0..200).map(|_| sent_to(&replica.receive(&request), sender)).sum()
    };
    let one = answers(&mut replica, 1);
    assert!((MIB..3 * MIB).contains(&one), "{one} bytes");
    assert!(dropped(&replica, Dropped::Budget) > 150);
    let other = answers(&mut replica, 3);
    assert!(other >= MIB, "one that asks too much costs others nothing");
    replica.fire(Timer::Resend, lab.genesis.params.resend_interval);
    assert!(answers(&mut replica, 1) >= MIB / 2, "the next interval has its own");
}

#[test]
fn a_replayed_request_spends_nothing_of_its_author() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let (body, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    replica.receive(&lab.message(0, 0, body));
    let fetch = Body::Fetch(Fetch::Proposal { seq: Seq(1), digest: vote.digest });
    let request = lab.message(3, 0, fetch);
    for _ in 0..1000 {
        assert_eq!(sent_to(&replica.receive_from(1, &request), 3), 0);
    }
    assert_eq!(dropped(&replica, Dropped::NotItsOwn), 1000);
    assert!(sent_to(&replica.receive(&request), 3) > 0);
    let old = lab.message(3, 0, status(0, true, 0));
    for _ in 0..1000 {
        replica.receive_from(1, &old);
    }
    assert_eq!(dropped(&replica, Dropped::NotItsOwn), 2000);
}

#[test]
fn what_was_not_asked_for_is_not_looked_at() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let content = Arc::new(proposal(0, &[operation(1, 1)]));
    let state = State::Proposal { seq: Seq(1), proposal: content };
    replica.receive(&lab.message(1, 0, Body::State(Arc::new(state))));
    let ahead = lab.open(1).replica;
    let state = State::Snapshot {
        proofs: Vec::new(),
        checkpoint: ahead.stable().clone(),
        snapshot: Arc::new(ahead.snapshot().clone()),
    };
    replica.receive(&lab.message(1, 0, Body::State(Arc::new(state))));
    assert_eq!(dropped(&replica, Dropped::Unsolicited), 2);
}

#[test]
fn strangers_and_those_out_of_turn_are_dropped_before_anything_is_hashed() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let empty = |view| NewView {
        view: View(view),
        view_changes: Vec::new(),
        checkpoint: None,
        prepared: Vec::new(),
        pre_prepares: Vec::new(),
    };
    let stranger = Message {
        sender: ReplicaId(9),
        ..(*lab.message(1, 0, Body::NewView(Arc::new(empty(1))))).clone()
    };
    replica.receive_from(1, &Arc::new(stranger.clone()));
    replica.receive_from(9, &Arc::new(stranger));
    assert_eq!(dropped(&replica, Dropped::Stranger), 2);
    replica.receive(&lab.message(3, 0, Body::NewView(Arc::new(empty(1)))));
    replica.receive(&lab.message(3, 1, Body::NewView(Arc::new(empty(1)))));
    let (body, _) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    replica.receive(&lab.message(3, 0, body));
    assert_eq!(dropped(&replica, Dropped::NotItsTurn), 3);
}

#[test]
fn a_peer_that_wastes_work_is_silenced_for_a_while_and_nobody_else() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let vote = |digest: u64| Vote { view: View(0), seq: Seq(1), digest: Digest::from_u64(digest) };
    for digest in 0..200 {
        let mut forged = (*lab.message(3, 0, Body::Prepare(vote(digest)))).clone();
        forged.signature.s[31] ^= 1;
        replica.receive_from(1, &Arc::new(forged));
    }
    let checked = dropped(&replica, Dropped::Signature);
    assert!(checked <= 64, "{checked} signatures were checked");
    assert_eq!(dropped(&replica, Dropped::Silenced), 200 - checked);
    replica.receive(&lab.message(3, 0, Body::Prepare(vote(1))));
    assert_eq!(replica.replica.footprint().votes, 1, "whoever was named pays nothing");
    replica.receive(&lab.message(1, 0, Body::Prepare(vote(1))));
    assert_eq!(replica.replica.footprint().votes, 1);
    replica.fire(Timer::Resend, lab.genesis.params.resend_interval);
    replica.receive(&lab.message(1, 0, Body::Prepare(vote(1))));
    assert_eq!(replica.replica.footprint().votes, 2, "it is heard again");
}

/// Executes blocks up to a checkpoint at a replica and returns its state.
fn executed(lab: &Lab, id: u32, blocks: u64) -> Subject {
    let mut subject = lab.open(id);
    for seq in 1..=blocks {
        subject.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
    }
    subject
}

#[test]
fn a_state_that_never_comes_stops_nobody() {
    let lab = Lab::new();
    let ahead = executed(&lab, 1, 4);
    let digest = ahead.replica.snapshot().digest::<Stark>();
    let mut behind = executed(&lab, 3, 3);
    for sender in [0, 1, 2] {
        behind.receive(&lab.message(sender, 0, checkpoint(4, digest)));
    }
    assert_eq!(behind.replica.stable().seq, Seq(4));
    // It asks for the state only after it has waited for the block.
    let status = Status { view: View(0), active: true, stable: Seq(4), executed: Seq(4) };
    let mut asked = false;
    for _ in 0..6 {
        behind.receive(&lab.message(0, 0, Body::Status(status)));
        let effects = behind.fire(Timer::Resend, lab.genesis.params.resend_interval);
        asked |= effects.iter().any(|effect| match effect {
            Effect::Send { message, .. } => {
                matches!(message.body, Body::Fetch(Fetch::Snapshot { .. }))
            }
            _ => false,
        });
    }
    assert!(asked);
    let state = State::Snapshot {
        proofs: Vec::new(),
        checkpoint: behind.replica.stable().clone(),
        snapshot: Arc::new(ahead.replica.snapshot().clone()),
    };
    let effects = behind.receive(&lab.message(0, 0, Body::State(Arc::new(state))));
    let fetched = effects.iter().find_map(|effect| match effect {
        Effect::FetchState(request) => Some((request.seq, request.sources.clone())),
        _ => None,
    });
    assert_eq!(fetched, Some((Seq(4), vec![ReplicaId(0)])));
    // The state does not come, but the block does.
    let block = lab.committed(&[0, 1, 2], 0, 4, &proposal(0, &[operation(1, 4)]));
    behind.learn(&lab, 1, &[block]);
    assert_eq!(behind.execute_all(), [Seq(4)]);
    let late = behind.step(ciro_consensus::Input::StateFetched { seq: Seq(4) });
    let restores = |effect: &Effect| matches!(effect, Effect::RestoreState { .. });
    assert!(!late.iter().any(restores), "a state that comes later is of no use");
    assert_eq!(behind.replica.executed(), Seq(4));
}

/// Carries requests and answers between a replica that is behind and one that is ahead, until
/// nothing is left to say.
fn converse(lab: &Lab, behind: &mut Subject, ahead: &mut Subject) {
    let executed = ahead.replica.executed();
    let status = Status { view: View(0), active: true, stable: executed, executed };
    let ahead_id = ahead.replica.id().0;
    behind.receive(&lab.message(ahead_id, ahead.replica.epoch().0, Body::Status(status)));
    ahead.fire(Timer::Resend, lab.genesis.params.resend_interval);
    let mut effects = behind.fire(Timer::Resend, lab.genesis.params.resend_interval);
    while !effects.is_empty() {
        let mut next = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { message, .. } => {
                    for answer in ahead.receive(&message) {
                        if let Effect::Send { message, .. } = answer {
                            next.extend(behind.receive(&message));
                        }
                    }
                }
                Effect::FetchState(StateRequest { seq, .. }) => {
                    next.extend(behind.step(ciro_consensus::Input::StateFetched { seq }));
                }
                _ => {}
            }
        }
        effects = next;
    }
}

/// A chain whose epochs are as short as can be.
fn short_epochs() -> Lab {
    let params = Params { checkpoint_interval: 2, epoch_length: 2, ..Params::default() };
    Lab::with_params(Params { operations_per_block: 4, pipeline_depth: 2, ..params })
}

/// Runs blocks up to `last`; the others vote for the checkpoints up to `certified`.
fn run_short_epochs(lab: &Lab, subject: &mut Subject, last: u64, certified: u64) {
    let own = subject.replica.id();
    for seq in subject.replica.executed().0 + 1..=last {
        subject.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
        if seq % 2 == 0 && seq <= certified {
            let digest = subject.replica.snapshot().digest::<Stark>();
            let epoch = subject.replica.epoch().0;
            for sender in (0..4).filter(|id| ReplicaId(*id) != own) {
                subject.receive(&lab.message(sender, epoch, checkpoint(seq, digest)));
            }
        }
    }
}

#[test]
fn a_checkpoint_seen_from_an_epoch_before_is_stable_once_its_epoch_is_reached() {
    let lab = short_epochs();
    let mut ahead = lab.open(1);
    run_short_epochs(&lab, &mut ahead, 4, 4);
    let mut behind = lab.open(3);
    let status = Status { view: View(0), active: true, stable: Seq(4), executed: Seq(4) };
    behind.receive(&lab.message(1, 2, Body::Status(status)));
    ahead.fire(Timer::Resend, lab.genesis.params.resend_interval);
    let mut answered = false;
    for effect in behind.fire(Timer::Resend, lab.genesis.params.resend_interval) {
        let Effect::Send { message, .. } = effect else { continue };
        if matches!(message.body, Body::Fetch(Fetch::Checkpoint { .. })) {
            for effect in ahead.receive(&message) {
                let Effect::Send { message, .. } = effect else { continue };
                answered |= matches!(message.body, Body::State(_));
                behind.receive(&message);
            }
        }
    }
    assert!(answered, "checkpoint 4 and its proof came");
    // It gets there by itself, with nobody left who votes for checkpoint 4.
    run_short_epochs(&lab, &mut behind, 4, 2);
    assert_eq!(behind.replica.stable().seq, Seq(4));
    assert_eq!(behind.replica.epoch().0, 2);
}

#[test]
fn a_replica_that_missed_forty_epochs_finds_the_way() {
    let lab = short_epochs();
    let mut ahead = lab.open(1);
    run_short_epochs(&lab, &mut ahead, 80, 80);
    assert_eq!(ahead.replica.epoch().0, 40);
    let mut ahead = lab.reopen(1, ahead.log.clone());
    let mut behind = lab.open(3);
    for _ in 0..6 {
        converse(&lab, &mut behind, &mut ahead);
    }
    assert_eq!(behind.replica.epoch().0, 40);
    assert_eq!(behind.replica.executed(), Seq(80));
    // Whoever came that way can lead the next one.
    let mut third = lab.open(0);
    for _ in 0..6 {
        converse(&lab, &mut third, &mut behind);
    }
    assert_eq!(third.replica.executed(), Seq(80));
}

#[test]
fn one_liar_about_views_does_not_cut_a_replica_off() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let mut asked = Vec::new();
    for _ in 0..10 {
        replica.receive(&lab.message(3, 0, status(u64::MAX, true, 0)));
        for honest in [0, 1] {
            replica.receive(&lab.message(honest, 0, status(5, true, 0)));
        }
        let effects = replica.fire(Timer::Resend, lab.genesis.params.resend_interval);
        asked.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Send { to, message } => match message.body {
                Body::Fetch(Fetch::NewView { view }) => Some((to.0, view.0)),
                _ => None,
            },
            _ => None,
        }));
    }
    let honest = asked.iter().filter(|(to, view)| *to != 3 && *view == 5).count();
    assert!(honest >= 4, "{asked:?}");
}

#[test]
fn a_new_view_is_pushed_to_whoever_has_not_begun_the_view() {
    let lab = Lab::new();
    let mut replica = lab.open(2);
    let summaries: Vec<(u32, Summary)> =
        [0, 1, 3].map(|sender| (sender, lab.summary(1, &[]))).into();
    replica.receive(&lab.new_view(1, &summaries, Proofs::default()));
    assert_eq!(replica.replica.view(), View(1));
    let effects = replica.receive(&lab.message(3, 0, status(0, true, 0)));
    let pushed = effects.iter().any(|effect| match effect {
        Effect::Send { to: ReplicaId(3), message } => matches!(message.body, Body::NewView(_)),
        _ => false,
    });
    assert!(pushed);
    assert_eq!(sent_to(&replica.receive(&lab.message(3, 0, status(0, true, 0))), 3), 0, "once");
}

#[test]
fn what_the_proposer_may_not_have_is_relayed_before_it_is_blamed() {
    let lab = Lab::new();
    let mut backup = lab.open(2);
    backup.submit(&[operation(1, 1), operation(2, 1)]);
    let effects = backup.fire(Timer::Relay, Duration::from_millis(500));
    let relayed = effects.iter().find_map(|effect| match effect {
        Effect::Relay { to, operations } => Some((*to, operations.clone())),
        _ => None,
    });
    assert_eq!(relayed, Some((ReplicaId(0), vec![operation(1, 1), operation(2, 1)])));
    let mut primary = lab.open(0);
    primary.submit(&[operation(1, 1)]);
    let effects = primary.fire(Timer::Relay, Duration::from_millis(500));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Relay { .. })));
}
