//! What goes into a replica and what it asks its driver to do.

use std::sync::Arc;
use std::time::Duration;

use crate::block::Operation;
use crate::evidence::Evidence;
use crate::message::Message;
use crate::record::Record;
use crate::stake::StakeChange;
use crate::types::{Digest, ReplicaId, Seq, View};

/// An event for [`Replica::step`](crate::Replica::step).
#[derive(Clone, Debug)]
pub enum Input {
    /// A message came from the network. Its sender field is trusted only once its signature is checked.
    Message(Arc<Message>),
    /// A client's operation came in, and the application found it valid.
    Operation(Operation),
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
    /// Send to every other replica.
    Broadcast {
        /// The message.
        message: Arc<Message>,
    },
    /// Feed [`Input::Timeout`] back after this long, in place of any earlier request for the same timer.
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
    /// Judge operations of a proposal that this replica has not seen before, and answer with [`Input::Verdict`].
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
    /// Return the application to the state after this block; blocks after it are executed again. Sent when a log is opened.
    RestoreState {
        /// The block; 0 is genesis.
        seq: Seq,
        /// The state's root.
        state_root: Digest,
    },
    /// Get the application's state after a certified block from another replica and answer with [`Input::StateFetched`].
    FetchState {
        /// The block.
        seq: Seq,
        /// The state's root, which whatever is fetched must match.
        state_root: Digest,
        /// A replica that has it.
        from: ReplicaId,
    },
    /// The log now begins at this checkpoint: the application may drop states before the previous one.
    ///
    /// It keeps two, so that a replica that lags behind finds one while it fetches.
    Stable {
        /// The checkpoint.
        seq: Seq,
    },
    /// A validator broke the protocol. Hand this to the chain that holds the stake; it also goes into a block.
    Report(Box<Evidence>),
    /// Stop: what happened can only be resolved by people.
    Halt(Fault),
}

/// The timers of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The oldest executable operation waits for execution (PBFT §4.4).
    Progress,
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
}

/// A state that the protocol cannot leave by itself. More than a third of the stake, or the application, is faulty.
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
    /// A block that this replica saw committed was replaced by another.
    #[error("block {seq} is committed with {ours}, a valid certificate or NewView says {theirs}")]
    Fork {
        /// The block.
        seq: Seq,
        /// The digest this replica saw committed.
        ours: Digest,
        /// The other digest.
        theirs: Digest,
    },
}
