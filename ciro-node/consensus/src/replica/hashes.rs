//! Hashes of statements that many replicas sign.

use crate::crypto::Scheme;
use crate::statement::Statement;
use crate::types::{ChainId, Digest};

/// How many hashes are remembered.
const HASHES: usize = 64;

/// Remembers what statements hash to: the Prepares of all replicas for one proposal sign the same
/// statement, and so do their Commits. Hashing it for each would cost as much as checking its
/// signature.
#[derive(Clone, Debug)]
pub(crate) struct Hashes(Vec<Option<(Statement, Digest)>>);

impl Hashes {
    pub(crate) fn new() -> Self {
        Self(vec![None; HASHES])
    }

    /// Returns the hash that a signature of `statement` is checked against.
    pub(crate) fn of<S: Scheme>(&mut self, chain: ChainId, statement: &Statement) -> Digest {
        // Neighbouring blocks and the kinds of one block get places of their own.
        let place = statement.seq.0.wrapping_mul(4).wrapping_add(statement.kind as u64);
        let place = usize::try_from(place % HASHES as u64).unwrap_or(0);
        match &self.0[place] {
            Some((known, hash)) if known == statement => *hash,
            _ => {
                let hash = statement.hash::<S>(chain);
                self.0[place] = Some((*statement, hash));
                hash
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Stark;
    use crate::statement::Kind;
    use crate::types::{Epoch, Seq, View};

    #[test]
    fn remembered_hashes_are_the_computed_ones() {
        let mut hashes = Hashes::new();
        let chain = ChainId::new("chain");
        for round in 0..3 {
            for seq in [1, 2, 17, 33] {
                for kind in [Kind::Prepare, Kind::Commit, Kind::Checkpoint] {
                    let digest = Digest::from_u64(seq * round);
                    let (epoch, view, seq) = (Epoch(round), View(0), Seq(seq));
                    let statement = Statement { epoch, kind, view, seq, digest };
                    let expected = statement.hash::<Stark>(chain);
                    assert_eq!(hashes.of::<Stark>(chain, &statement), expected);
                    assert_eq!(hashes.of::<Stark>(chain, &statement), expected);
                }
            }
        }
    }
}
