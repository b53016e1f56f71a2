//! The durable log and the slashing-protection file on real files.

use std::fs;
use std::path::Path;

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Record, Seq, Write};
use ciro_store::{
    Disk, FileDisk, GUARD_FILE, JournalError, Keep, LOG_FILE, Opened, Recovery, Store, StoreError,
    StoreOptions, read_log, segment_file,
};

use crate::memory::MemoryDisk;
use crate::support::{Lab, checkpoint, operation, proposal};

type TestStore = Opened<Stark, FileDisk>;

fn open_with(directory: &Path, lab: &Lab, recovery: Recovery) -> Result<TestStore, StoreError> {
    let disk = FileDisk::open(directory).unwrap();
    Store::open(
        disk,
        lab.genesis.message_domain(),
        StoreOptions { recovery, ..StoreOptions::default() },
    )
}

fn open(directory: &Path, lab: &Lab) -> Result<TestStore, StoreError> {
    open_with(directory, lab, Recovery::NewKey)
}

/// Returns what appends these records.
pub(crate) fn writes(records: &[Record]) -> Vec<Write> {
    records.iter().map(|record| Write::Append(Box::new(record.clone()))).collect()
}

/// Writes a log of several frames: the steps of a backup up to the third block.
fn write_log(directory: &Path, lab: &Lab) -> Vec<Record> {
    let mut store = open(directory, lab).unwrap().store;
    let mut backup = lab.open(1);
    let mut written = 0;
    for seq in 1..=3 {
        backup.commit(lab, 0, seq, &proposal(0, &[operation(1, seq)]));
        store.persist(writes(&backup.log[written..])).unwrap();
        written = backup.log.len();
    }
    backup.log
}

#[test]
fn records_come_back_in_order() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    let written = write_log(directory.path(), &lab);
    let opened = open(directory.path(), &lab).unwrap();
    assert_eq!(opened.records, written);
    assert_eq!(opened.torn_bytes, 0);
}

/// Returns the two files of a store that `write_log` filled, in memory.
fn written_disk(lab: &Lab) -> (Vec<Record>, MemoryDisk) {
    let directory = tempfile::tempdir().unwrap();
    let written = write_log(directory.path(), lab);
    let files = [LOG_FILE, GUARD_FILE].map(|name| {
        let bytes = fs::read(directory.path().join(name)).unwrap();
        (name.to_owned(), bytes)
    });
    (written, MemoryDisk(files.into()))
}

/// Opens a store whose log is `log`, with or without its slashing-protection file.
fn open_log(
    lab: &Lab,
    disk: &MemoryDisk,
    log: &[u8],
    guarded: bool,
) -> Result<Vec<Record>, StoreError> {
    let mut disk = disk.clone();
    disk.0.insert(LOG_FILE.to_owned(), log.to_vec());
    if !guarded {
        disk.0.remove(GUARD_FILE);
    }
    let opened = Store::<Stark, _>::open(
        disk,
        lab.genesis.message_domain(),
        StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() },
    )?;
    let again = Store::<Stark, _>::open(
        opened.store.into_disk(),
        lab.genesis.message_domain(),
        StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() },
    );
    assert_eq!(again.unwrap().torn_bytes, 0, "the first opening repaired it");
    Ok(opened.records)
}

/// A log that ends anywhere: what is left is a prefix of what was written, or the store says what
/// is missing.
#[test]
fn a_log_torn_at_any_byte_recovers_or_stops_with_its_error() {
    let lab = Lab::new();
    let (written, disk) = written_disk(&lab);
    let log = &disk.0[LOG_FILE];
    let (mut behind, mut headless) = (0, 0);
    for len in 0..log.len() {
        // Without the slashing-protection file, every torn log is a crash's and gives a prefix.
        match open_log(&lab, &disk, &log[..len], false) {
            Ok(records) => assert_eq!(records, written[..records.len()]),
            Err(StoreError::Log(JournalError::TornHeader { len: at })) => {
                assert_eq!(at, len);
                headless += 1;
                continue;
            }
            Err(error) => panic!("cut at {len}: {error}"),
        }
        // With it, the store notices that more was signed than the log remembers.
        match open_log(&lab, &disk, &log[..len], true) {
            Err(StoreError::LogBehindGuard { .. }) => behind += 1,
            Ok(records) => panic!("cut at {len}: {} records seem complete", records.len()),
            Err(error) => panic!("cut at {len}: {error}"),
        }
    }
    assert_eq!((headless, behind), (52, log.len() - 52));
}

/// A slashing-protection file that ends anywhere: the log makes up for the last step, and only for
/// that.
#[test]
fn a_slashing_protection_file_torn_at_any_byte_recovers_or_stops_with_its_error() {
    let lab = Lab::new();
    let (written, disk) = written_disk(&lab);
    let guard = &disk.0[GUARD_FILE];
    for len in 0..guard.len() {
        let mut torn = disk.clone();
        torn.0.insert(GUARD_FILE.to_owned(), guard[..len].to_vec());
        match Store::<Stark, _>::open(
            torn,
            lab.genesis.message_domain(),
            StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() },
        ) {
            Ok(opened) => assert_eq!(opened.records, written),
            Err(StoreError::Guard(JournalError::TornHeader { len: at })) => assert_eq!(at, len),
            Err(error) => panic!("cut at {len}: {error}"),
        }
    }
}

/// Any byte that flips: the store never hands out a record that was not written.
#[test]
fn a_corrupt_byte_is_named_or_cut_off_but_never_believed() {
    let lab = Lab::new();
    let (written, disk) = written_disk(&lab);
    let log = &disk.0[LOG_FILE];
    let mut middle = 0;
    for at in 0..log.len() {
        let mut bytes = log.clone();
        bytes[at] ^= 1 << (at % 8);
        match open_log(&lab, &disk, &bytes, false) {
            Ok(records) => assert_eq!(records, written[..records.len()]),
            Err(StoreError::Log(JournalError::CorruptMiddle { offset, next })) => {
                assert!(offset <= at && at < next);
                middle += 1;
            }
            Err(StoreError::Log(JournalError::CorruptHeader)) => assert!(at < 52),
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(middle > log.len() / 2, "only the last frame may be taken for torn");
}

#[test]
fn a_torn_file_is_cut_and_written_on() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    let written = write_log(directory.path(), &lab);
    let path = directory.path().join(LOG_FILE);
    let log = fs::read(&path).unwrap();
    fs::write(&path, &log[..log.len() - 3]).unwrap();
    fs::remove_file(directory.path().join(GUARD_FILE)).unwrap();
    let mut opened = open(directory.path(), &lab).unwrap();
    assert!(opened.torn_bytes > 0 && opened.records.len() < written.len());
    let kept = opened.records.len();
    opened.store.persist(writes(&written[kept..=kept])).unwrap();
    drop(opened);
    let reopened = open(directory.path(), &lab).unwrap();
    assert_eq!((reopened.records, reopened.torn_bytes), (written[..=kept].to_vec(), 0));
}

#[test]
fn a_lost_log_may_vote_again_in_the_next_epoch() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    write_log(directory.path(), &lab);
    fs::remove_file(directory.path().join(LOG_FILE)).unwrap();
    let error = open(directory.path(), &lab).unwrap_err();
    let StoreError::LogBehindGuard { resume, .. } = error else { panic!("{error}") };
    let opened = open_with(directory.path(), &lab, Recovery::LogLost).unwrap();
    assert_eq!((opened.records.len(), opened.votes_from), (0, resume));
    drop(opened);
    let reopened = open(directory.path(), &lab).unwrap();
    assert_eq!(reopened.votes_from, resume, "it is remembered");
    let mut store = reopened.store;
    let mut primary = lab.open(0);
    primary.submit(&[operation(1, 1)]);
    assert!(matches!(store.persist(writes(&primary.log)), Err(StoreError::Refused(_))));
}

/// Flips a bit in the middle of the log.
fn damage_log(directory: &Path) {
    let log = directory.join(LOG_FILE);
    let mut bytes = fs::read(&log).unwrap();
    bytes[70] ^= 1;
    fs::write(&log, &bytes).unwrap();
}

#[test]
fn an_unreadable_log_without_the_protection_file_votes_nowhere() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    write_log(directory.path(), &lab);
    damage_log(directory.path());
    fs::remove_file(directory.path().join(GUARD_FILE)).unwrap();
    let error = open_with(directory.path(), &lab, Recovery::LogLost).unwrap_err();
    assert!(matches!(error, StoreError::GuardMissing), "{error}");
}

#[test]
fn an_unreadable_log_votes_in_the_next_epoch() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    write_log(directory.path(), &lab);
    damage_log(directory.path());
    let opened = open_with(directory.path(), &lab, Recovery::LogLost).unwrap();
    assert_eq!((opened.records.len(), opened.votes_from.0), (0, 1));
}

/// Replaced logs stay for as long as evidence of their epoch counts, however many there are.
#[test]
fn segments_are_kept_for_the_evidence_window() {
    let lab = Lab::new();
    let mut backup = lab.open(1);
    let mut disk = MemoryDisk::default();
    let domain = lab.genesis.message_domain();
    let mut seen = Vec::new();
    for epoch in 0..4 {
        for seq in 8 * epoch + 1..=8 * epoch + 8 {
            backup.commit(&lab, 0, seq, &proposal(0, &[operation(1, seq)]));
            if seq % 4 == 0 {
                let digest = backup.replica.snapshot().digest::<Stark>();
                for sender in [0, 2, 3] {
                    backup.receive(&lab.message(sender, epoch, checkpoint(seq, digest)));
                }
                let mut opened = Store::<Stark, _>::open(
                    disk,
                    domain,
                    StoreOptions { recovery: Recovery::NewKey, ..StoreOptions::default() },
                )
                .unwrap();
                let records = backup.log.iter().filter(|it| !matches!(it, Record::Epoch(_)));
                let records = records.cloned().collect();
                opened.store.persist(vec![Write::Compact(records)]).unwrap();
                disk = opened.store.into_disk();
            }
        }
        assert_eq!(backup.replica.epoch().0, epoch + 1);
        seen.push(disk.names(&format!("{LOG_FILE}.")).unwrap());
    }
    let kept =
        |epoch: u64| seen[3].iter().filter(move |name| name.contains(&format!(".{epoch:016x}.")));
    assert_eq!([0, 1].map(|epoch| kept(epoch).count()), [0, 0], "evidence of them counts no more");
    assert!(kept(3).count() >= 2, "{:?}", seen[3]);
}

#[test]
fn files_of_another_kind_or_chain_are_refused() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    write_log(directory.path(), &lab);
    fs::copy(directory.path().join(GUARD_FILE), directory.path().join(LOG_FILE)).unwrap();
    let error = open(directory.path(), &lab).unwrap_err();
    assert!(matches!(error, StoreError::Log(JournalError::Magic { .. })), "{error}");
    let mut domain = lab.genesis.message_domain();
    domain.chain = ciro_consensus::ChainId::new("other");
    let disk = FileDisk::open(tempfile::tempdir().unwrap().path()).unwrap();
    drop(disk);
    let directory = tempfile::tempdir().unwrap();
    write_log(directory.path(), &lab);
    let mut disk = FileDisk::open(directory.path()).unwrap();
    let error = read_log(&mut disk, LOG_FILE, domain).unwrap_err();
    assert!(matches!(error, StoreError::Log(JournalError::Chain { .. })), "{error}");
}

#[test]
fn one_process_at_a_time() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    let first = open(directory.path(), &lab).unwrap();
    let error = open(directory.path(), &lab).unwrap_err();
    assert!(matches!(error, StoreError::Disk(_)), "{error}");
    drop(first);
    assert!(open(directory.path(), &lab).is_ok());
}

#[test]
fn compaction_keeps_replaced_logs_for_the_forensic_tool() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    let written = write_log(directory.path(), &lab);
    let mut store = open(directory.path(), &lab).unwrap().store;
    for _ in 0..3 {
        store.persist(vec![Write::Compact(written[..2].to_vec())]).unwrap();
    }
    drop(store);
    let mut disk = FileDisk::open(directory.path()).unwrap();
    let domain = lab.genesis.message_domain();
    assert_eq!(read_log(&mut disk, LOG_FILE, domain).unwrap(), written[..2]);
    let epoch = ciro_consensus::Epoch(0);
    let segments: Vec<usize> = (0..3)
        .map(|number| read_log(&mut disk, &segment_file(epoch, number), domain).unwrap().len())
        .collect();
    assert_eq!(segments, [written.len(), 2, 2]);
}

#[test]
fn whoever_keeps_no_segments_has_none() {
    let lab = Lab::new();
    let (written, disk) = written_disk(&lab);
    let options = StoreOptions { keep: Keep::Nothing, recovery: Recovery::NewKey };
    let domain = lab.genesis.message_domain();
    let mut store = Store::<Stark, _>::open(disk, domain, options).unwrap().store;
    store.persist(vec![Write::Compact(written[..2].to_vec())]).unwrap();
    let mut disk = store.into_disk();
    assert_eq!(disk.names(&format!("{LOG_FILE}.")).unwrap(), Vec::<String>::new());
}

/// A replica driven over a store, stopped and started after every block.
#[test]
fn a_replica_lives_through_restarts_from_files() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    for seq in 1..=3 {
        let opened = open(directory.path(), &lab).unwrap();
        let (mut store, known) = (opened.store, opened.records.len());
        let mut subject = lab.reopen(1, opened.records);
        subject.execute_all();
        assert_eq!(subject.replica.executed(), Seq(seq - 1));
        subject.commit(&lab, 0, seq, &proposal(0, &[operation(1, seq)]));
        store.persist(writes(&subject.log[known..])).unwrap();
    }
}

#[test]
fn an_empty_directory_votes_only_for_a_new_key_or_from_a_given_epoch_on() {
    let (lab, directory) = (Lab::new(), tempfile::tempdir().unwrap());
    for recovery in [Recovery::Strict, Recovery::LogLost] {
        let error = open_with(directory.path(), &lab, recovery).unwrap_err();
        assert!(matches!(error, StoreError::Empty), "{error}");
    }
    let votes_from = ciro_consensus::Epoch(7);
    let opened = open_with(directory.path(), &lab, Recovery::OldKey { votes_from }).unwrap();
    assert_eq!(opened.votes_from, votes_from);
    drop(opened);
    let mut again = open_with(directory.path(), &lab, Recovery::Strict).unwrap();
    assert_eq!(again.votes_from, votes_from, "it is remembered");
    let mut primary = lab.open(0);
    primary.submit(&[operation(1, 1)]);
    assert!(matches!(again.store.persist(writes(&primary.log)), Err(StoreError::Refused(_))));
}
