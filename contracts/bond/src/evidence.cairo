//! Two signatures that convict a validator, as `ciro-consensus` has them but for the offender's
//! number: whose they are says a key.

/// Of ECDSA on the STARK curve.
#[derive(Copy, Drop, Serde)]
pub struct Signature {
    pub r: felt252,
    pub s: felt252,
}

/// Kinds of signed messages, by their numbers.
pub mod kinds {
    pub const PRE_PREPARE: u8 = 1;
    pub const PREPARE: u8 = 2;
    pub const COMMIT: u8 = 3;
    pub const CHECKPOINT: u8 = 4;
    pub const VIEW_CHANGE: u8 = 5;
    pub const NEW_VIEW: u8 = 6;
}

/// What a signature says.
#[derive(Copy, Drop)]
pub struct Statement {
    pub epoch: u64,
    pub kind: u8,
    pub view: u64,
    pub seq: u64,
    pub digest: felt252,
}

#[derive(Copy, Drop, Serde)]
pub struct SignedDigest {
    pub digest: felt252,
    pub signature: Signature,
}

/// Two digests signed where one was due.
#[derive(Copy, Drop, Serde)]
pub struct DoubleSign {
    pub epoch: u64,
    pub kind: u8,
    pub view: u64,
    pub seq: u64,
    /// The smaller digest first.
    pub first: SignedDigest,
    pub second: SignedDigest,
}

#[derive(Copy, Drop, Serde)]
pub struct SignedStart {
    pub seq: u64,
    pub digest: felt252,
    pub signature: Signature,
}

/// Two ViewChanges or two NewViews for one view.
#[derive(Copy, Drop, Serde)]
pub struct DoubleView {
    pub epoch: u64,
    pub kind: u8,
    pub view: u64,
    /// The smaller checkpoint first, or the smaller digest at the same.
    pub first: SignedStart,
    pub second: SignedStart,
}

/// What a ViewChange says of one block: a view and a digest, or nothing.
pub type Claim = Option<(u64, felt252)>;

/// A leaf of a prepared set, with its way to the root.
#[derive(Copy, Drop, Serde)]
pub struct Opening {
    pub claim: Claim,
    /// The lowest sibling first.
    pub path: Span<felt252>,
}

/// A ViewChange opened at one block.
#[derive(Copy, Drop, Serde)]
pub struct ViewChange {
    pub view: u64,
    pub stable_seq: u64,
    pub stable_digest: felt252,
    pub claims_root: felt252,
    pub signature: Signature,
    /// Absent when the block lies beyond the window.
    pub opening: Option<Opening>,
}

/// A Commit, and a later ViewChange that hides it.
#[derive(Copy, Drop, Serde)]
pub struct Amnesia {
    pub epoch: u64,
    pub commit_view: u64,
    pub commit_seq: u64,
    pub commit: SignedDigest,
    pub later: ViewChange,
}

/// Two ViewChanges that tell different stories about one block.
#[derive(Copy, Drop, Serde)]
pub struct ClaimChange {
    pub epoch: u64,
    pub seq: u64,
    pub earlier: ViewChange,
    pub later: ViewChange,
}

#[derive(Copy, Drop, Serde)]
pub enum Evidence {
    DoubleSign: DoubleSign,
    Amnesia: Amnesia,
    DoubleView: DoubleView,
    ClaimChange: ClaimChange,
}

/// What is punished once for each key, epoch and rule.
#[derive(Copy, Drop, Serde, PartialEq)]
pub struct Fault {
    pub epoch: u64,
    /// From 1 to 8, as in E1 to E8.
    pub rule: u8,
}

#[generate_trait]
pub impl FaultImpl of FaultTrait {
    /// Whether such faults can fork the chain, and not only delay it.
    fn is_fork(self: Fault) -> bool {
        self.rule <= 5
    }
}
