//! Segments: files of frames, and where a body is in them.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use ciro_protocol::batch::SignedBatch;
use ciro_protocol::id::Chain;
use ciro_protocol::wire::Message as _;

use super::frame::{self, Found, HEADER_BYTES, Kind, PREFIX_BYTES, Salt};
use super::{BodiesError, failed};

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) salt: Salt,
    pub(super) file: File,
    pub(super) len: u64,
}

impl Segment {
    pub(super) fn create(folder: &Path, number: u64, chain: Chain) -> Result<Self, BodiesError> {
        let path = segment_path(folder, number);
        let mut options = OpenOptions::new();
        let opened = options.create(true).truncate(true).write(true).open(&path);
        let mut file = opened.map_err(failed("create", &path))?;
        let mut salt = Salt([0; 8]);
        getrandom::fill(&mut salt.0).map_err(BodiesError::Random)?;
        let header = [frame::header(chain), salt.0.to_vec()].concat();
        file.write_all(&header).map_err(failed("write", &path))?;
        file.sync_all().map_err(failed("flush", &path))?;
        sync_folder(folder)?;
        Ok(Self { number, salt, file, len: u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX) })
    }
}

/// Where a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) path: PathBuf,
    pub(super) salt: Salt,
    pub(super) at: u64,
}

impl Spot {
    /// Reads the body.
    pub(super) fn read(&self) -> Result<SignedBatch, BodiesError> {
        let Self { path, salt, at } = self;
        let mut file = File::open(path).map_err(failed("open", path))?;
        file.seek(SeekFrom::Start(*at)).map_err(failed("read", path))?;
        let most = u64::try_from(PREFIX_BYTES + SignedBatch::BYTES_MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed("read", path))?;
        match frame::read(*salt, &bytes) {
            Found::Whole(_, batch) => decode(path, *at, batch),
            Found::End | Found::Torn => Err(BodiesError::Damaged { path: path.clone(), at: *at }),
        }
    }
}

/// Makes names in a folder durable.
fn sync_folder(folder: &Path) -> Result<(), BodiesError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))
}

pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.seg"))
}

/// Returns the numbers of all segments, in order.
pub(super) fn segments(folder: &Path) -> Result<Vec<u64>, BodiesError> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let name = entry.map_err(failed("list", folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        numbers.extend(number.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
    }
    Ok(numbers.into_iter().collect())
}

/// A body as it stands in a segment.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) salt: Salt,
    pub(super) at: u64,
    pub(super) kind: Kind,
    pub(super) batch: SignedBatch,
}

/// Reads a segment. The last one may end in a torn frame, which is cut off.
pub(super) fn scan(path: &Path, chain: Chain, last: bool) -> Result<Vec<Scanned>, BodiesError> {
    let bytes = fs::read(path).map_err(failed("read", path))?;
    let Some((salt, mut rest)) = frame::split(&bytes, chain) else {
        // A crash may come between the file's name and its header.
        let header = frame::header(chain);
        let begun = bytes.len() < HEADER_BYTES
            && bytes.iter().zip(&header).all(|(byte, expected)| byte == expected);
        return if last && begun {
            Ok(Vec::new())
        } else {
            Err(BodiesError::Header(path.to_owned()))
        };
    };
    let mut found = Vec::new();
    loop {
        let at = u64::try_from(bytes.len() - rest.len()).unwrap_or(u64::MAX);
        match frame::read(salt, rest) {
            Found::End => return Ok(found),
            Found::Whole(kind, bytes) => {
                found.push(Scanned { salt, at, kind, batch: decode(path, at, bytes)? });
                rest = &rest[PREFIX_BYTES + bytes.len()..];
            }
            Found::Torn if last && !whole_frame_follows(salt, rest) => {
                let file = OpenOptions::new().write(true).open(path);
                let cut = file.and_then(|file| file.set_len(at).and_then(|()| file.sync_all()));
                cut.map_err(failed("cut", path))?;
                return Ok(found);
            }
            Found::Torn => return Err(BodiesError::Damaged { path: path.to_owned(), at }),
        }
    }
}

/// Whether a whole frame begins somewhere in the bytes: then what is before it was not torn off the
/// end, it is damaged.
fn whole_frame_follows(salt: Salt, rest: &[u8]) -> bool {
    (1..rest.len()).any(|at| matches!(frame::read(salt, &rest[at..]), Found::Whole(..)))
}

fn decode(path: &Path, at: u64, bytes: &[u8]) -> Result<SignedBatch, BodiesError> {
    let path = path.to_owned();
    SignedBatch::from_bytes(bytes).map_err(|source| BodiesError::Batch { path, at, source })
}
