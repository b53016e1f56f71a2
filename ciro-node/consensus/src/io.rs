//! What goes into a replica and what it asks its driver to do.

use std::sync::Arc;
use std::time::Duration;

use crate::block::Operation;
use crate::evidence::Evidence;
use crate::fork::ForkProof;
use crate::message::Message;
use crate::observers::Observers;
use crate::record::Record;
use crate::snapshot::EpochProof;
use crate::stake::{StakeChange, ValidatorSet};
use crate::types::{Digest, Epoch, ReplicaId, Seq, View};

/// An event for [`Replica::step`](crate::Replica::step).
#[derive(Clone, Debug)]
pub enum Input {
    /// A message came from the network. Its sender field is trusted only once its signature is
    /// checked.
    Message {
        /// The replica at the other end of the connection, as the transport authenticated it. It
        /// pays for what the message costs, whoever signed it.
        peer: ReplicaId,
        /// The message.
        message: Arc<Message>,
    },
    /// A client's operation came in, and the application found it valid. It keeps what is behind
    /// it until the operation, or a later one of its client, is executed.
    Operation(Operation),
    /// Who may ask and answer without being in the validator set of this epoch, the one before or
    /// the next, in place of all who might before: those who are registered and not elected. It is
    /// kept in memory alone, so it is said again after a start.
    ///
    /// Nothing but their Fetch, State and Status counts, within a budget of their own. A member is
    /// judged by its validator set, whatever this list says of it. Observers must be sent the
    /// Status that goes out as [`Effect::Broadcast`] to know whom to ask; they need none of the
    /// other broadcasts. A replica that knows no living member any more finds the way by the
    /// observers that it is told of.
    Observers(Observers),
    /// Evidence came in from elsewhere.
    Evidence(Box<Evidence>),
    /// A timeout asked for by [`Effect::SetTimeout`] passed.
    Timeout(Timer),
    /// The application judged the operations of an [`Effect::Validate`].
    Verdict {
        /// The proposal's sequence number.
        seq: Seq,
        /// The proposal's digest.
        digest: Digest,
        /// Whether all of them are valid.
        valid: bool,
    },
    /// The application executed the block of an [`Effect::Execute`].
    Executed {
        /// The block.
        seq: Seq,
        /// The application's state after it.
        state_root: Digest,
        /// Changes of stake that the block made.
        changes: Vec<StakeChange>,
    },
    /// The application holds the state asked for by [`Effect::FetchState`].
    StateFetched {
        /// The block after which that state holds.
        seq: Seq,
    },
    /// The application could not get the state asked for by [`Effect::FetchState`].
    StateUnavailable {
        /// The block after which that state would hold.
        seq: Seq,
    },
}

/// Something the driver must do. Effects of one step are performed in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append to the log. Everything after it in the list waits until the record is durable.
    Append(Box<Record>),
    /// Replace the log by these records, atomically and durably.
    Compact(Vec<Record>),
    /// Send to one replica.
    Send {
        /// The receiver.
        to: ReplicaId,
        /// The message.
        message: Arc<Message>,
    },
    /// Send to every other replica, a Status also to the observers of [`Input::Observers`].
    Broadcast {
        /// The message.
        message: Arc<Message>,
    },
    /// Hand clients' operations to the replica whose turn it is to propose: it may not have them
    /// (PBFT §4.1: backups relay requests). They come in there as [`Input::Operation`]s, judged by
    /// its application like any others.
    Relay {
        /// The proposer.
        to: ReplicaId,
        /// What waits here and is not proposed, at most a block of it.
        operations: Vec<Operation>,
    },
    /// Who votes from an epoch on was settled, one epoch before it begins.
    Validators {
        /// The epoch.
        epoch: Epoch,
        /// Its validators.
        set: Arc<ValidatorSet>,
    },
    /// Changes of stake that this block made and that will not be applied: their keys are in use or
    /// no keys, or the set is full of validators with more stake. The application must give that
    /// stake back.
    StakeRefused {
        /// The block.
        seq: Seq,
        /// The changes.
        changes: Vec<StakeChange>,
    },
    /// Feed [`Input::Timeout`] back after this long, in place of any earlier request for the same
    /// timer.
    SetTimeout {
        /// Which timer.
        timer: Timer,
        /// How long from now.
        after: Duration,
    },
    /// Forget the timer.
    CancelTimeout {
        /// Which timer.
        timer: Timer,
    },
    /// Judge operations of a proposal that the application has not brought as
    /// [`Input::Operation`]s, and answer with [`Input::Verdict`]. What is behind them must be at
    /// hand until the block is executed, whatever it executes, and
    /// [`Params::pipeline_depth`](crate::Params::pipeline_depth) blocks longer.
    ///
    /// Validity must be a property of the operation alone, so that honest applications agree on it.
    Validate {
        /// The proposal's sequence number.
        seq: Seq,
        /// The proposal's digest.
        digest: Digest,
        /// The operations.
        operations: Vec<Operation>,
    },
    /// Execute a block and answer with [`Input::Executed`].
    Execute(Box<Block>),
    /// Make the state after this block the application's state: when a log is opened, after which
    /// later blocks are executed again, and when a fetched state is adopted.
    RestoreState {
        /// The block; 0 is genesis.
        seq: Seq,
        /// The state's root.
        state_root: Digest,
    },
    /// Get the application's state after a certified block from other replicas, keep it aside, and
    /// answer with [`Input::StateFetched`]; [`Effect::RestoreState`] follows if it is still of use.
    /// Execution goes on meanwhile. A later request replaces an earlier one.
    FetchState(StateRequest),
    /// The log now begins at this checkpoint.
    Stable {
        /// The checkpoint.
        seq: Seq,
        /// The application keeps its states after checkpoints from here on, the start of the epoch
        /// before: a replica that lags behind needs a while to fetch one, and each is kept for an
        /// epoch at least.
        keep_from: Seq,
    },
    /// Keep the proof of an epoch's end for ever, beside the log:
    /// [`Replica::open`](crate::Replica::open) takes all of them back.
    KeepProof(Arc<EpochProof>),
    /// A validator broke the protocol. Hand this to the chain that holds the stake; it also goes
    /// into a block.
    Report(Box<Evidence>),
    /// Stop: what happened can only be resolved by people.
    Halt(Fault),
}

/// A certified state that the application lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRequest {
    /// The block after which it holds.
    pub seq: Seq,
    /// The state's root, which whatever is fetched must match.
    pub state_root: Digest,
    /// The digests of certified headers on the way there, in order: those of the last blocks of the
    /// epochs between, and that of the block itself. Each is an epoch or less after the one before,
    /// and the first after the last executed block.
    pub headers: Vec<(Seq, Digest)>,
    /// Replicas that say they have it, the one that showed it first; each may serve badly, or parts
    /// of it.
    pub sources: Vec<ReplicaId>,
}

/// The timers of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The oldest executable operation waits for execution (PBFT §4.4).
    Progress,
    /// Operations wait that the proposer may not know of.
    Relay,
    /// A quorum asked for a view and its NewView is awaited (PBFT §4.5.2).
    NewView,
    /// Status and re-sending are due.
    Resend,
}

/// A block to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its sequence number.
    pub seq: Seq,
    /// The view its proposal was made in.
    pub view: View,
    /// The proposal's digest.
    pub digest: Digest,
    /// The operations to execute, in order. Those executed before are left out.
    pub operations: Vec<Operation>,
    /// Offenders to punish, each for the first time in the epoch of the fault.
    pub punish: Vec<Evidence>,
    /// What the header will have of both: see [`executed_digest`](crate::executed_digest).
    pub executed: Digest,
}

/// A state that the protocol cannot leave by itself. More than a third of the stake, or the
/// application, is faulty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// This replica's state differs from the certified one.
    #[error("state after block {seq} is {ours}, a quorum certified {certified}")]
    StateDivergence {
        /// The checkpoint.
        seq: Seq,
        /// This replica's snapshot digest.
        ours: Digest,
        /// The certified digest.
        certified: Digest,
    },
    /// Others vote in an epoch than those whom this replica was shown for it when it joined.
    #[error("the validators of epoch {epoch} are {ours}, {said} were shown: nobody can be trusted")]
    Validators {
        /// The epoch.
        epoch: Epoch,
        /// The digest of the validators that execution led to.
        ours: Digest,
        /// The digest of those that were shown.
        said: Digest,
    },
    /// Other validators are pinned for an epoch than this replica came to.
    #[error(
        "the validators of epoch {epoch} are {ours}, {pinned} are pinned: what was followed is \
         another history of the chain, or the pin is of another one"
    )]
    Pinned {
        /// The epoch.
        epoch: Epoch,
        /// The digest of the validators this replica came to.
        ours: Digest,
        /// The digest that is pinned.
        pinned: Digest,
    },
    /// A block that this replica saw committed was replaced by another.
    #[error("block {seq} is committed with {ours}, a valid certificate or NewView says {theirs}")]
    Fork {
        /// The block.
        seq: Seq,
        /// The digest this replica saw committed.
        ours: Digest,
        /// The other digest.
        theirs: Digest,
        /// The certificates, which anyone can check: see [`ForkProof::verify`].
        proof: Box<ForkProof>,
    },
}
