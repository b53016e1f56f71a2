//! A file of checksummed frames.
//!
//! Header: magic (8), chain (32), salt (8), CRC-32 of all three (4). Frame: length (4), sequence
//! number (8), CRC-32 of salt, length, sequence and payload (4), payload. All integers are
//! big-endian.
//!
//! Payloads contain bytes that others chose. Without the salt they could contain whole frames, and
//! a write that tore inside such a payload would look like damage with a valid frame behind it.

use ciro_consensus::{ChainId, Digest};

use crate::disk::{Disk, DiskError};

/// Bytes of a file's header.
const HEADER_BYTES: usize = 52;
/// Bytes of a frame before its payload.
const FRAME_BYTES: usize = 16;
/// The most bytes of one payload.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// Why a journal is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk failed.
    #[error("disk failed")]
    Disk(#[from] DiskError),
    /// The file ends inside its header, which is only ever written whole.
    #[error("the header has {len} bytes, expected {HEADER_BYTES}")]
    TornHeader {
        /// The file's length in bytes.
        len: usize,
    },
    /// The header's checksum is wrong.
    #[error("the header is corrupt")]
    CorruptHeader,
    /// The file is something else.
    #[error("the file begins with {got:02x?}, expected {expected:02x?}")]
    Magic {
        /// What this kind of file begins with.
        expected: [u8; 8],
        /// What it begins with.
        got: [u8; 8],
    },
    /// The file belongs to another chain.
    #[error("the file belongs to chain {got}, expected {expected}")]
    Chain {
        /// This chain.
        expected: String,
        /// The file's chain.
        got: String,
    },
    /// Bytes that are no frame stand before a valid frame: the file is damaged, not torn by a
    /// crash.
    #[error("bytes {offset} to {next} are corrupt, a valid frame follows")]
    CorruptMiddle {
        /// Where the damage begins.
        offset: usize,
        /// Where the next valid frame begins.
        next: usize,
    },
    /// A valid frame has the wrong sequence number: frames are missing or out of order.
    #[error("the frame at byte {offset} has number {got}, expected {expected}")]
    Sequence {
        /// Where the frame begins.
        offset: usize,
        /// The number after the frame before.
        expected: u64,
        /// The number found.
        got: u64,
    },
}

/// What a journal's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    magic: [u8; 8],
    chain: Digest,
}

impl Format {
    pub(crate) const fn log(chain: ChainId) -> Self {
        Self { magic: *b"CIROLOG2", chain: chain.word() }
    }

    pub(crate) const fn guard(chain: ChainId) -> Self {
        Self { magic: *b"CIROSGN2", chain: chain.word() }
    }

    pub(crate) const fn epochs(chain: ChainId) -> Self {
        Self { magic: *b"CIROEPO2", chain: chain.word() }
    }

    fn header(&self, salt: u64) -> Vec<u8> {
        let mut header = self.magic.to_vec();
        header.extend_from_slice(self.chain.as_bytes());
        header.extend_from_slice(&salt.to_be_bytes());
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_be_bytes());
        header
    }

    /// Checks a file's header and returns its salt.
    fn check(&self, bytes: &[u8]) -> Result<u64, JournalError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(JournalError::TornHeader { len: bytes.len() });
        };
        let (content, crc) = header.split_at(48);
        if crc32fast::hash(content).to_be_bytes() != crc {
            return Err(JournalError::CorruptHeader);
        }
        let (magic, rest) = content.split_at(8);
        let (chain, salt) = rest.split_at(32);
        let salt = u64::from_be_bytes(salt.try_into().unwrap_or_default());
        if magic == self.magic && chain == self.chain.as_bytes() {
            return Ok(salt);
        }
        if magic != self.magic {
            let got = magic.try_into().unwrap_or_default();
            return Err(JournalError::Magic { expected: self.magic, got });
        }
        let got = format!("0x{}", hex::encode(chain));
        Err(JournalError::Chain { expected: self.chain.to_hex(), got })
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct ReadJournal {
    /// Payloads with their sequence numbers.
    pub(crate) frames: Vec<(u64, Vec<u8>)>,
    /// Bytes after the last frame, left by a torn write.
    pub(crate) torn_bytes: usize,
    len: usize,
    salt: u64,
}

/// A file of checksummed frames, open for writing.
#[derive(Debug)]
pub(crate) struct Journal {
    name: String,
    format: Format,
    salt: u64,
    next: u64,
    frames: u64,
}

impl Journal {
    /// Opens a file, cutting off a torn end, or creates it.
    pub(crate) fn open(
        disk: &mut impl Disk,
        name: &str,
        format: Format,
    ) -> Result<(Self, ReadJournal), JournalError> {
        let Some(bytes) = disk.read(name)? else {
            return Self::create(disk, name, format);
        };
        let read = parse(&bytes, &format)?;
        if read.torn_bytes > 0 {
            disk.truncate(name, u64::try_from(read.len).unwrap_or(u64::MAX))?;
        }
        let next = read.frames.last().map_or(0, |(number, _)| number + 1);
        let frames = u64::try_from(read.frames.len()).unwrap_or(u64::MAX);
        let salt = read.salt;
        Ok((Self { name: name.to_owned(), format, salt, next, frames }, read))
    }

    /// Creates a file without frames, replacing any other.
    pub(crate) fn create(
        disk: &mut impl Disk,
        name: &str,
        format: Format,
    ) -> Result<(Self, ReadJournal), JournalError> {
        let salt = disk.entropy()?;
        let mut journal = Self { name: name.to_owned(), format, salt, next: 0, frames: 0 };
        journal.replace(disk, &[])?;
        Ok((journal, ReadJournal::default()))
    }

    /// Reads a file without changing it.
    pub(crate) fn read(
        disk: &mut impl Disk,
        name: &str,
        format: Format,
    ) -> Result<ReadJournal, JournalError> {
        disk.read(name)?.map_or_else(|| Ok(ReadJournal::default()), |bytes| parse(&bytes, &format))
    }

    /// Returns how many frames the file has.
    pub(crate) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Writes frames behind the others. Each is durable before the next is written, so that one at
    /// most is torn.
    pub(crate) fn append(
        &mut self,
        disk: &mut impl Disk,
        payloads: &[Vec<u8>],
    ) -> Result<(), JournalError> {
        for payload in payloads {
            disk.append(&self.name, &frame(self.salt, self.next, payload))?;
            disk.sync(&self.name)?;
            self.next += 1;
            self.frames += 1;
        }
        Ok(())
    }

    /// Replaces all frames by these, at once. Sequence numbers go on.
    pub(crate) fn replace(
        &mut self,
        disk: &mut impl Disk,
        payloads: &[Vec<u8>],
    ) -> Result<(), JournalError> {
        let mut bytes = self.format.header(self.salt);
        self.frames = 0;
        for payload in payloads {
            bytes.extend_from_slice(&frame(self.salt, self.next, payload));
            self.next += 1;
            self.frames += 1;
        }
        disk.replace(&self.name, &bytes)?;
        Ok(())
    }
}

fn frame(salt: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a step's records are far below 4 GB");
    let mut bytes = Vec::with_capacity(FRAME_BYTES + payload.len());
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&checksum(salt, &bytes, payload).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn checksum(salt: u64, head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_be_bytes());
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// Reads frames up to the end or a torn one; the first frame may have any number.
fn parse(bytes: &[u8], format: &Format) -> Result<ReadJournal, JournalError> {
    let salt = format.check(bytes)?;
    let mut read = ReadJournal { len: HEADER_BYTES, salt, ..ReadJournal::default() };
    let mut expected = None;
    while read.len < bytes.len() {
        let offset = read.len;
        let Some((number, payload)) = frame_at(bytes, salt, offset) else {
            // After a crash nothing follows the torn frame, because each one is durable before the
            // next is written.
            if let Some(next) = next_frame(bytes, salt, offset, expected) {
                return Err(JournalError::CorruptMiddle { offset, next });
            }
            read.torn_bytes = bytes.len() - offset;
            return Ok(read);
        };
        if let Some(expected) = expected.filter(|expected| *expected != number) {
            return Err(JournalError::Sequence { offset, expected, got: number });
        }
        read.len += FRAME_BYTES + payload.len();
        read.frames.push((number, payload.to_vec()));
        expected = Some(number + 1);
    }
    Ok(read)
}

/// Returns the valid frame that begins at `offset`.
fn frame_at(bytes: &[u8], salt: u64, offset: usize) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.get(offset..)?.split_first_chunk::<FRAME_BYTES>()?;
    let len = usize::try_from(u32::from_be_bytes(head[..4].try_into().ok()?)).ok()?;
    let payload = rest.get(..len).filter(|_| len <= PAYLOAD_BYTES_MAX)?;
    let crc = u32::from_be_bytes(head[12..].try_into().ok()?);
    let valid = crc == checksum(salt, &head[..12], payload);
    valid.then_some((u64::from_be_bytes(head[4..12].try_into().ok()?), payload))
}

/// Finds a valid frame behind damage at `offset`. Only plausible numbers are checksummed, so the
/// search is linear.
fn next_frame(bytes: &[u8], salt: u64, offset: usize, expected: Option<u64>) -> Option<usize> {
    let expected = expected.unwrap_or(0);
    (offset + 1..bytes.len().saturating_sub(FRAME_BYTES)).find(|at| {
        let number = bytes.get(at + 4..at + 12).and_then(|number| number.try_into().ok());
        let number = number.map_or(0, u64::from_be_bytes);
        let plausible = number >= expected && number - expected < 1 << 32;
        plausible && frame_at(bytes, salt, *at).is_some()
    })
}
