//! What a new view must start with: a pure function of the ViewChanges (PBFT §4.4).

use crate::message::{Claim, Summary};
use crate::types::{Digest, Seq};

/// The inevitable beginning of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The highest stable checkpoint among the ViewChanges, `min-s`.
    pub stable_seq: Seq,
    /// Its digest.
    pub stable_digest: Digest,
    /// For each block above it up to the highest prepared one, `max-s`: the prepared entry, or nothing for a null block.
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
/// For each block the entry prepared in the highest view wins. It is safe because a committed block is prepared at a
/// quorum, which shares an honest replica with the quorum of ViewChanges, and that replica's entry is never from an
/// earlier view. If two summaries claim different digests at one view, one of them has no certificate; the caller
/// demands certificates for everything chosen.
#[must_use]
pub fn select<'a>(summaries: impl Iterator<Item = &'a Summary> + Clone) -> Option<Selection> {
    let stable =
        summaries.clone().max_by_key(|summary| (summary.stable_seq, summary.stable_digest))?;
    let stable_seq = stable.stable_seq;
    let claims = summaries.flat_map(|summary| &summary.claims).filter(|c| c.seq > stable_seq);
    let last = claims.clone().map(|claim| claim.seq).max().unwrap_or(stable_seq);
    let mut chosen: Vec<Option<Claim>> = Vec::new();
    chosen.resize(usize::try_from(last.0 - stable_seq.0).unwrap_or(usize::MAX), None);
    for claim in claims {
        let index = usize::try_from(claim.seq.0 - stable_seq.0 - 1).unwrap_or(usize::MAX);
        let best = &mut chosen[index];
        if best.is_none_or(|best| (best.view, best.digest) < (claim.view, claim.digest)) {
            *best = Some(*claim);
        }
    }
    Some(Selection { stable_seq, stable_digest: stable.stable_digest, chosen })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::View;

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
