//! Whatever a node answers is an answer or none: a client panics at nothing, and what it read it
//! can say again.
//!
//! Run with `just fuzz protocol answer`. The first byte says which answer; the rest is its JSON.

#![no_main]

use ciro_protocol::api::{
    Accepted, AccountInfo, BlobStatus, BlockInfo, ChainInfo, EventRecord, Health, JobInfo,
    JobOffer, ModelInfo, Page, Problem, ProviderInfo, TxStatus, parse_wait,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn same<T: serde::de::DeserializeOwned + serde::Serialize>(bytes: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<T>(bytes) else { return };
    let said = serde_json::to_value(&answer).expect("an answer encodes");
    let again: T = serde_json::from_value(said.clone()).expect("what was said is read");
    assert_eq!(serde_json::to_value(again).expect("an answer encodes"), said);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 15 {
        0 => same::<Accepted>(bytes),
        1 => same::<AccountInfo>(bytes),
        2 => same::<BlobStatus>(bytes),
        3 => same::<BlockInfo>(bytes),
        4 => same::<ChainInfo>(bytes),
        5 => same::<EventRecord>(bytes),
        6 => same::<Health>(bytes),
        7 => same::<JobInfo>(bytes),
        8 => same::<JobOffer>(bytes),
        9 => same::<ModelInfo>(bytes),
        10 => same::<Page<Value>>(bytes),
        11 => same::<Problem>(bytes),
        12 => same::<ProviderInfo>(bytes),
        13 => same::<TxStatus>(bytes),
        _ => drop(std::str::from_utf8(bytes).map(parse_wait)),
    }
});
