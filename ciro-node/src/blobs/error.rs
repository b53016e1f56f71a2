//! Why a blob is not stored or not read.

use std::io;
use std::path::{Path, PathBuf};

use ciro_protocol::blob::{BlobError, BlobId};

use super::Space;

/// Why a blob is not stored or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreBlobError {
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
    /// The bytes are not those of the blob.
    #[error("the bytes do not belong to the blob")]
    Content(#[from] BlobError),
    /// The bytes have another id.
    #[error("the bytes are those of blob {got}")]
    OtherId {
        /// Their id.
        got: BlobId,
    },
    /// The blob is longer than any that the network knows.
    #[error("a blob of {bytes} bytes: the network's longest has {max}")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The longest.
        max: u64,
    },
    /// Nobody has announced it.
    #[error("blob {0} was not announced")]
    Unknown(BlobId),
    /// There is no room.
    #[error(
        "no room for {} bytes on disk in {} files: of {} bytes and {} files nothing may go",
        wanted.bytes,
        wanted.files,
        room.bytes,
        room.files
    )]
    Full {
        /// What was to be stored.
        wanted: Space,
        /// What all blobs may take.
        room: Space,
    },
    /// Too many blobs are half here.
    #[error("{0} blobs are being uploaded already")]
    Uploads(usize),
}

pub(super) fn failed(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StoreBlobError {
    let path = path.to_owned();
    move |source| StoreBlobError::File { operation, path, source }
}
