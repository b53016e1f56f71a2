//! Blobs on disk: content-addressed, checked chunk by chunk as they come, bounded in sum.
//!
//! A blob is whole once all its chunks are here and flushed; only then can a transaction name it.
//! Beyond the bound the blobs that were asked for least recently go, except for those that the
//! ledger still needs. An upload that stops goes on where it was, after a restart too.

mod error;
mod files;
mod needed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ciro_protocol::api::BlobStatus;
use ciro_protocol::blob::{BlobId, BlobList};

pub use error::StoreBlobError;
use files::Files;
pub use needed::Needed;

/// Uploads at once.
const UPLOADS_MAX: usize = 256;

/// How much a node stores.
#[derive(Clone, Copy, Debug)]
pub struct BlobLimits {
    /// Bytes of all blobs.
    pub total_bytes: u64,
    /// Bytes of the longest blob.
    pub blob_bytes: u64,
    /// Bytes of the longest blob that validity looks at.
    pub judged_bytes: u64,
}

/// The blobs of a node.
#[derive(Debug)]
pub struct Blobs {
    files: Files,
    limits: BlobLimits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    whole: BTreeMap<BlobId, Whole>,
    uploads: BTreeMap<BlobId, Upload>,
    /// Bytes of both.
    bytes: u64,
    clock: u64,
}

#[derive(Debug)]
struct Whole {
    bytes: u64,
    used: u64,
}

#[derive(Debug)]
struct Upload {
    list: BlobList,
    /// Which chunks are here; unknown after a restart, until somebody goes on.
    here: Option<Vec<bool>>,
    used: u64,
    /// Whether somebody makes it whole just now.
    finishing: bool,
}

impl Blobs {
    /// Opens a folder of blobs.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if it cannot be read.
    pub fn open(folder: &Path, limits: BlobLimits) -> Result<Self, StoreBlobError> {
        let files = Files::open(folder)?;
        let mut inner = Inner::default();
        for (id, bytes) in files.all()? {
            inner.bytes = inner.bytes.saturating_add(bytes);
            inner.whole.insert(id, Whole { bytes, used: 0 });
        }
        for (id, list) in files.uploads()? {
            if inner.whole.contains_key(&id) {
                files.remove_upload(id)?;
                continue;
            }
            inner.bytes = inner.bytes.saturating_add(list.bytes);
            inner.uploads.insert(id, Upload { list, here: None, used: 0, finishing: false });
        }
        Ok(Self { files, limits, inner: Mutex::new(inner) })
    }

    /// Announces a blob and says which chunks of it are missing. `needed` says which blobs may not
    /// go to make room, if it is known.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if the list contradicts itself, or there is no room.
    pub fn begin(
        &self,
        list: BlobList,
        needed: impl FnOnce() -> Option<BTreeSet<BlobId>>,
    ) -> Result<BlobStatus, StoreBlobError> {
        list.check()?;
        let id = list.id();
        {
            let mut inner = self.lock();
            if let Some(status) = inner.status(id) {
                return Ok(status);
            }
            if !inner.uploads.contains_key(&id) {
                self.make_room(&mut inner, list.bytes, needed)?;
                if inner.uploads.len() >= UPLOADS_MAX {
                    return Err(StoreBlobError::Uploads(UPLOADS_MAX));
                }
                self.files.begin(id, &list)?;
                let here = Some(vec![false; list.chunks.len()]);
                inner.bytes = inner.bytes.saturating_add(list.bytes);
                let used = inner.tick();
                let upload = Upload { list, here, used, finishing: false };
                inner.uploads.insert(id, upload);
            }
        }
        self.look(id)?;
        self.finish_if_whole(id)
    }

    /// Takes a chunk of an announced blob.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if it is not that chunk, or the blob was not announced.
    pub fn put_chunk(
        &self,
        id: BlobId,
        index: u64,
        bytes: &[u8],
    ) -> Result<BlobStatus, StoreBlobError> {
        {
            let mut inner = self.lock();
            if let Some(status) = inner.status(id) {
                return Ok(status);
            }
            let used = inner.tick();
            let upload = inner.uploads.get_mut(&id).ok_or(StoreBlobError::Unknown(id))?;
            upload.used = used;
            upload.list.check_chunk(index, bytes)?;
        }
        self.look(id)?;
        self.files.write_chunk(id, index, bytes)?;
        {
            let mut inner = self.lock();
            let upload = inner.uploads.get_mut(&id).ok_or(StoreBlobError::Unknown(id))?;
            let place = usize::try_from(index).ok();
            let here = place.and_then(|place| upload.here.as_mut()?.get_mut(place));
            if let Some(here) = here {
                *here = true;
            }
        }
        self.finish_if_whole(id)
    }

    /// Takes a whole blob at once.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if the bytes have another id, or there is no room.
    pub fn put(
        &self,
        id: BlobId,
        bytes: &[u8],
        needed: impl FnOnce() -> Option<BTreeSet<BlobId>>,
    ) -> Result<BlobStatus, StoreBlobError> {
        let list = BlobList::of(bytes)?;
        let got = list.id();
        if got != id {
            return Err(StoreBlobError::OtherId { got });
        }
        let mut inner = self.lock();
        if let Some(status) = inner.status(id) {
            return Ok(status);
        }
        if let Some(upload) = inner.uploads.remove(&id) {
            inner.bytes = inner.bytes.saturating_sub(upload.list.bytes);
        }
        self.make_room(&mut inner, list.bytes, needed)?;
        // Under the lock, as nobody else may write the same files: a few flushes of 4 MiB at most.
        self.files.store(id, &list, bytes)?;
        let used = inner.tick();
        inner.bytes = inner.bytes.saturating_add(list.bytes);
        inner.whole.insert(id, Whole { bytes: list.bytes, used });
        Ok(BlobStatus { id, bytes: list.bytes, complete: true, missing: Vec::new() })
    }

    /// Returns the length of a whole blob.
    #[must_use]
    pub fn len(&self, id: BlobId) -> Option<u64> {
        let mut inner = self.lock();
        let used = inner.tick();
        let whole = inner.whole.get_mut(&id)?;
        whole.used = used;
        Some(whole.bytes)
    }

    /// Opens a whole blob.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if it cannot be opened.
    pub fn open_data(&self, id: BlobId) -> Result<Option<(File, u64)>, StoreBlobError> {
        let Some(bytes) = self.len(id) else { return Ok(None) };
        Ok(Some((self.files.data(id)?, bytes)))
    }

    /// Returns the encoded list of a whole blob.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if it cannot be read.
    pub fn list(&self, id: BlobId) -> Result<Option<Vec<u8>>, StoreBlobError> {
        self.len(id).map(|_| self.files.list(id)).transpose()
    }

    /// Returns the bytes of all blobs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Finds which chunks of an upload are here, if nobody knows.
    fn look(&self, id: BlobId) -> Result<(), StoreBlobError> {
        let list = {
            let inner = self.lock();
            let upload = inner.uploads.get(&id).ok_or(StoreBlobError::Unknown(id))?;
            if upload.here.is_some() {
                return Ok(());
            }
            upload.list.clone()
        };
        let here = self.files.chunks_here(id, &list);
        if let Some(upload) = self.lock().uploads.get_mut(&id) {
            upload.here.get_or_insert(here);
        }
        Ok(())
    }

    fn finish_if_whole(&self, id: BlobId) -> Result<BlobStatus, StoreBlobError> {
        let (status, mine) = {
            let mut inner = self.lock();
            if let Some(status) = inner.status(id) {
                return Ok(status);
            }
            let upload = inner.uploads.get_mut(&id).ok_or(StoreBlobError::Unknown(id))?;
            let here = upload.here.as_deref().unwrap_or_default();
            let missing = (0..).zip(here).filter(|(_, here)| !**here).map(|(index, _)| index);
            let missing: Vec<u64> = missing.collect();
            let mine = missing.is_empty() && !upload.finishing;
            upload.finishing |= mine;
            (BlobStatus { id, bytes: upload.list.bytes, complete: false, missing }, mine)
        };
        if !mine {
            return Ok(status);
        }
        let finished = self.files.finish(id);
        let mut inner = self.lock();
        if let Err(error) = finished {
            if let Some(upload) = inner.uploads.get_mut(&id) {
                upload.finishing = false;
            }
            return Err(error);
        }
        inner.uploads.remove(&id);
        let used = inner.tick();
        inner.whole.insert(id, Whole { bytes: status.bytes, used });
        Ok(BlobStatus { complete: true, ..status })
    }

    /// Lets blobs go until there is room for so many bytes: uploads that rest longest and blobs
    /// that were asked for least recently.
    fn make_room(
        &self,
        inner: &mut Inner,
        bytes: u64,
        needed: impl FnOnce() -> Option<BTreeSet<BlobId>>,
    ) -> Result<(), StoreBlobError> {
        let BlobLimits { total_bytes: max, blob_bytes, .. } = self.limits;
        if bytes > blob_bytes {
            return Err(StoreBlobError::TooLong { bytes, max: blob_bytes });
        }
        if inner.bytes.saturating_add(bytes) <= max {
            return Ok(());
        }
        let needed = needed().ok_or(StoreBlobError::Full { bytes, max })?;
        let whole = inner.whole.iter().filter(|(id, _)| !needed.contains(id));
        let whole = whole.map(|(id, whole)| (whole.used, *id));
        let uploads = inner.uploads.iter().filter(|(_, upload)| !upload.finishing);
        let uploads = uploads.map(|(id, upload)| (upload.used, *id));
        let candidates: BTreeSet<(u64, BlobId)> = whole.chain(uploads).collect();
        for (_, id) in candidates {
            if inner.bytes.saturating_add(bytes) <= max {
                break;
            }
            if let Some(whole) = inner.whole.remove(&id) {
                inner.bytes = inner.bytes.saturating_sub(whole.bytes);
                self.files.remove(id)?;
            } else if let Some(upload) = inner.uploads.remove(&id) {
                inner.bytes = inner.bytes.saturating_sub(upload.list.bytes);
                self.files.remove_upload(id)?;
            }
        }
        if inner.bytes.saturating_add(bytes) <= max {
            Ok(())
        } else {
            Err(StoreBlobError::Full { bytes, max })
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Returns the status of a whole blob.
    fn status(&mut self, id: BlobId) -> Option<BlobStatus> {
        let used = self.tick();
        let whole = self.whole.get_mut(&id)?;
        whole.used = used;
        Some(BlobStatus { id, bytes: whole.bytes, complete: true, missing: Vec::new() })
    }
}

impl ciro_ledger::Blobs for Blobs {
    /// Returns a blob as far as validity looks at it: of one that is longer than any that counts,
    /// so much that its length is seen to be too great.
    fn get(&self, id: BlobId) -> Option<Arc<[u8]>> {
        let bytes = self.len(id)?;
        let max = self.limits.judged_bytes.saturating_add(1);
        let read = self.files.read(id, max).inspect_err(|error| {
            tracing::error!(blob = %id, %error, "a blob that is here cannot be read");
        });
        let read = read.ok()?;
        if bytes < max && BlobId::of(&read).ok() != Some(id) {
            tracing::error!(blob = %id, "a blob on disk is damaged");
            return None;
        }
        Some(read.into())
    }
}

#[cfg(test)]
mod tests;
