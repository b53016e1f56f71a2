//! Encodings of messages.

use super::catch_up::{BLOCKS_MAX, EPOCHS_MAX};
use super::{
    Body, CheckpointVote, Claim, Fetch, Message, NewView, PrePrepare, SignedNewView, SignedSummary,
    State, Status, Summary, ViewChange, Vote,
};
use crate::params::CHECKPOINT_INTERVAL_MAX;
use crate::stake::VALIDATORS_MAX;
use crate::statement::Kind;
use crate::wire::{Reader, Wire, WireError, put_list};

/// The most claims of a ViewChange: the blocks of a window.
#[expect(clippy::cast_possible_truncation, reason = "the greatest interval is 256")]
pub const CLAIMS_MAX: usize = 2 * CHECKPOINT_INTERVAL_MAX as usize;

impl Body {
    /// Returns the encoding of the body alone.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }
}

impl Wire for Message {
    fn put(&self, out: &mut Vec<u8>) {
        (self.sender, self.epoch).put(out);
        self.signature.put(out);
        self.body.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (sender, epoch) = Wire::get(input)?;
        Ok(Self { sender, epoch, signature: Wire::get(input)?, body: Wire::get(input)? })
    }
}

impl Wire for Body {
    fn put(&self, out: &mut Vec<u8>) {
        self.kind().put(out);
        match self {
            Self::PrePrepare(body) => body.put(out),
            Self::Prepare(body) | Self::Commit(body) => body.put(out),
            Self::Checkpoint(body) => body.put(out),
            Self::ViewChange(body) => body.put(out),
            Self::NewView(body) => body.put(out),
            Self::Fetch(body) => body.put(out),
            Self::State(body) => body.put(out),
            Self::Status(body) => body.put(out),
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match Kind::get(input)? {
            Kind::PrePrepare => Self::PrePrepare(Wire::get(input)?),
            Kind::Prepare => Self::Prepare(Wire::get(input)?),
            Kind::Commit => Self::Commit(Wire::get(input)?),
            Kind::Checkpoint => Self::Checkpoint(Wire::get(input)?),
            Kind::ViewChange => Self::ViewChange(Wire::get(input)?),
            Kind::NewView => Self::NewView(Wire::get(input)?),
            Kind::Fetch => Self::Fetch(Wire::get(input)?),
            Kind::State => Self::State(Wire::get(input)?),
            Kind::Status => Self::Status(Wire::get(input)?),
        })
    }
}

impl Wire for PrePrepare {
    fn put(&self, out: &mut Vec<u8>) {
        (self.view, self.seq).put(out);
        self.digest.put(out);
        self.proposal.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (view, seq) = Wire::get(input)?;
        Ok(Self { view, seq, digest: Wire::get(input)?, proposal: Wire::get(input)? })
    }
}

impl Wire for Vote {
    fn put(&self, out: &mut Vec<u8>) {
        (self.view, self.seq).put(out);
        self.digest.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (view, seq) = Wire::get(input)?;
        Ok(Self { view, seq, digest: Wire::get(input)? })
    }
}

impl Wire for CheckpointVote {
    fn put(&self, out: &mut Vec<u8>) {
        (self.seq, self.digest).put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (seq, digest) = Wire::get(input)?;
        Ok(Self { seq, digest })
    }
}

impl Wire for Claim {
    fn put(&self, out: &mut Vec<u8>) {
        (self.seq, self.view).put(out);
        self.digest.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (seq, view) = Wire::get(input)?;
        Ok(Self { seq, view, digest: Wire::get(input)? })
    }
}

impl Wire for Summary {
    fn put(&self, out: &mut Vec<u8>) {
        (self.view, self.stable_seq).put(out);
        self.stable_digest.put(out);
        put_list(&self.claims, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (view, stable_seq) = Wire::get(input)?;
        let stable_digest = Wire::get(input)?;
        Ok(Self { view, stable_seq, stable_digest, claims: input.list("claims", CLAIMS_MAX)? })
    }
}

impl Wire for ViewChange {
    fn put(&self, out: &mut Vec<u8>) {
        self.summary.put(out);
        self.checkpoint.put(out);
        put_list(&self.prepared, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            summary: Wire::get(input)?,
            checkpoint: Wire::get(input)?,
            prepared: input.list("prepared certificates", CLAIMS_MAX)?,
        })
    }
}

impl Wire for SignedSummary {
    fn put(&self, out: &mut Vec<u8>) {
        self.sender.put(out);
        self.summary.put(out);
        self.signature.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let sender = Wire::get(input)?;
        Ok(Self { sender, summary: Wire::get(input)?, signature: Wire::get(input)? })
    }
}

impl Wire for NewView {
    fn put(&self, out: &mut Vec<u8>) {
        self.view.put(out);
        put_list(&self.view_changes, out);
        self.checkpoint.put(out);
        put_list(&self.prepared, out);
        put_list(&self.pre_prepares, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            view: Wire::get(input)?,
            view_changes: input.list("view changes", VALIDATORS_MAX)?,
            checkpoint: Wire::get(input)?,
            prepared: input.list("prepared certificates", CLAIMS_MAX)?,
            pre_prepares: input.list("pre-prepares", CLAIMS_MAX)?,
        })
    }
}

impl Wire for Fetch {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Blocks { from } => {
                1_u8.put(out);
                from.put(out);
            }
            Self::Proposal { seq, digest } => {
                2_u8.put(out);
                (*seq, *digest).put(out);
            }
            Self::NewView { view } => {
                3_u8.put(out);
                view.put(out);
            }
            Self::Checkpoint { epoch } => {
                4_u8.put(out);
                epoch.put(out);
            }
            Self::Snapshot { epoch, from } => {
                5_u8.put(out);
                (*epoch, *from).put(out);
            }
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u8::get(input)? {
            1 => Ok(Self::Blocks { from: Wire::get(input)? }),
            2 => Wire::get(input).map(|(seq, digest)| Self::Proposal { seq, digest }),
            3 => Ok(Self::NewView { view: Wire::get(input)? }),
            4 => Ok(Self::Checkpoint { epoch: Wire::get(input)? }),
            5 => Wire::get(input).map(|(epoch, from)| Self::Snapshot { epoch, from }),
            tag => Err(WireError::Tag { what: "fetch", tag }),
        }
    }
}

impl Wire for State {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Blocks(blocks) => {
                1_u8.put(out);
                put_list(blocks, out);
            }
            Self::Proposal { seq, proposal } => {
                2_u8.put(out);
                seq.put(out);
                proposal.put(out);
            }
            Self::NewView(signed) => {
                3_u8.put(out);
                (signed.leader, signed.epoch).put(out);
                signed.signature.put(out);
                signed.new_view.put(out);
            }
            Self::Checkpoint { proofs, checkpoint } => {
                4_u8.put(out);
                put_list(proofs, out);
                checkpoint.put(out);
            }
            Self::Snapshot { proofs, checkpoint, snapshot } => {
                5_u8.put(out);
                put_list(proofs, out);
                checkpoint.put(out);
                snapshot.put(out);
            }
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u8::get(input)? {
            1 => Ok(Self::Blocks(input.list("blocks", BLOCKS_MAX)?)),
            2 => Ok(Self::Proposal { seq: Wire::get(input)?, proposal: Wire::get(input)? }),
            3 => {
                let (leader, epoch) = Wire::get(input)?;
                let signature = Wire::get(input)?;
                let new_view = Wire::get(input)?;
                Ok(Self::NewView(SignedNewView { leader, epoch, signature, new_view }))
            }
            4 => {
                let proofs = input.list("epoch proofs", EPOCHS_MAX)?;
                Ok(Self::Checkpoint { proofs, checkpoint: Wire::get(input)? })
            }
            5 => {
                let proofs = input.list("epoch proofs", EPOCHS_MAX)?;
                let (checkpoint, snapshot) = (Wire::get(input)?, Wire::get(input)?);
                Ok(Self::Snapshot { proofs, checkpoint, snapshot })
            }
            tag => Err(WireError::Tag { what: "state", tag }),
        }
    }
}

impl Wire for Status {
    fn put(&self, out: &mut Vec<u8>) {
        self.view.put(out);
        self.active.put(out);
        (self.stable, self.executed).put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (view, active) = (Wire::get(input)?, Wire::get(input)?);
        let (stable, executed) = Wire::get(input)?;
        Ok(Self { view, active, stable, executed })
    }
}
