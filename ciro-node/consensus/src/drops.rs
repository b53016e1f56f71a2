//! Why messages are dropped.

use std::collections::BTreeMap;

/// Why a message had no effect. A driver shows how often each happened; an honest, well-connected
/// replica sees only those that re-sending brings: known, old, outside and unsolicited ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dropped {
    /// It is this replica's own.
    Own,
    /// Its peer or its sender is no validator of an epoch that counts, nor an observer that asks or
    /// answers.
    Stranger,
    /// Its peer wasted more work than it may.
    Silenced,
    /// It speaks of its sender alone, and another peer brought it.
    NotItsOwn,
    /// Its peer has used up what it may ask for until the next resend interval, or is an observer
    /// whose turn it is not.
    Budget,
    /// It answers a question that was not asked.
    Unsolicited,
    /// Its epoch has passed.
    OldEpoch,
    /// Its epoch, view or block is too far ahead.
    FarAhead,
    /// Its view has passed.
    OldView,
    /// Its block is settled or outside the window.
    Outside,
    /// It is known, or something that makes it superfluous is.
    Known,
    /// It is not its sender's turn to propose or to lead.
    NotItsTurn,
    /// More of it than a message of its kind can have.
    Shape,
    /// It came too early, and no more early messages of its sender are kept.
    NoRoom,
    /// Its signature is wrong.
    Signature,
    /// It is signed and proves nothing.
    Unproven,
}

impl Dropped {
    /// The reasons in order.
    pub const ALL: [Self; 16] = [
        Self::Own,
        Self::Stranger,
        Self::Silenced,
        Self::NotItsOwn,
        Self::Budget,
        Self::Unsolicited,
        Self::OldEpoch,
        Self::FarAhead,
        Self::OldView,
        Self::Outside,
        Self::Known,
        Self::NotItsTurn,
        Self::Shape,
        Self::NoRoom,
        Self::Signature,
        Self::Unproven,
    ];

    /// Returns the name under which a driver counts it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Stranger => "stranger",
            Self::Silenced => "silenced",
            Self::NotItsOwn => "not_its_own",
            Self::Budget => "budget",
            Self::Unsolicited => "unsolicited",
            Self::OldEpoch => "old_epoch",
            Self::FarAhead => "far_ahead",
            Self::OldView => "old_view",
            Self::Outside => "outside",
            Self::Known => "known",
            Self::NotItsTurn => "not_its_turn",
            Self::Shape => "shape",
            Self::NoRoom => "no_room",
            Self::Signature => "signature",
            Self::Unproven => "unproven",
        }
    }
}

/// How many messages were dropped for each reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(BTreeMap<Dropped, u64>);

impl Drops {
    pub(crate) fn count(&mut self, reason: Dropped) {
        *self.0.entry(reason).or_default() += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Dropped, u64)> {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}
