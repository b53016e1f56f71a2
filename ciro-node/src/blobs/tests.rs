use ciro_ledger::Blobs as _;
use ciro_protocol::blob::BlobChunk;
use ciro_protocol::wire::List;

use super::space::BLOCK_BYTES;
use super::*;

const LIMITS: BlobLimits =
    BlobLimits { total_bytes: 7 << 20, files: 2_000, blob_bytes: 4 << 20, judged_bytes: 1 << 20 };

fn nothing() -> Option<Vec<Need>> {
    Some(Vec::new())
}

fn need(ids: &[BlobId]) -> Option<Vec<Need>> {
    Some(of_kind(Kind::Pending, ids).collect())
}

fn of_kind(kind: Kind, ids: &[BlobId]) -> impl Iterator<Item = Need> {
    ids.iter().map(move |blob| Need { blob: *blob, bytes_max: u64::MAX, kind })
}

fn announce(blobs: &Blobs, list: &BlobList) -> BlobStatus {
    blobs.begin(list.clone(), Origin::Client).unwrap()
}

/// Uploads a blob that is its number, whole at once.
fn put_small(blobs: &Blobs, number: u64, needed: &[BlobId]) -> Result<BlobId, StoreBlobError> {
    let content = number.to_le_bytes();
    let id = BlobId::of(&content).unwrap();
    blobs.put(id, &content, || need(needed)).map(|_| id)
}

/// Sums up what the files of a folder and those below take, as the disk has them.
fn on_disk(folder: &Path) -> Space {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.fold(Space::default(), |sum, path| match std::fs::metadata(&path).unwrap() {
        it if it.is_dir() => sum.plus(on_disk(&path)),
        it => sum.plus(Space::file(it.len())),
    })
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
    let status = announce(&blobs, &list);
    assert_eq!((status.complete, &status.missing[..]), (false, &[0, 1, 2][..]));
    assert!(blobs.put_chunk(id, 1, chunks[0], nothing).is_err(), "not that chunk");
    assert_eq!(blobs.put_chunk(id, 1, chunks[1], nothing).unwrap().missing, [0, 2]);
    drop(blobs);
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    assert_eq!(blobs.len(id), None);
    assert_eq!(announce(&blobs, &list).missing, [0, 2]);
    assert_eq!(blobs.put_chunk(id, 2, chunks[2], nothing).unwrap().missing, [0]);
    assert!(blobs.put_chunk(id, 0, chunks[0], nothing).unwrap().complete);
    assert!(announce(&blobs, &list).complete);
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
    blobs.put(ids[3], &contents[3], || need(&ids[..1])).unwrap();
    let here = |id: &BlobId| blobs.len(*id).is_some();
    assert_eq!(ids.iter().map(here).collect::<Vec<_>>(), [true, true, false, true]);
    let refused = blobs.put(ids[2], &contents[2], || need(&ids));
    assert!(matches!(refused, Err(StoreBlobError::Full { .. })));
    let refused = blobs.put(ids[2], &contents[2], || None);
    assert!(matches!(refused, Err(StoreBlobError::Full { .. })), "nothing goes unasked");
    let long = BlobList::of(&bytes(9, (4 << 20) + 1)).unwrap();
    assert!(matches!(blobs.begin(long, Origin::Client), Err(StoreBlobError::TooLong { .. })));
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
    assert!(matches!(blobs.begin(list, Origin::Client), Err(StoreBlobError::Content(_))));
    let empty = BlobList::of(b"").unwrap();
    assert!(announce(&blobs, &empty).complete, "nothing is whole at once");
    assert_eq!(blobs.taken(), on_disk(folder.path()));
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
        announce(&blobs, &list);
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
        assert_eq!(blobs.taken(), on_disk(folder.path()));
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
        assert_eq!(blobs.taken(), Space::default());
        assert_eq!(announce(&blobs, &list).missing, [0]);
        assert!(blobs.put_chunk(id, 0, &content, nothing).unwrap().complete);
        assert_eq!(blobs.get(id).as_deref(), Some(&content[..]));
    }
    std::fs::write(&path, b"short").unwrap();
    assert!(blobs.open_data(id).unwrap().is_none(), "too short to be served");
    blobs.put(id, &content, nothing).unwrap();
    std::fs::write(&path, b"short").unwrap();
    assert!(!announce(&blobs, &list).complete, "not by an announcement either");
    blobs.put(id, &content, nothing).unwrap();
    std::fs::write(&path, b"short").unwrap();
    drop(blobs);
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    assert_eq!((blobs.len(id), blobs.taken()), (None, Space::default()), "nor after a restart");
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
        assert_eq!(announce(&blobs, list).missing, [0, 1, 2, 3]);
    }
    assert_eq!(blobs.len(id), Some(4 << 20));
    assert_eq!((blobs.taken(), on_disk(folder.path())), (Space::blob(4 << 20), blobs.taken()));
    assert_eq!(left(folder.path()), [""; 0], "an announcement leaves no file");
    // What is brought takes room, and what was brought least recently goes for it.
    for (list, content) in &long {
        blobs.put_chunk(list.id(), 0, &content[..1 << 20], nothing).unwrap();
        assert!(blobs.taken().fits(LIMITS.room()), "{:?}", blobs.taken());
    }
    let (list, content) = &long[9];
    for (index, chunk) in (0..).zip(content.chunks(1 << 20)) {
        blobs.put_chunk(list.id(), index, chunk, nothing).unwrap();
    }
    assert_eq!(blobs.len(list.id()), Some(4 << 20));
    assert!(blobs.taken().fits(LIMITS.room()));
}

#[test]
fn announcements_beyond_the_bound_replace_those_that_brought_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let content = bytes(0, (1 << 20) + 1);
    let list = BlobList::of(&content).unwrap();
    announce(&blobs, &list);
    blobs.put_chunk(list.id(), 1, &content[1 << 20..], nothing).unwrap();
    for number in 0..UPLOADS_MAX + 9 {
        let list = BlobList::of(&number.to_le_bytes()).unwrap();
        assert_eq!(announce(&blobs, &list).missing, [0]);
    }
    assert_eq!(announce(&blobs, &list).missing, [0], "it has brought a chunk");
    assert!(blobs.put_chunk(list.id(), 0, &content[..1 << 20], nothing).unwrap().complete);
    assert!(blobs.lock().uploads.len() <= UPLOADS_MAX);
}

#[test]
fn blobs_of_one_byte_fill_the_room_as_the_blocks_that_they_take() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { total_bytes: 64 * BLOCK_BYTES, blob_bytes: 100, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    for number in 0..100 {
        put_small(&blobs, number, &[]).unwrap();
        assert!(blobs.taken().fits(limits.room()), "{:?}", blobs.taken());
        assert_eq!(blobs.taken(), on_disk(folder.path()));
    }
    assert_eq!(blobs.lock().whole.len(), 32, "each takes two blocks");
}

#[test]
fn the_number_of_files_is_bounded_and_outlasts_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { files: 64, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    for number in 0..100 {
        put_small(&blobs, number, &[]).unwrap();
    }
    assert_eq!(blobs.taken().files, 64);
    let content = bytes(1, (1 << 20) + 1);
    let list = BlobList::of(&content).unwrap();
    announce(&blobs, &list);
    blobs.put_chunk(list.id(), 1, &content[1 << 20..], nothing).unwrap();
    let taken = blobs.taken();
    assert!(taken.files <= 64, "files of uploads count: {taken:?}");
    drop(blobs);
    std::fs::write(folder.path().join("uploads").join("left.tmp"), b"of a kill").unwrap();
    let other = hex::encode(BlobId::of(b"other").unwrap().0);
    std::fs::write(folder.path().join("uploads").join(format!("{other}.data")), b"o").unwrap();
    std::fs::create_dir_all(folder.path().join(&other[..2])).unwrap();
    std::fs::write(folder.path().join(&other[..2]).join(format!("{other}.list")), b"o").unwrap();
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    assert_eq!(announce(&blobs, &list).missing, [0]);
    assert_eq!(blobs.taken(), taken, "what was left over is gone, all else is counted");
    assert_eq!(blobs.taken().files, on_disk(folder.path()).files);
    for number in 100..200 {
        put_small(&blobs, number, &[]).unwrap();
        assert!(blobs.taken().files <= 64, "{:?}", blobs.taken());
    }
}

#[test]
fn what_is_needed_leaves_room_for_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { files: 64, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    let ids: Vec<BlobId> = (0..32).map(|it| put_small(&blobs, it, &[]).unwrap()).collect();
    assert_eq!(blobs.taken().files, 64, "everything is taken by what is needed");
    for number in 32..40 {
        let id = put_small(&blobs, number, &ids).unwrap();
        assert!(blobs.len(id).is_some(), "a proof finds room");
    }
    let here = ids.iter().filter(|id| blobs.len(**id).is_some()).count();
    assert_eq!(here, 28, "an eighth is free of what may not go");
    assert!(ids[..28].iter().all(|id| blobs.len(*id).is_some()), "the first ones stay");
    let strangers: Vec<BlobId> = (40..200).map(|it| put_small(&blobs, it, &ids).unwrap()).collect();
    assert!(ids[..28].iter().all(|id| blobs.len(*id).is_some()), "whatever strangers upload");
    assert!(blobs.len(strangers[159]).is_some() && blobs.len(strangers[0]).is_none());
}

#[test]
fn a_blob_that_is_longer_than_was_paid_for_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let contents: Vec<Vec<u8>> = (0..4).map(|seed| bytes(seed, 2 << 20)).collect();
    let ids: Vec<BlobId> = contents.iter().map(|it| BlobId::of(it).unwrap()).collect();
    let paid = [(2 << 20) - 1, 2 << 20, 2 << 20];
    let need = |(id, max): (&BlobId, u64)| Need { blob: *id, bytes_max: max, kind: Kind::Open };
    let needed = || ids.iter().zip(paid).map(need);
    for (id, content) in ids.iter().zip(&contents) {
        blobs.put(*id, content, || Some(needed().collect())).unwrap();
    }
    let here = |id: &BlobId| blobs.len(*id).is_some();
    assert_eq!(ids.iter().map(here).collect::<Vec<_>>(), [false, true, true, true]);
}

#[test]
fn uploads_of_clients_take_no_place_and_no_room_of_those_of_validators() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { total_bytes: 64 << 20, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    let content = bytes(0, 4 << 20);
    let list = BlobList::of(&content).unwrap();
    // A client may have announced it before.
    announce(&blobs, &list);
    blobs.begin(list.clone(), Origin::Validator).unwrap();
    blobs.put_chunk(list.id(), 0, &content[..1 << 20], nothing).unwrap();
    let long = |number: u32| {
        let (first, last) = (bytes(7, 1 << 20), number.to_le_bytes());
        let chunks = List::new(vec![BlobChunk::of(&first), BlobChunk::of(&last)]).unwrap();
        (BlobList { bytes: (1 << 20) + 4, chunks }, [first, last.to_vec()])
    };
    let places = u32::try_from(UPLOADS_MAX).unwrap();
    for number in 0..2 * places {
        let (list, chunks) = long(number);
        announce(&blobs, &list);
        blobs.put_chunk(list.id(), 1, &chunks[1], nothing).unwrap();
    }
    assert_eq!(announce(&blobs, &list).missing, [1, 2, 3], "it has a place of its own");
    for number in 0..20 {
        let (list, chunks) = long(2 * places + number);
        announce(&blobs, &list);
        blobs.put_chunk(list.id(), 0, &chunks[0], nothing).unwrap();
    }
    assert_eq!(announce(&blobs, &list).missing, [1, 2, 3], "and room of its own");
    for number in 0..places + 9 {
        let list = BlobList::of(&number.to_be_bytes()).unwrap();
        blobs.begin(list, Origin::Validator).unwrap();
    }
    assert_eq!(announce(&blobs, &list).missing, [1, 2, 3], "nor does one that brings nothing");
}

#[test]
fn no_kind_of_need_takes_the_part_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { files: 64, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    let ids: Vec<BlobId> = (0..28).map(|it| put_small(&blobs, it, &[]).unwrap()).collect();
    let (results, open) = (&ids[..], [28, 29].map(|it| put_small(&blobs, it, &[]).unwrap()));
    let model = put_small(&blobs, 30, &[]).unwrap();
    let needed = || {
        let [results, open] = [of_kind(Kind::Result, results), of_kind(Kind::Open, &open)];
        Some(results.chain(open).chain(of_kind(Kind::Model, &[model])).collect())
    };
    for number in 100..200_u64 {
        let content = number.to_le_bytes();
        blobs.put(BlobId::of(&content).unwrap(), &content, needed).unwrap();
    }
    let here = |id: &BlobId| blobs.len(*id).is_some();
    assert!(open.iter().chain([&model]).all(here), "though results would take seven eighths");
    // What the others do not take is theirs: 56 files are for what is needed.
    assert!(results[..25].iter().all(here));
    assert_eq!(results.iter().filter(|id| here(id)).count(), 25);
}

#[test]
fn what_validators_do_not_finish_leaves_room_for_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { total_bytes: 8 << 20, ..LIMITS };
    let blobs = Blobs::open(folder.path(), limits).unwrap();
    let contents: Vec<Vec<u8>> = (0..6).map(|seed| bytes(seed, 1 << 20)).collect();
    let ids: Vec<BlobId> = contents.iter().map(|it| BlobId::of(it).unwrap()).collect();
    for (id, content) in ids.iter().zip(&contents) {
        blobs.put(*id, content, nothing).unwrap();
    }
    // Each of two validators hands out a part of a blob and never the rest.
    let begin = |seed: u8, brought: &[u64]| {
        let content = bytes(seed, (2 << 20) + (700 << 10));
        let list = BlobList::of(&content).unwrap();
        let chunks: Vec<&[u8]> = content.chunks(1 << 20).collect();
        blobs.begin(list.clone(), Origin::Validator).unwrap();
        for index in brought {
            let chunk = chunks[usize::try_from(*index).unwrap()];
            blobs.put_chunk(list.id(), *index, chunk, || need(&ids)).unwrap();
        }
        list
    };
    let [long, short] = [begin(7, &[0]), begin(8, &[2])];
    let comes = bytes(9, 500 << 10);
    let id = BlobId::of(&comes).unwrap();
    assert!(blobs.put(id, &comes, || need(&ids)).unwrap().complete, "a proof finds room");
    assert!(ids.iter().all(|id| blobs.len(*id).is_some()), "what is needed stays");
    let missing = |list: &BlobList| blobs.begin(list.clone(), Origin::Validator).unwrap().missing;
    assert_eq!((missing(&long), missing(&short)), (vec![0, 1, 2], vec![0, 1]), "the longest goes");
}

#[test]
fn nobody_waits_for_the_blobs_while_somebody_looks_up_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { files: 8, ..LIMITS };
    let blobs = Arc::new(Blobs::open(folder.path(), limits).unwrap());
    let first = put_small(&blobs, 0, &[]).unwrap();
    let mut asked = 0;
    for number in 1..9_u64 {
        let content = number.to_le_bytes();
        let needed = || {
            asked += 1;
            let (tx, rx) = std::sync::mpsc::sync_channel(1);
            let asked_for = Arc::clone(&blobs);
            std::thread::spawn(move || tx.send(asked_for.len(first)));
            let answered = rx.recv_timeout(std::time::Duration::from_secs(10));
            assert_eq!(answered, Ok(Some(8)), "whoever asks for a blob is answered");
            need(&[first])
        };
        blobs.put(BlobId::of(&content).unwrap(), &content, needed).unwrap();
    }
    assert!(asked > 0 && blobs.len(first).is_some());
}

#[test]
fn of_a_blob_that_is_too_long_for_validity_its_list_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let [long, short] = [(1 << 20) + 9, 1 << 20].map(|len| BlobList::of(&bytes(1, len)).unwrap());
    assert!(blobs.get(long.id()).is_none());
    for list in [&long, &short] {
        blobs.begin(list.clone(), Origin::Validator).unwrap();
    }
    assert_eq!(blobs.get(long.id()).map(|it| it.len()), Some((1 << 20) + 1));
    assert!(blobs.get(short.id()).is_none(), "its bytes count");
    assert_eq!((blobs.len(long.id()), blobs.taken()), (None, Space::default()));
}
