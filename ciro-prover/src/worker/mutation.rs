//! Rules of the worker to leave out, one at a time: the test of random schedules must find each.

ciro_mutation::mutations! {
    /// A rule that is left out.
    pub(crate) enum Mutation {
        /// Claims that are on their way do not count against the capacity.
        UncountedClaims,
        /// A claim is forgotten while it can still be executed.
        ForgottenClaim,
        /// A refusal that leaves no trace counts as the last word on a claim.
        HastyRefusal,
        /// A job is claimed before its input was looked at.
        UnseenClaim,
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
        /// Jail is not left.
        EndlessJail,
        /// A child may run for ever.
        EndlessChild,
    }
}
