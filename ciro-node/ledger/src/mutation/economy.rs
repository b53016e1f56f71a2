//! Rules of the economy to leave out, one at a time: the test of random histories of stake must
//! find each.

ciro_mutation::mutations! {
    /// A rule that is left out.
    pub(crate) enum Rule {
        /// What left a validator's stake answers for nothing any more.
        LeavingEscapes,
        /// Stake leaves while evidence against it still counts.
        LeavesEarly,
        /// Stake leaves when evidence of the epoch counts no longer, and that of the next one does.
        LeavesAnEpochEarly,
        /// The bond behind a weight in consensus that stays leaves.
        BondLeaves,
        /// Newcomers vote with all their stake before they have run.
        NewcomersUncapped,
        /// Who is in jail is elected.
        JailedElected,
        /// The first conviction says what a convict's part is, whatever its weight was later.
        EarliestShare,
        /// Who had no vote is convicted of how it voted.
        WeightlessConvicted,
        /// A reporter's bounty is out of what delegators lose, too.
        BountyOfAll,
        /// Whoever comes is paid for the time before.
        PaidForThePast,
        /// Votes stay as they were when stake comes or leaves.
        VotesStay,
        /// Stake that comes during a vote votes.
        LateStakeVotes,
        /// A vote may pay all of the treasury at once.
        SpendsAll,
        /// A proposal replaces parameters that it has not seen.
        StaleParams,
        /// A validator votes with the stake of those, too, who voted themselves.
        VotesTwice,
        /// Faults of several validators do not count together.
        EachAlone,
        /// A later conviction takes its whole part again, whatever earlier ones have taken.
        TakenAgain,
        /// An offence is punished as often as it is brought.
        PunishedTwice,
        /// Evidence counts for ever.
        EvidenceForEver,
        /// A convict goes on.
        NoTombstone,
        /// Who is in jail is paid.
        JailedArePaid,
        /// Who was away is not jailed.
        AbsenceIsFree,
        /// A commission changes as far as it likes.
        AnyCommission,
        /// A grant vests from the start.
        NoCliff,
        /// A share of the airdrop is paid as often as it is claimed.
        ClaimedTwice,
        /// Shares that are sold are rounded down.
        SoldTooCheap,
        /// A deposit comes back whatever the vote says.
        VetoIsFree,
        /// Launches take all of the treasury at once.
        LaunchUncounted,
        /// A milestone is paid before those that come first, and again.
        PaidOutOfTurn,
        /// A milestone of a launch that is over is paid.
        PaidAfterTheEnd,
        /// What is left when a launch ends is paid, too.
        RestIsPaid,
        /// A launch does not end by itself.
        LaunchForEver,
    }
}
