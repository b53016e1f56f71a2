//! Who is elected to vote in consensus.
