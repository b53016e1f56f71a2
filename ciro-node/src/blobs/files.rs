//! Where blobs lie.
//!
//! ```text
//! blobs/ab/<id>.list, <id>.data    a whole blob: its list is there before its data
//! blobs/uploads/<id>.list, .data   one that is half here, from its first chunk on
//! blobs/uploads/<id>.<n>.tmp       a file on its way to its place, under a name nobody else has
//! ```
//!
//! What the node is stopped over in `uploads/` and cannot go on with is removed when it starts.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ciro_protocol::blob::{BlobId, BlobList, CHUNK_BYTES};
use ciro_protocol::wire::Message as _;

use super::Space;
use super::error::{StoreBlobError, failed};

/// The folder of blobs that are half here.
const UPLOADS: &str = "uploads";

/// The bytes of the unit in which the system tells what a file takes.
const SECTOR_BYTES: u64 = 512;

/// The files of all blobs. Whatever moves or removes files of a blob runs under the lock of
/// [`Blobs`](super::Blobs), so that files and what is known of them agree.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    /// How many names of files on their way were given.
    named: AtomicU64,
}

/// The files of a whole blob, durable and not in their place yet.
#[derive(Debug)]
pub(super) struct Staged {
    list: PathBuf,
    data: PathBuf,
}

impl Staged {
    /// Removes what does not go to its place.
    pub(super) fn discard(&self) -> Result<(), StoreBlobError> {
        remove(&[&self.list, &self.data])
    }
}

impl Files {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreBlobError> {
        let uploads = folder.join(UPLOADS);
        fs::create_dir_all(&uploads).map_err(failed("create", &uploads))?;
        Ok(Self { folder: folder.to_owned(), named: AtomicU64::new(0) })
    }

    fn name(&self, folder: &str, id: BlobId, ending: &str) -> PathBuf {
        self.folder.join(folder).join(format!("{}.{ending}", hex::encode(id.0)))
    }

    fn whole(&self, id: BlobId, ending: &str) -> PathBuf {
        self.name(&hex::encode(&id.0[..1]), id, ending)
    }

    fn upload(&self, id: BlobId, ending: &str) -> PathBuf {
        self.name(UPLOADS, id, ending)
    }

    /// Returns a name that nobody else has.
    fn unique(&self, id: BlobId) -> PathBuf {
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        self.name(UPLOADS, id, &format!("{number}.tmp"))
    }

    /// Whether both files of a whole blob are there, of the length that they should have.
    pub(super) fn are_there(&self, id: BlobId, bytes: u64) -> bool {
        let len = |ending| fs::metadata(self.whole(id, ending)).map(|it| it.len());
        len("data").is_ok_and(|len| len == bytes) && len("list").is_ok()
    }

    /// Opens a whole blob.
    pub(super) fn data(&self, id: BlobId) -> Result<File, StoreBlobError> {
        let path = self.whole(id, "data");
        File::open(&path).map_err(failed("open", &path))
    }

    /// Reads up to `max` bytes of a whole blob.
    pub(super) fn read(&self, id: BlobId, max: u64) -> Result<Vec<u8>, StoreBlobError> {
        let mut bytes = Vec::new();
        let path = self.whole(id, "data");
        self.data(id)?.take(max).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        Ok(bytes)
    }

    /// Reads the list of a whole blob.
    pub(super) fn list(&self, id: BlobId) -> Result<Vec<u8>, StoreBlobError> {
        let path = self.whole(id, "list");
        fs::read(&path).map_err(failed("read", &path))
    }

    /// Begins an upload, in place of what was left of one.
    pub(super) fn begin(&self, id: BlobId, list: &BlobList) -> Result<(), StoreBlobError> {
        let (path, data) = (self.upload(id, "list"), self.upload(id, "data"));
        File::create(&data).map_err(failed("create", &data))?;
        fs::write(&path, list.to_bytes()).map_err(failed("write", &path))
    }

    /// Writes a chunk of an upload.
    pub(super) fn write_chunk(
        &self,
        id: BlobId,
        index: u64,
        bytes: &[u8],
    ) -> Result<(), StoreBlobError> {
        let path = self.upload(id, "data");
        let file = OpenOptions::new().write(true).open(&path).map_err(failed("open", &path))?;
        let at = index.saturating_mul(CHUNK_BYTES);
        file.write_all_at(bytes, at).map_err(failed("write", &path))
    }

    /// Finds which chunks of an upload are here, by their hashes.
    pub(super) fn chunks_here(&self, id: BlobId, list: &BlobList) -> Vec<bool> {
        let file = File::open(self.upload(id, "data"));
        let here = |index: u64| {
            let Ok(file) = &file else { return false };
            let start = index.saturating_mul(CHUNK_BYTES);
            let len = chunk_len(list.bytes, index);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            file.read_exact_at(&mut bytes, start).is_ok() && list.check_chunk(index, &bytes).is_ok()
        };
        (0..).take(list.chunks.len()).map(here).collect()
    }

    /// Makes an upload that is all here durable.
    pub(super) fn stage_upload(&self, id: BlobId) -> Result<Staged, StoreBlobError> {
        let staged = Staged { list: self.upload(id, "list"), data: self.upload(id, "data") };
        sync(&staged.list)?;
        sync(&staged.data)?;
        Ok(staged)
    }

    /// Writes a whole blob that came at once.
    pub(super) fn stage(
        &self,
        id: BlobId,
        list: &BlobList,
        bytes: &[u8],
    ) -> Result<Staged, StoreBlobError> {
        let list = self.write_unique(id, &list.to_bytes())?;
        match self.write_unique(id, bytes) {
            Ok(data) => Ok(Staged { list, data }),
            Err(error) => {
                remove(&[list])?;
                Err(error)
            }
        }
    }

    /// Writes a file under a name that nobody else has, durably; nothing is left of one that fails.
    fn write_unique(&self, id: BlobId, bytes: &[u8]) -> Result<PathBuf, StoreBlobError> {
        let path = self.unique(id);
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        match written.map_err(failed("write", &path)) {
            Ok(()) => Ok(path),
            Err(error) => {
                remove(&[path])?;
                Err(error)
            }
        }
    }

    /// Puts a whole blob in its place, durably. What is there already is replaced.
    pub(super) fn publish(&self, id: BlobId, staged: &Staged) -> Result<(), StoreBlobError> {
        let folder = self.folder.join(hex::encode(&id.0[..1]));
        if !folder.is_dir() {
            fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
            sync(&self.folder)?;
        }
        for (from, ending) in [(&staged.list, "list"), (&staged.data, "data")] {
            fs::rename(from, self.whole(id, ending)).map_err(failed("rename", from))?;
        }
        sync(&folder)
    }

    pub(super) fn remove(&self, id: BlobId) -> Result<(), StoreBlobError> {
        // Data first: a list without data is no blob.
        remove(&[self.whole(id, "data"), self.whole(id, "list")])
    }

    pub(super) fn remove_upload(&self, id: BlobId) -> Result<(), StoreBlobError> {
        remove(&[self.upload(id, "data"), self.upload(id, "list")])
    }

    /// Lists whole blobs with their lengths; what is not whole is removed.
    pub(super) fn all(&self) -> Result<Vec<(BlobId, u64)>, StoreBlobError> {
        let mut found = Vec::new();
        for folder in list_folder(&self.folder)? {
            if !folder.is_dir() || folder.ends_with(UPLOADS) {
                continue;
            }
            for path in list_folder(&folder)? {
                if let Some(id) = id_of(&path, "list") {
                    if !self.whole(id, "data").is_file() {
                        self.remove(id)?;
                    }
                    continue;
                }
                let Some(id) = id_of(&path, "data") else { continue };
                let bytes = fs::metadata(&path).map_err(failed("read", &path))?.len();
                if self.listed(id)? == Some(bytes) {
                    found.push((id, bytes));
                } else {
                    tracing::warn!(blob = %id, bytes, "a blob on disk is damaged: it is removed");
                    self.remove(id)?;
                }
            }
        }
        Ok(found)
    }

    /// Returns the length that the list of a whole blob says, if it is the blob's list.
    fn listed(&self, id: BlobId) -> Result<Option<u64>, StoreBlobError> {
        let path = self.whole(id, "list");
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        let list = BlobList::from_bytes(&bytes).ok();
        Ok(list.filter(|list| list.id() == id && list.check().is_ok()).map(|list| list.bytes))
    }

    /// Lists uploads that were not finished, with what they take; what is none is removed.
    pub(super) fn uploads(&self) -> Result<Vec<(BlobId, BlobList, Space)>, StoreBlobError> {
        let mut found = Vec::new();
        let paths = list_folder(&self.folder.join(UPLOADS))?;
        for path in &paths {
            let Some(id) = id_of(path, "list") else { continue };
            let bytes = fs::read(path).map_err(failed("read", path))?;
            match (BlobList::from_bytes(&bytes), fs::metadata(self.upload(id, "data"))) {
                (Ok(list), Ok(data)) if list.id() == id && list.check().is_ok() => {
                    // A file has holes for the chunks that have not come.
                    let brought = Space::chunk(data.blocks().saturating_mul(SECTOR_BYTES));
                    let (begun, all) = (Space::begun(list.bytes), Space::blob(list.bytes));
                    found.push((id, list, begun.plus(brought).min(all)));
                }
                _ => self.remove_upload(id)?,
            }
        }
        for path in paths {
            let ours = ["list", "data"].into_iter().find_map(|ending| id_of(&path, ending));
            if ours.is_none_or(|id| found.iter().all(|(upload, ..)| *upload != id)) {
                remove(&[path])?;
            }
        }
        Ok(found)
    }
}

/// Returns the length of a chunk of a blob of so many bytes.
pub(super) fn chunk_len(bytes: u64, index: u64) -> u64 {
    bytes.saturating_sub(index.saturating_mul(CHUNK_BYTES)).min(CHUNK_BYTES)
}

fn id_of(path: &Path, ending: &str) -> Option<BlobId> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_suffix(ending)?.strip_suffix('.')?;
    let mut id = [0; 32];
    hex::decode_to_slice(digits, &mut id).ok()?;
    Some(BlobId(id))
}

fn list_folder(folder: &Path) -> Result<Vec<PathBuf>, StoreBlobError> {
    let entries = fs::read_dir(folder).map_err(failed("list", folder))?;
    entries.map(|entry| entry.map(|it| it.path()).map_err(failed("list", folder))).collect()
}

fn remove(paths: &[impl AsRef<Path>]) -> Result<(), StoreBlobError> {
    for path in paths {
        let path = path.as_ref();
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("remove", path)(error)),
        }
    }
    Ok(())
}

/// Flushes a file or folder.
fn sync(path: &Path) -> Result<(), StoreBlobError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed("flush", path))
}
