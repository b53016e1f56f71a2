//! The durable state of one replica.

use std::collections::BTreeSet;
use std::sync::Arc;

use ciro_consensus::crypto::Scheme;
use ciro_consensus::message::MessageDomain;
use ciro_consensus::wire::{Reader, Wire, WireError};
use ciro_consensus::{Epoch, Record, Write};

use crate::disk::Disk;
use crate::error::StoreError;
use crate::guard::{Guard, GuardEntry};
use crate::journal::{Format, Journal, JournalError};
use crate::options::{
    EPOCHS_FILE, GUARD_FILE, Keep, LOCK_FILE, LOG_FILE, Recovery, StoreOptions, segment_file,
    segment_of,
};

/// Entries after which the slashing-protection file is rewritten.
const GUARD_FRAMES_MAX: u64 = 4096;
/// Bytes from which on a frame takes no further record. One record has 32 MiB at most, a frame may
/// have 1 GiB.
const FRAME_BYTES_FULL: usize = 64 << 20;

/// What opening a store gives.
#[derive(Debug)]
pub struct Opened<S: Scheme, D: Disk> {
    /// The store.
    pub store: Store<S, D>,
    /// The log's records, for [`Replica::open`](ciro_consensus::Replica::open).
    pub records: Vec<Record>,
    /// The first epoch in which the replica may vote, for [`Identity`](ciro_consensus::Identity).
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
    /// [`StoreError`] when it is in use, corrupt, or has lost what the slashing-protection file
    /// remembers.
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
            // What the log said is gone: nothing may be signed in an epoch in which it may have
            // signed.
            guard.apply(&GuardEntry::VotesFrom(guard.epoch().next()));
        }
        let votes_from = guard.votes_from();
        let OpenedLog { log, records, torn_bytes } = match whole {
            Some(opened) => opened,
            None => {
                let created = Journal::create(&mut disk, LOG_FILE, log_format);
                let (log, _) = created.map_err(StoreError::Log)?;
                OpenedLog { log, records: Vec::new(), torn_bytes: 0 }
            }
        };
        guard_journal
            .replace(&mut disk, &encode_frames(&guard.entries()))
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

    /// Makes the writes of one step, or of several in order, durable. It leaves the same behind,
    /// whether the writes of several steps come one step at a time or all together.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing else that the steps ask for may then be done, and the node must
    /// stop.
    pub fn persist(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let mut guard = self.guard.clone();
        let mut entries = Vec::new();
        for write in &writes {
            entries.extend(guard.admit_write::<S>(write, &self.domain)?);
        }
        self.guard = guard;
        self.poisoned = true;
        self.write(writes)?;
        self.protect(&entries)?;
        self.poisoned = false;
        Ok(())
    }

    fn write(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        // A log may begin in an epoch only if the proof that leads there is kept: proofs are the
        // first to be durable.
        let proofs = writes.iter().filter_map(|write| match write {
            Write::KeepProof(proof) => Some(Record::Epoch(Arc::clone(proof))),
            Write::Append(_) | Write::Compact(_) => None,
        });
        let proofs: Vec<Record> = proofs.collect();
        self.epochs.append(&mut self.disk, &encode_frames(&proofs)).map_err(StoreError::Epochs)?;
        let mut appended = Vec::new();
        for write in writes {
            match write {
                Write::Append(record) => appended.push(*record),
                Write::Compact(records) => self.replace(std::mem::take(&mut appended), &records)?,
                Write::KeepProof(_) => {}
            }
        }
        self.append(&appended)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.log.append(&mut self.disk, &encode_frames(records)).map_err(StoreError::Log)
    }

    /// Replaces the log. What was appended and is not yet written goes into the archived segment
    /// with the rest of it.
    fn replace(&mut self, appended: Vec<Record>, records: &[Record]) -> Result<(), StoreError> {
        if self.keep != Keep::Nothing {
            self.append(&appended)?;
        }
        drop(appended);
        self.archive(base_epoch(records).unwrap_or(self.epoch))?;
        self.log.replace(&mut self.disk, &encode_frames(records)).map_err(StoreError::Log)
    }

    fn protect(&mut self, entries: &[GuardEntry]) -> Result<(), StoreError> {
        if self.guard_journal.frames() >= GUARD_FRAMES_MAX {
            let frames = encode_frames(&self.guard.entries());
            self.guard_journal.replace(&mut self.disk, &frames).map_err(StoreError::Guard)
        } else {
            let frames = encode_frames(entries);
            self.guard_journal.append(&mut self.disk, &frames).map_err(StoreError::Guard)
        }
    }

    /// Keeps the log that is about to be replaced, and drops those in which no fault counts any
    /// more.
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

    /// Takes over what another store signed with the same key; the replica must then not vote
    /// before the returned epoch.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    pub fn import(&mut self, signed: &Guard) -> Result<Epoch, StoreError> {
        let votes_from = signed.epoch().max(self.guard.epoch()).next();
        self.guard.merge(signed);
        self.guard.apply(&GuardEntry::VotesFrom(votes_from));
        let frames = encode_frames(&self.guard.entries());
        self.guard_journal.replace(&mut self.disk, &frames).map_err(StoreError::Guard)?;
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

/// Reads the records of a log without locking, repairing or checking it against anything: for the
/// forensic tool.
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

/// Rebuilds what was signed. A frame that cannot be understood forbids something that nobody knows:
/// it is an error.
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

/// Encodes values into as few frames as are well below what a frame may hold; none for no values.
fn encode_frames<T: Wire>(values: &[T]) -> Vec<Vec<u8>> {
    encode_frames_of(values, FRAME_BYTES_FULL)
}

/// Encodes values in order; a frame that has reached `full` bytes takes no further one.
fn encode_frames_of<T: Wire>(values: &[T], full: usize) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for value in values {
        match frames.last_mut().filter(|frame| frame.len() < full) {
            Some(frame) => value.put(frame),
            None => {
                let mut frame = Vec::new();
                value.put(&mut frame);
                frames.push(frame);
            }
        }
    }
    frames
}

fn decode_frame<T: Wire>(bytes: &[u8]) -> Result<Vec<T>, WireError> {
    let mut input = Reader::new(bytes);
    let mut values = Vec::new();
    while !input.is_empty() {
        values.push(T::get(&mut input)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_one_frame_after_the_other() {
        let values: Vec<u64> = (0..10).collect();
        assert_eq!(encode_frames_of::<u64>(&[], 24), [[0; 0]; 0]);
        let frames = encode_frames_of(&values, 24);
        let lengths: Vec<usize> = frames.iter().map(Vec::len).collect();
        assert_eq!(lengths, [24, 24, 24, 8]);
        let read: Vec<u64> =
            frames.iter().flat_map(|frame| decode_frame::<u64>(frame).unwrap()).collect();
        assert_eq!(read, values);
        assert_eq!(encode_frames(&values).len(), 1);
    }
}
