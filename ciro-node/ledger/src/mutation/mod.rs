//! Rules of the transition table to leave out, one at a time: the test of random histories must
//! find each.

mod economy;

pub(crate) use economy::Rule;

ciro_mutation::mutations! {
    /// A rule that is left out.
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
        /// A direct order chooses what it puts at the provider's stake.
        DirectOnAnyTerms,
        /// A direct order may be for a key that the provider does not list.
        DirectForAnyKey,
        /// Whoever says that an input cannot be had gives a job back for nothing, and ends it.
        InputsForNothing,
        /// A direct order for a key that the provider lists goes back for nothing.
        ListedForNothing,
        /// The listing at the time of the claim decides who may claim.
        ListedLater,
        /// A listing that leaves somebody out holds at once.
        NarrowedAtOnce,
        /// A bond leaves while its provider holds a job.
        UnbondWhileHeld,
    }
}
