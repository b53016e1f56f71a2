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
mod error;
mod file_disk;
mod guard;
mod interchange;
mod journal;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use disk::{Disk, DiskError};
pub use error::StoreError;
pub use file_disk::FileDisk;
pub use guard::{Guard, GuardRefusal};
pub use interchange::{Interchange, InterchangeError};
pub use journal::JournalError;

use crate::crypto::Scheme;
use crate::io::Effect;
use crate::message::{Message, MessageDomain};
use crate::record::Record;
use crate::types::Epoch;
use crate::wire::{Reader, Wire, WireError};
use guard::GuardEntry;
use journal::{Format, Journal};

/// The name of the log's file.
pub const LOG_FILE: &str = "consensus.log";
/// The name of the slashing-protection file.
pub const GUARD_FILE: &str = "signed.log";
/// The name of the file with the proofs of all epochs.
pub const EPOCHS_FILE: &str = "epochs.log";
/// The name of the file whose lock marks a store in use.
pub const LOCK_FILE: &str = "consensus.lock";

/// Entries after which the slashing-protection file is rewritten.
const GUARD_FRAMES_MAX: u64 = 4096;

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// What to do about a log that has lost its end. Default [`Recovery::Strict`].
    pub recovery: Recovery,
    /// Which replaced logs are kept for the forensic tool. Default [`Keep::EvidenceWindow`].
    pub keep: Keep,
}

/// Which replaced logs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None: a fork convicts nobody.
    Nothing,
    /// Those of the epoch and of the one before: as long as evidence counts, a fork convicts its authors.
    EvidenceWindow,
    /// All of them.
    Everything,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { recovery: Recovery::Strict, keep: Keep::EvidenceWindow }
    }
}

/// Returns the name of an archived segment: the `number`th log that was replaced, whose last block was of `epoch`.
#[must_use]
pub fn segment_file(epoch: Epoch, number: u64) -> String {
    format!("{LOG_FILE}.{:016x}.{number:016x}", epoch.0)
}

/// Reads the name of an archived segment.
fn segment_of(name: &str) -> Option<(Epoch, u64)> {
    let (epoch, number) = name.strip_prefix(LOG_FILE)?.strip_prefix('.')?.split_once('.')?;
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    Some((Epoch(hex(epoch)?), hex(number)?))
}

/// What to do about a log that has lost its end or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Stop with [`StoreError::LogBehindGuard`], and with [`StoreError::Empty`] where nothing was ever written.
    Strict,
    /// As strict, but an empty directory is right: the key has never signed anything on this chain.
    NewKey,
    /// As strict, but the directory is empty because the key comes from elsewhere: it votes from this epoch on. It must be
    /// later than any in which the key may have signed, the epoch after the network's current one.
    OldKey {
        /// The first epoch to vote in.
        votes_from: Epoch,
    },
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
    epochs: Journal,
    domain: MessageDomain,
    keep: Keep,
    /// The epoch of the log's base, and the archived segments, oldest first.
    epoch: Epoch,
    segments: BTreeSet<(Epoch, u64)>,
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
        let empty = disk.read(LOG_FILE)?.is_none() && disk.read(GUARD_FILE)?.is_none();
        if empty && matches!(options.recovery, Recovery::Strict | Recovery::LogLost) {
            return Err(StoreError::Empty);
        }
        let read = open_log(&mut disk, log_format);
        let readable = match read {
            Ok(read) => Some(read),
            Err(StoreError::Disk(error)) => return Err(error.into()),
            Err(_) if lost => None,
            Err(error) => return Err(error),
        };
        if readable.is_none() && disk.read(GUARD_FILE)?.is_none() {
            return Err(StoreError::GuardMissing);
        }
        let (mut guard_journal, read) =
            Journal::open(&mut disk, GUARD_FILE, guard_format).map_err(StoreError::Guard)?;
        let mut guard = read_guard(&read.frames)?;
        if let Recovery::OldKey { votes_from } = options.recovery
            && empty
        {
            guard.apply(&GuardEntry::VotesFrom(votes_from));
        }
        let whole = match readable {
            Some(opened) => reconcile::<S>(opened, &mut guard, &domain, lost)?,
            None => None,
        };
        if whole.is_none() {
            // What the log said is gone: nothing may be signed in an epoch in which it may have signed.
            guard.apply(&GuardEntry::VotesFrom(guard.epoch().next()));
        }
        let votes_from = guard.votes_from();
        let OpenedLog { log, records, torn_bytes } = match whole {
            Some(opened) => opened,
            None => {
                let created = Journal::create(&mut disk, LOG_FILE, log_format, &[]);
                let (log, _) = created.map_err(StoreError::Log)?;
                OpenedLog { log, records: Vec::new(), torn_bytes: 0 }
            }
        };
        guard_journal
            .replace(&mut disk, &encode_frame(&guard.entries()))
            .map_err(StoreError::Guard)?;
        let (epochs, proofs) = open_epochs(&mut disk, Format::epochs(domain.chain))?;
        let segments = disk.names(LOG_FILE)?;
        let segments = segments.iter().filter_map(|name| segment_of(name)).collect();
        let epoch = base_epoch(&records).unwrap_or_default();
        let mut records = records;
        records.extend(proofs);
        let store = Self {
            disk,
            log,
            guard_journal,
            guard,
            epochs,
            domain,
            keep: options.keep,
            epoch,
            segments,
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
        let mut proofs: Vec<Record> = Vec::new();
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
                Effect::KeepProof(proof) => proofs.push(Record::Epoch(proof)),
                other => rest.push(other),
            }
        }
        if base.is_none() && appended.is_empty() && proofs.is_empty() {
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
        if !proofs.is_empty() {
            let frame = encode_frame(&proofs);
            self.epochs.append(&mut self.disk, &frame).map_err(StoreError::Epochs)?;
        }
        if base.is_some() || !appended.is_empty() {
            self.write(base, appended, &entries)?;
        }
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
            let begins = base_epoch(&records).unwrap_or(self.epoch);
            records.extend(appended);
            self.archive(begins)?;
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

    /// Keeps the log that is about to be replaced, and drops those in which no fault counts any more.
    fn archive(&mut self, begins: Epoch) -> Result<(), StoreError> {
        let ends = std::mem::replace(&mut self.epoch, begins);
        if self.keep != Keep::Nothing
            && let Some(log) = self.disk.read(LOG_FILE)?
        {
            let number = self.segments.iter().map(|(_, number)| number + 1).max().unwrap_or(0);
            self.disk.replace(&segment_file(ends, number), &log)?;
            self.segments.insert((ends, number));
        }
        let outdated = |epoch: &Epoch| match self.keep {
            Keep::Nothing => true,
            Keep::EvidenceWindow => epoch.next() < begins,
            Keep::Everything => false,
        };
        let dropped: Vec<(Epoch, u64)> =
            self.segments.iter().filter(|(epoch, _)| outdated(epoch)).copied().collect();
        for (epoch, number) in dropped {
            self.disk.remove(&segment_file(epoch, number))?;
            self.segments.remove(&(epoch, number));
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

/// Returns the epoch of the log's base.
fn base_epoch(records: &[Record]) -> Option<Epoch> {
    match records.first() {
        Some(Record::Base(base)) => Some(base.snapshot.epoch),
        _ => None,
    }
}

/// Opens the file of epoch proofs.
fn open_epochs(disk: &mut impl Disk, format: Format) -> Result<(Journal, Vec<Record>), StoreError> {
    let opened = Journal::open(disk, EPOCHS_FILE, format).map_err(StoreError::Epochs)?;
    let (journal, read) = opened;
    Ok((journal, read_records(&read.frames)?))
}

/// A log that could be read.
struct OpenedLog {
    log: Journal,
    records: Vec<Record>,
    torn_bytes: usize,
}

fn open_log(disk: &mut impl Disk, format: Format) -> Result<OpenedLog, StoreError> {
    let (log, read) = Journal::open(disk, LOG_FILE, format).map_err(|error| match error {
        JournalError::Disk(error) => StoreError::Disk(error),
        error => StoreError::Log(error),
    })?;
    Ok(OpenedLog { log, records: read_records(&read.frames)?, torn_bytes: read.torn_bytes })
}

/// Compares a log with what was signed; `None` if it has lost its end and that is to be borne.
fn reconcile<S: Scheme>(
    opened: OpenedLog,
    guard: &mut Guard,
    domain: &MessageDomain,
    lost: bool,
) -> Result<Option<OpenedLog>, StoreError> {
    let from_log = Guard::from_records::<S>(&opened.records, domain);
    match from_log.lacks(guard) {
        Some((epoch, seq)) if !lost => {
            let resume = guard.epoch().next();
            Err(StoreError::LogBehindGuard { epoch, seq, resume })
        }
        Some(_) => Ok(None),
        None => {
            // The last step may have reached the log but not the slashing-protection file.
            guard.merge(&from_log);
            Ok(Some(opened))
        }
    }
}

/// Rebuilds what was signed. A frame that cannot be understood forbids something that nobody knows: it is an error.
fn read_guard(frames: &[(u64, Vec<u8>)]) -> Result<Guard, StoreError> {
    let mut guard = Guard::default();
    for (frame, bytes) in frames {
        let entries = decode_frame::<GuardEntry>(bytes);
        for entry in entries.map_err(|source| StoreError::GuardEntry { frame: *frame, source })? {
            guard.apply(&entry);
        }
    }
    Ok(guard)
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
