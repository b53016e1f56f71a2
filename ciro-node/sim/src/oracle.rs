//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ciro_consensus::evidence::{Evidence, EvidenceDomain, verify_evidence};
use ciro_consensus::{Block, ClientId, Digest, Fault, Nonce, Operation, ReplicaId, Seq, View};

use crate::plan::{Micros, SECOND, key_of};
use crate::scheme::Keyed;

/// A property that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two honest replicas executed different blocks at one height.
    Agreement {
        /// The height.
        seq: Seq,
        /// The node that executed something else than another before it.
        node: usize,
    },
    /// An honest replica left a gap or went back.
    TotalOrder {
        /// The node.
        node: usize,
        /// The block it should have executed.
        expected: Seq,
        /// The block it executed.
        got: Seq,
    },
    /// An honest replica executed something that no client asked for.
    Validity {
        /// The node.
        node: usize,
        /// The operation.
        operation: Operation,
    },
    /// An honest replica executed an operation twice or out of its client's order.
    Twice {
        /// The node.
        node: usize,
        /// The operation.
        operation: Operation,
    },
    /// Two honest replicas have different states after one block.
    State {
        /// The block.
        seq: Seq,
        /// The node that differs from another before it.
        node: usize,
    },
    /// An honest replica was accused.
    HonestAccused {
        /// Who was accused.
        accused: ReplicaId,
        /// Of what.
        rule: String,
    },
    /// A replica reported evidence that does not verify.
    BadEvidence {
        /// The node that reported it.
        node: usize,
        /// Why it does not verify.
        reason: String,
    },
    /// An honest replica halted though less than a third of the stake misbehaves.
    Halted {
        /// The node.
        node: usize,
        /// Why it halted.
        fault: Fault,
    },
    /// An honest replica's store refused to sign or could not be opened.
    Store {
        /// The node.
        node: usize,
        /// What the store said.
        reason: String,
    },
    /// A replica holds more than it may.
    Memory {
        /// The node.
        node: usize,
        /// What there is too much of.
        what: &'static str,
    },
    /// After the network healed, not everything was executed in time.
    Stalled {
        /// The positions of all nodes.
        positions: String,
    },
    /// A view changed though nothing was wrong.
    NeedlessViewChange {
        /// The node.
        node: usize,
    },
    /// An honest replica gave up a view before a quorum had asked for it.
    RacesAhead {
        /// The node.
        node: usize,
        /// The view it asks for instead.
        view: View,
    },
    /// An honest leader knows ViewChanges of a quorum and does not start its view.
    LateNewView {
        /// The node.
        node: usize,
        /// The view.
        view: View,
    },
    /// A replica waits for messages to be sent again though none was lost.
    Straggles {
        /// The node.
        node: usize,
        /// The block that it executed long after others.
        seq: Seq,
    },
    /// A message does not survive its encoding.
    Encoding {
        /// The message.
        message: String,
    },
    /// An honest replica takes something for proven that its certificate does not prove.
    Unproven {
        /// The node.
        node: usize,
        /// The block.
        seq: Seq,
        /// Why it is not proven.
        reason: String,
    },
    /// Too few honest replicas hold what prepared or committed.
    ContentLost {
        /// The node at which it did.
        node: usize,
        /// The block.
        seq: Seq,
        /// The stake of those who hold it.
        holders: u64,
    },
    /// An honest leader begins a view with a block whose content it does not hold.
    CountedBlindly {
        /// The node.
        node: usize,
        /// The view.
        view: View,
        /// The block.
        seq: Seq,
    },
    /// An operation was answered later than the bound after the network healed.
    Slow {
        /// Its client.
        client: ClientId,
        /// Its number.
        nonce: Nonce,
        /// How long it took, counted from the healing at the earliest.
        waited: Micros,
        /// How long it may take.
        bound: Micros,
    },
    /// A fork convicts too little stake, or nobody.
    Unaccountable {
        /// Stake convicted.
        convicted: u64,
        /// The stake of all.
        total: u64,
    },
}

impl Violation {
    /// Returns the property's short name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Agreement { .. } => "agreement",
            Self::TotalOrder { .. } => "total order",
            Self::Validity { .. } => "validity",
            Self::Twice { .. } => "exactly once",
            Self::State { .. } => "equal state",
            Self::HonestAccused { .. } => "no honest replica accused",
            Self::BadEvidence { .. } => "evidence verifies",
            Self::Halted { .. } => "no halt",
            Self::Store { .. } => "durability",
            Self::Memory { .. } => "bounded memory",
            Self::Stalled { .. } => "liveness",
            Self::NeedlessViewChange { .. } => "no needless view change",
            Self::RacesAhead { .. } => "no replica races ahead",
            Self::LateNewView { .. } => "prompt views",
            Self::Straggles { .. } => "no needless wait",
            Self::Encoding { .. } => "encoding",
            Self::Unproven { .. } => "certificates",
            Self::ContentLost { .. } => "contents are kept",
            Self::CountedBlindly { .. } => "claims count with their contents",
            Self::Slow { .. } => "progress in time",
            Self::Unaccountable { .. } => "accountability",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self:?}", self.name())
    }
}

/// How long a replica may execute a block after another where no message is lost; re-sending takes
/// far longer there.
const STRAGGLE_MAX: Micros = 2 * SECOND;

/// The properties over all honest replicas, checked as they act.
#[derive(Debug)]
pub struct Oracle {
    misbehaving: BTreeSet<ReplicaId>,
    domain: EvidenceDomain,
    expects_fork: bool,
    /// When a block was first executed.
    first: BTreeMap<Seq, Micros>,
    blocks: BTreeMap<Seq, Digest>,
    roots: BTreeMap<Seq, Digest>,
    forked: bool,
    violation: Option<Violation>,
}

impl Oracle {
    /// Starts watching; `misbehaving` may be accused.
    #[must_use]
    pub const fn new(
        misbehaving: BTreeSet<ReplicaId>,
        domain: EvidenceDomain,
        expects_fork: bool,
    ) -> Self {
        Self {
            misbehaving,
            domain,
            expects_fork,
            first: BTreeMap::new(),
            blocks: BTreeMap::new(),
            roots: BTreeMap::new(),
            forked: false,
            violation: None,
        }
    }

    /// Notes a broken property; the first one counts.
    pub fn violated(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// Returns who may be accused.
    #[must_use]
    pub const fn misbehaving(&self) -> &BTreeSet<ReplicaId> {
        &self.misbehaving
    }

    /// Returns the first broken property.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Whether honest replicas executed different blocks at one height.
    #[must_use]
    pub const fn is_forked(&self) -> bool {
        self.forked
    }

    /// Checks agreement when an honest node executes a block.
    pub fn executes(&mut self, node: usize, block: &Block) {
        let first = *self.blocks.entry(block.seq).or_insert(block.digest);
        if first != block.digest {
            self.forked = true;
            if !self.expects_fork {
                self.violated(Violation::Agreement { seq: block.seq, node });
            }
        }
    }

    /// Checks, where no message is ever lost, that an honest node executes a block soon after the
    /// first.
    pub fn keeps_up(&mut self, node: usize, seq: Seq, now: Micros) {
        let first = *self.first.entry(seq).or_insert(now);
        if now > first + STRAGGLE_MAX {
            self.violated(Violation::Straggles { node, seq });
        }
    }

    /// Checks that an honest node reached the same state as others.
    pub fn reaches(&mut self, node: usize, seq: Seq, root: Digest) {
        let first = *self.roots.entry(seq).or_insert(root);
        if first != root && !self.expects_fork {
            self.violated(Violation::State { seq, node });
        }
    }

    /// Checks evidence that an honest node reports.
    pub fn accuses(&mut self, node: usize, evidence: &Evidence) {
        let accused = evidence.offender();
        if !self.misbehaving.contains(&accused) {
            let rule = format!("{:?}", evidence.rule());
            self.violated(Violation::HonestAccused { accused, rule });
        }
        if let Err(error) = verify_evidence::<Keyed>(&self.domain, &key_of(accused), evidence) {
            self.violated(Violation::BadEvidence { node, reason: error.to_string() });
        }
    }

    /// Checks a halt of an honest node: it is right only after a fork.
    pub fn halts(&mut self, node: usize, fault: Fault) {
        if !self.expects_fork {
            self.violated(Violation::Halted { node, fault });
        }
    }
}
