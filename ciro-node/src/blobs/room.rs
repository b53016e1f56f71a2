//! Room for blobs: what goes when it is short.

use std::collections::BTreeSet;

use ciro_protocol::blob::BlobId;

use super::{Blobs, Inner, StoreBlobError, UPLOADS_MAX};

/// The part of the whole room that unfinished uploads may take: one in so many, and at least as
/// much as the longest blob.
const UPLOADS_PART: u64 = 4;

/// Room that somebody asks for.
pub(super) struct Wanted {
    /// Bytes that come now.
    pub(super) bytes: u64,
    /// Bytes that there should be room for, if something goes anyway; at least `bytes`.
    pub(super) ahead: u64,
    /// The upload that brings them; none for a blob that comes whole.
    pub(super) upload: Option<BlobId>,
}

impl Blobs {
    /// Checks that a blob may be stored at all.
    pub(super) fn check_length(&self, bytes: u64) -> Result<(), StoreBlobError> {
        let (max, total) = (self.limits.blob_bytes, self.limits.total_bytes);
        if bytes > max {
            Err(StoreBlobError::TooLong { bytes, max })
        } else if bytes > total {
            Err(StoreBlobError::Full { bytes, max: total })
        } else {
            Ok(())
        }
    }

    /// Makes place for one more upload: of too many the one goes that rests longest, of those that
    /// have brought nothing first.
    pub(super) fn make_place(&self, inner: &mut Inner) -> Result<(), StoreBlobError> {
        while inner.uploads.len() >= UPLOADS_MAX {
            let resting = inner.uploads.iter().filter(|(_, upload)| !upload.finishing);
            let first = resting.min_by_key(|(_, upload)| (upload.arrived > 0, upload.used));
            let id = first.map(|(id, _)| *id).ok_or(StoreBlobError::Uploads(UPLOADS_MAX))?;
            self.drop_upload(inner, id)?;
        }
        Ok(())
    }

    /// Lets blobs go until there is room: uploads that rest longest and blobs that were asked for
    /// least recently. Unfinished uploads make room for each other before they take more than their
    /// part.
    pub(super) fn make_room(
        &self,
        inner: &mut Inner,
        wanted: &Wanted,
        needed: impl FnOnce() -> Option<BTreeSet<BlobId>>,
    ) -> Result<(), StoreBlobError> {
        let (bytes, max) = (wanted.bytes, self.limits.total_bytes);
        if wanted.upload.is_some() {
            self.bound_uploads(inner, wanted)?;
        }
        if inner.bytes.saturating_add(bytes) <= max {
            return Ok(());
        }
        let needed = needed().ok_or(StoreBlobError::Full { bytes, max })?;
        let whole = inner.whole.iter().filter(|(id, _)| !needed.contains(id));
        let whole = whole.map(|(id, whole)| (whole.used, *id));
        let candidates: BTreeSet<(u64, BlobId)> = whole.chain(resting(inner, wanted)).collect();
        let enough = wanted.ahead.max(bytes);
        for (_, id) in candidates {
            if inner.bytes.saturating_add(enough) <= max {
                break;
            }
            if inner.whole.contains_key(&id) {
                self.drop_whole(inner, id)?;
            } else {
                self.drop_upload(inner, id)?;
            }
        }
        if inner.bytes.saturating_add(bytes) <= max {
            Ok(())
        } else {
            Err(StoreBlobError::Full { bytes, max })
        }
    }

    /// Keeps unfinished uploads within their part of the room.
    fn bound_uploads(&self, inner: &mut Inner, wanted: &Wanted) -> Result<(), StoreBlobError> {
        let part = self.limits.total_bytes / UPLOADS_PART;
        let part = part.max(self.limits.blob_bytes);
        let candidates: BTreeSet<(u64, BlobId)> = resting(inner, wanted).collect();
        let mut taken: u64 = inner.uploads.values().map(|upload| upload.arrived).sum();
        for (_, id) in candidates {
            if taken.saturating_add(wanted.bytes) <= part {
                break;
            }
            taken = taken.saturating_sub(self.drop_upload(inner, id)?);
        }
        Ok(())
    }

    /// Lets a whole blob go.
    pub(super) fn drop_whole(&self, inner: &mut Inner, id: BlobId) -> Result<(), StoreBlobError> {
        if let Some(whole) = inner.whole.remove(&id) {
            inner.bytes = inner.bytes.saturating_sub(whole.bytes);
            self.files.remove(id)?;
        }
        Ok(())
    }

    /// Lets an upload go; returns how many bytes it had brought.
    pub(super) fn drop_upload(&self, inner: &mut Inner, id: BlobId) -> Result<u64, StoreBlobError> {
        let Some(upload) = inner.uploads.remove(&id) else { return Ok(0) };
        inner.bytes = inner.bytes.saturating_sub(upload.arrived);
        self.files.remove_upload(id)?;
        Ok(upload.arrived)
    }
}

/// Finds the uploads that may go for another one: those that have brought something and are not
/// being finished.
fn resting(inner: &Inner, wanted: &Wanted) -> impl Iterator<Item = (u64, BlobId)> {
    let others = inner.uploads.iter().filter(|(id, _)| Some(**id) != wanted.upload);
    let others = others.filter(|(_, upload)| !upload.finishing && upload.arrived > 0);
    others.map(|(id, upload)| (upload.used, *id))
}
