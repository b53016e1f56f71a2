//! Any two files are a store that opens, opens again unchanged, or stops with an error.
//!
//! Run with `just fuzz store store`. The first two bytes are the length of the log.

#![no_main]

use ciro_consensus::ChainId;
use ciro_consensus::crypto::Stark;
use ciro_consensus::message::MessageDomain;
use ciro_store::{GUARD_FILE, LOG_FILE, Recovery, Store, StoreOptions};
use libfuzzer_sys::fuzz_target;

#[path = "../../ciro-node/store/tests/it/memory.rs"]
mod memory;

use memory::MemoryDisk;

fuzz_target!(|bytes: &[u8]| {
    let Some((len, files)) = bytes.split_first_chunk::<2>() else { return };
    let len = usize::from(u16::from_be_bytes(*len)).min(files.len());
    let (log, guard) = files.split_at(len);
    let files = [(LOG_FILE, log), (GUARD_FILE, guard)];
    let present = files.into_iter().filter(|(_, bytes)| !bytes.is_empty());
    let disk = MemoryDisk(present.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect());
    let domain = MessageDomain { chain: ChainId::new("fuzz"), claims_depth: 3 };
    let options = || StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() };
    let Ok(opened) = Store::<Stark, _>::open(disk, domain, options()) else { return };
    let again = Store::<Stark, _>::open(opened.store.into_disk(), domain, options());
    let again = again.expect("what was opened is repaired");
    assert_eq!((again.records, again.torn_bytes), (opened.records, 0));
});
