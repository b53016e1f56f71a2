//! Bodies of batches: durable before anybody votes for them, kept until the state that they lead to
//! is durable.
//!
//! A body is appended to a segment and flushed; only then are its transactions acknowledged and its
//! operation handed to consensus. A crash can tear the last frame alone, whose batch nobody has
//! heard of: it is cut off. Anything else that is no frame is damage, and the node does not start.
//!
//! What its submitter showed, and what was made here, stays until its place is executed. What a
//! proposal brought stays for that block alone ([`Keep`]): a primary may order what nobody will
//! ever execute, and must fill no disk with it. Which of the two it is stands with the body on disk
//! ([`Kind`]), so that a start changes nothing.

mod frame;
mod recovery;
mod segment;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ciro_consensus::{Digest, Operation};
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::wire::DecodeError;

pub use frame::Kind;
use frame::Salt;
pub(crate) use recovery::Recovery;
use segment::{Segment, Spot, scan, segment_path, segments};

/// Bytes from which on a segment takes no further batch.
const SEGMENT_BYTES_FULL: u64 = 16 << 20;
/// Batches that are kept in memory as well, the latest ones: 16 MiB of the longest.
const CACHED_MAX: usize = 64;
/// How far ahead of its last executed batch a submitter may be: twice what an honest one has
/// outstanding.
pub(crate) const AHEAD_MAX: u64 = 128;

/// How long a body is kept at least. Of two reasons to keep it the greater one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Until the state after this block is durable, whatever the block executed.
    Block(u64),
    /// Until the state after its place is durable: its batch, or another one of its submitter with
    /// this nonce or a later one, was executed.
    Place,
}

impl Keep {
    const fn kind(self) -> Kind {
        match self {
            Self::Block(_) => Kind::Block,
            Self::Place => Kind::Place,
        }
    }
}

/// Batches that stay until their place is executed, in the order in which they were written.
#[derive(Debug, Default)]
pub struct Recovered {
    /// What this node has submitted itself.
    pub own: Vec<Arc<SignedBatch>>,
    /// The operations of what others have. Their batches may be many, and stay on disk.
    pub others: Vec<Operation>,
}

impl Recovered {
    fn push(&mut self, batch: SignedBatch, own: SubmitterId) {
        if batch.body.submitter == own {
            self.own.push(Arc::new(batch));
        } else {
            self.others.push(batch.body.operation());
        }
    }

    /// Returns the operations of all.
    pub fn operations(&self) -> impl Iterator<Item = Operation> {
        self.own.iter().map(|batch| batch.body.operation()).chain(self.others.iter().copied())
    }
}

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
    /// Whose batches are in memory, the oldest first. Some may be forgotten already.
    cached: VecDeque<Digest>,
    settled: Settled,
    poisoned: bool,
}

#[derive(Debug)]
struct Place {
    segment: u64,
    salt: Salt,
    at: u64,
    /// Its submitter and nonce.
    position: (u64, u64),
    keep: Keep,
    /// The batch itself, while it is new.
    batch: Option<Arc<SignedBatch>>,
}

impl Place {
    const fn is_of(&self, operation: &Operation) -> bool {
        self.position.0 == operation.client.0 && self.position.1 == operation.nonce.0
    }
}

/// How far the durable state is.
#[derive(Debug, Default)]
struct Settled {
    height: u64,
    /// The last executed batch of each submitter.
    nonces: BTreeMap<u64, u64>,
}

impl Settled {
    /// Whether nobody needs a body any more.
    fn covers(&self, (submitter, nonce): (u64, u64), keep: Keep) -> bool {
        self.nonces.get(&submitter).is_some_and(|last| nonce <= *last)
            || matches!(keep, Keep::Block(until) if until <= self.height)
    }
}

impl Bodies {
    /// Opens a folder, cutting off what a crash tore. `needed` says which bodies are still needed.
    /// Returns those that stay until their place is executed.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] if a segment is damaged or of another network.
    pub fn open(
        folder: &Path,
        (chain, own): (Chain, SubmitterId),
        needed: impl Fn(&SignedBatch, Kind) -> Option<Keep>,
    ) -> Result<(Self, Recovered), BodiesError> {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let numbers = segments(folder)?;
        let mut places = BTreeMap::<Digest, Place>::new();
        let mut recovered = Recovered::default();
        for &number in &numbers {
            let last = numbers.last() == Some(&number);
            for it in scan(&segment_path(folder, number), chain, last)? {
                let payload = it.batch.body.operation().payload;
                let Some(keep) = needed(&it.batch, it.kind) else { continue };
                // It was forgotten and came again, or stays longer than it was written for.
                if places.get(&payload).is_some_and(|known| known.keep >= keep) {
                    continue;
                }
                let (segment, salt, at, position) = (number, it.salt, it.at, position(&it.batch));
                places.insert(payload, Place { segment, salt, at, position, keep, batch: None });
                if keep == Keep::Place {
                    recovered.push(it.batch, own);
                }
            }
        }
        let mut needed = BTreeMap::<u64, usize>::new();
        for place in places.values() {
            *needed.entry(place.segment).or_default() += 1;
        }
        for number in numbers.iter().copied().filter(|number| !needed.contains_key(number)) {
            let path = segment_path(folder, number);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        let next = numbers.last().map_or(0, |last| last + 1);
        let inner = Inner {
            folder: folder.to_owned(),
            chain,
            active: Segment::create(folder, next, chain)?,
            places,
            needed,
            cached: VecDeque::new(),
            settled: Settled::default(),
            poisoned: false,
        };
        Ok((Self { inner: Mutex::new(inner) }, recovered))
    }

    /// Makes a batch durable; one that is already is not written again, whatever the spelling of
    /// its signature, and neither is one that nobody needs any more: it may have been executed
    /// while it was judged.
    ///
    /// # Errors
    ///
    /// [`BodiesError`]; it may then not be acknowledged, and nothing more is written.
    pub fn append(&self, batch: Arc<SignedBatch>, keep: Keep) -> Result<(), BodiesError> {
        let mut inner = self.lock();
        let operation = batch.body.operation();
        let held = match keep {
            Keep::Block(until) => inner.keep(&operation, until),
            Keep::Place => inner.keep_place(&operation)?,
        };
        if held.is_some() || inner.settled.covers(position(&batch), keep) {
            return Ok(());
        }
        inner.append((operation.payload, batch), keep)
    }

    /// Keeps the body behind an operation until a block at least, if it is here: `None` if it is
    /// not, and whether it is the operation's, which no other place than the body's own can have.
    #[must_use]
    pub fn keep(&self, operation: &Operation, until: u64) -> Option<bool> {
        self.lock().keep(operation, until)
    }

    /// Keeps the body behind an operation until its place is executed, and returns the same. One
    /// that was written for a block alone is written again: it stays after a start too.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] as for [`Bodies::append`].
    pub fn keep_place(&self, operation: &Operation) -> Result<Option<bool>, BodiesError> {
        self.lock().keep_place(operation)
    }

    /// Whether a body is here.
    #[must_use]
    pub fn contains(&self, payload: &Digest) -> bool {
        self.lock().places.contains_key(payload)
    }

    /// Returns a body, if it is here.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] if it was and cannot be read.
    pub fn get(&self, payload: &Digest) -> Result<Option<Arc<SignedBatch>>, BodiesError> {
        let mut tried: Option<Spot> = None;
        loop {
            let spot = {
                let inner = self.lock();
                let Some(place) = inner.places.get(payload) else { return Ok(None) };
                if let Some(batch) = &place.batch {
                    return Ok(Some(Arc::clone(batch)));
                }
                inner.spot(place)
            };
            // Nobody waits for the disk. Meanwhile the body may go, or be written elsewhere, and
            // its segment goes with it.
            match spot.read() {
                Err(BodiesError::File { source, .. })
                    if source.kind() == io::ErrorKind::NotFound
                        && tried.as_ref() != Some(&spot) =>
                {
                    tried = Some(spot);
                }
                read => return read.map(|batch| Some(Arc::new(batch))),
            }
        }
    }

    /// Whether writing has failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.lock().poisoned
    }

    /// Forgets bodies that nobody needs once the state after a block is durable, in which these
    /// are the last executed batches. A segment of which none is needed goes.
    ///
    /// # Errors
    ///
    /// [`BodiesError`] if a segment cannot be removed.
    pub fn settle(&self, height: u64, nonces: &BTreeMap<u64, u64>) -> Result<(), BodiesError> {
        let mut inner = self.lock();
        inner.settled = Settled { height, nonces: nonces.clone() };
        let settled = &inner.settled;
        let over = inner.places.iter().filter(|(_, it)| settled.covers(it.position, it.keep));
        let over: Vec<Digest> = over.map(|(payload, _)| *payload).collect();
        over.iter().try_for_each(|payload| inner.forget(payload))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Whoever panicked while holding it was not writing, or has left it poisoned.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, operation: &Operation, until: u64) -> Option<bool> {
        let place = self.places.get_mut(&operation.payload)?;
        if !place.is_of(operation) {
            return Some(false);
        }
        place.keep = place.keep.max(Keep::Block(until));
        Some(true)
    }

    fn keep_place(&mut self, operation: &Operation) -> Result<Option<bool>, BodiesError> {
        let Some(place) = self.places.get(&operation.payload) else { return Ok(None) };
        if !place.is_of(operation) || place.keep == Keep::Place {
            return Ok(Some(place.is_of(operation)));
        }
        let (before, batch) = (place.segment, place.batch.clone());
        let batch = match batch {
            Some(batch) => batch,
            None => Arc::new(self.spot(place).read()?),
        };
        self.append((operation.payload, batch), Keep::Place)?;
        self.release(before)?;
        Ok(Some(true))
    }

    fn spot(&self, place: &Place) -> Spot {
        let path = segment_path(&self.folder, place.segment);
        Spot { path, salt: place.salt, at: place.at }
    }

    /// Writes a body. If that fails nothing more is written: what is on disk is not known.
    fn append(&mut self, body: (Digest, Arc<SignedBatch>), keep: Keep) -> Result<(), BodiesError> {
        if self.poisoned {
            return Err(BodiesError::Poisoned);
        }
        self.poisoned = true;
        self.write(body, keep)?;
        self.poisoned = false;
        Ok(())
    }

    fn write(
        &mut self,
        (payload, batch): (Digest, Arc<SignedBatch>),
        keep: Keep,
    ) -> Result<(), BodiesError> {
        if self.active.len >= SEGMENT_BYTES_FULL {
            self.roll()?;
        }
        let path = segment_path(&self.folder, self.active.number);
        let Segment { number, salt, len: at, .. } = self.active;
        // One frame a flush: a torn one is the last, and what follows a whole one was flushed.
        let bytes = frame::frame(salt, keep.kind(), &batch);
        self.active.file.write_all(&bytes).map_err(failed("write", &path))?;
        self.active.file.sync_data().map_err(failed("flush", &path))?;
        self.active.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        *self.needed.entry(number).or_default() += 1;
        let position = position(&batch);
        let place = Place { segment: number, salt, at, position, keep, batch: Some(batch) };
        self.places.insert(payload, place);
        self.cached.push_back(payload);
        if self.cached.len() > CACHED_MAX
            && let Some(oldest) = self.cached.pop_front()
            && let Some(place) = self.places.get_mut(&oldest)
        {
            place.batch = None;
        }
        Ok(())
    }

    fn forget(&mut self, payload: &Digest) -> Result<(), BodiesError> {
        let removed = self.places.remove(payload);
        removed.map_or(Ok(()), |place| self.release(place.segment))
    }

    /// Takes note that a body of a segment is not needed there any more.
    fn release(&mut self, segment: u64) -> Result<(), BodiesError> {
        let Some(count) = self.needed.get_mut(&segment) else { return Ok(()) };
        *count = count.saturating_sub(1);
        if *count == 0 && segment != self.active.number {
            self.needed.remove(&segment);
            let path = segment_path(&self.folder, segment);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
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
}

/// Returns a batch's submitter and nonce.
pub(crate) const fn position(batch: &SignedBatch) -> (u64, u64) {
    (batch.body.submitter.0, batch.body.nonce)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BodiesError {
    let path = path.to_owned();
    move |source| BodiesError::File { operation, path, source }
}

#[cfg(test)]
mod tests;
