//! Which bodies a node keeps that starts: consensus may still execute blocks whose state was lost
//! with the process, and what was acknowledged must be ordered.

use std::collections::BTreeMap;

use ciro_consensus::Params;
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::id::SubmitterId;

use super::{AHEAD_MAX, Keep, Kind, position};

/// Judges bodies on disk.
#[derive(Debug)]
pub(crate) struct Recovery<'a> {
    /// The last executed batch of each submitter.
    nonces: &'a BTreeMap<u64, u64>,
    own: SubmitterId,
    /// How far ahead of its last executed batch a submitter's next ones may be.
    ahead: u64,
    /// The last block that may have been proposed.
    until: u64,
}

impl<'a> Recovery<'a> {
    /// Begins after a block, or the last stable checkpoint if that is later, with the submitter
    /// that this node is.
    pub(crate) fn new(
        (height, nonces): (u64, &'a BTreeMap<u64, u64>),
        params: &Params,
        own: SubmitterId,
    ) -> Self {
        let (blocks, operations) = (params.window(), params.operations_per_block);
        let operations = u64::try_from(operations).unwrap_or(u64::MAX);
        Self {
            nonces,
            own,
            ahead: blocks.saturating_mul(operations).saturating_add(AHEAD_MAX),
            until: height.saturating_add(blocks).saturating_add(params.pipeline_depth),
        }
    }

    /// Returns how long a body stays that was written for this; `None` if nobody needs it.
    ///
    /// What may stay until its place is executed goes only if no block on its way can execute it:
    /// if it is further ahead than all of them hold. What this node has signed stays in any case,
    /// so that it signs no other batch under its nonce. What a proposal brought may stand in a
    /// block that is on its way, and goes with the last one that may be.
    pub(crate) fn keep(&self, batch: &SignedBatch, kind: Kind) -> Option<Keep> {
        let (submitter, nonce) = position(batch);
        let last = self.nonces.get(&submitter).copied().unwrap_or(0);
        let near = nonce <= last.saturating_add(self.ahead);
        if nonce <= last || !(near || batch.body.submitter == self.own) {
            return None;
        }
        Some(match kind {
            Kind::Block if batch.body.submitter != self.own => Keep::Block(self.until),
            Kind::Block | Kind::Place => Keep::Place,
        })
    }
}
