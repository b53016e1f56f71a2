//! What a signature says.

use serde::{Deserialize, Serialize};

use crate::crypto::Scheme;
use crate::types::{ChainId, Digest, Epoch, Seq, View};
use crate::wire::{Reader, Wire, WireError};

/// The word that begins every signed hash.
const DOMAIN: Digest = Digest::short_string("CIRO_PBFT_V1");

/// The kind of a signed message; its number is part of the signed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// A primary's proposal for one sequence number (PBFT §4.2).
    PrePrepare = 1,
    /// Agreement to the proposal of this view (PBFT §4.2).
    Prepare = 2,
    /// A quorum agreed in this view (PBFT §4.2).
    Commit = 3,
    /// The state after a block (PBFT §4.3).
    Checkpoint = 4,
    /// The wish for another primary (PBFT §4.4).
    ViewChange = 5,
    /// The start of a view (PBFT §4.4).
    NewView = 6,
    /// A request for something missed.
    Fetch = 7,
    /// The answer to a [`Kind::Fetch`].
    State = 8,
    /// A replica's position.
    Status = 9,
}

impl Kind {
    /// The kinds in the order of their numbers.
    const ALL: [Self; 9] = [
        Self::PrePrepare,
        Self::Prepare,
        Self::Commit,
        Self::Checkpoint,
        Self::ViewChange,
        Self::NewView,
        Self::Fetch,
        Self::State,
        Self::Status,
    ];

    /// Whether messages of this kind speak of their sender's needs and bind nobody.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Fetch | Self::State | Self::Status)
    }
}

/// The tuple under every signature: a replica says `digest` as `kind` at `(view, seq)` of `epoch`.
///
/// A Checkpoint has view 0. A ViewChange names the view it asks for and, as `seq`, its stable
/// checkpoint. Fetch, State and Status have view and sequence number 0 and the hash of their body
/// as digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statement {
    /// The epoch whose validators count the signature.
    pub epoch: Epoch,
    /// What the signature means.
    pub kind: Kind,
    /// The view.
    pub view: View,
    /// The sequence number.
    pub seq: Seq,
    /// What is said.
    pub digest: Digest,
}

impl Statement {
    /// Returns the hash that is signed: the low 251 bits of `H("CIRO_PBFT_V1", chain, epoch, kind,
    /// view, seq, digest)`.
    ///
    /// ECDSA on the STARK curve signs numbers below 2^251. A hash in 2^54 is larger; a replica that
    /// could not sign its ViewChange, or a quorum its checkpoint, would stop for ever, so the top
    /// bits are cleared.
    #[must_use]
    pub fn hash<S: Scheme>(&self, chain: ChainId) -> Digest {
        let hash = S::hash(&[
            DOMAIN,
            chain.word(),
            Digest::from_u64(self.epoch.0),
            Digest::from_u64(u64::from(self.kind as u8)),
            Digest::from_u64(self.view.0),
            Digest::from_u64(self.seq.0),
            self.digest,
        ]);
        Digest::from_bytes_truncated(*hash.as_bytes())
    }
}

impl Wire for Kind {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let tag = u8::get(input)?;
        Self::ALL
            .into_iter()
            .find(|kind| *kind as u8 == tag)
            .ok_or(WireError::Tag { what: "kind", tag })
    }
}

impl Wire for Statement {
    fn put(&self, out: &mut Vec<u8>) {
        self.epoch.put(out);
        self.kind.put(out);
        self.view.put(out);
        self.seq.put(out);
        self.digest.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            epoch: Wire::get(input)?,
            kind: Wire::get(input)?,
            view: Wire::get(input)?,
            seq: Wire::get(input)?,
            digest: Wire::get(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Stark;

    #[test]
    fn every_field_and_the_chain_enter_the_hash() {
        let chain = ChainId::new("ciro-test");
        let base = Statement {
            epoch: Epoch(1),
            kind: Kind::Prepare,
            view: View(2),
            seq: Seq(3),
            digest: Digest::from_u64(4),
        };
        let variants = [
            base,
            Statement { epoch: Epoch(2), ..base },
            Statement { kind: Kind::Commit, ..base },
            Statement { view: View(3), ..base },
            Statement { seq: Seq(4), ..base },
            Statement { digest: Digest::from_u64(5), ..base },
        ];
        let mut hashes: Vec<Digest> = variants.iter().map(|s| s.hash::<Stark>(chain)).collect();
        hashes.push(base.hash::<Stark>(ChainId::new("other")));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), variants.len() + 1);
    }
}
