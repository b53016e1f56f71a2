//! Blobs on disk: content-addressed, checked chunk by chunk, bounded in sum and number.
//!
//! A blob is whole once all its chunks are here and flushed; only then can a transaction name it.
//! Beyond the bound the blobs that were asked for least recently go, except for those that the
//! ledger still needs. An upload that stops goes on where it was, after a restart too.
//!
//! Anybody may upload. So everything is counted as what its files take of a disk, at least a block
//! of 4 KiB and an inode each; an upload takes room for what it has brought and nothing for what it
//! announced; all unfinished ones together have a part of the whole room, and further ones replace
//! those that have brought nothing. What may not go never takes the whole room, so that there is
//! some for what comes; and what validators bring each other has places of its own. What may not go
//! is looked up without the lock: that takes long, and nobody waits for it who needs no room.
//!
//! Of a blob that is longer than validity looks at, its list is all that a verdict needs.
//!
//! A blob whose files are not what they were is forgotten, so that the next upload stores it anew.

mod error;
mod files;
mod needed;
mod room;
mod space;
mod upload;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ciro_protocol::api::BlobStatus;
use ciro_protocol::blob::{BlobId, BlobList};

pub use error::StoreBlobError;
use files::{Files, Staged, chunk_len};
pub use needed::{Kind, Need, Needed};
use room::{Admission, Wanted};
pub use space::Space;
pub use upload::Origin;
use upload::Upload;

/// Uploads of one origin at once.
const UPLOADS_MAX: usize = 256;

/// How much a node stores.
#[derive(Clone, Copy, Debug)]
pub struct BlobLimits {
    /// Bytes of the blocks that the files of all blobs take.
    pub total_bytes: u64,
    /// Files of all blobs: a blob has two.
    pub files: u64,
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
    /// What whole blobs take, what uploads have brought, and what is being written.
    taken: Space,
    clock: u64,
}

#[derive(Debug)]
struct Whole {
    bytes: u64,
    used: u64,
    /// When it came, by the clock: another one of the same id came at another time.
    came: u64,
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
            inner.taken = inner.taken.plus(Space::blob(bytes));
            inner.whole.insert(id, Whole { bytes, used: 0, came: 0 });
        }
        for (id, list, space) in files.uploads()? {
            if inner.whole.contains_key(&id) {
                files.remove_upload(id)?;
                continue;
            }
            inner.taken = inner.taken.plus(space);
            let (here, origin) = (None, Origin::Client);
            let upload = Upload { list, here, origin, space, used: 0, begun: 0, finishing: false };
            inner.uploads.insert(id, upload);
        }
        Ok(Self { files, limits, inner: Mutex::new(inner) })
    }

    /// Announces a blob and says which chunks of it are missing. That takes no room yet.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if the list contradicts itself, or there can be no room for it.
    pub fn begin(&self, list: BlobList, origin: Origin) -> Result<BlobStatus, StoreBlobError> {
        list.check()?;
        let id = list.id();
        if list.bytes == 0 {
            return self.put(id, &[], || None);
        }
        {
            let mut inner = self.lock();
            if let Some(status) = self.status(&mut inner, id)? {
                return Ok(status);
            }
            let known = inner.uploads.get(&id).map(|upload| upload.origin);
            if known.is_none() {
                self.check_length(list.bytes)?;
            }
            // What a validator brings is no longer anybody's, and takes one of its places.
            if known < Some(origin) {
                self.make_place(&mut inner, origin)?;
            }
            let used = inner.tick();
            let upload = inner.uploads.entry(id).or_insert_with(|| Upload::new(list, used));
            upload.origin = upload.origin.max(origin);
        }
        self.look(id);
        self.finish_if_whole(id)
    }

    /// Takes a chunk of an announced blob. `needed` says which blobs may not go to make room, if it
    /// is known.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if it is not that chunk, the blob was not announced, or there is no room.
    pub fn put_chunk(
        &self,
        id: BlobId,
        index: u64,
        bytes: &[u8],
        needed: impl FnOnce() -> Option<Vec<Need>>,
    ) -> Result<BlobStatus, StoreBlobError> {
        {
            let mut inner = self.lock();
            if let Some(status) = self.status(&mut inner, id)? {
                return Ok(status);
            }
            let upload = inner.uploads.get(&id).ok_or(StoreBlobError::Unknown(id))?;
            upload.list.check_chunk(index, bytes)?;
        }
        self.look(id);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let admitted =
            self.with_room(needed, |inner, known| self.admit(inner, (id, index, len), known))?;
        if let Admission::Whole(status) = admitted {
            return Ok(status);
        }
        if let Admission::Taken(begun) = admitted {
            let written = self.files.write_chunk(id, index, bytes);
            let mut inner = self.lock();
            let kept = written.is_ok() && inner.arrive((id, begun), index, len);
            if !kept {
                inner.taken = inner.taken.minus(Space::chunk(len));
            }
            if let Some(status) = self.status(&mut inner, id)? {
                return Ok(status);
            }
            // An upload that had to go meanwhile has no files.
            if inner.uploads.get(&id).is_none_or(|upload| upload.begun != begun) {
                return Err(StoreBlobError::Unknown(id));
            }
            written?;
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
        needed: impl FnOnce() -> Option<Vec<Need>>,
    ) -> Result<BlobStatus, StoreBlobError> {
        let list = BlobList::of(bytes)?;
        let got = list.id();
        if got != id {
            return Err(StoreBlobError::OtherId { got });
        }
        if let Some(status) = self.compare(id, bytes)? {
            return Ok(status);
        }
        self.check_length(list.bytes)?;
        let space = Space::blob(list.bytes);
        let wanted = Wanted { space, ahead: space, upload: None };
        self.with_room(needed, |inner, known| {
            let made = self.make_room(inner, &wanted, known)?;
            Ok(made.then(|| inner.taken = inner.taken.plus(space)))
        })?;
        let staged = self.files.stage(id, &list, bytes);
        let mut inner = self.lock();
        let came = staged.and_then(|staged| self.publish(&mut inner, (id, list.bytes), &staged));
        if !matches!(came, Ok(true)) {
            inner.taken = inner.taken.minus(space);
        }
        came?;
        if inner.uploads.get(&id).is_some_and(|upload| !upload.finishing) {
            self.drop_upload(&mut inner, id)?;
        }
        Ok(BlobStatus { id, bytes: list.bytes, complete: true, missing: Vec::new() })
    }

    /// Returns the length of a whole blob.
    #[must_use]
    pub fn len(&self, id: BlobId) -> Option<u64> {
        let status = self.status(&mut self.lock(), id);
        let status = status.inspect_err(|error| {
            tracing::error!(blob = %id, %error, "a damaged blob cannot be removed");
        });
        status.ok()?.map(|status| status.bytes)
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

    /// Returns the list of a blob that is announced here and longer than validity looks at.
    pub(crate) fn long(&self, id: BlobId) -> Option<BlobList> {
        let inner = self.lock();
        let list = inner.uploads.get(&id).map(|upload| &upload.list);
        list.filter(|list| list.bytes > self.limits.judged_bytes).cloned()
    }

    /// Returns the bytes of the longest blob that validity looks at.
    pub(crate) const fn judged_bytes(&self) -> u64 {
        self.limits.judged_bytes
    }

    /// Returns the encoded list of a whole blob.
    ///
    /// # Errors
    ///
    /// [`StoreBlobError`] if it cannot be read.
    pub fn list(&self, id: BlobId) -> Result<Option<Vec<u8>>, StoreBlobError> {
        self.len(id).map(|_| self.files.list(id)).transpose()
    }

    /// Returns what all blobs take.
    #[must_use]
    pub fn taken(&self) -> Space {
        self.lock().taken
    }

    /// Finds which chunks of an upload are here, if nobody knows.
    fn look(&self, id: BlobId) {
        let list = {
            let inner = self.lock();
            let unknown = inner.uploads.get(&id).filter(|upload| upload.here.is_none());
            let Some(upload) = unknown else { return };
            upload.list.clone()
        };
        let here = self.files.chunks_here(id, &list);
        let lens = (0..).zip(&here).filter(|(_, here)| **here);
        let lens = lens.map(|(index, _)| chunk_len(list.bytes, index));
        let space = lens.fold(Space::begun(list.bytes), |sum, len| sum.plus(Space::chunk(len)));
        let mut inner = self.lock();
        if let Some(upload) = inner.uploads.get_mut(&id).filter(|upload| upload.here.is_none()) {
            upload.here = Some(here);
            let before = std::mem::replace(&mut upload.space, space);
            inner.taken = inner.taken.minus(before).plus(space);
        }
    }

    fn finish_if_whole(&self, id: BlobId) -> Result<BlobStatus, StoreBlobError> {
        let (status, mine) = {
            let mut inner = self.lock();
            if let Some(status) = self.status(&mut inner, id)? {
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
        // Nobody removes the files of an upload that is being finished.
        let staged = self.files.stage_upload(id);
        let mut inner = self.lock();
        let published =
            staged.and_then(|staged| self.publish(&mut inner, (id, status.bytes), &staged));
        // Whatever became of it: what a flush that failed has left on disk, nobody knows.
        self.drop_upload(&mut inner, id)?;
        if published? {
            inner.taken = inner.taken.plus(Space::blob(status.bytes));
        }
        Ok(BlobStatus { complete: true, ..status })
    }

    /// Puts a blob that is durable in its place; false if it was there already.
    fn publish(
        &self,
        inner: &mut Inner,
        (id, bytes): (BlobId, u64),
        staged: &Staged,
    ) -> Result<bool, StoreBlobError> {
        if self.status(inner, id)?.is_some() {
            staged.discard()?;
            return Ok(false);
        }
        if let Err(error) = self.files.publish(id, staged) {
            staged.discard()?;
            self.files.remove(id)?;
            return Err(error);
        }
        let used = inner.tick();
        inner.whole.insert(id, Whole { bytes, used, came: used });
        Ok(true)
    }

    /// Returns the status of a whole blob whose files are there; one whose files are not as long as
    /// they were is forgotten.
    fn status(&self, inner: &mut Inner, id: BlobId) -> Result<Option<BlobStatus>, StoreBlobError> {
        let used = inner.tick();
        let Some(whole) = inner.whole.get_mut(&id) else { return Ok(None) };
        whole.used = used;
        let bytes = whole.bytes;
        if self.files.are_there(id, bytes) {
            return Ok(Some(BlobStatus { id, bytes, complete: true, missing: Vec::new() }));
        }
        self.drop_damaged(inner, id)?;
        Ok(None)
    }

    /// Compares a whole blob with its bytes; one whose file has others is forgotten.
    fn compare(&self, id: BlobId, bytes: &[u8]) -> Result<Option<BlobStatus>, StoreBlobError> {
        let (status, came) = {
            let mut inner = self.lock();
            let Some(status) = self.status(&mut inner, id)? else { return Ok(None) };
            (status, inner.whole.get(&id).map(|whole| whole.came))
        };
        let max = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.files.read(id, max).is_ok_and(|read| read == bytes) {
            return Ok(Some(status));
        }
        self.forget(id, came)?;
        Ok(None)
    }

    /// Forgets a damaged blob, unless another copy of it has come since.
    fn forget(&self, id: BlobId, came: Option<u64>) -> Result<(), StoreBlobError> {
        let mut inner = self.lock();
        if came.is_some() && inner.whole.get(&id).map(|whole| whole.came) == came {
            self.drop_damaged(&mut inner, id)?;
        }
        Ok(())
    }

    fn drop_damaged(&self, inner: &mut Inner, id: BlobId) -> Result<(), StoreBlobError> {
        tracing::error!(blob = %id, "a blob on disk is damaged: it is forgotten");
        self.drop_whole(inner, id)
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

    /// Takes note of a chunk; false if it was here already, or its upload is another one now.
    fn arrive(&mut self, (id, begun): (BlobId, u64), index: u64, len: u64) -> bool {
        let upload = self.uploads.get_mut(&id).filter(|upload| upload.begun == begun);
        let Some(upload) = upload else { return false };
        let place = usize::try_from(index).ok();
        let here = place.and_then(|place| upload.here.as_mut()?.get_mut(place));
        let Some(here) = here.filter(|here| !**here) else { return false };
        *here = true;
        upload.space = upload.space.plus(Space::chunk(len));
        true
    }
}

impl BlobLimits {
    fn room(&self) -> Space {
        Space { bytes: self.total_bytes, files: self.files }
    }
}

impl ciro_ledger::Blobs for Blobs {
    /// Returns a blob as far as validity looks at it: of one that is longer than any that counts,
    /// so much that its length is seen to be too great. Its bytes do not count then, nor whether
    /// they are here: the list says the length, and the id is the list's.
    fn get(&self, id: BlobId) -> Option<Arc<[u8]>> {
        let max = self.limits.judged_bytes.saturating_add(1);
        let Some(bytes) = self.len(id) else {
            let long = usize::try_from(max).ok().filter(|_| self.long(id).is_some());
            return long.map(|len| vec![0; len].into());
        };
        let came = self.lock().whole.get(&id).map(|whole| whole.came);
        let read = self.files.read(id, max).inspect_err(|error| {
            tracing::error!(blob = %id, %error, "a blob that is here cannot be read");
        });
        let whole = |read: &Vec<u8>| bytes >= max || BlobId::of(read).ok() == Some(id);
        let read = read.ok().filter(whole);
        if read.is_none()
            && let Err(error) = self.forget(id, came)
        {
            tracing::error!(blob = %id, %error, "a damaged blob cannot be removed");
        }
        read.map(Into::into)
    }
}

#[cfg(test)]
mod tests;
