//! Blobs that are kept in files.

use std::path::Path;

use ciro_protocol::blob::BlobId;
use ciro_sdk::client::{Client, ClientError};
use ciro_sdk::files::{self, FileError};

/// Why a file does not hold a blob.
#[derive(Debug)]
pub(super) enum NotKept {
    /// The node does not give it.
    Client(ClientError),
    /// The disk does not take it.
    File(FileError),
}

/// Sees to it that a file holds a blob of at most `max` bytes. What is there may be damaged: it is
/// what its digest says, or it is fetched again.
pub(super) async fn keep(
    client: &Client,
    path: &Path,
    blob: BlobId,
    max: usize,
) -> Result<(), NotKept> {
    let kept = std::fs::read(path).is_ok_and(|bytes| BlobId::of(&bytes) == Ok(blob));
    if kept {
        return Ok(());
    }
    let bytes = client.download(blob, max).await.map_err(NotKept::Client)?;
    files::write_durably(path, &bytes).map_err(NotKept::File)
}

/// Removes what is done with of the files of a folder.
pub(super) fn sweep(folder: &Path, done_with: impl Fn(&Path) -> bool) {
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "a folder cannot be read");
            return;
        }
    };
    for file in files.flatten().map(|file| file.path()).filter(|file| done_with(file)) {
        remove(&file);
    }
}

/// Removes a file that is done with.
pub(super) fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, file = %path.display(), "a file that is done with stays");
        }
        _ => {}
    }
}
