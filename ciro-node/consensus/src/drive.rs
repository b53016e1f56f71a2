//! Performing effects: the one place that looks at them, for daemons, simulators and tests alike.

use std::sync::Arc;
use std::time::Duration;

use crate::block::Operation;
use crate::evidence::Evidence;
use crate::io::{Block, Effect, Fault, StateRequest, Timer};
use crate::message::Message;
use crate::record::Record;
use crate::snapshot::EpochProof;
use crate::stake::{StakeChange, ValidatorSet};
use crate::types::{Digest, Epoch, ReplicaId, Seq};

/// A change of the durable log, in the order in which replicas ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Append to the log.
    Append(Box<Record>),
    /// Replace the log, and everything appended before, by these records.
    Compact(Vec<Record>),
    /// Keep the proof of an epoch's end for ever, beside the log.
    KeepProof(Arc<EpochProof>),
}

/// What a replica runs in: its disk, its network, its clock and its application.
///
/// No method waits for an answer of the application: answers are later [`Input`](crate::Input)s, so
/// that execution, validation and the fetching of states may take as long as they like, on other
/// threads or machines.
pub trait Host {
    /// Why something could not be made durable.
    type Error;

    /// Makes all of these durable before it returns, in one write if it can.
    ///
    /// # Errors
    ///
    /// Whatever leaves it open what is on disk. Nothing of the rest is then performed, and the node
    /// must stop: what it has not written down it must not say.
    fn persist(&mut self, writes: Vec<Write>) -> Result<(), Self::Error>;

    /// Whether the host still runs, asked before each effect that is no write. The rest is dropped
    /// when it does not, as after a loss of power.
    fn is_running(&mut self) -> bool {
        true
    }

    /// Performs [`Effect::Send`]. Messages may be lost: a full queue drops, it does not wait.
    fn send(&mut self, to: ReplicaId, message: Arc<Message>);

    /// Performs [`Effect::Broadcast`].
    fn broadcast(&mut self, message: Arc<Message>);

    /// Performs [`Effect::Relay`].
    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>);

    /// Performs [`Effect::SetTimeout`].
    fn set_timeout(&mut self, timer: Timer, after: Duration);

    /// Performs [`Effect::CancelTimeout`].
    fn cancel_timeout(&mut self, timer: Timer);

    /// Performs [`Effect::Validate`].
    fn validate(&mut self, seq: Seq, digest: Digest, operations: Vec<Operation>);

    /// Performs [`Effect::Execute`].
    fn execute(&mut self, block: Box<Block>);

    /// Performs [`Effect::RestoreState`].
    fn restore_state(&mut self, seq: Seq, state_root: Digest);

    /// Performs [`Effect::FetchState`].
    fn fetch_state(&mut self, request: StateRequest);

    /// Performs [`Effect::Stable`].
    fn stable(&mut self, seq: Seq, keep_from: Seq);

    /// Performs [`Effect::Validators`].
    fn validators(&mut self, epoch: Epoch, set: Arc<ValidatorSet>);

    /// Performs [`Effect::StakeRefused`].
    fn stake_refused(&mut self, seq: Seq, changes: Vec<StakeChange>);

    /// Performs [`Effect::Report`].
    fn report(&mut self, evidence: Box<Evidence>);

    /// Performs [`Effect::Halt`].
    fn halt(&mut self, fault: Fault);
}

/// Performs the effects of one step, or of several in order: all writes first and together, then
/// the others.
///
/// Nothing leaves before everything that was asked for before it is durable. The effects of several
/// steps may be performed at once, so that one wait for the disk serves all of them: that delays
/// what the earlier steps say, and changes nothing else.
///
/// # Errors
///
/// What [`Host::persist`] returns; only writes were then performed, perhaps in part.
pub fn perform<H: Host>(effects: Vec<Effect>, host: &mut H) -> Result<(), H::Error> {
    let (mut writes, mut rest) = (Vec::new(), Vec::with_capacity(effects.len()));
    for effect in effects {
        match effect {
            Effect::Append(record) => writes.push(Write::Append(record)),
            Effect::Compact(records) => writes.push(Write::Compact(records)),
            Effect::KeepProof(proof) => writes.push(Write::KeepProof(proof)),
            other => rest.push(other),
        }
    }
    if !writes.is_empty() {
        host.persist(writes)?;
    }
    for effect in rest {
        if !host.is_running() {
            break;
        }
        perform_one(effect, host);
    }
    Ok(())
}

fn perform_one(effect: Effect, host: &mut impl Host) {
    match effect {
        // Writes were taken out before.
        Effect::Append(_) | Effect::Compact(_) | Effect::KeepProof(_) => {}
        Effect::Send { to, message } => host.send(to, message),
        Effect::Broadcast { message } => host.broadcast(message),
        Effect::Relay { to, operations } => host.relay(to, operations),
        Effect::SetTimeout { timer, after } => host.set_timeout(timer, after),
        Effect::CancelTimeout { timer } => host.cancel_timeout(timer),
        Effect::Validate { seq, digest, operations } => host.validate(seq, digest, operations),
        Effect::Execute(block) => host.execute(block),
        Effect::RestoreState { seq, state_root } => host.restore_state(seq, state_root),
        Effect::FetchState(request) => host.fetch_state(request),
        Effect::Stable { seq, keep_from } => host.stable(seq, keep_from),
        Effect::Validators { epoch, set } => host.validators(epoch, set),
        Effect::StakeRefused { seq, changes } => host.stake_refused(seq, changes),
        Effect::Report(evidence) => host.report(evidence),
        Effect::Halt(fault) => host.halt(fault),
    }
}
