//! Files that are read within a bound and written whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::advice::Advice;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system does not let it be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is longer than anything of its kind.
    #[error("`{}` has more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The operating system does not let it be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something is in the folder that a new one is to take the place of.
    #[error("`{}` is not an empty folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

impl FileError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Write { .. } => Some(Advice::WritableFolder),
            Self::NotEmpty { .. } => Some(Advice::EmptyFolder),
            Self::Read { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// [`FileError`] if it cannot be read or is longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Room for exactly what is there, where the system knows it: growing by doubling would take
    // twice as much.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    let room = usize::try_from(length).unwrap_or(usize::MAX);
    if length <= limit && bytes.try_reserve_exact(room.saturating_add(1)).is_err() {
        return Err(failed(io::ErrorKind::OutOfMemory.into()));
    }
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        Ok(bytes)
    } else {
        Err(FileError::TooLarge { path: path.to_owned(), limit })
    }
}

/// The first bytes of a file, at most 64; `None` if it cannot be read.
pub(crate) fn head(path: &Path) -> Option<Vec<u8>> {
    const HEAD: u64 = 64;
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head)).ok()?;
    Some(head)
}

/// A file in the making: a temporary one in the same folder, renamed when its content is complete.
///
/// Opened before the work that fills it, it tells at once that the result could not be written;
/// dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
}

impl OutputFile {
    /// Opens a temporary file beside `path`.
    ///
    /// # Errors
    /// [`FileError::Write`] if `path` is a folder, or its folder does not take files.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Write { path: path.to_owned(), source };
        let name = match path.file_name() {
            Some(_) if path.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Some(name) => name,
            None => return Err(failed(io::ErrorKind::InvalidFilename.into())),
        };
        loop {
            let temporary = path.with_file_name(temporary_name(name));
            match File::create_new(&temporary) {
                Ok(file) => return Ok(Self { path: path.to_owned(), temporary, file: Some(file) }),
                // What a process of this number left behind when it was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Writes the content and gives the file its name.
    ///
    /// # Errors
    /// [`FileError::Write`] if the disk is full or the file cannot be renamed; nothing is left
    /// behind then.
    pub fn finish(mut self, content: &[u8]) -> Result<(), FileError> {
        let written = match self.file.take() {
            Some(mut file) => file.write_all(content).and_then(|()| file.sync_all()),
            None => Ok(()),
        };
        written
            .and_then(|()| std::fs::rename(&self.temporary, &self.path))
            .map_err(|source| FileError::Write { path: self.path.clone(), source })
    }
}

/// A folder in the making: files in a temporary one beside it, which gets its name when all of them
/// are written.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    temporary: PathBuf,
}

impl OutputFolder {
    /// Makes a temporary folder beside `path`, which must be new or an empty folder: files that are
    /// there already would become part of what is written.
    ///
    /// # Errors
    /// [`FileError::NotEmpty`] if something is there, [`FileError::Write`] if its parent does not
    /// take folders.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Write { path: path.to_owned(), source };
        let full = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.exists(),
        };
        if full {
            return Err(FileError::NotEmpty { path: path.to_owned() });
        }
        let absolute = std::path::absolute(path).map_err(failed)?;
        let name = absolute.file_name();
        let name = name.ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let temporary = absolute.with_file_name(temporary_name(name));
        std::fs::create_dir_all(&temporary).map_err(failed)?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    /// Writes files, texts by their paths in the folder, and gives the folder its name.
    ///
    /// # Errors
    /// [`FileError::Write`] if one of them cannot be written; nothing is left behind then.
    pub fn finish<'f>(
        self,
        files: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> Result<(), FileError> {
        let failed = |source| FileError::Write { path: self.path.clone(), source };
        for (name, text) in files {
            let file = self.temporary.join(name);
            if !file.starts_with(&self.temporary) {
                return Err(failed(io::ErrorKind::InvalidFilename.into()));
            }
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent).map_err(failed)?;
            }
            write(&file, text.as_bytes())?;
        }
        if self.path.exists() {
            // Only an empty folder gives way to the new one.
            std::fs::remove_dir(&self.path).map_err(failed)?;
        }
        std::fs::rename(&self.temporary, &self.path).map_err(failed)
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; after a failure the first error is the one to
        // tell.
        let _ = std::fs::remove_dir_all(&self.temporary);
    }
}

/// A name that no other writer of this or another process takes.
fn temporary_name(name: &std::ffi::OsStr) -> OsString {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut temporary = OsString::from(".");
    temporary.push(name);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}.{count}.tmp", std::process::id()));
    temporary
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; after a failure the first error is the one to
        // tell.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// [`FileError::Write`] if the system refuses; what was there before stays.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    OutputFile::create(path)?.finish(content)
}

/// Writes a file whole or not at all, and returns once it would outlast the machine.
///
/// # Errors
/// As [`write`](fn@write).
pub fn write_durably(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write(path, content)?;
    // An empty parent is the folder at hand.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Makes a folder and those above it that are missing, which their owner alone can read.
///
/// # Errors
/// What the system refuses.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a new file for a secret, which its owner alone can read.
///
/// # Errors
/// What the system refuses, [`io::ErrorKind::AlreadyExists`] if something of this name is there.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The permissions of a file that others than its owner have a part in; `None` if nobody else may
/// do anything with it, or the system knows no permissions.
///
/// # Errors
/// What the system refuses.
pub fn shared_mode(path: &Path) -> io::Result<Option<u32>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
        Ok((mode & 0o077 != 0).then_some(mode))
    }
    #[cfg(not(unix))]
    std::fs::metadata(path).map(|_| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proof.ciro");
        let file = OutputFile::create(&path).unwrap();
        assert!(!path.exists());
        file.finish(b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(read(&path, 6).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["proof.ciro"]);
    }

    #[test]
    fn what_a_killed_process_left_behind_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proof.ciro");
        // Names that this process would take next, or has taken.
        for count in 0..64 {
            let left = format!(".proof.ciro.{}.{count}.tmp", std::process::id());
            std::fs::write(folder.path().join(left), b"half").unwrap();
        }
        write_durably(&path, b"whole").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"whole");
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_new_and_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create_private(&path).unwrap();
        assert_eq!(shared_mode(&path).unwrap(), None);
        let again = create_private(&path).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(shared_mode(&path).unwrap(), Some(0o640));
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(OutputFile::create(&folder.path().join("proof.ciro")).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing/proof.ciro"), folder.path().to_owned()] {
            let error = OutputFile::create(&path).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot write `{}`", path.display()));
        }
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("package");
        std::fs::create_dir(&path).unwrap();
        let files = [("Scarb.toml", "a"), ("src/lib.cairo", "b")];
        OutputFolder::create(&path).unwrap().finish(files).unwrap();
        assert_eq!(std::fs::read(path.join("src/lib.cairo")).unwrap(), b"b");
        let error = OutputFolder::create(&path).unwrap_err();
        assert!(matches!(error, FileError::NotEmpty { .. }), "{error}");
        let outside = OutputFolder::create(&parent.path().join("other")).unwrap();
        outside.finish([("/outside", "c")]).unwrap_err();
        assert_eq!(names(parent.path()), ["package"]);
    }

    #[test]
    fn long_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        write(&path, b"123456").unwrap();
        assert!(matches!(read(&path, 5), Err(FileError::TooLarge { limit: 5, .. })));
    }
}
