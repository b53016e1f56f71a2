//! Slashing protection as JSON, for moving a key to another machine.
//!
//! What the last ViewChange claimed is not part of it: it binds later ViewChanges of its epoch
//! alone, and whoever imports a file votes from the next epoch on.

use ciro_consensus::{ChainId, Digest, Epoch, Kind, Seq, Statement, View};
use serde::{Deserialize, Serialize};

use crate::guard::{Guard, GuardEntry};

/// The version of the interchange format.
const VERSION: u32 = 1;

/// Everything a key signed that restricts what it may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interchange {
    version: u32,
    chain: Digest,
    votes_from: Epoch,
    epoch: Epoch,
    settled: Seq,
    view_change: Option<SignedView>,
    new_view: Option<SignedView>,
    votes: Vec<SignedVote>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedView {
    view: View,
    digest: Digest,
}

impl From<(View, Digest)> for SignedView {
    fn from((view, digest): (View, Digest)) -> Self {
        Self { view, digest }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedVote {
    kind: Kind,
    seq: Seq,
    view: View,
    digest: Digest,
}

/// Why an interchange file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// The text is not JSON of the expected shape.
    #[error("not a slashing-protection file")]
    Json(#[from] serde_json::Error),
    /// The file has another version.
    #[error("expected version {VERSION}, got {got}")]
    Version {
        /// The version found.
        got: u32,
    },
    /// The file belongs to another chain.
    #[error("expected chain {expected:?}, got {got:?}")]
    Chain {
        /// This chain's word.
        expected: Digest,
        /// The file's word.
        got: Digest,
    },
}

impl Interchange {
    /// Describes a guard.
    #[must_use]
    pub fn export(guard: &Guard, chain: ChainId) -> Self {
        Self {
            version: VERSION,
            chain: chain.word(),
            votes_from: guard.votes_from,
            epoch: guard.epoch,
            settled: guard.low,
            view_change: guard.view_change.map(SignedView::from),
            new_view: guard.new_view.map(SignedView::from),
            votes: guard
                .votes
                .iter()
                .map(|((kind, seq), (view, digest))| {
                    let (kind, seq, view, digest) = (*kind, *seq, *view, *digest);
                    SignedVote { kind, seq, view, digest }
                })
                .collect(),
        }
    }

    /// Returns the JSON text.
    ///
    /// # Errors
    ///
    /// [`InterchangeError::Json`]; it does not happen for these types.
    pub fn to_json(&self) -> Result<String, InterchangeError> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Reads JSON text back into a guard.
    ///
    /// # Errors
    ///
    /// [`InterchangeError`] when the text, its version or its chain is wrong.
    pub fn import(json: &str, chain: ChainId) -> Result<Guard, InterchangeError> {
        let file: Self = serde_json::from_str(json)?;
        if file.version != VERSION {
            return Err(InterchangeError::Version { got: file.version });
        }
        if file.chain != chain.word() {
            return Err(InterchangeError::Chain { expected: chain.word(), got: file.chain });
        }
        let epoch = file.epoch;
        let mut guard = Guard::default();
        guard.apply(&GuardEntry::VotesFrom(file.votes_from));
        guard.apply(&GuardEntry::Low(epoch, file.settled));
        let views = [(Kind::ViewChange, file.view_change), (Kind::NewView, file.new_view)];
        let views = views.into_iter().filter_map(|(kind, signed)| {
            signed.map(|SignedView { view, digest }| (kind, Seq::ZERO, view, digest))
        });
        let votes =
            file.votes.into_iter().map(|vote| (vote.kind, vote.seq, vote.view, vote.digest));
        for (kind, seq, view, digest) in views.chain(votes) {
            guard.apply(&GuardEntry::Signed(Statement { epoch, kind, view, seq, digest }));
        }
        Ok(guard)
    }
}
