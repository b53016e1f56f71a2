//! Bodies of batches: durable before anybody votes for them, kept until the state that they lead to
//! is durable.
//!
//! A body is appended to a segment and flushed; only then are its transactions acknowledged and its
//! operation handed to consensus. A crash can tear the last frame alone, whose batch nobody has
//! heard of: it is cut off. Anything else that is no frame is damage, and the node does not start.

mod frame;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ciro_consensus::Digest;
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::id::Chain;
use ciro_protocol::wire::{DecodeError, Message as _};

use frame::{Found, HEADER_BYTES, PREFIX_BYTES, Salt};

/// Bytes from which on a segment takes no further batch.
const SEGMENT_BYTES_FULL: u64 = 16 << 20;

/// Why bodies cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodiesError {
    /// A file operation failed.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The segment is of another network, or none.
    #[error("`{}` is no segment of this network's batches", .0.display())]
    Header(PathBuf),
    /// A segment before the last one holds something that is no frame.
    #[error("`{}` is damaged at byte {at}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// A frame holds no batch, though its checksum is right.
    #[error("`{}` holds no batch at byte {at}", path.display())]
    Batch {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// Why.
        source: DecodeError,
    },
    /// There is no randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// An earlier write failed: what is on disk is not known until the node starts anew.
    #[error("an earlier write of bodies failed, start the node anew")]
    Poisoned,
}

/// The bodies that a node keeps.
#[derive(Debug)]
pub struct Bodies {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    chain: Chain,
    active: Segment,
    /// Where each body is, by its operation's payload.
    places: BTreeMap<Digest, Place>,
    /// How many bodies of each segment are still needed, the active one included.
    needed: BTreeMap<u64, usize>,
    poisoned: bool,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    salt: Salt,
    file: File,
    len: u64,
}

#[derive(Clone, Debug)]
struct Place {
    segment: u64,
    salt: Salt,
    at: u64,
    /// The batch itself, while it is new.
    batch: Option<Arc<SignedBatch>>,
}

impl Bodies {
    /// Opens a folder, cutting off what a crash tore. Returns the batches that are still needed, in
    /// the order in which they were written: `needed` says which.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] if a segment is damaged or of another network.
    pub fn open(
        folder: &Path,
        chain: Chain,
        needed: impl Fn(&SignedBatch) -> bool,
    ) -> Result<(Self, Vec<Arc<SignedBatch>>), BodiesError> {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let numbers = segments(folder)?;
        let (mut places, mut counts) = (BTreeMap::new(), BTreeMap::new());
        let mut batches = Vec::new();
        for &number in &numbers {
            let last = numbers.last() == Some(&number);
            let path = segment_path(folder, number);
            let found = scan(&path, chain, last)?;
            let mut count = 0;
            for (salt, at, batch) in found {
                if needed(&batch) {
                    let payload = batch.body.operation().payload;
                    places.insert(payload, Place { segment: number, salt, at, batch: None });
                    batches.push(Arc::new(batch));
                    count += 1;
                }
            }
            if count > 0 {
                counts.insert(number, count);
            } else {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        let next = numbers.last().map_or(0, |last| last + 1);
        let active = Segment::create(folder, next, chain)?;
        let folder = folder.to_owned();
        let inner = Inner { folder, chain, active, places, needed: counts, poisoned: false };
        Ok((Self { inner: Mutex::new(inner) }, batches))
    }

    /// Makes a batch durable; one that is already is not written again, whatever the spelling of
    /// its signature.
    ///
    /// # Errors
    ///
    /// [`BodiesError`]; it may then not be acknowledged, and nothing more is written.
    pub fn append(&self, batch: Arc<SignedBatch>) -> Result<(), BodiesError> {
        let mut inner = self.lock();
        if inner.poisoned {
            return Err(BodiesError::Poisoned);
        }
        if inner.places.contains_key(&batch.body.operation().payload) {
            return Ok(());
        }
        inner.poisoned = true;
        inner.append(batch)?;
        inner.poisoned = false;
        Ok(())
    }

    /// Returns a body, if it is here.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] if it was and cannot be read.
    pub fn get(&self, payload: &Digest) -> Result<Option<Arc<SignedBatch>>, BodiesError> {
        let inner = self.lock();
        let Some(place) = inner.places.get(payload) else { return Ok(None) };
        match &place.batch {
            Some(batch) => Ok(Some(Arc::clone(batch))),
            None => inner.read(place).map(|batch| Some(Arc::new(batch))),
        }
    }

    /// Whether writing has failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.lock().poisoned
    }

    /// Forgets bodies whose effect on the state is durable. A segment of which none is needed goes.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] if a segment cannot be removed.
    pub fn settle(&self, payloads: impl IntoIterator<Item = Digest>) -> Result<(), BodiesError> {
        let mut inner = self.lock();
        for payload in payloads {
            let Some(place) = inner.places.remove(&payload) else { continue };
            let Some(count) = inner.needed.get_mut(&place.segment) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 && place.segment != inner.active.number {
                inner.needed.remove(&place.segment);
                let path = segment_path(&inner.folder, place.segment);
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Whoever panicked while holding it was not writing, or has left it poisoned.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, batch: Arc<SignedBatch>) -> Result<(), BodiesError> {
        if self.active.len >= SEGMENT_BYTES_FULL {
            self.roll()?;
        }
        let path = segment_path(&self.folder, self.active.number);
        let Segment { number, salt, len: at, .. } = self.active;
        // One frame a flush: a torn one is the last, and what follows a whole one was flushed.
        let bytes = frame::frame(salt, &batch);
        self.active.file.write_all(&bytes).map_err(failed("write", &path))?;
        self.active.file.sync_data().map_err(failed("flush", &path))?;
        self.active.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        *self.needed.entry(number).or_default() += 1;
        let payload = batch.body.operation().payload;
        self.places.insert(payload, Place { segment: number, salt, at, batch: Some(batch) });
        Ok(())
    }

    /// Begins the next segment. The old one goes if nothing of it is needed any more.
    fn roll(&mut self) -> Result<(), BodiesError> {
        let old = self.active.number;
        self.active = Segment::create(&self.folder, old + 1, self.chain)?;
        if self.needed.get(&old).is_none_or(|count| *count == 0) {
            self.needed.remove(&old);
            let path = segment_path(&self.folder, old);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    fn read(&self, place: &Place) -> Result<SignedBatch, BodiesError> {
        let path = segment_path(&self.folder, place.segment);
        let mut file = File::open(&path).map_err(failed("open", &path))?;
        file.seek(SeekFrom::Start(place.at)).map_err(failed("read", &path))?;
        let most = u64::try_from(PREFIX_BYTES + SignedBatch::BYTES_MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        match frame::read(place.salt, &bytes) {
            Found::Whole(batch) => decode(&path, place.at, batch),
            Found::End | Found::Torn => Err(BodiesError::Damaged { path, at: place.at }),
        }
    }
}

impl Segment {
    fn create(folder: &Path, number: u64, chain: Chain) -> Result<Self, BodiesError> {
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

/// Makes names in a folder durable.
fn sync_folder(folder: &Path) -> Result<(), BodiesError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush", folder))
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.seg"))
}

/// Returns the numbers of all segments, in order.
fn segments(folder: &Path) -> Result<Vec<u64>, BodiesError> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let name = entry.map_err(failed("list", folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        numbers.extend(number.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
    }
    Ok(numbers.into_iter().collect())
}

/// A batch with its segment's salt and its place there.
type Scanned = (Salt, u64, SignedBatch);

/// Reads a segment. The last one may end in a torn frame, which is cut off.
fn scan(path: &Path, chain: Chain, last: bool) -> Result<Vec<Scanned>, BodiesError> {
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
            Found::Whole(batch) => {
                found.push((salt, at, decode(path, at, batch)?));
                rest = &rest[PREFIX_BYTES + batch.len()..];
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
    (1..rest.len()).any(|at| matches!(frame::read(salt, &rest[at..]), Found::Whole(_)))
}

fn decode(path: &Path, at: u64, bytes: &[u8]) -> Result<SignedBatch, BodiesError> {
    let path = path.to_owned();
    SignedBatch::from_bytes(bytes).map_err(|source| BodiesError::Batch { path, at, source })
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BodiesError {
    let path = path.to_owned();
    move |source| BodiesError::File { operation, path, source }
}

#[cfg(test)]
mod tests;
