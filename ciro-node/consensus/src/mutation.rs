//! Eight bugs that other implementations shipped, and checks of this one to leave out, one at a
//! time.
//!
//! The simulator proves its worth by finding each of them. They compile to nothing unless the
//! feature `mutations` is on: without it there is no way to construct a mutated replica, and every
//! check below is the constant `false`.
#![cfg_attr(
    not(feature = "mutations"),
    doc = "```compile_fail\nuse ciro_consensus::Mutation;\n```"
)]

#[cfg(all(feature = "mutations", not(debug_assertions)))]
compile_error!("the feature `mutations` puts known bugs back; it must not be part of a release");

/// A bug that another implementation shipped and documented, or a check that is left out.
#[cfg_attr(
    not(feature = "mutations"),
    expect(
        unreachable_pub,
        dead_code,
        reason = "only the mutated build constructs and exports it"
    )
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// A lost ViewChange is never sent again (Hyperledger Fabric, issue 1917).
    LostViewChange,
    /// The watermark test counts the ViewChanges that match the chosen checkpoint instead of all
    /// (Fabric, pull 1111).
    WatermarkOnWrongSet,
    /// A PrePrepare beyond the window is dropped instead of buffered (Fabric, issue 1119).
    DropAtWindowEdge,
    /// The NewView timer starts with the own ViewChange instead of a quorum of them (Sawtooth PBFT,
    /// pull 133).
    EarlyViewTimer,
    /// The progress timer stops at the PrePrepare instead of the execution (Sawtooth PBFT, pull
    /// 68).
    IdleTimerOnly,
    /// A replica that sent a Commit no longer asks for another view (NEO dBFT 2.0, issue 792).
    CommitLock,
    /// A quorum is `2f + 1` replicas though `n` is not `3f + 1` (Indy Plenum, pull 673).
    CountedQuorum,
    /// A lagging replica takes a NewView's checkpoint for its own state (Indy Plenum, pull 1359).
    ClaimedCheckpoint,

    /// A leader counts claims whose contents nobody may have, and voters drop contents.
    UnfilledClaims,
    /// Signatures of the summaries that a NewView quotes are not checked.
    UnsignedSummaries,
    /// A NewView's proposals are not compared with what its ViewChanges demand.
    UncomparedProposals,
    /// A NewView is accepted from a weak quorum.
    WeakNewView,
    /// A NewView may quote one sender several times.
    RepeatedSender,
    /// Prepared certificates of claims are not checked.
    UnprovenClaims,
    /// Evidence in proposals is not checked.
    UnverifiedEvidence,
    /// A proposal's digest is not compared with its content.
    UncomparedContent,
    /// Operations that the application refuses are agreed to.
    InvalidOperations,
    /// Certificates of fetched checkpoints and epochs are not checked.
    UnprovenCheckpoints,
    /// Certificates of fetched blocks are not checked.
    UnprovenBlocks,
    /// A fetched state is not compared with its checkpoint.
    UncomparedSnapshot,
    /// Signatures of messages are not checked.
    UnsignedMessages,
    /// Certificates of the checkpoints in ViewChanges and NewViews are not checked.
    UnprovenStable,
    /// Where several views prepared, a new view begins with the lowest one's block.
    LowestView,
    /// A new view begins at the lowest checkpoint of its ViewChanges.
    LowestCheckpoint,
    /// ViewChanges claim nothing.
    ForgottenClaims,
    /// A restart forgets what prepared.
    RestartForgetsPrepared,
    /// A restart forgets the replica's own Prepares and Commits, and the proposals that they were
    /// for.
    RestartForgetsVotes,
    /// A restart forgets everything that the replica signed.
    RestartForgetsAll,
    /// A weak quorum makes a checkpoint stable.
    WeakCheckpoints,
    /// A certificate of a weak quorum proves its statement.
    WeakCertificates,
    /// Rule E4 demands an entry of a later view than the Commit's.
    LateClaim,
    /// Commits of different views count together.
    MixedCommits,
    /// Exactly two thirds of the stake are a quorum.
    TwoThirds,
    /// Any validator may start a view.
    AnyLeader,

    /// Whoever asks for a view still votes.
    VotesWhileChanging,
    /// A ViewChange may claim what prepared in the view it asks for or a later one.
    LaterClaims,
    /// Any validator may propose.
    AnyProposer,
}

#[cfg(feature = "mutations")]
impl Mutation {
    /// Checks of this protocol, each left out.
    pub const WEAKENED: [Self; 26] = [
        Self::UnfilledClaims,
        Self::UnsignedSummaries,
        Self::UncomparedProposals,
        Self::WeakNewView,
        Self::RepeatedSender,
        Self::UnprovenClaims,
        Self::UnverifiedEvidence,
        Self::UncomparedContent,
        Self::InvalidOperations,
        Self::UnprovenCheckpoints,
        Self::UnprovenBlocks,
        Self::UncomparedSnapshot,
        Self::UnsignedMessages,
        Self::UnprovenStable,
        Self::LowestView,
        Self::LowestCheckpoint,
        Self::ForgottenClaims,
        Self::RestartForgetsPrepared,
        Self::RestartForgetsVotes,
        Self::RestartForgetsAll,
        Self::WeakCheckpoints,
        Self::WeakCertificates,
        Self::LateClaim,
        Self::MixedCommits,
        Self::TwoThirds,
        Self::AnyLeader,
    ];

    /// Rules that break nothing when they are left out, each with the reason.
    pub const EQUIVALENT: [(Self, &str); 3] = [
        (
            Self::VotesWhileChanging,
            "a view that has not begun assigns nothing, so that there is nothing to vote for",
        ),
        (
            Self::LaterClaims,
            "the certificate is checked: what prepared in a later view is at least as binding",
        ),
        (
            Self::AnyProposer,
            "a backup takes one proposal for a number and view, whoever sends it; only turns are lost",
        ),
    ];

    /// Bugs that other implementations shipped.
    pub const ALL: [Self; 8] = [
        Self::LostViewChange,
        Self::WatermarkOnWrongSet,
        Self::DropAtWindowEdge,
        Self::EarlyViewTimer,
        Self::IdleTimerOnly,
        Self::CommitLock,
        Self::CountedQuorum,
        Self::ClaimedCheckpoint,
    ];
}

/// The bugs put back into a replica; none in a normal build.
#[cfg(not(feature = "mutations"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutations;

#[cfg(not(feature = "mutations"))]
impl Mutations {
    pub(crate) const NONE: Self = Self;

    #[expect(clippy::unused_self, reason = "the mutated build looks at it")]
    pub(crate) const fn has(self, _: Mutation) -> bool {
        false
    }
}

/// The bugs put back into a replica.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutations(Option<Mutation>);

#[cfg(feature = "mutations")]
impl Mutations {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) const fn only(mutation: Mutation) -> Self {
        Self(Some(mutation))
    }

    pub(crate) fn has(self, mutation: Mutation) -> bool {
        self.0 == Some(mutation)
    }
}
