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
    let status = blobs.begin(list.clone(), nothing).unwrap();
    assert_eq!((status.complete, &status.missing[..]), (false, &[0, 1, 2][..]));
    assert!(blobs.put_chunk(id, 1, chunks[0]).is_err(), "not that chunk");
    assert_eq!(blobs.put_chunk(id, 1, chunks[1]).unwrap().missing, [0, 2]);
    drop(blobs);
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    assert_eq!(blobs.len(id), None);
    assert_eq!(blobs.begin(list.clone(), nothing).unwrap().missing, [0, 2]);
    assert_eq!(blobs.put_chunk(id, 2, chunks[2]).unwrap().missing, [0]);
    assert!(blobs.put_chunk(id, 0, chunks[0]).unwrap().complete);
    assert!(blobs.begin(list, nothing).unwrap().complete);
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
    assert!(matches!(blobs.begin(long, nothing), Err(StoreBlobError::TooLong { .. })));
}

#[test]
fn bytes_of_another_blob_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path(), LIMITS).unwrap();
    let id = BlobId::of(b"one").unwrap();
    assert!(matches!(blobs.put(id, b"two", nothing), Err(StoreBlobError::OtherId { .. })));
    assert!(matches!(blobs.put_chunk(id, 0, b"one"), Err(StoreBlobError::Unknown(_))));
    let mut list = BlobList::of(b"one").unwrap();
    list.bytes = 1 << 40;
    assert!(matches!(blobs.begin(list, nothing), Err(StoreBlobError::Content(_))));
    let empty = BlobList::of(b"").unwrap();
    assert!(blobs.begin(empty, nothing).unwrap().complete, "nothing is whole at once");
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
