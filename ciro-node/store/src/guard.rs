//! Slashing protection: what was signed, and what therefore must not be signed.

use std::collections::BTreeMap;

use ciro_consensus::crypto::Scheme;
use ciro_consensus::evidence::may_follow;
use ciro_consensus::message::{Body, CLAIMS_MAX, Claim, Message, MessageDomain, Summary};
use ciro_consensus::wire::{Reader, Wire, WireError, put_list};
use ciro_consensus::{Digest, Epoch, Kind, Record, Seq, Statement, View, Write};

use crate::refusal::GuardRefusal;

/// What one key signed on one chain, as far as it restricts what it may sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    pub(crate) votes_from: Epoch,
    pub(crate) epoch: Epoch,
    pub(crate) low: Seq,
    /// The view of the latest ViewChange in the epoch, with its digest; views below it are left for
    /// good.
    pub(crate) view_change: Option<(View, Digest)>,
    /// What the latest ViewChange in the epoch says, as far as it binds later ones.
    pub(crate) told: Option<Told>,
    /// The view of the latest NewView in the epoch, with its digest.
    pub(crate) new_view: Option<(View, Digest)>,
    /// The latest view and digest signed for each kind and block above `low`.
    pub(crate) votes: BTreeMap<(Kind, Seq), (View, Digest)>,
    /// The view below which the log proves that nothing can be signed any more; not part of the
    /// file.
    floor: View,
}

/// What a ViewChange says that later ones of the same key must not contradict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    epoch: Epoch,
    view: View,
    stable: Seq,
    claims: Vec<Claim>,
}

/// A change of the guard, as its file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GuardEntry {
    /// A statement was signed.
    Signed(Statement),
    /// In this epoch everything up to this checkpoint is settled.
    Low(Epoch, Seq),
    /// Voting starts in this epoch.
    VotesFrom(Epoch),
    /// A ViewChange said this.
    Told(Told),
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

    /// Checks a write of the log, and records what it says was signed or settled.
    pub(crate) fn admit_write<S: Scheme>(
        &mut self,
        write: &Write,
        domain: &MessageDomain,
    ) -> Result<Vec<GuardEntry>, GuardRefusal> {
        match write {
            Write::Append(record) => match &**record {
                Record::Signed(message) => self.admit::<S>(message, domain),
                _ => Ok(Vec::new()),
            },
            Write::Compact(records) => {
                let Some(Record::Base(base)) = records.first() else { return Ok(Vec::new()) };
                let entry = GuardEntry::Low(base.snapshot.epoch, base.checkpoint.seq);
                self.apply(&entry);
                Ok(vec![entry])
            }
            Write::KeepProof(_) => Ok(Vec::new()),
        }
    }

    /// Checks that nothing in a message contradicts what was signed, and records it.
    fn admit<S: Scheme>(
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
        // A NewView may begin below a checkpoint that became stable since; its view is new, so its
        // proposals there contradict nothing.
        let proposals = proposals.iter().filter(|proposal| proposal.seq > self.low);
        for statement in own.iter().chain(proposals) {
            self.check(statement)?;
        }
        if let Body::ViewChange(body) = &message.body {
            self.check_memory(message.epoch, &body.summary)?;
            self.check_claims(message.epoch, &body.summary)?;
        }
        let signed = statements.into_iter().map(GuardEntry::Signed);
        let entries: Vec<GuardEntry> = signed.chain(told(message)).collect();
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

    /// Checks rule E7: a ViewChange claims what the one before it claimed, or what was prepared
    /// since.
    ///
    /// The one before stands for all: checkpoints never go back, and of three ViewChanges the last
    /// may follow the first where it may follow the second and that the first.
    fn check_claims(&self, epoch: Epoch, summary: &Summary) -> Result<(), GuardRefusal> {
        let before = self.told.as_ref().filter(|told| told.epoch == epoch);
        let Some(before) = before.filter(|told| told.view < summary.view) else { return Ok(()) };
        let (view, told, stable) = (summary.view, before.view, summary.stable_seq);
        if stable < before.stable {
            return Err(GuardRefusal::LowerCheckpoint { view, stable, told, was: before.stable });
        }
        let said = |claims: &[Claim], seq| {
            claims.iter().find(|claim| claim.seq == seq).map(|claim| (claim.view, claim.digest))
        };
        let seqs = before.claims.iter().chain(&summary.claims).map(|claim| claim.seq);
        let mut above = seqs.filter(|seq| *seq > stable);
        let changed = above
            .find(|seq| !may_follow(told, said(&before.claims, *seq), said(&summary.claims, *seq)));
        changed.map_or(Ok(()), |seq| Err(GuardRefusal::ClaimChange { view, seq, told }))
    }

    /// Records a change. Nothing is ever lowered.
    pub(crate) fn apply(&mut self, entry: &GuardEntry) {
        match *entry {
            GuardEntry::Told(ref told) => {
                self.enter(told.epoch);
                let later = self.told.as_ref().is_none_or(|known| known.view < told.view);
                if told.epoch == self.epoch && later {
                    self.told = Some(told.clone());
                }
            }
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
                // Its own NewView is where a leader's compacted log begins: the ViewChange before
                // it is gone.
                self.floor = self.floor.max(view);
            }
            Kind::Fetch | Kind::State | Kind::Status => {}
        }
    }

    /// Takes over everything that another guard knows.
    pub(crate) fn merge(&mut self, other: &Self) {
        for entry in other.entries() {
            self.apply(&entry);
        }
    }

    /// Returns the entries that rebuild this guard.
    pub(crate) fn entries(&self) -> Vec<GuardEntry> {
        let epoch = self.epoch;
        let mut entries =
            vec![GuardEntry::VotesFrom(self.votes_from), GuardEntry::Low(epoch, self.low)];
        let views = [(Kind::ViewChange, self.view_change), (Kind::NewView, self.new_view)];
        entries.extend(views.into_iter().filter_map(|(kind, signed)| {
            let (view, digest) = signed?;
            Some(GuardEntry::Signed(Statement { epoch, kind, view, seq: Seq::ZERO, digest }))
        }));
        entries.extend(self.told.iter().cloned().map(GuardEntry::Told));
        entries.extend(self.votes.iter().map(|((kind, seq), (view, digest))| {
            let (kind, seq, view, digest) = (*kind, *seq, *view, *digest);
            GuardEntry::Signed(Statement { epoch, kind, view, seq, digest })
        }));
        entries
    }

    /// Collects what a log says was signed.
    pub(crate) fn from_records<S: Scheme>(records: &[Record], domain: &MessageDomain) -> Self {
        let mut guard = Self::default();
        for record in records {
            match record {
                Record::Base(base) => {
                    guard.apply(&GuardEntry::Low(base.snapshot.epoch, base.checkpoint.seq));
                }
                Record::Signed(message) => {
                    let signed = statements::<S>(message, domain).into_iter();
                    for entry in signed.map(GuardEntry::Signed).chain(told(message)) {
                        guard.apply(&entry);
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

    /// Returns the position of something that `other` knows and this guard, read from a log, has
    /// lost.
    ///
    /// What lies below the log's checkpoint or in a view that it has left was compacted away, not
    /// lost. And what was signed before a known loss or on another machine is no news: voting
    /// starts after it.
    pub(crate) fn lacks(&self, other: &Self) -> Option<(Epoch, Seq)> {
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

/// Returns what a ViewChange binds its author to.
fn told(message: &Message) -> Option<GuardEntry> {
    let Body::ViewChange(body) = &message.body else { return None };
    let Summary { view, stable_seq, ref claims, .. } = body.summary;
    let (epoch, claims) = (message.epoch, claims.clone());
    Some(GuardEntry::Told(Told { epoch, view, stable: stable_seq, claims }))
}

impl Wire for Told {
    fn put(&self, out: &mut Vec<u8>) {
        (self.epoch, self.view).put(out);
        self.stable.put(out);
        put_list(&self.claims, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (epoch, view) = Wire::get(input)?;
        let (stable, claims) = (Wire::get(input)?, input.list("claims", CLAIMS_MAX)?);
        Ok(Self { epoch, view, stable, claims })
    }
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
            Self::Told(told) => {
                4_u8.put(out);
                told.put(out);
            }
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u8::get(input)? {
            1 => Ok(Self::Signed(Wire::get(input)?)),
            2 => Wire::get(input).map(|(epoch, seq)| Self::Low(epoch, seq)),
            3 => Ok(Self::VotesFrom(Wire::get(input)?)),
            4 => Ok(Self::Told(Wire::get(input)?)),
            tag => Err(WireError::Tag { what: "guard entry", tag }),
        }
    }
}
