//! The table on disk: an append-only journal of rows, written again when most of it is out of date.
//!
//! A frame is a 32-bit length, the CRC-32 of the payload, and the payload: a row, or the name of
//! one that is forgotten. What a crash left of the last frame is cut off; a frame that is damaged
//! with others behind it is an error, since the disk lost what it had promised to keep.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::id::JobId;
use ciro_protocol::wire::Message as _;
use ciro_sdk::files::{self, FileError};

use crate::worker::Row;

/// The longest payload.
const PAYLOAD_BYTES_MAX: usize = 8192;
/// A journal shorter than this is not written again.
const COMPACT_BYTES_MIN: u64 = 1 << 20;

/// The journal of one worker.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    rows: BTreeMap<(JobId, u8), Vec<u8>>,
    bytes: u64,
    live: u64,
    unsynced: bool,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refuses.
    #[error("cannot use the table `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The table cannot be written again.
    #[error(transparent)]
    File(#[from] FileError),
    /// The disk lost something.
    #[error("the table `{}` is damaged at byte {at}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// What is written there is whole, and no row of this program.
    #[error(
        "the table `{}` is of another release or network: let the release that wrote it finish what \
         it holds (`ciro-prover drain`), then move the file away",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

#[derive(BorshSerialize, BorshDeserialize)]
enum Entry {
    Save(Vec<u8>),
    Forget(JobId, u8),
}

impl Journal {
    /// Opens a journal, a new one if there is none, and reads what it holds.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be read, is damaged before its end, or is of another release.
    pub fn open(path: &Path) -> Result<(Self, Vec<Row>), JournalError> {
        let failed = |source| JournalError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = file.map_err(failed)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(failed)?;
        let (at, rows) = replay(path, &content)?;
        file.set_len(at).and_then(|()| file.sync_all()).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let live = rows.values().map(|(_, bytes)| bytes.len() as u64 + 16).sum();
        let (found, kept): (Vec<Row>, _) =
            rows.into_iter().map(|(key, (row, bytes))| (row, (key, bytes))).unzip();
        let path = path.to_owned();
        let journal = Self { path, file, rows: kept, bytes: at, live, unsynced: false };
        Ok((journal, found))
    }

    /// Reads the rows of a journal that another process may be writing.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it cannot be read, is damaged before its end, or is of another release.
    pub fn peek(path: &Path) -> Result<Vec<Row>, JournalError> {
        let content = std::fs::read(path)
            .map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        let (_, rows) = replay(path, &content)?;
        Ok(rows.into_values().map(|(row, _)| row).collect())
    }

    /// Writes a row; [`sync`](Self::sync) makes it durable.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn save(&mut self, row: &Row) -> Result<(), JournalError> {
        let bytes = row.to_bytes();
        self.live += bytes.len() as u64 + 16;
        if let Some(before) = self.rows.insert((row.job, row.attempt), bytes.clone()) {
            self.live = self.live.saturating_sub(before.len() as u64 + 16);
        }
        self.append(&Entry::Save(bytes))
    }

    /// Removes a row; [`sync`](Self::sync) makes it durable.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn forget(&mut self, job: JobId, attempt: u8) -> Result<(), JournalError> {
        if let Some(before) = self.rows.remove(&(job, attempt)) {
            self.live = self.live.saturating_sub(before.len() as u64 + 16);
        }
        self.append(&Entry::Forget(job, attempt))
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        self.file.sync_data().map_err(|source| self.failed(source))?;
        if self.bytes > COMPACT_BYTES_MIN && self.bytes / 4 > self.live {
            self.compact()?;
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let frame = frame(entry).map_err(|source| self.failed(source))?;
        self.file.write_all(&frame).map_err(|source| self.failed(source))?;
        self.bytes += frame.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        let mut content = Vec::new();
        for row in self.rows.values() {
            let frame = frame(&Entry::Save(row.clone())).map_err(|source| self.failed(source))?;
            content.extend_from_slice(&frame);
        }
        files::write_durably(&self.path, &content)?;
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = file.map_err(|source| self.failed(source))?;
        self.bytes = content.len() as u64;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }
}

type Rows = BTreeMap<(JobId, u8), (Row, Vec<u8>)>;

/// Reads frames up to the end, or to what was torn there; says how many bytes count.
fn replay(path: &Path, content: &[u8]) -> Result<(u64, Rows), JournalError> {
    let mut rows = Rows::new();
    let mut at = 0;
    let damaged = |at: usize| JournalError::Damaged { path: path.to_owned(), at: at as u64 };
    while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((entry, length)) = parse(rest) else {
            // A torn frame is the last one: nothing that makes sense follows.
            if rest.len() <= PAYLOAD_BYTES_MAX + 8 && !followed(rest) {
                break;
            }
            return Err(damaged(at));
        };
        match entry {
            Entry::Forget(job, attempt) => {
                rows.remove(&(job, attempt));
            }
            Entry::Save(bytes) => {
                let foreign = |_| JournalError::Foreign { path: path.to_owned() };
                let row = Row::from_bytes(&bytes).map_err(foreign)?;
                rows.insert((row.job, row.attempt), (row, bytes));
            }
        }
        at += length;
    }
    Ok((at as u64, rows))
}

fn frame(entry: &Entry) -> io::Result<Vec<u8>> {
    let payload = borsh::to_vec(entry)?;
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let sum = crc32fast::hash(&payload);
    Ok([&length.to_le_bytes()[..], &sum.to_le_bytes(), &payload].concat())
}

/// Reads the frame that bytes begin with.
fn parse(bytes: &[u8]) -> Option<(Entry, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let payload = rest.get(..length).filter(|_| length <= PAYLOAD_BYTES_MAX)?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*sum) {
        return None;
    }
    Some((Entry::try_from_slice(payload).ok()?, 8 + length))
}

/// Whether a whole frame follows somewhere behind the first byte.
fn followed(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|at| parse(&bytes[at..]).is_some())
}

#[cfg(test)]
mod tests {
    use ciro_protocol::id::ModelId;

    use super::*;
    use crate::worker::tests::order;
    use crate::worker::{Place, State};

    fn row(number: u8, state: State) -> Row {
        Row {
            job: JobId([number; 32]),
            attempt: 1,
            order: ciro_protocol::JobOrder { model: ModelId([1; 32]), ..order(0) },
            state,
            reason: None,
            claim_until_ms: 1,
            lease_until_ms: 2,
            proven: None,
            heard: Place::default(),
        }
    }

    #[test]
    fn what_was_saved_last_is_read_and_what_was_torn_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let (mut journal, rows) = Journal::open(&path).unwrap();
        assert!(rows.is_empty());
        journal.save(&row(1, State::Seen)).unwrap();
        journal.save(&row(2, State::Seen)).unwrap();
        journal.save(&row(1, State::Held)).unwrap();
        journal.forget(JobId([2; 32]), 1).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, [row(1, State::Held)]);
        for cut in 1..=9 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (_, rows) = Journal::open(&path).unwrap();
            assert_eq!(rows, [row(1, State::Held), row(2, State::Seen)], "{cut}");
        }
    }

    #[test]
    fn a_damaged_frame_in_the_middle_is_an_error_and_no_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let (mut journal, _) = Journal::open(&path).unwrap();
        for number in 0..5 {
            journal.save(&row(number, State::Held)).unwrap();
        }
        journal.sync().unwrap();
        let mut content = std::fs::read(&path).unwrap();
        content[20] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Damaged { at: 0, .. })));
    }

    /// Nothing was lost: somebody put a new program beside an old table.
    #[test]
    fn a_row_of_another_release_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.save(&row(1, State::Held)).unwrap();
        let mut longer = row(2, State::Held).to_bytes();
        longer.push(0);
        journal.append(&Entry::Save(longer)).unwrap();
        journal.sync().unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("another release"), "{error}");
    }

    #[test]
    fn a_journal_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let (mut journal, _) = Journal::open(&path).unwrap();
        for _ in 0..12_000 {
            journal.save(&row(1, State::Held)).unwrap();
            if journal.bytes > COMPACT_BYTES_MIN {
                journal.sync().unwrap();
            }
        }
        journal.sync().unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() <= COMPACT_BYTES_MIN + 4096);
        journal.save(&row(2, State::Seen)).unwrap();
        journal.sync().unwrap();
        assert_eq!(Journal::open(&path).unwrap().1.len(), 2);
    }
}
