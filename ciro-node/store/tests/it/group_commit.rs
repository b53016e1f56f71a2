//! One write for several steps leaves behind what one for each would.

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Record, Write};
use ciro_store::{Keep, LOG_FILE, Recovery, Store, StoreOptions, read_log};

use crate::memory::MemoryDisk;
use crate::support::{Lab, checkpoint, operation, proposal};

/// What a store remembers: its log, what was signed, and every archived segment.
#[derive(Debug, PartialEq)]
struct Memory {
    records: Vec<Record>,
    guard: ciro_store::Guard,
    segments: Vec<Vec<Record>>,
}

/// Writes steps in groups of `size` and reads everything back.
fn remember(lab: &Lab, steps: &[Vec<Write>], size: usize) -> Memory {
    let domain = lab.genesis.message_domain();
    let options = StoreOptions { recovery: Recovery::NewKey, keep: Keep::Everything };
    let mut store = Store::<Stark, _>::open(MemoryDisk::default(), domain, options).unwrap().store;
    for group in steps.chunks(size) {
        store.persist(group.concat()).unwrap();
    }
    let opened = Store::<Stark, _>::open(store.into_disk(), domain, options).unwrap();
    let (records, mut store) = (opened.records, opened.store);
    let guard = store.guard().clone();
    let names: Vec<String> = store.disk_mut().0.keys().cloned().collect();
    let segments = names.iter().filter(|name| name.starts_with(LOG_FILE) && *name != LOG_FILE);
    let segments = segments.map(|name| read_log(store.disk_mut(), name, domain).unwrap());
    let segments = segments.collect();
    Memory { records, guard, segments }
}

/// The writes of a replica's steps over two epochs, with five checkpoints among them.
fn steps(lab: &Lab) -> Vec<Vec<Write>> {
    let mut backup = lab.open(1);
    let mut steps = Vec::new();
    for seq in 1..=20 {
        backup.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
        if seq % 4 == 0 {
            let epoch = backup.replica.epoch().0;
            let digest = backup.replica.snapshot().digest::<Stark>();
            for sender in [0, 2, 3] {
                backup.receive(&lab.message(sender, epoch, checkpoint(seq, digest)));
            }
        }
        steps.append(&mut backup.writes);
    }
    assert_eq!(backup.replica.epoch().0, 2);
    steps
}

#[test]
fn one_write_for_several_steps_leaves_behind_what_one_for_each_would() {
    let lab = Lab::new();
    let steps = steps(&lab);
    let compactions = steps.iter().flatten().filter(|it| matches!(it, Write::Compact(_))).count();
    assert_eq!(compactions, 5);
    let one_by_one = remember(&lab, &steps, 1);
    assert_eq!(one_by_one.segments.len(), 5);
    for size in [2, 3, 7, 64, steps.len()] {
        assert_eq!(remember(&lab, &steps, size), one_by_one, "groups of {size}");
    }
}

#[test]
fn a_group_with_one_contradiction_is_refused_whole() {
    let lab = Lab::new();
    let domain = lab.genesis.message_domain();
    let options = StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() };
    let mut store = Store::<Stark, _>::open(MemoryDisk::default(), domain, options).unwrap().store;
    let vote = |digest: u64| {
        let digest = ciro_consensus::Digest::from_u64(digest);
        let seq = ciro_consensus::Seq(1);
        let body = ciro_consensus::message::Vote { view: ciro_consensus::View(0), seq, digest };
        let message = lab.message(1, 0, ciro_consensus::message::Body::Prepare(body));
        Write::Append(Box::new(Record::Signed(message)))
    };
    let group = vec![vote(1), vote(2)];
    assert!(matches!(store.persist(group), Err(ciro_store::StoreError::Refused(_))));
    assert_eq!(*store.guard(), ciro_store::Guard::default());
    let opened = Store::<Stark, _>::open(store.into_disk(), domain, options).unwrap();
    assert_eq!(opened.records, []);
}
