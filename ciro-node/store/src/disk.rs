//! The disk as the store sees it.

use std::fmt;
use std::io;

/// A failed disk operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{name}`")]
pub struct DiskError {
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// The file.
    pub name: String,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// Describes a failure.
    #[must_use]
    pub fn new(operation: &'static str, name: &str, source: io::Error) -> Self {
        Self { operation, name: name.to_owned(), source }
    }
}

/// A directory of files, with exactly the guarantees that the store relies on.
///
/// After an error the content of the file concerned is unknown until it is read again.
pub trait Disk: fmt::Debug {
    /// Returns a file's content, or `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when the file cannot be read.
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError>;

    /// Writes behind the end of a file. Until [`Disk::sync`] returns, a crash may keep any part of
    /// it.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when not all could be written.
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes everything appended to a file durable.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when it may not be durable.
    fn sync(&mut self, name: &str) -> Result<(), DiskError>;

    /// Cuts a file to `len` bytes, durably.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when it may not be cut.
    fn truncate(&mut self, name: &str, len: u64) -> Result<(), DiskError>;

    /// Replaces a file's content, durably and at once: a crash leaves the old or the new content.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when it may not be replaced.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// Removes a file durably, if it is there.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when it may still be there.
    fn remove(&mut self, name: &str) -> Result<(), DiskError>;

    /// Returns the names of all files that begin with `prefix`, in order.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when the directory cannot be read.
    fn names(&mut self, prefix: &str) -> Result<Vec<String>, DiskError>;

    /// Returns a number that nobody outside can foresee.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when there is none.
    fn entropy(&mut self) -> Result<u64, DiskError>;

    /// Takes the exclusive lock of a file for as long as the disk value lives.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when another process holds it.
    fn lock(&mut self, name: &str) -> Result<(), DiskError>;
}
