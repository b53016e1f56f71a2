//! What a replica must never forget: its log, and the record of what it signed.
//!
//! [`Store`] makes the [`Effect::Append`] and [`Effect::Compact`] effects of a step durable before the driver performs
//! the others. All records of one step form one frame of the log; the next frame is written only after the last one is
//! durable. So after a crash at most the last frame is torn, and anything unreadable before a readable frame is
//! corruption, which stops the node with a named error instead of letting it forget what it said.
//!
//! The slashing-protection file is a second, tiny journal of signed positions. It is checked before and written after
//! the log. A log that lacks what that file knows has lost its end, and the node stops: otherwise it could sign twice.
//! Both files are written through the [`Disk`] trait, in production by [`FileDisk`], in simulation by a disk that tears
//! writes and fails.

mod disk;
mod file_disk;
mod guard;
mod interchange;
mod journal;

use std::sync::Arc;

pub use disk::{Disk, DiskError};
pub use file_disk::FileDisk;
pub use guard::{Guard, GuardRefusal};
pub use interchange::{Interchange, InterchangeError};
pub use journal::JournalError;

use crate::crypto::Scheme;
use crate::io::Effect;
use crate::message::{Message, MessageDomain};
use crate::record::Record;
use crate::types::{Epoch, Seq};
use crate::wire::{Reader, Wire, WireError};
use guard::GuardEntry;
use journal::{Format, Journal};

/// The name of the log's file.
pub const LOG_FILE: &str = "consensus.log";
/// The name of the slashing-protection file.
pub const GUARD_FILE: &str = "signed.log";
/// The name of the file whose lock marks a store in use.
pub const LOCK_FILE: &str = "consensus.lock";

/// Entries after which the slashing-protection file is rewritten.
const GUARD_FRAMES_MAX: u64 = 4096;

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// What to do about a log that has lost its end. Default [`Recovery::Strict`].
    pub recovery: Recovery,
    /// Replaced logs kept for the forensic tool, the oldest overwritten first. Default 16, about 1,000 blocks.
    ///
    /// A fork convicts its authors as long as the logs of both sides still hold it.
    pub segments: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { recovery: Recovery::Strict, segments: 16 }
    }
}

/// Returns the name of an archived segment; `turn` counts compactions.
#[must_use]
pub fn segment_file(turn: u64, segments: u64) -> String {
    format!("{LOG_FILE}.{}", turn % segments.max(1))
}

/// Why a store cannot be opened or written. After an error while writing, the node must stop and open it anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The lock is held by another process, or the disk failed.
    #[error("disk failed")]
    Disk(#[from] DiskError),
    /// The log is unusable.
    #[error("the log `{LOG_FILE}` is unusable")]
    Log(#[source] JournalError),
    /// The slashing-protection file is unusable.
    #[error("the slashing-protection file `{GUARD_FILE}` is unusable")]
    Guard(#[source] JournalError),
    /// A frame of the log holds something that is no record.
    #[error("frame {frame} of the log holds no record")]
    Record {
        /// The frame's sequence number.
        frame: u64,
        /// What is wrong with it.
        source: WireError,
    },
    /// The log lacks a message that was signed according to the slashing-protection file.
    #[error(
        "the log lacks what was signed at block {seq} of epoch {epoch}: its end is lost; signing is safe again from \
         epoch {resume} on"
    )]
    LogBehindGuard {
        /// The epoch of the missing message.
        epoch: Epoch,
        /// Its sequence number.
        seq: Seq,
        /// The first epoch in which nothing was signed yet.
        resume: Epoch,
    },
    /// The replica wants to sign something that contradicts what it signed before.
    #[error("refused to sign")]
    Refused(#[from] GuardRefusal),
    /// An earlier write failed; what is on disk is unknown until the store is opened anew.
    #[error("an earlier write failed, open the store anew")]
    Poisoned,
}

/// What to do about a log that has lost its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Stop with [`StoreError::LogBehindGuard`].
    Strict,
    /// Begin an empty log; the replica must not vote before [`Opened::votes_from`].
    LogLost,
}

/// What opening a store gives.
#[derive(Debug)]
pub struct Opened<S: Scheme, D: Disk> {
    /// The store.
    pub store: Store<S, D>,
    /// The log's records, for [`Replica::open`](crate::Replica::open).
    pub records: Vec<Record>,
    /// The first epoch in which the replica may vote, for [`Identity`](crate::Identity).
    pub votes_from: Epoch,
    /// Bytes cut off the end of the log, left by a write that a crash interrupted.
    pub torn_bytes: usize,
}

/// The durable state of one replica.
#[derive(Debug)]
pub struct Store<S: Scheme, D: Disk> {
    disk: D,
    log: Journal,
    guard_journal: Journal,
    guard: Guard,
    domain: MessageDomain,
    segments: u64,
    turn: u64,
    poisoned: bool,
    scheme: std::marker::PhantomData<S>,
}

impl<S: Scheme, D: Disk> Store<S, D> {
    /// Locks and reads the store of a replica, repairing what a crash tore.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is in use, corrupt, or has lost what the slashing-protection file remembers.
    pub fn open(
        mut disk: D,
        domain: MessageDomain,
        options: StoreOptions,
    ) -> Result<Opened<S, D>, StoreError> {
        disk.lock(LOCK_FILE)?;
        let log_format = Format::log(domain.chain);
        let guard_format = Format::guard(domain.chain);
        let lost = options.recovery == Recovery::LogLost;
        let (mut log, read) = match Journal::open(&mut disk, LOG_FILE, log_format) {
            Err(JournalError::Disk(error)) => return Err(error.into()),
            Err(_) if lost => Journal::create(&mut disk, LOG_FILE, log_format, &[]),
            opened => opened,
        }
        .map_err(StoreError::Log)?;
        let torn_bytes = read.torn_bytes;
        let mut records = read_records(&read.frames)?;
        let (mut guard_journal, read) =
            Journal::open(&mut disk, GUARD_FILE, guard_format).map_err(StoreError::Guard)?;
        let mut guard = Guard::default();
        for (_, frame) in &read.frames {
            for entry in decode_frame::<GuardEntry>(frame).unwrap_or_default() {
                guard.apply(&entry);
            }
        }
        let from_log = Guard::from_records::<S>(&records, &domain);
        let mut votes_from = guard.votes_from();
        if let Some((epoch, seq)) = from_log.lacks(&guard) {
            let resume = guard.epoch().next();
            if !lost {
                return Err(StoreError::LogBehindGuard { epoch, seq, resume });
            }
            records.clear();
            votes_from = resume;
            let entry = GuardEntry::VotesFrom(resume);
            guard.apply(&entry);
            (log, _) =
                Journal::create(&mut disk, LOG_FILE, log_format, &[]).map_err(StoreError::Log)?;
        } else {
            // The last step may have reached the log but not this file.
            guard.merge(&from_log);
        }
        guard_journal
            .replace(&mut disk, &encode_frame(&guard.entries()))
            .map_err(StoreError::Guard)?;
        let turn = next_turn(&mut disk, log_format, options.segments)?;
        let store = Self {
            disk,
            log,
            guard_journal,
            guard,
            domain,
            segments: options.segments,
            turn,
            poisoned: false,
            scheme: std::marker::PhantomData,
        };
        Ok(Opened { store, records, votes_from, torn_bytes })
    }

    /// Makes the log effects of one step durable and returns the others, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the other effects must then not be performed, and the node must stop.
    pub fn persist(&mut self, effects: Vec<Effect>) -> Result<Vec<Effect>, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let mut base: Option<Vec<Record>> = None;
        let mut appended: Vec<Record> = Vec::new();
        let mut signed: Vec<Arc<Message>> = Vec::new();
        let mut rest = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Append(record) => {
                    if let Record::Signed(message) = &*record {
                        signed.push(Arc::clone(message));
                    }
                    appended.push(*record);
                }
                Effect::Compact(records) => {
                    appended.clear();
                    base = Some(records);
                }
                other => rest.push(other),
            }
        }
        if base.is_none() && appended.is_empty() {
            return Ok(rest);
        }
        let mut guard = self.guard.clone();
        let mut entries = Vec::new();
        for message in &signed {
            entries.extend(guard.admit::<S>(message, &self.domain)?);
        }
        if let Some(Record::Base(base)) = base.as_ref().and_then(|records| records.first()) {
            let entry = GuardEntry::Low(base.snapshot.epoch, base.checkpoint.seq);
            guard.apply(&entry);
            entries.push(entry);
        }
        self.guard = guard;
        self.poisoned = true;
        self.write(base, appended, &entries)?;
        self.poisoned = false;
        Ok(rest)
    }

    fn write(
        &mut self,
        base: Option<Vec<Record>>,
        appended: Vec<Record>,
        entries: &[GuardEntry],
    ) -> Result<(), StoreError> {
        if let Some(mut records) = base {
            records.extend(appended);
            self.archive()?;
            let frame = encode_frame(&records);
            self.log.replace(&mut self.disk, &frame).map_err(StoreError::Log)?;
        } else {
            let frame = encode_frame(&appended);
            self.log.append(&mut self.disk, &frame).map_err(StoreError::Log)?;
        }
        if self.guard_journal.frames() >= GUARD_FRAMES_MAX {
            let frame = encode_frame(&self.guard.entries());
            self.guard_journal.replace(&mut self.disk, &frame).map_err(StoreError::Guard)
        } else if entries.is_empty() {
            Ok(())
        } else {
            let frame = encode_frame(entries);
            self.guard_journal.append(&mut self.disk, &frame).map_err(StoreError::Guard)
        }
    }

    /// Keeps the log that is about to be replaced.
    fn archive(&mut self) -> Result<(), StoreError> {
        if self.segments > 0
            && let Some(log) = self.disk.read(LOG_FILE)?
        {
            self.disk.replace(&segment_file(self.turn, self.segments), &log)?;
            self.turn += 1;
        }
        Ok(())
    }

    /// Returns what was signed, for export.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Takes over what another store signed with the same key; the replica must then not vote before the returned
    /// epoch.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    pub fn import(&mut self, signed: &Guard) -> Result<Epoch, StoreError> {
        let votes_from = signed.epoch().max(self.guard.epoch()).next();
        self.guard.merge(signed);
        self.guard.apply(&GuardEntry::VotesFrom(votes_from));
        let frame = encode_frame(&self.guard.entries());
        self.guard_journal.replace(&mut self.disk, &frame).map_err(StoreError::Guard)?;
        Ok(votes_from)
    }

    /// Returns the disk, for instance to copy the files for the forensic tool.
    pub const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Closes the store and returns its disk.
    pub fn into_disk(self) -> D {
        self.disk
    }
}

/// Reads the records of a log without locking, repairing or checking it against anything: for the forensic tool.
///
/// # Errors
///
/// [`StoreError`] when the file is unusable.
pub fn read_log(
    disk: &mut impl Disk,
    name: &str,
    domain: MessageDomain,
) -> Result<Vec<Record>, StoreError> {
    let read = Journal::read(disk, name, Format::log(domain.chain)).map_err(StoreError::Log)?;
    read_records(&read.frames)
}

/// Returns which archived segment is to be written next: the first that is missing, else the oldest.
fn next_turn(disk: &mut impl Disk, format: Format, segments: u64) -> Result<u64, StoreError> {
    let mut oldest = (u64::MAX, 0);
    for turn in 0..segments {
        let name = segment_file(turn, segments);
        if disk.read(&name)?.is_none() {
            return Ok(turn);
        }
        // Frames of a log are numbered across compactions. A segment that is unreadable may go first.
        let read = Journal::read(disk, &name, format).unwrap_or_default();
        let first = read.frames.first().map_or(0, |(number, _)| *number);
        oldest = oldest.min((first, turn));
    }
    Ok(oldest.1)
}

fn read_records(frames: &[(u64, Vec<u8>)]) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    for (frame, bytes) in frames {
        let decoded = decode_frame(bytes);
        records.extend(decoded.map_err(|source| StoreError::Record { frame: *frame, source })?);
    }
    Ok(records)
}

fn encode_frame<T: Wire>(values: &[T]) -> Vec<u8> {
    let mut frame = Vec::new();
    for value in values {
        value.put(&mut frame);
    }
    frame
}

fn decode_frame<T: Wire>(bytes: &[u8]) -> Result<Vec<T>, WireError> {
    let mut input = Reader::new(bytes);
    let mut values = Vec::new();
    while !input.is_empty() {
        values.push(T::get(&mut input)?);
    }
    Ok(values)
}
