//! The driver: durable first, then in order, and nothing after a failure.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::Message;
use ciro_consensus::{
    Block, Digest, Effect, Epoch, Fault, Host, Input, Operation, ReplicaId, Seq, StakeChange,
    StateRequest, Timer, ValidatorSet, Write, perform,
};

use crate::support::{Lab, operation, pre_prepare, proposal};

/// Notes what it is asked for, one line each.
#[derive(Debug, Default)]
struct Diary {
    lines: Vec<String>,
    /// Whether the disk fails.
    fails: bool,
    /// Effects after which it stops, if it does.
    stops_after: Option<usize>,
}

impl Diary {
    fn note(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

impl Host for Diary {
    type Error = &'static str;

    fn persist(&mut self, writes: Vec<Write>) -> Result<(), Self::Error> {
        self.note(format!("persist {}", writes.len()));
        if self.fails { Err("disk full") } else { Ok(()) }
    }

    fn is_running(&mut self) -> bool {
        match &mut self.stops_after {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    fn send(&mut self, to: ReplicaId, message: Arc<Message>) {
        self.note(format!("send {:?} to {to}", message.body.kind()));
    }

    fn broadcast(&mut self, message: Arc<Message>) {
        self.note(format!("broadcast {:?}", message.body.kind()));
    }

    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>) {
        self.note(format!("relay {} to {to}", operations.len()));
    }

    fn set_timeout(&mut self, timer: Timer, _: Duration) {
        self.note(format!("set {timer:?}"));
    }

    fn cancel_timeout(&mut self, timer: Timer) {
        self.note(format!("cancel {timer:?}"));
    }

    fn validate(&mut self, seq: Seq, _: Digest, operations: Vec<Operation>) {
        self.note(format!("validate {} of {seq}", operations.len()));
    }

    fn execute(&mut self, block: Box<Block>) {
        self.note(format!("execute {}", block.seq));
    }

    fn restore_state(&mut self, seq: Seq, _: Digest) {
        self.note(format!("restore {seq}"));
    }

    fn fetch_state(&mut self, request: StateRequest) {
        self.note(format!("fetch {} from {}", request.seq, request.sources.len()));
    }

    fn stable(&mut self, seq: Seq, keep_from: Seq) {
        self.note(format!("stable {seq}, keep {keep_from}"));
    }

    fn validators(&mut self, epoch: Epoch, set: Arc<ValidatorSet>) {
        self.note(format!("validators of {epoch}: {}", set.len()));
    }

    fn stake_refused(&mut self, seq: Seq, changes: Vec<StakeChange>) {
        self.note(format!("refused {} of {seq}", changes.len()));
    }

    fn report(&mut self, evidence: Box<Evidence>) {
        self.note(format!("report {:?}", evidence.rule()));
    }

    fn halt(&mut self, _: Fault) {
        self.note("halt");
    }
}

/// Two steps of a primary: its first proposal, and the Commit after the others' Prepares.
fn two_steps(lab: &Lab) -> [Vec<Effect>; 2] {
    let mut primary = lab.open(0);
    let first = primary.replica.step(Duration::ZERO, Input::Operation(operation(1, 1)));
    let (_, vote) = pre_prepare(0, 1, &proposal(0, &[operation(1, 1)]));
    let mut second = Vec::new();
    for sender in [1, 2] {
        let message = lab.message(sender, 0, ciro_consensus::message::Body::Prepare(vote));
        let peer = ReplicaId(sender);
        second.extend(primary.replica.step(Duration::ZERO, Input::Message { peer, message }));
    }
    [first, second]
}

fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::Append(_) | Effect::Compact(_) | Effect::KeepProof(_))
}

#[test]
fn nothing_leaves_before_everything_is_durable() {
    let lab = Lab::new();
    let [first, _] = two_steps(&lab);
    let writes = first.iter().filter(|effect| is_write(effect)).count();
    assert_eq!(writes, 2, "PrePrepare and Prepare");
    let mut diary = Diary::default();
    assert_eq!(perform(first, &mut diary), Ok(()));
    let said = ["persist 2", "broadcast PrePrepare", "broadcast Prepare"];
    assert_eq!(diary.lines[..3], said.map(str::to_owned));
}

#[test]
fn several_steps_wait_for_the_disk_once_and_say_the_same() {
    let lab = Lab::new();
    let steps = two_steps(&lab);
    let mut apart = Diary::default();
    for effects in steps.clone() {
        perform(effects, &mut apart).unwrap();
    }
    let mut together = Diary::default();
    perform(steps.concat(), &mut together).unwrap();
    let waits = |diary: &Diary| diary.lines.iter().filter(|it| it.starts_with("persist")).count();
    assert_eq!((waits(&apart), waits(&together)), (2, 1));
    assert!(together.lines[0].starts_with("persist"), "{:?}", together.lines);
    let said = |diary: &Diary| -> Vec<String> {
        diary.lines.iter().filter(|it| !it.starts_with("persist")).cloned().collect()
    };
    assert_eq!(said(&apart), said(&together));
}

#[test]
fn what_cannot_be_written_down_is_not_said() {
    let lab = Lab::new();
    let [first, _] = two_steps(&lab);
    let mut diary = Diary { fails: true, ..Diary::default() };
    assert_eq!(perform(first, &mut diary), Err("disk full"));
    assert_eq!(diary.lines, ["persist 2"]);
}

#[test]
fn a_host_that_stops_drops_the_rest() {
    let lab = Lab::new();
    let [first, _] = two_steps(&lab);
    let mut diary = Diary { stops_after: Some(1), ..Diary::default() };
    assert_eq!(perform(first, &mut diary), Ok(()));
    assert_eq!(diary.lines, ["persist 2", "broadcast PrePrepare"]);
}

#[test]
fn effects_without_writes_do_not_wait_for_the_disk() {
    let mut diary = Diary::default();
    let effects = vec![
        Effect::CancelTimeout { timer: Timer::Progress },
        Effect::Stable { seq: Seq(4), keep_from: Seq(0) },
    ];
    assert_eq!(perform(effects, &mut diary), Ok(()));
    assert_eq!(diary.lines, ["cancel Progress", "stable 4, keep 0"]);
}
