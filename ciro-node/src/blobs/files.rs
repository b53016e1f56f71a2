//! Where blobs lie.
//!
//! ```text
//! blobs/ab/<id>.list, <id>.data    a whole blob: its list is there before its data
//! blobs/uploads/<id>.list, .data   one that is half here
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use ciro_protocol::blob::{BlobId, BlobList, CHUNK_BYTES};
use ciro_protocol::wire::Message as _;

use super::error::{StoreBlobError, failed};

/// The folder of blobs that are half here.
const UPLOADS: &str = "uploads";

/// The files of all blobs.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreBlobError> {
        let uploads = folder.join(UPLOADS);
        fs::create_dir_all(&uploads).map_err(failed("create", &uploads))?;
        Ok(Self { folder: folder.to_owned() })
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
            let len = list.bytes.saturating_sub(start).min(CHUNK_BYTES);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            file.read_exact_at(&mut bytes, start).is_ok() && list.check_chunk(index, &bytes).is_ok()
        };
        (0..).take(list.chunks.len()).map(here).collect()
    }

    /// Makes an upload that is all here a whole blob, durably.
    pub(super) fn finish(&self, id: BlobId) -> Result<(), StoreBlobError> {
        let folder = self.folder.join(hex::encode(&id.0[..1]));
        if !folder.is_dir() {
            fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
            sync(&self.folder)?;
        }
        for ending in ["list", "data"] {
            let (from, to) = (self.upload(id, ending), self.whole(id, ending));
            sync(&from)?;
            fs::rename(&from, &to).map_err(failed("rename", &from))?;
        }
        sync(&folder)
    }

    /// Stores a whole blob that came at once.
    pub(super) fn store(
        &self,
        id: BlobId,
        list: &BlobList,
        bytes: &[u8],
    ) -> Result<(), StoreBlobError> {
        self.begin(id, list)?;
        let path = self.upload(id, "data");
        let file = OpenOptions::new().write(true).open(&path);
        file.and_then(|mut file| file.write_all(bytes)).map_err(failed("write", &path))?;
        self.finish(id)
    }

    pub(super) fn remove(&self, id: BlobId) -> Result<(), StoreBlobError> {
        // Data first: a list without data is no blob.
        remove(&[self.whole(id, "data"), self.whole(id, "list")])
    }

    pub(super) fn remove_upload(&self, id: BlobId) -> Result<(), StoreBlobError> {
        remove(&[self.upload(id, "data"), self.upload(id, "list")])
    }

    /// Lists whole blobs with their lengths.
    pub(super) fn all(&self) -> Result<Vec<(BlobId, u64)>, StoreBlobError> {
        let mut found = Vec::new();
        for folder in list_folder(&self.folder)? {
            if !folder.is_dir() || folder.ends_with(UPLOADS) {
                continue;
            }
            for path in list_folder(&folder)? {
                let Some(id) = id_of(&path, "data") else { continue };
                let bytes = fs::metadata(&path).map_err(failed("read", &path))?.len();
                if self.whole(id, "list").is_file() {
                    found.push((id, bytes));
                } else {
                    self.remove(id)?;
                }
            }
        }
        Ok(found)
    }

    /// Lists uploads that were not finished; what is none is removed.
    pub(super) fn uploads(&self) -> Result<Vec<(BlobId, BlobList)>, StoreBlobError> {
        let mut found = Vec::new();
        for path in list_folder(&self.folder.join(UPLOADS))? {
            let Some(id) = id_of(&path, "list") else { continue };
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            match BlobList::from_bytes(&bytes) {
                Ok(list) if list.id() == id && list.check().is_ok() => found.push((id, list)),
                _ => self.remove_upload(id)?,
            }
        }
        Ok(found)
    }
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

fn remove(paths: &[PathBuf]) -> Result<(), StoreBlobError> {
    for path in paths {
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
