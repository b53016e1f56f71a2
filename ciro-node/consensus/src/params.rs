//! The parameters every replica of a chain shares.

use std::time::Duration;

use crate::types::{Digest, Epoch, Seq};

/// The most blocks between two checkpoints; it bounds the window and with it every message.
pub const CHECKPOINT_INTERVAL_MAX: u64 = 256;
/// The most blocks of an epoch; it bounds what leads from one certified header to the next.
pub const EPOCH_LENGTH_MAX: u64 = 1 << 16;
/// The most operations a block may hold.
pub const OPERATIONS_PER_BLOCK_MAX: usize = 4096;
/// The most pieces of evidence a block may hold.
pub const EVIDENCE_PER_BLOCK_MAX: usize = 16;
/// The most clients whose last operation is remembered.
pub const CLIENTS_MAX: usize = 65_536;

/// Parameters of the protocol. All but the timeouts and `pending` are equal at every replica of a
/// chain: they are part of the chain's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Blocks between two checkpoints, `K`. Default 64, a power of two up to
    /// [`CHECKPOINT_INTERVAL_MAX`].
    ///
    /// The window is `2K` blocks. Smaller values bound a slow primary's harm and the size of view
    /// changes more tightly and cost more checkpoints.
    pub checkpoint_interval: u64,
    /// Blocks of one epoch, a multiple of `checkpoint_interval` up to [`EPOCH_LENGTH_MAX`]. Default
    /// 4,096.
    ///
    /// A stake change takes effect after one to two epochs; evidence is accepted for the epoch it
    /// arose in and the next.
    pub epoch_length: u64,
    /// Operations a block holds at most. Default 512, range 1 to [`OPERATIONS_PER_BLOCK_MAX`].
    pub operations_per_block: usize,
    /// Pieces of evidence a block holds at most. Default 4, range 1 to [`EVIDENCE_PER_BLOCK_MAX`].
    pub evidence_per_block: usize,
    /// Blocks a primary keeps in flight at most. Default 8, range 1 to `checkpoint_interval`.
    ///
    /// One block in flight waits for nothing; a second is only proposed once it would be full.
    pub pipeline_depth: u64,
    /// Clients whose last operation is remembered, for exactly-once execution. Default 4,096, up to
    /// [`CLIENTS_MAX`].
    ///
    /// An operation of one client more is skipped. The table is hashed at every checkpoint.
    pub clients: usize,
    /// Operations a replica keeps waiting at most, no fewer than `clients`, so that each has room
    /// for its next one; local, not part of consensus. Default 16,384.
    pub pending: usize,
    /// How long the oldest executable operation may wait before a replica asks for another primary.
    /// Default 2 s.
    ///
    /// Set it above four one-way network delays plus the time to execute a full block.
    pub progress_timeout: Duration,
    /// How often the timeout doubles at most while view changes follow each other. Default 5 (64 s
    /// at 2 s).
    pub timeout_doublings: u32,
    /// How often a replica tells its state and re-sends what others lack. Default 500 ms.
    pub resend_interval: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            checkpoint_interval: 64,
            epoch_length: 4096,
            operations_per_block: 512,
            evidence_per_block: 4,
            pipeline_depth: 8,
            clients: 4096,
            pending: 16_384,
            progress_timeout: Duration::from_secs(2),
            timeout_doublings: 5,
            resend_interval: Duration::from_millis(500),
        }
    }
}

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A number is outside its range.
    #[error("`{name}` is {value}, expected {min} to {max}")]
    Range {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// The window would not fill a Merkle tree.
    #[error("`checkpoint_interval` {0} is not a power of two")]
    CheckpointInterval(u64),
    /// An epoch would end between two checkpoints.
    #[error(
        "`epoch_length` {epoch_length} is not a multiple of `checkpoint_interval` {checkpoint_interval}"
    )]
    EpochLength {
        /// The epoch's length in blocks.
        epoch_length: u64,
        /// The checkpoint interval in blocks.
        checkpoint_interval: u64,
    },
    /// A timeout is zero.
    #[error("`{name}` must not be zero")]
    ZeroTimeout {
        /// The parameter.
        name: &'static str,
    },
}

impl Params {
    /// Checks every range.
    ///
    /// # Errors
    ///
    /// [`ParamsError`] naming the first parameter that is out of range.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let ranges = [
            ("checkpoint_interval", self.checkpoint_interval, CHECKPOINT_INTERVAL_MAX),
            ("epoch_length", self.epoch_length, EPOCH_LENGTH_MAX),
            ("pipeline_depth", self.pipeline_depth, self.checkpoint_interval),
            ("operations_per_block", count(self.operations_per_block), 4096),
            ("evidence_per_block", count(self.evidence_per_block), 16),
            ("clients", count(self.clients), 65_536),
            ("pending", count(self.pending), 1 << 24),
        ];
        for (name, value, max) in ranges {
            if !(1..=max).contains(&value) {
                return Err(ParamsError::Range { name, value, min: 1, max });
            }
        }
        if self.pending < self.clients {
            let (name, value, min) = ("pending", count(self.pending), count(self.clients));
            return Err(ParamsError::Range { name, value, min, max: 1 << 24 });
        }
        if self.timeout_doublings > 16 {
            let value = self.timeout_doublings.into();
            return Err(ParamsError::Range { name: "timeout_doublings", value, min: 0, max: 16 });
        }
        if !self.checkpoint_interval.is_power_of_two() {
            return Err(ParamsError::CheckpointInterval(self.checkpoint_interval));
        }
        let (epoch_length, checkpoint_interval) = (self.epoch_length, self.checkpoint_interval);
        if !epoch_length.is_multiple_of(checkpoint_interval) {
            return Err(ParamsError::EpochLength { epoch_length, checkpoint_interval });
        }
        for (name, timeout) in
            [("progress_timeout", self.progress_timeout), ("resend_interval", self.resend_interval)]
        {
            if timeout.is_zero() {
                return Err(ParamsError::ZeroTimeout { name });
            }
        }
        Ok(())
    }

    /// Returns about how many bytes a full block takes in memory.
    #[must_use]
    pub const fn block_bytes(&self) -> usize {
        crate::message::proposal_weight(self.operations_per_block, self.evidence_per_block)
    }

    /// Returns what all replicas of a chain share, as words of the chain's identity.
    pub(crate) fn shared(&self) -> [Digest; 6] {
        [
            self.checkpoint_interval,
            self.epoch_length,
            count(self.operations_per_block),
            count(self.evidence_per_block),
            self.pipeline_depth,
            count(self.clients),
        ]
        .map(Digest::from_u64)
    }

    /// Returns the blocks between the low and the high watermark, `2K` (PBFT §4.3).
    #[must_use]
    pub const fn window(&self) -> u64 {
        2 * self.checkpoint_interval
    }

    /// Returns the depth of the Merkle tree over a ViewChange's prepared claims: one leaf for each
    /// block of the window.
    #[must_use]
    pub const fn claims_depth(&self) -> u32 {
        self.window().trailing_zeros()
    }

    /// Returns the epoch whose validators order block `seq`.
    #[must_use]
    pub const fn epoch_of(&self, seq: Seq) -> Epoch {
        Epoch(seq.0.saturating_sub(1) / self.epoch_length)
    }

    /// Returns the checkpoint an epoch starts from: the last block of the epoch before.
    #[must_use]
    pub const fn epoch_start(&self, epoch: Epoch) -> Seq {
        Seq(epoch.0.saturating_mul(self.epoch_length))
    }

    /// Returns the last block of an epoch.
    #[must_use]
    pub const fn epoch_end(&self, epoch: Epoch) -> Seq {
        self.epoch_start(epoch.next())
    }

    /// Whether a checkpoint is taken after block `seq`.
    #[must_use]
    pub const fn is_checkpoint(&self, seq: Seq) -> bool {
        seq.0.is_multiple_of(self.checkpoint_interval)
    }

    /// Returns the checkpoint interval that block `seq` lies in, counted from genesis.
    #[must_use]
    pub const fn interval_of(&self, seq: Seq) -> u64 {
        seq.0.saturating_sub(1) / self.checkpoint_interval
    }
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_bad_values_are_named() {
        assert_eq!(Params::default().validate(), Ok(()));
        let bad = Params { pipeline_depth: 0, ..Params::default() };
        assert_eq!(
            bad.validate().unwrap_err().to_string(),
            "`pipeline_depth` is 0, expected 1 to 64"
        );
        let bad = Params { checkpoint_interval: 48, ..Params::default() };
        assert_eq!(bad.validate(), Err(ParamsError::CheckpointInterval(48)));
        let bad = Params { epoch_length: 100, ..Params::default() };
        assert!(matches!(bad.validate(), Err(ParamsError::EpochLength { .. })));
        let bad = Params { epoch_length: EPOCH_LENGTH_MAX + 64, ..Params::default() };
        assert!(matches!(bad.validate(), Err(ParamsError::Range { name: "epoch_length", .. })));
        let bad = Params { resend_interval: Duration::ZERO, ..Params::default() };
        assert!(matches!(bad.validate(), Err(ParamsError::ZeroTimeout { .. })));
    }

    #[test]
    fn blocks_belong_to_epochs_and_intervals() {
        let params = Params { checkpoint_interval: 4, epoch_length: 8, ..Params::default() };
        assert_eq!(params.epoch_of(Seq(8)), Epoch(0));
        assert_eq!(params.epoch_of(Seq(9)), Epoch(1));
        assert_eq!(params.epoch_start(Epoch(1)), Seq(8));
        assert_eq!(params.epoch_end(Epoch(1)), Seq(16));
        assert_eq!([4, 5, 8, 9].map(|seq| params.interval_of(Seq(seq))), [0, 1, 1, 2]);
        assert_eq!(params.claims_depth(), 3);
    }
}
