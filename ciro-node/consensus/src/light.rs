//! What convinces someone who holds the genesis alone that a header is final.

use std::sync::Arc;

use crate::block::Header;
use crate::certificate::{CertificateError, Committee};
use crate::crypto::Scheme;
use crate::params::Params;
use crate::pin::Pin;
use crate::replica::Genesis;
use crate::snapshot::{CheckpointRoots, EpochProof, StableCheckpoint};
use crate::statement::{Kind, Statement};
use crate::types::{ChainId, Digest, Epoch, Seq, View};
use crate::wire::{Reader, Wire, WireError, decode_versioned, encode_versioned, put_list};

/// The most bytes of an encoded [`Finality`]: about four thousand epochs of a hundred validators.
pub const FINALITY_BYTES_MAX: usize = 64 << 20;

/// The most epochs that one [`Finality`] leads over.
const EPOCHS_MAX: usize = 1 << 20;

/// The way from validators that a light client knows to a certified header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finality {
    /// Proofs of the epochs from the client's on, without gaps; may begin earlier.
    pub epochs: Vec<EpochProof>,
    /// The certified checkpoint.
    pub checkpoint: StableCheckpoint,
    /// What its digest is made of.
    pub roots: CheckpointRoots,
    /// The header of the checkpoint's block.
    pub header: Header,
}

/// Why a header is not shown to be final.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LightError {
    /// Validators in between are not shown.
    #[error("the validators of epoch {known} are known, the proof goes on with epoch {got}")]
    Gap {
        /// The last epoch whose validators are known.
        known: Epoch,
        /// The epoch that comes next in the proof.
        got: Epoch,
    },
    /// The checkpoint belongs to another epoch than the proof leads to.
    #[error("the checkpoint after block {seq} is no checkpoint of epoch {epoch}")]
    Checkpoint {
        /// The block.
        seq: Seq,
        /// The epoch.
        epoch: Epoch,
    },
    /// Something is not what the certified digest covers.
    #[error("`{what}` is not what the checkpoint after block {seq} certifies")]
    Opening {
        /// What differs.
        what: &'static str,
        /// The block.
        seq: Seq,
    },
    /// Other validators are pinned for an epoch than the proof shows.
    #[error("the validators of epoch {epoch} are not those that are pinned")]
    Pinned {
        /// The epoch.
        epoch: Epoch,
    },
    /// Validators are pinned for an epoch that lies behind.
    #[error("the pin of epoch {pinned} lies behind epoch {known}")]
    BehindPin {
        /// The epoch of the pin.
        pinned: Epoch,
        /// The epoch of the client.
        known: Epoch,
    },
    /// The proof ends before the epoch for which validators are pinned.
    #[error("the proof ends in epoch {got}, before the pin of epoch {pinned}")]
    BeforePin {
        /// The epoch of the pin.
        pinned: Epoch,
        /// The epoch in which the proof ends.
        got: Epoch,
    },
    /// The certificate is none.
    #[error("the checkpoint after block {seq} is not certified")]
    Certificate {
        /// The block.
        seq: Seq,
        /// What is wrong with it.
        source: CertificateError,
    },
}

/// Follows a chain by its validators: from the genesis, or from wherever it was left.
#[derive(Clone, Debug)]
pub struct LightClient<S: Scheme> {
    chain: ChainId,
    params: Params,
    epoch: Epoch,
    committee: Arc<Committee<S>>,
    /// The digest of the validators after the known ones, which the last epoch's proof has fixed
    /// already.
    next: Digest,
    pin: Option<Pin>,
}

impl<S: Scheme> LightClient<S> {
    /// Knows the validators of the genesis, which are those of the first two epochs.
    #[must_use]
    pub fn new(genesis: &Genesis<S>) -> Self {
        Self {
            chain: genesis.chain,
            params: genesis.params.clone(),
            epoch: Epoch::ZERO,
            committee: Arc::clone(&genesis.committee),
            next: genesis.committee.set().digest::<S>(),
            pin: None,
        }
    }

    /// Follows no history but one in which an epoch has these validators, and no further back than
    /// to that epoch.
    ///
    /// # Errors
    ///
    /// [`LightError::Pinned`] if others are known for that epoch already, [`LightError::BehindPin`]
    /// if the client is past it and cannot tell any more.
    pub fn pinned(mut self, pin: Pin) -> Result<Self, LightError> {
        if pin.epoch < self.epoch {
            return Err(LightError::BehindPin { pinned: pin.epoch, known: self.epoch });
        }
        let known = self.committee.set().digest::<S>();
        if !pin.admits(self.epoch, known) || !pin.admits(self.epoch.next(), self.next) {
            return Err(LightError::Pinned { epoch: pin.epoch });
        }
        self.pin = Some(pin);
        Ok(self)
    }

    /// Returns the last epoch whose validators are known.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Takes a step to the validators of the next epoch. A proof of an epoch that lies behind
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`LightError`] naming the first thing that is not proven; the client is then where it was.
    pub fn follow(&mut self, proof: &EpochProof) -> Result<(), LightError> {
        let EpochProof { checkpoint, roots, current, next } = proof;
        let (epoch, seq) = (checkpoint.epoch, checkpoint.seq);
        if epoch < self.epoch {
            return Ok(());
        }
        if epoch > self.epoch {
            return Err(LightError::Gap { known: self.epoch, got: epoch });
        }
        if seq != self.params.epoch_end(epoch) || roots.epoch != epoch.next() {
            return Err(LightError::Checkpoint { seq, epoch });
        }
        self.check(checkpoint, roots)?;
        let (current_digest, next_digest) = (current.digest::<S>(), next.digest::<S>());
        if roots.current != current_digest || current_digest != self.next {
            return Err(LightError::Opening { what: "current", seq });
        }
        if roots.next != next_digest {
            return Err(LightError::Opening { what: "next", seq });
        }
        let pinned = |pin: Pin| !pin.admits(epoch.next().next(), next_digest);
        if self.pin.is_some_and(pinned) {
            return Err(LightError::Pinned { epoch: epoch.next().next() });
        }
        self.committee = Arc::new(self.committee.successor(Arc::clone(current)));
        self.epoch = epoch.next();
        self.next = next_digest;
        Ok(())
    }

    /// Follows the proof's epochs and returns its header, which a quorum has certified.
    ///
    /// # Errors
    ///
    /// [`LightError`] naming the first thing that is not proven.
    pub fn verify(&mut self, finality: &Finality) -> Result<Header, LightError> {
        for proof in &finality.epochs {
            self.follow(proof)?;
        }
        let Finality { checkpoint, roots, header, .. } = finality;
        let StableCheckpoint { epoch, seq, .. } = *checkpoint;
        if let Some(Pin { epoch: pinned, .. }) = self.pin.filter(|pin| pin.epoch > epoch) {
            return Err(LightError::BeforePin { pinned, got: epoch });
        }
        if epoch > self.epoch {
            return Err(LightError::Gap { known: self.epoch, got: epoch });
        }
        let in_epoch = self.params.is_checkpoint(seq) && self.params.epoch_of(seq) == epoch;
        if epoch < self.epoch || !in_epoch || seq == Seq::ZERO {
            return Err(LightError::Checkpoint { seq, epoch });
        }
        self.check(checkpoint, roots)?;
        if header.height != seq || header.digest::<S>() != roots.header {
            return Err(LightError::Opening { what: "header", seq });
        }
        Ok(*header)
    }

    /// Checks a checkpoint of the known epoch: its digest opens to `roots`, and a quorum signed it.
    fn check(
        &self,
        checkpoint: &StableCheckpoint,
        roots: &CheckpointRoots,
    ) -> Result<(), LightError> {
        let StableCheckpoint { epoch, seq, digest, .. } = *checkpoint;
        if roots.digest::<S>() != digest {
            return Err(LightError::Opening { what: "roots", seq });
        }
        let statement = Statement { epoch, kind: Kind::Checkpoint, view: View::ZERO, seq, digest };
        let hash = statement.hash::<S>(self.chain);
        self.committee
            .verify_certificate(&hash, &checkpoint.certificate)
            .map_err(|source| LightError::Certificate { seq, source })
    }
}

impl Finality {
    /// Returns the canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_versioned(self)
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are not exactly one encoded proof.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode_versioned(bytes, FINALITY_BYTES_MAX)
    }
}

impl Wire for Finality {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(&self.epochs, out);
        self.checkpoint.put(out);
        self.roots.put(out);
        self.header.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            epochs: input.list("epoch proofs", EPOCHS_MAX)?,
            checkpoint: Wire::get(input)?,
            roots: Wire::get(input)?,
            header: Wire::get(input)?,
        })
    }
}
