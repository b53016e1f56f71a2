//! Room for blobs: what goes when it is short.

use std::collections::BTreeSet;

use ciro_protocol::blob::BlobId;

use super::{Blobs, Inner, Need, Origin, Space, StoreBlobError, UPLOADS_MAX};

/// The part of the whole room that unfinished uploads of one origin may take: one in so many, and
/// at least as much as the longest blob.
const UPLOADS_PART: u64 = 4;
/// The part of the whole room that is kept from what may not go: one in so many. So there is
/// always room for what comes: an input before its order, a proof before it is paid.
const RESERVE_PART: u64 = 8;
/// The part of the whole room that goes at least if something goes: one in so many. So it is seldom
/// looked for.
const STEP_PART: u64 = 512;

/// Room that somebody asks for.
pub(super) struct Wanted {
    /// What comes now.
    pub(super) space: Space,
    /// What there should be room for, if something goes anyway; at least `space`.
    pub(super) ahead: Space,
    /// The upload that brings it; none for a blob that comes whole.
    pub(super) upload: Option<BlobId>,
}

impl Blobs {
    /// Checks that a blob may be stored at all.
    pub(super) fn check_length(&self, bytes: u64) -> Result<(), StoreBlobError> {
        let max = self.limits.blob_bytes;
        let (wanted, room) = (Space::blob(bytes), self.limits.room());
        if bytes > max {
            Err(StoreBlobError::TooLong { bytes, max })
        } else if wanted.fits(room) {
            Ok(())
        } else {
            Err(StoreBlobError::Full { wanted, room })
        }
    }

    /// Makes place for one more upload of an origin: of too many the one goes that rests longest,
    /// of those that have brought nothing first. Other origins have places of their own.
    pub(super) fn make_place(
        &self,
        inner: &mut Inner,
        origin: Origin,
    ) -> Result<(), StoreBlobError> {
        loop {
            let same = inner.uploads.iter().filter(|(_, upload)| upload.origin == origin);
            if same.clone().count() < UPLOADS_MAX {
                return Ok(());
            }
            let resting = same.filter(|(_, upload)| !upload.finishing);
            let first = resting.min_by_key(|(_, upload)| (upload.has_files(), upload.used));
            let id = first.map(|(id, _)| *id).ok_or(StoreBlobError::Uploads(UPLOADS_MAX))?;
            self.drop_upload(inner, id)?;
        }
    }

    /// Lets blobs go until there is room: uploads that rest longest and blobs that were asked for
    /// least recently. Unfinished uploads make room for each other before they take more than their
    /// part.
    pub(super) fn make_room(
        &self,
        inner: &mut Inner,
        wanted: &Wanted,
        needed: impl FnOnce() -> Option<Vec<Need>>,
    ) -> Result<(), StoreBlobError> {
        let room = self.limits.room();
        self.bound_uploads(inner, wanted)?;
        if inner.taken.plus(wanted.space).fits(room) {
            return Ok(());
        }
        let full = StoreBlobError::Full { wanted: wanted.space, room };
        let Some(needed) = needed() else { return Err(full) };
        let kept = self.kept(inner, &needed);
        let whole = inner.whole.iter().filter(|(id, _)| !kept.contains(id));
        let whole = whole.map(|(id, whole)| (whole.used, *id));
        let uploads = resting(inner, wanted, |origin| origin == Origin::Client);
        let candidates: BTreeSet<(u64, BlobId)> = whole.chain(uploads).collect();
        let enough = wanted.ahead.max(wanted.space).plus(room.part(STEP_PART));
        for (_, id) in candidates {
            if inner.taken.plus(enough).fits(room) {
                break;
            }
            if inner.whole.contains_key(&id) {
                self.drop_whole(inner, id)?;
            } else {
                self.drop_upload(inner, id)?;
            }
        }
        if inner.taken.plus(wanted.space).fits(room) { Ok(()) } else { Err(full) }
    }

    /// Finds what may not go of what is needed: the first ones, as long as they leave the reserve,
    /// and none that is longer than it should be.
    fn kept(&self, inner: &Inner, needed: &[Need]) -> BTreeSet<BlobId> {
        let room = self.limits.room();
        let most = room.minus(room.part(RESERVE_PART));
        let (mut kept, mut taken) = (BTreeSet::new(), Space::default());
        for Need { blob, bytes_max } in needed {
            let Some(whole) = inner.whole.get(blob).filter(|it| it.bytes <= *bytes_max) else {
                continue;
            };
            let more = taken.plus(Space::blob(whole.bytes));
            if more.fits(most) && kept.insert(*blob) {
                taken = more;
            }
        }
        kept
    }

    /// Keeps unfinished uploads of an origin within their part of the room.
    fn bound_uploads(&self, inner: &mut Inner, wanted: &Wanted) -> Result<(), StoreBlobError> {
        let upload = wanted.upload.and_then(|id| inner.uploads.get(&id));
        let Some(origin) = upload.map(|upload| upload.origin) else { return Ok(()) };
        let longest = Space::blob(self.limits.blob_bytes);
        let part = self.limits.room().part(UPLOADS_PART).max(longest);
        let same = inner.uploads.values().filter(|upload| upload.origin == origin);
        let mut taken = same.fold(Space::default(), |sum, upload| sum.plus(upload.space));
        let candidates: BTreeSet<_> = resting(inner, wanted, |other| other == origin).collect();
        for (_, id) in candidates {
            if taken.plus(wanted.space).fits(part) {
                break;
            }
            taken = taken.minus(self.drop_upload(inner, id)?);
        }
        Ok(())
    }

    /// Lets a whole blob go.
    pub(super) fn drop_whole(&self, inner: &mut Inner, id: BlobId) -> Result<(), StoreBlobError> {
        if let Some(whole) = inner.whole.remove(&id) {
            inner.taken = inner.taken.minus(Space::blob(whole.bytes));
            self.files.remove(id)?;
        }
        Ok(())
    }

    /// Lets an upload go; returns what its files took.
    pub(super) fn drop_upload(
        &self,
        inner: &mut Inner,
        id: BlobId,
    ) -> Result<Space, StoreBlobError> {
        let Some(upload) = inner.uploads.remove(&id) else { return Ok(Space::default()) };
        inner.taken = inner.taken.minus(upload.space);
        self.files.remove_upload(id)?;
        Ok(upload.space)
    }
}

/// Finds the uploads that may go for another one: those of some origins that have brought something
/// and are not being finished.
fn resting(
    inner: &Inner,
    wanted: &Wanted,
    of: impl Fn(Origin) -> bool,
) -> impl Iterator<Item = (u64, BlobId)> {
    let others = inner.uploads.iter().filter(|(id, _)| Some(**id) != wanted.upload);
    let others = others.filter(move |(_, upload)| of(upload.origin));
    let others = others.filter(|(_, upload)| !upload.finishing && upload.has_files());
    others.map(|(id, upload)| (upload.used, *id))
}
