//! What a replica knows of one sequence number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::block::{CommittedBlock, Content, Proposal};
use crate::certificate::Certificate;
use crate::crypto::Signature;
use crate::message::{Claim, Message};
use crate::stake::{Tally, ValidatorSet};
use crate::statement::Kind;
use crate::types::{Digest, ReplicaId, View};

/// The latest digests that a replica voted for whose contents it keeps, besides those it saw
/// prepared.
const VOTED_MAX: usize = 2;

/// The protocol's state for one sequence number.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// When anything last happened here; re-sending waits a while from then.
    pub(crate) touched: Duration,
    /// The proposal of the latest view this replica took part in.
    pub(crate) assigned: Option<Assigned>,
    /// The roots of the proposal whose digest was computed last.
    pub(crate) roots: Option<(Digest, Content)>,
    /// Known proposals by digest.
    pub(crate) contents: BTreeMap<Digest, Arc<Proposal>>,
    /// What this replica sent Prepares for, oldest first: a certificate may exist that it has not
    /// seen.
    voted: Vec<Digest>,
    /// Each sender's Prepare of its latest view.
    pub(crate) prepares: Ballots,
    /// Each sender's Commit of its latest view.
    pub(crate) commits: Ballots,
    /// The latest prepared certificate: this block's entry in a ViewChange (PBFT §4.4, set P).
    pub(crate) prepared: Option<(Claim, Certificate)>,
    /// The block with its Commits, once it is known to be committed.
    pub(crate) committed: Option<(Digest, CommittedBlock)>,
    /// This replica's own latest messages, for re-sending.
    pub(crate) own: BTreeMap<Kind, Arc<Message>>,
}

/// A digest that a view assigns to a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) view: View,
    pub(crate) digest: Digest,
    pub(crate) origin: Origin,
    pub(crate) validity: Validity,
}

/// Where an assignment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A PrePrepare of the interval's primary.
    Proposed { proposer: ReplicaId, signature: Signature },
    /// The NewView that began the view.
    NewView,
}

/// What the application says of an assigned proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Unknown,
    Valid,
    Invalid,
}

impl Slot {
    pub(crate) const fn new(now: Duration) -> Self {
        Self {
            touched: now,
            assigned: None,
            roots: None,
            contents: BTreeMap::new(),
            voted: Vec::new(),
            prepares: Ballots::new(),
            commits: Ballots::new(),
            prepared: None,
            committed: None,
            own: BTreeMap::new(),
        }
    }

    /// Returns what `view` assigned.
    pub(crate) fn assigned_in(&self, view: View) -> Option<&Assigned> {
        self.assigned.as_ref().filter(|assigned| assigned.view == view)
    }

    /// Whether this view has settled what goes here.
    pub(crate) fn is_taken(&self, view: View) -> bool {
        self.committed.is_some() || self.assigned_in(view).is_some()
    }

    /// Whether this replica already sent a message of `kind` in `view`.
    pub(crate) fn has_sent(&self, kind: Kind, view: View) -> bool {
        self.own.get(&kind).is_some_and(|message| match &message.body {
            crate::message::Body::PrePrepare(body) => body.view == view,
            crate::message::Body::Prepare(vote) | crate::message::Body::Commit(vote) => {
                vote.view == view
            }
            _ => false,
        })
    }

    /// Notes a Prepare of this replica's own. Whoever votes keeps the content: a certificate then
    /// implies that honest replicas with a third of the stake or more can supply it.
    pub(crate) fn vote(&mut self, digest: Digest) {
        self.voted.retain(|voted| *voted != digest);
        self.voted.push(digest);
        if self.voted.len() > VOTED_MAX {
            self.voted.remove(0);
        }
    }

    /// Returns the digests whose content must be kept or fetched: assigned, voted for, prepared,
    /// committed.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Digest> {
        let assigned = self.assigned.map(|assigned| assigned.digest);
        let prepared = self.prepared.as_ref().map(|(claim, _)| claim.digest);
        let committed = self.committed.as_ref().map(|(digest, _)| *digest);
        [assigned, prepared, committed].into_iter().flatten().chain(self.voted.iter().copied())
    }

    /// Drops contents that nothing refers to.
    pub(crate) fn prune(&mut self) {
        let wanted: Vec<Digest> = self.wanted().collect();
        self.contents.retain(|digest, _| wanted.contains(digest));
    }
}

/// One vote for each sender, of the latest view it voted in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ballots(BTreeMap<ReplicaId, Ballot>);

/// A vote with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ballot {
    pub(crate) view: View,
    pub(crate) digest: Digest,
    pub(crate) signature: Signature,
}

/// What a new vote means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// The sender's first vote of this view.
    New,
    /// The vote is known, or a later one is.
    Known,
    /// The sender voted otherwise in this view.
    Conflict(Ballot),
}

impl Ballots {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Says what a vote would mean, without counting it.
    pub(crate) fn probe(&self, sender: ReplicaId, view: View, digest: Digest) -> Cast {
        match self.0.get(&sender) {
            Some(known) if known.view > view => Cast::Known,
            Some(known) if known.view == view && known.digest == digest => Cast::Known,
            Some(known) if known.view == view => Cast::Conflict(*known),
            _ => Cast::New,
        }
    }

    /// Counts a vote; a conflicting one is reported and not counted.
    pub(crate) fn cast(&mut self, sender: ReplicaId, ballot: Ballot) -> Cast {
        let cast = self.probe(sender, ballot.view, ballot.digest);
        if cast == Cast::New {
            self.0.insert(sender, ballot);
        }
        cast
    }

    pub(crate) fn get(&self, sender: ReplicaId) -> Option<&Ballot> {
        self.0.get(&sender)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the signatures for one digest in one view.
    pub(crate) fn signatures(
        &self,
        view: View,
        digest: Digest,
    ) -> impl Iterator<Item = (ReplicaId, &Signature)> {
        self.0
            .iter()
            .filter(move |(_, ballot)| ballot.view == view && ballot.digest == digest)
            .map(|(sender, ballot)| (*sender, &ballot.signature))
    }

    /// Returns the votes as if all had been cast in `view`: only a replica with a bug counts like
    /// that.
    pub(crate) fn as_if_in(&self, view: View) -> Self {
        let ballots = self.0.iter().map(|(sender, ballot)| (*sender, Ballot { view, ..*ballot }));
        Self(ballots.collect())
    }

    /// Returns the digest that a quorum voted for in `view`.
    pub(crate) fn decided(&self, set: &ValidatorSet, view: View) -> Option<Digest> {
        let mut tallies: BTreeMap<Digest, Tally> = BTreeMap::new();
        for (sender, ballot) in self.0.iter().filter(|(_, ballot)| ballot.view == view) {
            set.add(tallies.entry(ballot.digest).or_default(), *sender);
        }
        tallies.into_iter().find(|(_, tally)| set.is_quorum(tally)).map(|(digest, _)| digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_counts_once_and_a_second_digest_conflicts() {
        let signature = Signature { r: [1; 32], s: [1; 32] };
        let ballot =
            |view, digest| Ballot { view: View(view), digest: Digest::from_u64(digest), signature };
        let mut ballots = Ballots::new();
        let sender = ReplicaId(1);
        assert_eq!(ballots.cast(sender, ballot(1, 7)), Cast::New);
        assert_eq!(ballots.cast(sender, ballot(1, 7)), Cast::Known);
        assert_eq!(ballots.cast(sender, ballot(1, 8)), Cast::Conflict(ballot(1, 7)));
        assert_eq!(ballots.cast(sender, ballot(0, 9)), Cast::Known);
        assert_eq!(ballots.cast(sender, ballot(2, 8)), Cast::New);
        assert_eq!(ballots.len(), 1);
    }
}
