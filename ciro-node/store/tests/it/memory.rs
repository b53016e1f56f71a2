//! A disk in memory, for tests that open a store thousands of times.

use std::collections::BTreeMap;

use ciro_store::{Disk, DiskError};

/// Files in memory; everything written is durable at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryDisk(pub(crate) BTreeMap<String, Vec<u8>>);

impl Disk for MemoryDisk {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.0.get(name).cloned())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.0.entry(name.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), DiskError> {
        self.0.entry(name.to_owned()).or_default().truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.0.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.0.remove(name);
        Ok(())
    }

    fn names(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.0.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn entropy(&mut self) -> Result<u64, DiskError> {
        Ok(0x5a17)
    }

    fn lock(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }
}
