//! Any two files are a store that opens, opens again unchanged, or stops with an error.
//!
//! Run with `cargo fuzz run store` in `ciro-node/consensus`. The first two bytes are the length of the log.

#![no_main]

use std::collections::BTreeMap;

use ciro_consensus::ChainId;
use ciro_consensus::crypto::Stark;
use ciro_consensus::message::MessageDomain;
use ciro_consensus::store::{Disk, DiskError, GUARD_FILE, LOG_FILE, Recovery, Store, StoreOptions};
use libfuzzer_sys::fuzz_target;

#[derive(Clone, Debug)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Disk for Memory {
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
        let len = usize::try_from(len).expect("files are small");
        self.0.entry(name.to_owned()).or_default().truncate(len);
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

fuzz_target!(|bytes: &[u8]| {
    let Some((len, files)) = bytes.split_first_chunk::<2>() else { return };
    let len = usize::from(u16::from_be_bytes(*len)).min(files.len());
    let (log, guard) = files.split_at(len);
    let files = [(LOG_FILE, log), (GUARD_FILE, guard)];
    let present = files.into_iter().filter(|(_, bytes)| !bytes.is_empty());
    let disk = Memory(present.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect());
    let domain = MessageDomain { chain: ChainId::new("fuzz"), claims_depth: 3 };
    let Ok(opened) = Store::<Stark, _>::open(disk, domain, StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() }) else { return };
    let again = Store::<Stark, _>::open(opened.store.into_disk(), domain, StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() });
    let again = again.expect("what was opened is repaired");
    assert_eq!((again.records, again.torn_bytes), (opened.records, 0));
});
