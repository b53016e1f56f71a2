//! What a new view must start with: a pure function of the ViewChanges (PBFT §4.4).

use crate::block::Proposal;
use crate::certificate::{Certificate, Committee};
use crate::crypto::Scheme;
use crate::message::{Claim, NewView, SignedSummary, Summary};
use crate::mutation::{Mutation, Mutations};
use crate::params::Params;
use crate::statement::{Kind, Statement};
use crate::types::{ChainId, Digest, Epoch, ReplicaId, Seq, View};

/// The inevitable beginning of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The highest stable checkpoint among the ViewChanges, `min-s`.
    pub stable_seq: Seq,
    /// Its digest.
    pub stable_digest: Digest,
    /// For each block above it up to the highest prepared one, `max-s`: the prepared entry, or
    /// nothing for a null block.
    pub chosen: Vec<Option<Claim>>,
}

impl Selection {
    /// Returns the chosen entries with their sequence numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, Option<&Claim>)> {
        (1..)
            .zip(&self.chosen)
            .map(|(offset, claim)| (self.stable_seq.plus(offset), claim.as_ref()))
    }

    /// Returns the last block that the selection settles, `max-s`.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.iter().last().map_or(self.stable_seq, |(seq, _)| seq)
    }
}

/// Chooses what a view starts with from the ViewChanges of a quorum; `None` without any.
///
/// For each block the entry prepared in the highest view wins. It is safe because a committed block
/// is prepared at a quorum, which shares an honest replica with the quorum of ViewChanges, and that
/// replica's entry is never from an earlier view. If two summaries claim different digests at one
/// view, one of them has no certificate; the caller demands certificates for everything chosen.
#[must_use]
pub fn select<'a>(summaries: impl Iterator<Item = &'a Summary> + Clone) -> Option<Selection> {
    select_with(Mutations::NONE, summaries)
}

/// Chooses as a replica with a bug would.
pub(crate) fn select_with<'a>(
    mutations: Mutations,
    summaries: impl Iterator<Item = &'a Summary> + Clone,
) -> Option<Selection> {
    let start = |summary: &&Summary| (summary.stable_seq, summary.stable_digest);
    let stable = if mutations.has(Mutation::LowestCheckpoint) {
        summaries.clone().min_by_key(start)?
    } else {
        summaries.clone().max_by_key(start)?
    };
    let stable_seq = stable.stable_seq;
    let claims = summaries.flat_map(|summary| &summary.claims).filter(|c| c.seq > stable_seq);
    let last = claims.clone().map(|claim| claim.seq).max().unwrap_or(stable_seq);
    let mut chosen: Vec<Option<Claim>> = Vec::new();
    chosen.resize(usize::try_from(last.0 - stable_seq.0).unwrap_or(usize::MAX), None);
    for claim in claims {
        let index = usize::try_from(claim.seq.0 - stable_seq.0 - 1).unwrap_or(usize::MAX);
        let best = &mut chosen[index];
        let (this, lowest) = ((claim.view, claim.digest), mutations.has(Mutation::LowestView));
        if best.is_none_or(|it| ((it.view, it.digest) < this) != lowest) {
            *best = Some(*claim);
        }
    }
    Some(Selection { stable_seq, stable_digest: stable.stable_digest, chosen })
}

/// The rules by which one epoch's validators judge ViewChanges and NewViews.
#[derive(Debug)]
pub struct Rules<'a, S: Scheme> {
    /// The chain.
    pub chain: ChainId,
    /// Its parameters.
    pub params: &'a Params,
    /// The epoch.
    pub epoch: Epoch,
    /// The digest of the checkpoint that the epoch starts from, which needs no certificate.
    pub epoch_start: Digest,
    /// The epoch's validators.
    pub committee: &'a Committee<S>,
    pub(crate) mutations: Mutations,
}

impl<S: Scheme> Rules<'_, S> {
    /// Checks the shape of a summary: a checkpoint of this epoch, and claims of earlier views
    /// inside its own window.
    #[must_use]
    pub fn is_plausible(&self, summary: &Summary) -> bool {
        let params = self.params;
        let (start, end) = (params.epoch_start(self.epoch), params.epoch_end(self.epoch));
        summary.is_well_formed(params.claims_depth())
            && params.is_checkpoint(summary.stable_seq)
            && (start..=end).contains(&summary.stable_seq)
            && summary.claims.iter().all(|claim| {
                let earlier = claim.view < summary.view;
                claim.seq <= end && (earlier || self.mutations.has(Mutation::LaterClaims))
            })
    }

    /// Checks the certificate of a stable checkpoint; an epoch's first one is known to everyone in
    /// the epoch.
    #[must_use]
    pub fn proves_stable(
        &self,
        seq: Seq,
        digest: Digest,
        certificate: Option<&Certificate>,
    ) -> bool {
        if seq == self.params.epoch_start(self.epoch) {
            return certificate.is_none() && self.epoch_start == digest;
        }
        let hash = self.hash(Kind::Checkpoint, View::ZERO, seq, digest);
        certificate.is_some_and(|it| self.committee.verify_certificate(&hash, it).is_ok())
            || self.mutations.has(Mutation::UnprovenStable)
    }

    /// Checks a prepared certificate.
    #[must_use]
    pub fn proves_prepared(&self, claim: &Claim, certificate: &Certificate) -> bool {
        let hash = self.hash(Kind::Prepare, claim.view, claim.seq, claim.digest);
        self.committee.verify_certificate(&hash, certificate).is_ok()
    }

    /// Whether a NewView of `leader` begins as its ViewChanges demand; `proves` checks what its
    /// outcome rests on.
    ///
    /// Sizes, shapes and the leader's turn come before any signature.
    pub fn is_justified(
        &self,
        leader: ReplicaId,
        body: &NewView,
        proves: &mut impl Proves,
    ) -> bool {
        let summaries = body.view_changes.iter().map(|signed| &signed.summary);
        let ordered = body.view_changes.windows(2).all(|pair| pair[0].sender < pair[1].sender)
            || self.mutations.has(Mutation::RepeatedSender);
        let shaped = ordered
            && (self.committee.set().leader(self.epoch, body.view) == leader
                || self.mutations.has(Mutation::AnyLeader))
            && summaries.clone().all(|it| it.view == body.view && self.is_plausible(it));
        if !shaped || !proves.support(&body.view_changes) {
            return false;
        }
        let Some(selection) = select_with(self.mutations, summaries) else { return false };
        let chosen = selection.chosen.iter().flatten();
        let sized = body.pre_prepares.len() == selection.chosen.len()
            && body.prepared.len() == chosen.clone().count();
        let (seq, digest) = (selection.stable_seq, selection.stable_digest);
        sized
            && self.starts_as_selected(leader, body, &selection)
            && body.view_changes.iter().all(|signed| self.is_signed_summary(signed))
            && proves.stable(seq, digest, body.checkpoint.as_ref())
            && chosen.zip(&body.prepared).all(|(claim, it)| proves.prepared(claim, it))
    }

    /// Checks that the first proposals are exactly the selected ones, each PrePrepare signed.
    fn starts_as_selected(&self, leader: ReplicaId, body: &NewView, selection: &Selection) -> bool {
        let null = Proposal::null().digest::<S>();
        let selected = || selection.iter().map(|(seq, it)| (seq, it.map_or(null, |it| it.digest)));
        let same = selected().zip(&body.pre_prepares).all(|((_, due), (got, _))| due == *got);
        if !same && !self.mutations.has(Mutation::UncomparedProposals) {
            return false;
        }
        selected().zip(&body.pre_prepares).all(|((seq, _), (digest, signature))| {
            let digest = *digest;
            let hash = self.hash(Kind::PrePrepare, body.view, seq, digest);
            self.committee.verify(leader, &hash, signature).is_ok()
        })
    }

    fn is_signed_summary(&self, signed: &SignedSummary) -> bool {
        let SignedSummary { sender, summary, signature } = signed;
        let digest = summary.digest::<S>(self.params.claims_depth());
        let hash = self.hash(Kind::ViewChange, summary.view, summary.stable_seq, digest);
        self.committee.verify(*sender, &hash, signature).is_ok()
            || self.mutations.has(Mutation::UnsignedSummaries)
    }

    fn hash(&self, kind: Kind, view: View, seq: Seq, digest: Digest) -> Digest {
        Statement { epoch: self.epoch, kind, view, seq, digest }.hash::<S>(self.chain)
    }
}

/// What a NewView's outcome rests on, checked afresh or looked up by whoever has checked it before.
pub trait Proves {
    /// Whether the ViewChanges come from a quorum.
    fn support(&self, view_changes: &[SignedSummary]) -> bool;

    /// Whether a checkpoint is stable.
    fn stable(&mut self, seq: Seq, digest: Digest, certificate: Option<&Certificate>) -> bool;

    /// Whether a chosen entry was prepared.
    fn prepared(&mut self, claim: &Claim, certificate: &Certificate) -> bool;
}

/// Checks everything afresh.
impl<S: Scheme> Proves for &Rules<'_, S> {
    fn support(&self, view_changes: &[SignedSummary]) -> bool {
        let set = self.committee.set();
        set.is_quorum(&set.tally(view_changes.iter().map(|signed| signed.sender)))
    }

    fn stable(&mut self, seq: Seq, digest: Digest, certificate: Option<&Certificate>) -> bool {
        self.proves_stable(seq, digest, certificate)
    }

    fn prepared(&mut self, claim: &Claim, certificate: &Certificate) -> bool {
        self.proves_prepared(claim, certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(stable: u64, claims: &[(u64, u64, u64)]) -> Summary {
        Summary {
            view: View(9),
            stable_seq: Seq(stable),
            stable_digest: Digest::from_u64(stable),
            claims: claims.iter().map(|(seq, view, digest)| claim(*seq, *view, *digest)).collect(),
        }
    }

    fn claim(seq: u64, view: u64, digest: u64) -> Claim {
        Claim { seq: Seq(seq), view: View(view), digest: Digest::from_u64(digest) }
    }

    #[test]
    fn the_highest_view_wins_and_gaps_are_null() {
        let summaries = [
            summary(4, &[(5, 1, 50), (7, 0, 70)]),
            summary(4, &[(5, 2, 51)]),
            summary(0, &[(3, 8, 30)]),
        ];
        let selection = select(summaries.iter()).unwrap();
        assert_eq!(selection.stable_seq, Seq(4));
        assert_eq!(selection.chosen, [Some(claim(5, 2, 51)), None, Some(claim(7, 0, 70))]);
        assert_eq!(selection.last(), Seq(7));
    }

    #[test]
    fn nothing_prepared_starts_empty() {
        let summaries = [summary(8, &[]), summary(4, &[(8, 1, 1)])];
        let selection = select(summaries.iter()).unwrap();
        assert!(selection.chosen.is_empty(), "block 8 is behind the checkpoint");
        assert_eq!(selection.last(), Seq(8));
        assert_eq!(select([].iter()), None);
    }
}
