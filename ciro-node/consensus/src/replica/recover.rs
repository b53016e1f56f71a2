//! Starting a replica from its log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::footprint::stash_per_sender;
use super::hashes::Hashes;
use super::{Committees, Genesis, Identity, KnownViewChange, Phase, Replica};
use crate::block::Operation;
use crate::certificate::{Certificate, Committee};
use crate::crypto::Scheme;
use crate::drops::Drops;
use crate::handle::ballot;
use crate::io::Effect;
use crate::message::{Body, Message};
use crate::mutation::Mutation;
use crate::params::ParamsError;
use crate::pending::Pending;
use crate::record::{Accepted, Base, Record};
use crate::slot::{Assigned, Ballot, Origin, Validity};
use crate::snapshot::{Snapshot, StableCheckpoint};
use crate::stash::Stash;
use crate::statement::Kind;
use crate::types::{Epoch, Seq, View};

/// Why a replica cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The chain's parameters are invalid.
    #[error("the chain's parameters are invalid")]
    Params(#[from] ParamsError),
    /// A base stands where none may.
    #[error("record {index} of the log is a base, only the first may be")]
    MisplacedBase {
        /// The record's position, from 0.
        index: usize,
    },
    /// The base's state is not the one its checkpoint certifies.
    #[error("the log's base at block {seq} does not match its certificate")]
    BaseMismatch {
        /// The checkpoint.
        seq: Seq,
    },
    /// Other validators are pinned for an epoch than the log has followed.
    #[error(
        "the log followed other validators in epoch {epoch} than those that are pinned: it is of \
         another history of the chain, or the pin is"
    )]
    Pinned {
        /// The epoch.
        epoch: Epoch,
    },
    /// The base lacks the proof of the epoch it is in.
    #[error("the log's base at block {seq} lacks the proof of epoch {epoch}")]
    MissingProof {
        /// The checkpoint.
        seq: Seq,
        /// The epoch whose end is not proven.
        epoch: Epoch,
    },
}

impl<S: Scheme> Replica<S> {
    /// Starts a replica from its log, empty for a new one, and returns what must be done first.
    ///
    /// Blocks after the log's base are executed again; the application returns to the base's state
    /// when it performs [`Effect::RestoreState`].
    ///
    /// # Errors
    ///
    /// [`OpenError`] when parameters or log are not usable.
    pub fn open(
        genesis: &Genesis<S>,
        identity: Identity<S>,
        now: Duration,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Self, Vec<Effect>), OpenError> {
        genesis.params.validate()?;
        let mut replica = Self::at_genesis(genesis, identity, now);
        for (index, record) in records.into_iter().enumerate() {
            match record {
                Record::Base(base) if index == 0 => replica.begin_at(*base)?,
                Record::Base(_) => return Err(OpenError::MisplacedBase { index }),
                record => replica.replay(record),
            }
        }
        let (seq, state_root) = (replica.tip.seq(), replica.tip.state_root);
        replica.effects.clear();
        if let Some(fault) = &replica.fault {
            // What halted it is in its log: the driver must hear of it again.
            let halted = vec![Effect::Halt(fault.clone())];
            return Ok((replica, halted));
        }
        replica.effects.push(Effect::RestoreState { seq, state_root });
        replica.recount_in_flight();
        replica.revalidate();
        replica.resend();
        replica.settle();
        let effects = std::mem::take(&mut replica.effects);
        Ok((replica, effects))
    }

    fn at_genesis(genesis: &Genesis<S>, identity: Identity<S>, now: Duration) -> Self {
        let snapshot = Snapshot::genesis(genesis.committee.set(), genesis.state_root);
        let digest = snapshot.digest::<S>();
        let stable = StableCheckpoint {
            epoch: Epoch::ZERO,
            seq: Seq::ZERO,
            digest,
            certificate: Certificate::default(),
        };
        let stash = usize::try_from(stash_per_sender(&genesis.params)).unwrap_or(usize::MAX);
        let mut replica = Self {
            genesis: genesis.clone(),
            identity,
            now,
            effects: Vec::new(),
            fault: None,
            epoch: Epoch::ZERO,
            epoch_start: digest,
            committees: Committees {
                previous: None,
                current: Arc::clone(&genesis.committee),
                next: Arc::clone(&genesis.committee),
            },
            proofs: BTreeMap::new(),
            trail: Vec::new(),
            trail_grew: 0,
            view: View::ZERO,
            phase: Phase::Changing(None),
            view_changes: BTreeMap::new(),
            proven: BTreeMap::new(),
            claimed: BTreeMap::new(),
            heard: BTreeMap::new(),
            stable,
            stable_snapshot: Some(Arc::new(snapshot.clone())),
            slots: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            tip: snapshot,
            executing: None,
            installing: None,
            target: None,
            waited: 0,
            asked_at: Duration::ZERO,
            pending: Pending::default(),
            in_flight: BTreeMap::new(),
            evidence: BTreeMap::new(),
            stash: Stash::new(stash),
            hashes: Hashes::new(),
            peers: BTreeMap::new(),
            audience: super::audience::Audience::new(),
            drops: Drops::default(),
            timers: super::timers::Timers::default(),
        };
        replica.phase = replica.first_view();
        replica
    }

    /// Moves to the state that a compacted log begins with.
    fn begin_at(&mut self, base: Base) -> Result<(), OpenError> {
        let Base { checkpoint, snapshot, previous, proofs } = base;
        let seq = checkpoint.seq;
        if snapshot.seq() != seq || snapshot.digest::<S>() != checkpoint.digest {
            return Err(OpenError::BaseMismatch { seq });
        }
        if let Some(before) = snapshot.epoch.0.checked_sub(1).map(Epoch) {
            let proof = proofs.iter().find(|proof| proof.checkpoint.epoch == before);
            let proof = proof.ok_or(OpenError::MissingProof { seq, epoch: before })?;
            self.epoch_start = proof.checkpoint.digest;
        }
        if let Some(pin) = self.genesis.pin {
            let kept = proofs.iter().map(|it| it.roots);
            if !kept.chain([snapshot.roots::<S>()]).all(|roots| pin.admits_roots(&roots)) {
                return Err(OpenError::Pinned { epoch: pin.epoch });
            }
        }
        let known = &self.genesis.committee;
        let expand = |set| Arc::new(Committee::successor(known, set));
        self.committees = Committees {
            previous: previous.map(expand),
            current: expand(Arc::clone(&snapshot.current)),
            next: expand(Arc::clone(&snapshot.next)),
        };
        self.proofs = proofs.into_iter().map(|it| (it.checkpoint.epoch, it)).collect();
        self.epoch = snapshot.epoch;
        self.phase = self.first_view();
        self.tip = Snapshot::clone(&snapshot);
        self.stable = checkpoint;
        self.stable_snapshot = Some(snapshot);
        Ok(())
    }

    /// Restores what one record says, without saying anything anew.
    fn replay(&mut self, record: Record) {
        match record {
            Record::Base(_) => {}
            Record::Epoch(proof) => {
                self.proofs.insert(proof.checkpoint.epoch, proof);
            }
            Record::Signed(message) => self.replay_own(&message),
            Record::NewView(message) => {
                if message.epoch == self.epoch {
                    self.begin_view(&message);
                }
            }
            // Votes follow from what was accepted: forgetting them alone would forget nothing.
            Record::Accepted(_) if self.genesis.mutations.has(Mutation::RestartForgetsVotes) => {}
            Record::Accepted(accepted) => self.replay_accepted(accepted),
            Record::Prepared { claim, certificate } => {
                let forgets = self.genesis.mutations.has(Mutation::RestartForgetsPrepared);
                if claim.seq > self.stable.seq && !forgets {
                    self.slot(claim.seq).prepared = Some((claim, certificate));
                }
            }
            Record::Committed(block) => {
                if block.seq > self.tip.seq() {
                    self.commit_block(block.proposal.digest::<S>(), block);
                }
            }
            Record::Stable(checkpoint) => {
                if checkpoint.seq > self.stable.seq {
                    self.stable = checkpoint;
                    self.stable_snapshot = None;
                    self.collect_garbage();
                }
            }
            Record::Content { seq, proposal } => {
                if seq > self.stable.seq {
                    let (digest, slot) = (proposal.digest::<S>(), self.slot(seq));
                    slot.contents.insert(digest, proposal);
                    // A shortened log keeps contents of votes that it no longer has.
                    slot.vote(digest);
                }
            }
        }
    }

    fn replay_own(&mut self, message: &Arc<Message>) {
        let mutations = self.genesis.mutations;
        let is_vote = matches!(message.body, Body::Prepare(_) | Body::Commit(_));
        let forgotten = mutations.has(Mutation::RestartForgetsAll)
            || (is_vote && mutations.has(Mutation::RestartForgetsVotes));
        if message.epoch != self.epoch || forgotten {
            return;
        }
        let id = self.identity.id;
        match &message.body {
            Body::PrePrepare(body) if body.seq > self.stable.seq => {
                let accepted = Accepted {
                    seq: body.seq,
                    view: body.view,
                    digest: body.digest,
                    proposer: id,
                    signature: message.signature,
                    proposal: Arc::clone(&body.proposal),
                };
                self.slot(body.seq).own.insert(Kind::PrePrepare, Arc::clone(message));
                self.replay_accepted(accepted);
            }
            Body::Prepare(vote) if vote.seq > self.stable.seq => {
                let slot = self.slot(vote.seq);
                slot.prepares.cast(id, ballot(message, vote));
                slot.own.insert(Kind::Prepare, Arc::clone(message));
                slot.vote(vote.digest);
                if let Some(assigned) = &mut slot.assigned {
                    assigned.validity = Validity::Valid;
                }
            }
            Body::Commit(vote) if vote.seq > self.stable.seq => {
                let slot = self.slot(vote.seq);
                slot.commits.cast(id, ballot(message, vote));
                slot.own.insert(Kind::Commit, Arc::clone(message));
            }
            Body::Checkpoint(vote) if vote.seq > self.stable.seq => {
                let votes = self.checkpoints.entry(vote.seq).or_default();
                let (digest, signature) = (vote.digest, message.signature);
                votes.votes.insert(id, Ballot { view: View::ZERO, digest, signature });
                votes.own = Some(Arc::clone(message));
            }
            Body::ViewChange(body) => {
                self.view = body.summary.view;
                self.phase = Phase::Changing(Some(Arc::clone(message)));
                let (summary, checkpoint) = (body.summary.clone(), body.checkpoint.clone());
                let signature = message.signature;
                let known = KnownViewChange { summary, signature, checkpoint };
                self.view_changes.insert(id, known);
            }
            Body::NewView(_) => self.begin_view(message),
            _ => {}
        }
    }

    fn replay_accepted(&mut self, accepted: Accepted) {
        let Accepted { seq, view, digest, proposer, signature, proposal } = accepted;
        if seq > self.stable.seq {
            let validity =
                if proposer == self.identity.id { Validity::Valid } else { Validity::Unknown };
            let slot = self.slot(seq);
            let origin = Origin::Proposed { proposer, signature };
            slot.assigned = Some(Assigned { view, digest, origin, validity });
            slot.contents.insert(digest, proposal);
        }
    }

    /// Asks again for verdicts that were pending, and goes on with everything else.
    fn revalidate(&mut self) {
        let view = self.view;
        let open: Vec<Seq> = self.slots.keys().copied().collect();
        for seq in open {
            let Some(slot) = self.slots.get(&seq) else { continue };
            let unknown = slot.assigned_in(view).filter(|it| it.validity == Validity::Unknown);
            if let Some(digest) = unknown.map(|assigned| assigned.digest)
                && let Some(proposal) = slot.contents.get(&digest)
            {
                let operations: Vec<Operation> = proposal.operations.clone();
                self.effects.push(Effect::Validate { seq, digest, operations });
            }
            self.advance(seq);
        }
    }
}
