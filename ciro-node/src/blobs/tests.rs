use ciro_ledger::Blobs as _;

use super::*;

const LIMITS: BlobLimits =
    BlobLimits { total_bytes: 6 << 20, blob_bytes: 4 << 20, judged_bytes: 1 << 20 };

fn nothing() -> Option<BTreeSet<BlobId>> {
    Some(BTreeSet::new())
}

fn bytes(seed: u8, len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).map(|byte: u8| byte ^ seed).collect()
}

#[test]
fn an_upload_goes_on_where_it_was_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let content = bytes(1, (2 << 20) + 5);
    let list = BlobList::of(&content).unwrap();
    let id = list.id();
    let chunks: Vec<&[u8]> = content.chunks(1 << 20).collect();
    let status = blobs.begin(list.clone()).unwrap();
    assert_eq!((status.complete, &status.missing[..]), (false, &[0, 1, 2][..]));
    assert!(blobs.put_chunk(id, 1, chunks[0], nothing).is_err(), "not that chunk");
    assert_eq!(blobs.put_chunk(id, 1, chunks[1], nothing).unwrap().missing, [0, 2]);
    drop(blobs);
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    assert_eq!(blobs.len(id), None);
    assert_eq!(blobs.begin(list.clone()).unwrap().missing, [0, 2]);
    assert_eq!(blobs.put_chunk(id, 2, chunks[2], nothing).unwrap().missing, [0]);
    assert!(blobs.put_chunk(id, 0, chunks[0], nothing).unwrap().complete);
    assert!(blobs.begin(list).unwrap().complete);
    drop(blobs);
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    assert_eq!(blobs.len(id), Some(content.len() as u64));
    assert_eq!(blobs.files.read(id, u64::MAX).unwrap(), content);
}

#[test]
fn what_is_needed_stays_and_the_least_recent_goes() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let contents: Vec<Vec<u8>> = (0..4).map(|seed| bytes(seed, 2 << 20)).collect();
    let ids: Vec<BlobId> = contents.iter().map(|it| BlobId::of(it).unwrap()).collect();
    for at in 0..3 {
        blobs.put(ids[at], &contents[at], nothing).unwrap();
    }
    assert!(blobs.len(ids[1]).is_some(), "asked for");
    blobs.put(ids[3], &contents[3], || Some(BTreeSet::from([ids[0]]))).unwrap();
    let here = |id: &BlobId| blobs.len(*id).is_some();
    assert_eq!(ids.iter().map(here).collect::<Vec<_>>(), [true, true, false, true]);
    let all = || Some(ids.iter().copied().collect());
    let refused = blobs.put(ids[2], &contents[2], all);
    assert!(matches!(refused, Err(StoreBlobError::Full { .. })));
    let refused = blobs.put(ids[2], &contents[2], || None);
    assert!(matches!(refused, Err(StoreBlobError::Full { .. })), "nothing goes unasked");
    let long = BlobList::of(&bytes(9, (4 << 20) + 1)).unwrap();
    assert!(matches!(blobs.begin(long), Err(StoreBlobError::TooLong { .. })));
}

#[test]
fn bytes_of_another_blob_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let id = BlobId::of(b"one").unwrap();
    assert!(matches!(blobs.put(id, b"two", nothing), Err(StoreBlobError::OtherId { .. })));
    assert!(matches!(blobs.put_chunk(id, 0, b"one", nothing), Err(StoreBlobError::Unknown(_))));
    let mut list = BlobList::of(b"one").unwrap();
    list.bytes = 1 << 40;
    assert!(matches!(blobs.begin(list), Err(StoreBlobError::Content(_))));
    let empty = BlobList::of(b"").unwrap();
    assert!(blobs.begin(empty).unwrap().complete, "nothing is whole at once");
}

#[test]
fn validity_sees_a_damaged_blob_as_missing_and_a_long_one_as_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let (short, long) = (bytes(1, 1000), bytes(2, (1 << 20) + 9));
    let ids = [&short, &long].map(|content| BlobId::of(content).unwrap());
    blobs.put(ids[0], &short, nothing).unwrap();
    blobs.put(ids[1], &long, nothing).unwrap();
    assert_eq!(blobs.get(ids[0]).as_deref(), Some(&short[..]));
    assert_eq!(blobs.get(ids[1]).map(|it| it.len()), Some((1 << 20) + 1));
    let name = format!("{}.data", hex::encode(ids[0].0));
    std::fs::write(folder.path().join(&name[..2]).join(name), b"other").unwrap();
    assert_eq!(blobs.get(ids[0]), None);
}

/// Returns the names of files of uploads.
fn left(folder: &Path) -> Vec<std::ffi::OsString> {
    let files = std::fs::read_dir(folder.join("uploads")).unwrap();
    files.map(|entry| entry.unwrap().file_name()).collect()
}

fn data_of(folder: &Path, id: BlobId) -> std::path::PathBuf {
    let name = format!("{}.data", hex::encode(id.0));
    folder.join(&name[..2]).join(name)
}

#[test]
fn the_last_chunk_and_the_whole_blob_at_once_make_one_blob_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { total_bytes: 1 << 30, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    let mut ids = Vec::new();
    for round in 0..48_u8 {
        let content = bytes(round, (1 << 20) + 7);
        let list = BlobList::of(&content).unwrap();
        let id = list.id();
        let chunks: Vec<&[u8]> = content.chunks(1 << 20).collect();
        blobs.begin(list).unwrap();
        blobs.put_chunk(id, 0, chunks[0], nothing).unwrap();
        let both = std::sync::Barrier::new(3);
        let put = || {
            both.wait();
            blobs.put(id, &content, nothing).unwrap()
        };
        let chunk = || {
            both.wait();
            // Whoever comes second may find that there is no upload any more, but a blob.
            blobs.put_chunk(id, 1, chunks[1], nothing).unwrap()
        };
        std::thread::scope(|scope| {
            scope.spawn(chunk);
            scope.spawn(chunk);
            scope.spawn(put);
        });
        assert_eq!(blobs.files.read(id, u64::MAX).unwrap(), content, "round {round}");
        assert_eq!(left(folder.path()), [""; 0], "round {round}");
        ids.push((id, content.len() as u64));
        assert_eq!(blobs.bytes(), ids.iter().map(|(_, bytes)| bytes).sum::<u64>());
    }
    drop(blobs);
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    for (id, len) in ids {
        assert_eq!(blobs.len(id), Some(len));
    }
}

#[test]
fn a_blob_that_was_cut_off_or_changed_on_disk_is_stored_anew() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let content = bytes(1, 3000);
    let list = BlobList::of(&content).unwrap();
    let id = list.id();
    let path = data_of(folder.path(), id);
    let changed = [b"x", &content[1..]].concat();
    for damaged in [&b"short"[..], &changed] {
        // By an upload at once.
        blobs.put(id, &content, nothing).unwrap();
        std::fs::write(&path, damaged).unwrap();
        assert!(blobs.put(id, &content, nothing).unwrap().complete);
        assert_eq!(std::fs::read(&path).unwrap(), content);
        // After validity has seen it.
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(blobs.get(id), None);
        assert_eq!(blobs.len(id), None, "it is not here");
        assert_eq!(blobs.bytes(), 0);
        assert_eq!(blobs.begin(list.clone()).unwrap().missing, [0]);
        assert!(blobs.put_chunk(id, 0, &content, nothing).unwrap().complete);
        assert_eq!(blobs.get(id).as_deref(), Some(&content[..]));
    }
    std::fs::write(&path, b"short").unwrap();
    assert!(blobs.open_data(id).unwrap().is_none(), "too short to be served");
    blobs.put(id, &content, nothing).unwrap();
    std::fs::write(&path, b"short").unwrap();
    assert!(!blobs.begin(list).unwrap().complete, "not by an announcement either");
    blobs.put(id, &content, nothing).unwrap();
    std::fs::write(&path, b"short").unwrap();
    drop(blobs);
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    assert_eq!((blobs.len(id), blobs.bytes()), (None, 0), "nor after a restart");
    assert_eq!(left(folder.path()), [""; 0]);
}

#[test]
fn announcing_alone_takes_no_room_and_lets_nothing_go() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let kept = bytes(1, 4 << 20);
    let id = BlobId::of(&kept).unwrap();
    blobs.put(id, &kept, nothing).unwrap();
    let long: Vec<(BlobList, Vec<u8>)> = (2..12)
        .map(|seed| bytes(seed, 4 << 20))
        .map(|content| (BlobList::of(&content).unwrap(), content))
        .collect();
    for (list, _) in &long {
        assert_eq!(blobs.begin(list.clone()).unwrap().missing, [0, 1, 2, 3]);
    }
    assert_eq!(blobs.len(id), Some(4 << 20));
    assert_eq!(blobs.bytes(), 4 << 20);
    // What is brought takes room, and what was brought least recently goes for it.
    for (list, content) in &long {
        blobs.put_chunk(list.id(), 0, &content[..1 << 20], nothing).unwrap();
        assert!(blobs.bytes() <= LIMITS.total_bytes, "{}", blobs.bytes());
    }
    let (list, content) = &long[9];
    for (index, chunk) in (0..).zip(content.chunks(1 << 20)) {
        blobs.put_chunk(list.id(), index, chunk, nothing).unwrap();
    }
    assert_eq!(blobs.len(list.id()), Some(4 << 20));
    assert!(blobs.bytes() <= LIMITS.total_bytes);
}

#[test]
fn announcements_beyond_the_bound_replace_those_that_brought_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let content = bytes(0, (1 << 20) + 1);
    let list = BlobList::of(&content).unwrap();
    blobs.begin(list.clone()).unwrap();
    blobs.put_chunk(list.id(), 1, &content[1 << 20..], nothing).unwrap();
    for number in 0..UPLOADS_MAX + 9 {
        let list = BlobList::of(&number.to_le_bytes()).unwrap();
        assert_eq!(blobs.begin(list).unwrap().missing, [0]);
    }
    assert_eq!(blobs.begin(list.clone()).unwrap().missing, [0], "it has brought a chunk");
    assert!(blobs.put_chunk(list.id(), 0, &content[..1 << 20], nothing).unwrap().complete);
    assert!(blobs.lock().uploads.len() <= UPLOADS_MAX);
}
