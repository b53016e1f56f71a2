//! Rules of the transition table to leave out, one at a time: the test of random histories must
//! find each.
//!
//! They exist in this crate's own tests alone; elsewhere every question below is the constant
//! `false`.

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// What a provider says counts whatever attempt it names: the fencing token is ignored.
    AnyAttempt,
    /// Whoever brings the proof is paid.
    AnyHolder,
    /// A requester takes an order back that a provider holds.
    CancelClaimed,
    /// A provider that failed claims again.
    FailedAgain,
    /// A lease that ends costs nothing.
    FreeLease,
    /// A deadline ends only what nobody holds.
    HeldForEver,
    /// Attempts are not counted.
    EndlessAttempts,
    /// The provider gets all that is in escrow.
    PaidInFull,
}

#[cfg(test)]
mod chosen {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static CHOSEN: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    impl Mutation {
        pub(crate) const ALL: [Self; 8] = [
            Self::AnyAttempt,
            Self::AnyHolder,
            Self::CancelClaimed,
            Self::FailedAgain,
            Self::FreeLease,
            Self::HeldForEver,
            Self::EndlessAttempts,
            Self::PaidInFull,
        ];

        /// Leaves the rule out while `run` runs on this thread.
        pub(crate) fn during<T>(self, run: impl FnOnce() -> T) -> T {
            CHOSEN.set(Some(self));
            let result = run();
            CHOSEN.set(None);
            result
        }

        pub(crate) fn chosen(self) -> bool {
            CHOSEN.get() == Some(self)
        }
    }
}

#[cfg(not(test))]
impl Mutation {
    #[expect(clippy::unused_self, reason = "tests look at it")]
    pub(crate) const fn chosen(self) -> bool {
        false
    }
}
