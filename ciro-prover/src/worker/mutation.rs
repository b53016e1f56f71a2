//! Rules of the worker to leave out, one at a time: the test of random schedules must find each.
//!
//! They exist in this crate's own tests alone; elsewhere every question below is the constant
//! `false`.

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Claims that are on their way do not count against the capacity.
    UncountedClaims,
    /// A claim is forgotten while it can still be executed.
    ForgottenClaim,
    /// A refusal that leaves no trace counts as the last word on a claim.
    HastyRefusal,
    /// A row is not saved before its claim is sent.
    UnsavedClaim,
    /// What is heard late counts as if it were new.
    StaleSightings,
    /// A proof is submitted for an attempt that is known to be over.
    SubmittedInVain,
    /// After a restart, work goes on before the ledger was asked.
    UnaskedRestart,
    /// What cannot be done is kept until its lease ends.
    KeptFailure,
    /// Nothing is repeated.
    NoRepeats,
    /// A child may run for ever.
    EndlessChild,
}

#[cfg(test)]
mod chosen {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static CHOSEN: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    impl Mutation {
        pub(crate) const ALL: [Self; 10] = [
            Self::UncountedClaims,
            Self::ForgottenClaim,
            Self::HastyRefusal,
            Self::UnsavedClaim,
            Self::StaleSightings,
            Self::SubmittedInVain,
            Self::UnaskedRestart,
            Self::KeptFailure,
            Self::NoRepeats,
            Self::EndlessChild,
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
