//! Slashing protection: what was signed, and what therefore must not be signed.

use std::collections::BTreeMap;

use crate::crypto::Scheme;
use crate::message::{Body, Message, MessageDomain, Summary};
use crate::record::Record;
use crate::statement::{Kind, Statement};
use crate::types::{Digest, Epoch, Seq, View};
use crate::wire::{Reader, Wire, WireError};

/// Why a message must not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardRefusal {
    /// Messages of a later epoch were signed.
    #[error("{kind:?} of epoch {epoch}: epoch {signed} was signed in already")]
    OldEpoch {
        /// What was to be signed.
        kind: Kind,
        /// Its epoch.
        epoch: Epoch,
        /// The epoch of the guard.
        signed: Epoch,
    },
    /// The replica must not vote before this epoch, because a log was lost or a key moved.
    #[error("voting starts in epoch {from}, not in {epoch}")]
    TooEarly {
        /// The message's epoch.
        epoch: Epoch,
        /// The first epoch to vote in.
        from: Epoch,
    },
    /// The block lies behind a stable checkpoint.
    #[error("{kind:?} at {seq}: everything up to checkpoint {low} is settled")]
    Settled {
        /// What was to be signed.
        kind: Kind,
        /// Its sequence number.
        seq: Seq,
        /// The stable checkpoint.
        low: Seq,
    },
    /// A ViewChange has left this view.
    #[error("{kind:?} at view {view}: a ViewChange to view {left_for} was signed")]
    LeftView {
        /// What was to be signed.
        kind: Kind,
        /// Its view.
        view: View,
        /// The view of the ViewChange.
        left_for: View,
    },
    /// The same position was signed with another digest, or a later one was signed.
    #[error("{kind:?} at view {view}, block {seq}: signed at view {signed} already")]
    Conflict {
        /// What was to be signed.
        kind: Kind,
        /// Its view.
        view: View,
        /// Its sequence number.
        seq: Seq,
        /// The view signed before.
        signed: View,
    },
    /// A ViewChange would hide a Commit.
    #[error("ViewChange to view {view} hides the Commit at view {committed_in}, block {seq}")]
    Amnesia {
        /// The view of the ViewChange.
        view: View,
        /// The Commit's block.
        seq: Seq,
        /// The Commit's view.
        committed_in: View,
    },
}

/// What one key signed on one chain, as far as it restricts what it may sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    pub(super) votes_from: Epoch,
    pub(super) epoch: Epoch,
    pub(super) low: Seq,
    /// The view of the latest ViewChange in the epoch, with its digest; views below it are left for good.
    pub(super) view_change: Option<(View, Digest)>,
    /// The view of the latest NewView in the epoch, with its digest.
    pub(super) new_view: Option<(View, Digest)>,
    /// The latest view and digest signed for each kind and block above `low`.
    pub(super) votes: BTreeMap<(Kind, Seq), (View, Digest)>,
    /// The view below which the log proves that nothing can be signed any more; not part of the file.
    floor: View,
}

/// A change of the guard, as its file holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuardEntry {
    /// A statement was signed.
    Signed(Statement),
    /// In this epoch everything up to this checkpoint is settled.
    Low(Epoch, Seq),
    /// Voting starts in this epoch.
    VotesFrom(Epoch),
}

impl Guard {
    /// Returns the latest epoch that something was signed in.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the first epoch to vote in.
    #[must_use]
    pub const fn votes_from(&self) -> Epoch {
        self.votes_from
    }

    /// Checks that nothing in a message contradicts what was signed, and records it.
    pub(super) fn admit<S: Scheme>(
        &mut self,
        message: &Message,
        domain: &MessageDomain,
    ) -> Result<Vec<GuardEntry>, GuardRefusal> {
        if message.epoch < self.votes_from {
            let (epoch, from) = (message.epoch, self.votes_from);
            return Err(GuardRefusal::TooEarly { epoch, from });
        }
        let statements = statements::<S>(message, domain);
        let (own, proposals) = statements.split_at(1);
        // A NewView may begin below a checkpoint that became stable since; its view is new, so its proposals there
        // contradict nothing.
        let proposals = proposals.iter().filter(|proposal| proposal.seq > self.low);
        for statement in own.iter().chain(proposals) {
            self.check(statement)?;
        }
        if let Body::ViewChange(body) = &message.body {
            self.check_memory(message.epoch, &body.summary)?;
        }
        let entries: Vec<GuardEntry> = statements.into_iter().map(GuardEntry::Signed).collect();
        for entry in &entries {
            self.apply(entry);
        }
        Ok(entries)
    }

    fn check(&self, statement: &Statement) -> Result<(), GuardRefusal> {
        let Statement { epoch, kind, view, seq, digest } = *statement;
        if epoch < self.epoch {
            return Err(GuardRefusal::OldEpoch { kind, epoch, signed: self.epoch });
        }
        if epoch > self.epoch {
            return Ok(());
        }
        match kind {
            Kind::ViewChange | Kind::NewView => {
                let left = self.view_change.filter(|(left_for, _)| view < *left_for);
                if let Some((left_for, _)) = left {
                    return Err(GuardRefusal::LeftView { kind, view, left_for });
                }
                let signed =
                    if kind == Kind::ViewChange { self.view_change } else { self.new_view };
                match signed {
                    Some((signed, known))
                        if signed > view || (signed == view && known != digest) =>
                    {
                        Err(GuardRefusal::Conflict { kind, view, seq, signed })
                    }
                    _ => Ok(()),
                }
            }
            Kind::PrePrepare | Kind::Prepare | Kind::Commit | Kind::Checkpoint => {
                if seq <= self.low {
                    return Err(GuardRefusal::Settled { kind, seq, low: self.low });
                }
                if let Some((left_for, _)) = self.view_change
                    && view < left_for
                    && kind != Kind::Checkpoint
                {
                    return Err(GuardRefusal::LeftView { kind, view, left_for });
                }
                match self.votes.get(&(kind, seq)) {
                    Some((signed, known))
                        if *signed > view || (*signed == view && *known != digest) =>
                    {
                        Err(GuardRefusal::Conflict { kind, view, seq, signed: *signed })
                    }
                    _ => Ok(()),
                }
            }
            Kind::Fetch | Kind::State | Kind::Status => Ok(()),
        }
    }

    /// Checks rule E4: a ViewChange remembers every Commit above its checkpoint.
    fn check_memory(&self, epoch: Epoch, summary: &Summary) -> Result<(), GuardRefusal> {
        let commits = self.votes.iter().filter(|((kind, seq), _)| {
            epoch == self.epoch && *kind == Kind::Commit && *seq > summary.stable_seq
        });
        for ((_, seq), (committed_in, _)) in commits {
            if summary.claim(*seq).is_none_or(|claim| claim.view < *committed_in) {
                let (view, seq, committed_in) = (summary.view, *seq, *committed_in);
                return Err(GuardRefusal::Amnesia { view, seq, committed_in });
            }
        }
        Ok(())
    }

    /// Records a change. Nothing is ever lowered.
    pub(super) fn apply(&mut self, entry: &GuardEntry) {
        match *entry {
            GuardEntry::VotesFrom(epoch) => self.votes_from = self.votes_from.max(epoch),
            GuardEntry::Low(epoch, low) => {
                self.enter(epoch);
                if epoch == self.epoch {
                    self.low = self.low.max(low);
                    self.votes.retain(|(_, seq), _| *seq > low);
                }
            }
            GuardEntry::Signed(statement) => {
                self.enter(statement.epoch);
                if statement.epoch == self.epoch {
                    self.note(&statement);
                }
            }
        }
    }

    fn enter(&mut self, epoch: Epoch) {
        if epoch > self.epoch {
            let votes_from = self.votes_from;
            *self = Self { votes_from, epoch, ..Self::default() };
        }
    }

    fn note(&mut self, statement: &Statement) {
        let Statement { kind, view, seq, digest, .. } = *statement;
        match kind {
            Kind::ViewChange => {
                if self.view_change.is_none_or(|(known, _)| known < view) {
                    self.view_change = Some((view, digest));
                }
                self.floor = self.floor.max(view);
            }
            Kind::PrePrepare | Kind::Prepare | Kind::Commit | Kind::Checkpoint => {
                if seq > self.low {
                    let vote = self.votes.entry((kind, seq)).or_insert((view, digest));
                    if vote.0 < view {
                        *vote = (view, digest);
                    }
                }
            }
            Kind::NewView => {
                if self.new_view.is_none_or(|(known, _)| known < view) {
                    self.new_view = Some((view, digest));
                }
                // Its own NewView is where a leader's compacted log begins: the ViewChange before it is gone.
                self.floor = self.floor.max(view);
            }
            Kind::Fetch | Kind::State | Kind::Status => {}
        }
    }

    /// Takes over everything that another guard knows.
    pub(super) fn merge(&mut self, other: &Self) {
        for entry in other.entries() {
            self.apply(&entry);
        }
    }

    /// Returns the entries that rebuild this guard.
    pub(super) fn entries(&self) -> Vec<GuardEntry> {
        let epoch = self.epoch;
        let mut entries =
            vec![GuardEntry::VotesFrom(self.votes_from), GuardEntry::Low(epoch, self.low)];
        let views = [(Kind::ViewChange, self.view_change), (Kind::NewView, self.new_view)];
        entries.extend(views.into_iter().filter_map(|(kind, signed)| {
            let (view, digest) = signed?;
            Some(GuardEntry::Signed(Statement { epoch, kind, view, seq: Seq::ZERO, digest }))
        }));
        entries.extend(self.votes.iter().map(|((kind, seq), (view, digest))| {
            let (kind, seq, view, digest) = (*kind, *seq, *view, *digest);
            GuardEntry::Signed(Statement { epoch, kind, view, seq, digest })
        }));
        entries
    }

    /// Collects what a log says was signed.
    pub(super) fn from_records<S: Scheme>(records: &[Record], domain: &MessageDomain) -> Self {
        let mut guard = Self::default();
        for record in records {
            match record {
                Record::Base(base) => {
                    guard.apply(&GuardEntry::Low(base.snapshot.epoch, base.checkpoint.seq));
                }
                Record::Signed(message) => {
                    for statement in statements::<S>(message, domain) {
                        guard.apply(&GuardEntry::Signed(statement));
                    }
                }
                Record::NewView(message) => {
                    if let Body::NewView(body) = &message.body
                        && message.epoch == guard.epoch
                    {
                        guard.floor = guard.floor.max(body.view);
                    }
                }
                _ => {}
            }
        }
        guard
    }

    /// Returns the position of something that `other` knows and this guard, read from a log, has lost.
    ///
    /// What lies below the log's checkpoint or in a view that it has left was compacted away, not lost. And what was
    /// signed before a known loss or on another machine is no news: voting starts after it.
    pub(super) fn lacks(&self, other: &Self) -> Option<(Epoch, Seq)> {
        if other.epoch < other.votes_from {
            return None;
        }
        if other.epoch != self.epoch {
            return (other.epoch > self.epoch).then_some((other.epoch, other.low));
        }
        if other.low > self.low {
            return Some((other.epoch, other.low));
        }
        if other.view_change.is_some_and(|(view, _)| view > self.floor) {
            return Some((other.epoch, other.low));
        }
        let lost = other.votes.iter().find(|((kind, seq), (view, _))| {
            let here = self.votes.get(&(*kind, *seq)).is_some_and(|(known, _)| known >= view);
            let left = *kind != Kind::Checkpoint && *view < self.floor;
            *seq > self.low && !here && !left
        });
        lost.map(|((_, seq), _)| (other.epoch, *seq))
    }
}

/// Returns every statement that a message signs: its own, and those of a NewView's PrePrepares.
fn statements<S: Scheme>(message: &Message, domain: &MessageDomain) -> Vec<Statement> {
    let mut statements = vec![message.statement::<S>(domain)];
    if let Body::NewView(body) = &message.body {
        let start = body.stable_seq();
        statements.extend((1..).zip(&body.pre_prepares).map(|(offset, (digest, _))| Statement {
            epoch: message.epoch,
            kind: Kind::PrePrepare,
            view: body.view,
            seq: start.plus(offset),
            digest: *digest,
        }));
    }
    statements
}

impl Wire for GuardEntry {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Signed(statement) => {
                1_u8.put(out);
                statement.put(out);
            }
            Self::Low(epoch, seq) => {
                2_u8.put(out);
                (*epoch, *seq).put(out);
            }
            Self::VotesFrom(epoch) => {
                3_u8.put(out);
                epoch.put(out);
            }
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u8::get(input)? {
            1 => Ok(Self::Signed(Wire::get(input)?)),
            2 => Wire::get(input).map(|(epoch, seq)| Self::Low(epoch, seq)),
            3 => Ok(Self::VotesFrom(Wire::get(input)?)),
            tag => Err(WireError::Tag { what: "guard entry", tag }),
        }
    }
}
