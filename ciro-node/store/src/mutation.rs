//! What to leave out to see that it is missed: `ciro devnet chaos` must find it.

ciro_mutation::mutations! {
    /// A rule that is left out.
    pub(crate) enum Mutation {
        /// What was appended is not made durable before messages leave: a crash forgets it.
        UnflushedVotes,
    }
}
