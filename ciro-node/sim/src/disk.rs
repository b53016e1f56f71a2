//! A disk that crashes: it tears writes, loses what was not synced, and fails.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use ciro_store::{Disk, DiskError};

use crate::rng::Rng;

/// An error the disk is told to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The next write keeps a part and fails with `ENOSPC`.
    Full,
    /// The next sync fails with `EIO`; what it should have made durable is in doubt.
    Sync,
    /// The next replacement fails with `EIO`, before or after it took effect.
    Replace,
}

/// Files in memory, with what would survive a crash kept apart from what would not.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<String, File>,
    fault: Option<DiskFault>,
    entropy: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    unsynced: Vec<u8>,
}

impl SimDisk {
    /// Arms a fault for the next operation that it fits; `entropy` decides how much of that takes
    /// effect.
    pub const fn arm(&mut self, fault: DiskFault, entropy: u64) {
        self.fault = Some(fault);
        self.entropy = entropy;
    }

    /// Takes an armed fault back.
    pub const fn disarm(&mut self) {
        self.fault = None;
    }

    /// Loses power: each file keeps a random part of what was not synced, possibly with garbage at
    /// its end.
    pub fn crash(&mut self, rng: &mut Rng) {
        self.fault = None;
        for file in self.files.values_mut() {
            let mut kept = std::mem::take(&mut file.unsynced);
            if kept.is_empty() {
                continue;
            }
            kept.truncate(rng.index(kept.len() + 1));
            if rng.chance(300) {
                // The length reached the disk, a sector's content did not.
                let torn = rng.index(kept.len() + 1);
                kept[torn..].fill(0);
            }
            file.durable.append(&mut kept);
        }
    }

    /// Returns what is durable of a file.
    #[must_use]
    pub fn durable(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|file| file.durable.as_slice())
    }

    /// Overwrites a file, as bit rot or a careless operator would.
    pub fn set_durable(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), File { durable: bytes, unsynced: Vec::new() });
    }

    /// Returns the names of all files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    fn fails(&mut self, fault: DiskFault) -> bool {
        self.fault.take_if(|armed| *armed == fault).is_some()
    }

    /// Returns a share of `len` that the armed entropy chooses.
    fn share(&self, len: usize) -> usize {
        Rng::new(self.entropy).index(len + 1)
    }
}

impl Disk for SimDisk {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        let file = self.files.get(name);
        Ok(file.map(|file| [file.durable.as_slice(), file.unsynced.as_slice()].concat()))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let full = self.fails(DiskFault::Full);
        let kept = if full { self.share(bytes.len()) } else { bytes.len() };
        let file = self.files.entry(name.to_owned()).or_default();
        file.unsynced.extend_from_slice(&bytes[..kept]);
        if full {
            return Err(DiskError::new("append to", name, ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        let failed = self.fails(DiskFault::Sync);
        let entropy = self.entropy;
        let file = self.files.entry(name.to_owned()).or_default();
        if failed {
            let kept = Rng::new(entropy).index(file.unsynced.len() + 1);
            file.durable.extend_from_slice(&file.unsynced[..kept]);
            file.unsynced.drain(..kept);
            return Err(DiskError::new("sync", name, ErrorKind::Other.into()));
        }
        file.durable.append(&mut file.unsynced);
        Ok(())
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), DiskError> {
        let file = self.files.entry(name.to_owned()).or_default();
        file.durable.append(&mut file.unsynced);
        file.durable.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let failed = self.fails(DiskFault::Replace);
        if !failed || self.entropy.is_multiple_of(2) {
            self.set_durable(name, bytes.to_vec());
        }
        if failed {
            return Err(DiskError::new("replace", name, ErrorKind::Other.into()));
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.files.remove(name);
        Ok(())
    }

    fn names(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.files.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn entropy(&mut self) -> Result<u64, DiskError> {
        Ok(0x5a17)
    }

    fn lock(&mut self, _name: &str) -> Result<(), DiskError> {
        Ok(())
    }
}
