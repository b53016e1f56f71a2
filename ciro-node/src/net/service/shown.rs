//! What a submitter has shown, and what of it is kept: one batch for each of its next places, and
//! no more bytes of them than it may push.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ciro_consensus::{Digest, Operation, ReplicaId};
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::wire::Message as _;

use super::{NotHeld, Service, lock};
use crate::bodies::{AHEAD_MAX, position};

impl Service {
    /// Keeps a batch until its place is executed, as what consensus hears of must be; false if it
    /// is not here. A proposal keeps one for its own block alone, and any number for one place.
    pub(super) async fn vouch(
        &self,
        batch: &SignedBatch,
        operation: &Operation,
    ) -> Result<bool, NotHeld> {
        if !self.holding.bodies.contains(&operation.payload) {
            return Ok(false);
        }
        // What a proposal brought of somebody without a vote stays for its block alone.
        let submitter = u32::try_from(batch.body.submitter.0).map(ReplicaId);
        if !submitter.is_ok_and(|id| self.net.peers().members().roll().submits(id)) {
            return Err(NotHeld::Later);
        }
        // It was judged before it was written, so it is its submitter's.
        self.show(batch, operation.payload)?;
        let (bodies, operation) = (Arc::clone(&self.holding.bodies), *operation);
        let kept = tokio::task::spawn_blocking(move || bodies.keep_place(&operation)).await;
        let kept = kept.map_err(|_| NotHeld::Fatal)?.map_err(|error| self.fatal(&error))?;
        Ok(kept == Some(true))
    }

    /// Counts a batch against what a validator may push.
    pub(super) fn charge(&self, from: ReplicaId, batch: &SignedBatch) -> Result<(), NotHeld> {
        let bytes = u64::try_from(batch.to_bytes().len()).unwrap_or(u64::MAX);
        if lock(&self.guest(from).allowance).take_many(bytes, Instant::now()) {
            return Ok(());
        }
        self.net.metrics.net_refused("too_many_bytes");
        Err(NotHeld::Later)
    }

    /// Bounds what a submitter can make others store.
    pub(super) fn check_place(
        &self,
        shown: &BTreeMap<(u64, u64), Digest>,
        batch: &SignedBatch,
        payload: Digest,
    ) -> Result<(), NotHeld> {
        let (submitter, nonce) = position(batch);
        let executed = self.holding.pending.executed_nonce(submitter);
        if nonce > executed.saturating_add(AHEAD_MAX) {
            return Err(NotHeld::Later);
        }
        if shown.get(&(submitter, nonce)).is_some_and(|other| *other != payload) {
            let reason = format!("submitter {submitter} has another batch {nonce}");
            return Err(NotHeld::Conflict { reason });
        }
        Ok(())
    }

    pub(super) fn show(&self, batch: &SignedBatch, payload: Digest) -> Result<(), NotHeld> {
        let mut shown = lock(&self.shown);
        self.check_place(&shown, batch, payload)?;
        let pending = &self.holding.pending;
        shown.retain(|(submitter, nonce), _| *nonce > pending.executed_nonce(*submitter));
        shown.insert(position(batch), payload);
        Ok(())
    }
}
