//! Real files: the only place of this crate that touches an operating system.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the disk that the rest of the crate may not name"
)]

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskError};
use crate::mutation::Mutation;

/// A directory of the file system.
#[derive(Debug)]
pub struct FileDisk {
    directory: PathBuf,
    /// What is appended is handed to the system when it is synced.
    open: BTreeMap<String, BufWriter<File>>,
    lock: Option<File>,
}

impl FileDisk {
    /// Opens a directory, creating it if needed.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when it cannot be created.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        fs::create_dir_all(directory).map_err(|source| {
            DiskError::new("create directory", &directory.to_string_lossy(), source)
        })?;
        Ok(Self { directory: directory.to_owned(), open: BTreeMap::new(), lock: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Returns the handle of a file opened for appending.
    fn handle(&mut self, name: &str) -> io::Result<&mut BufWriter<File>> {
        if !self.open.contains_key(name) {
            let file = OpenOptions::new().append(true).create(true).open(self.path(name))?;
            self.sync_directory()?;
            self.open.insert(name.to_owned(), BufWriter::new(file));
        }
        self.open.get_mut(name).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Makes names durable: a new or renamed file exists after a crash only once its directory is
    /// synced.
    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn write_and_rename(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path(&format!("{name}.new"));
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.open.remove(name);
        fs::rename(&temporary, self.path(name))?;
        self.sync_directory()
    }
}

impl Disk for FileDisk {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        let appended = self.open.get_mut(name).map_or(Ok(()), Write::flush);
        match appended.and_then(|()| fs::read(self.path(name))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::new("read", name, error)),
        }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.handle(name)
            .and_then(|file| file.write_all(bytes))
            .map_err(|source| DiskError::new("append to", name, source))
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        if Mutation::UnflushedVotes.chosen() {
            return Ok(());
        }
        self.handle(name)
            .and_then(|file| file.flush().and_then(|()| file.get_ref().sync_data()))
            .map_err(|source| DiskError::new("sync", name, source))
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), DiskError> {
        self.handle(name)
            .and_then(|file| {
                file.flush()?;
                file.get_ref().set_len(len)?;
                file.get_ref().sync_all()
            })
            .map_err(|source| DiskError::new("truncate", name, source))
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_and_rename(name, bytes).map_err(|source| DiskError::new("replace", name, source))
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.open.remove(name);
        let removed = match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.sync_directory()),
        };
        removed.map_err(|source| DiskError::new("remove", name, source))
    }

    fn names(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.directory)? {
                let name = entry?.file_name();
                names.extend(
                    name.to_str().filter(|name| name.starts_with(prefix)).map(str::to_owned),
                );
            }
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(|source| DiskError::new("list", prefix, source))
    }

    fn entropy(&mut self) -> Result<u64, DiskError> {
        // The standard library keys its hashers with the system's randomness.
        Ok(RandomState::new().hash_one(0_u64))
    }

    fn lock(&mut self, name: &str) -> Result<(), DiskError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(name))
            .map_err(|source| DiskError::new("open", name, source))?;
        file.try_lock().map_err(|error| DiskError::new("lock", name, error.into()))?;
        self.lock = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_outlasts_the_process_and_a_mutation_forgets_it() {
        let kept = |name: &str| {
            let folder = tempfile::tempdir().unwrap();
            let mut disk = FileDisk::open(folder.path()).unwrap();
            disk.append(name, b"vote").unwrap();
            disk.sync(name).unwrap();
            // A killed process writes nothing on its way out.
            std::mem::forget(disk);
            FileDisk::open(folder.path()).unwrap().read(name).unwrap().unwrap()
        };
        assert_eq!(kept("log"), b"vote");
        assert_eq!(Mutation::UnflushedVotes.during(|| kept("log")), b"");
    }

    #[test]
    fn what_was_appended_is_read_before_it_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::open(folder.path()).unwrap();
        disk.append("log", b"abc").unwrap();
        assert_eq!(disk.read("log").unwrap().unwrap(), b"abc");
        disk.append("log", b"def").unwrap();
        disk.truncate("log", 4).unwrap();
        assert_eq!(disk.read("log").unwrap().unwrap(), b"abcd");
    }
}
