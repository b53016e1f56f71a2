//! Room for blobs: what goes when it is short.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::api::BlobStatus;
use ciro_protocol::blob::BlobId;

use super::{Blobs, Inner, Kind, Need, Origin, Space, StoreBlobError, UPLOADS_MAX};

/// The part of the whole room that unfinished uploads of one origin may take: one in so many, and
/// at least as much as the longest blob.
const UPLOADS_PART: u64 = 4;
/// The part of the whole room that is kept from what may not go: one in so many. So there is
/// always room for what comes: an input before its order, a proof before it is paid.
const RESERVE_PART: u64 = 8;
/// The part of the whole room that goes at least if something goes: one in so many. So it is seldom
/// looked for.
const STEP_PART: u64 = 512;

/// The part of the whole room that unfinished uploads of validators keep though room is short: one
/// in so many. It is half of the reserve, so that the other half is for what comes.
const FETCHED_PART: u64 = 2 * RESERVE_PART;

/// What is known of the blobs that may not go.
#[derive(Debug)]
pub(super) enum Known {
    /// Nobody has asked.
    Unasked,
    /// It cannot be known now: nothing may go.
    Nothing,
    /// These.
    Needs(Vec<Need>),
}

/// What becomes of a chunk.
#[derive(Debug)]
pub(super) enum Admission {
    /// Its blob is whole.
    Whole(BlobStatus),
    /// It is here already.
    Here,
    /// It has room, as a part of the upload that began then.
    Taken(u64),
}

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

    /// Tries something that may need room, and again when it is known what may not go. `needed` is
    /// asked once, and without the lock: it takes long, and nobody waits for the blobs meanwhile.
    /// What is tried returns `None` as long as it is [`Known::Unasked`] what it has to know.
    pub(super) fn with_room<T>(
        &self,
        needed: impl FnOnce() -> Option<Vec<Need>>,
        mut attempt: impl FnMut(&mut Inner, &Known) -> Result<Option<T>, StoreBlobError>,
    ) -> Result<T, StoreBlobError> {
        let (mut known, mut needed) = (Known::Unasked, Some(needed));
        loop {
            let done = attempt(&mut self.lock(), &known)?;
            if let Some(done) = done {
                return Ok(done);
            }
            let asked = needed.take().and_then(|needed| needed());
            known = asked.map_or(Known::Nothing, Known::Needs);
        }
    }

    /// Makes room for a chunk of an upload, and files for its first one. `None` if it has to be
    /// known what may not go.
    pub(super) fn admit(
        &self,
        inner: &mut Inner,
        (id, index, len): (BlobId, u64, u64),
        known: &Known,
    ) -> Result<Option<Admission>, StoreBlobError> {
        let used = inner.tick();
        let Some(upload) = inner.uploads.get_mut(&id) else {
            let status = self.status(inner, id)?.ok_or(StoreBlobError::Unknown(id))?;
            return Ok(Some(Admission::Whole(status)));
        };
        upload.used = used;
        if upload.has(index) {
            return Ok(Some(Admission::Here));
        }
        let (bytes, has, begun) = (upload.list.bytes, upload.space, upload.begun);
        let files = if upload.has_files() { Space::default() } else { Space::begun(bytes) };
        let space = files.plus(Space::chunk(len));
        // As much again as it has brought: `needed` is asked seldom, and nothing goes for an upload
        // that brings little.
        let ahead = has.plus(space).min(Space::blob(bytes).minus(has));
        if !self.make_room(inner, &Wanted { space, ahead, upload: Some(id) }, known)? {
            return Ok(None);
        }
        if let Some(upload) = inner.uploads.get_mut(&id).filter(|upload| !upload.has_files()) {
            let made = self.files.begin(id, &upload.list);
            made.or_else(|error| self.files.remove_upload(id).and(Err(error)))?;
            upload.space = files;
        }
        inner.taken = inner.taken.plus(space);
        Ok(Some(Admission::Taken(begun)))
    }

    /// Lets blobs go until there is room: uploads of clients that rest longest and blobs that were
    /// asked for least recently, then the longest of those that validators hand out and do not
    /// finish, as far as these take more than they keep. Unfinished uploads make room for each
    /// other before they take more than their part. False if it has to be known first what may not
    /// go.
    pub(super) fn make_room(
        &self,
        inner: &mut Inner,
        wanted: &Wanted,
        known: &Known,
    ) -> Result<bool, StoreBlobError> {
        let room = self.limits.room();
        self.bound_uploads(inner, wanted)?;
        if inner.taken.plus(wanted.space).fits(room) {
            return Ok(true);
        }
        let full = StoreBlobError::Full { wanted: wanted.space, room };
        let needed = match known {
            Known::Unasked => return Ok(false),
            Known::Nothing => return Err(full),
            Known::Needs(needed) => needed,
        };
        let kept = self.kept(inner, needed);
        let whole = inner.whole.iter().filter(|(id, _)| !kept.contains(id));
        let whole = whole.map(|(id, whole)| (whole.used, *id));
        let uploads = resting(inner, wanted, Origin::Client);
        let first: BTreeSet<(u64, BlobId)> = whole.chain(uploads).collect();
        let last = longer(inner, wanted);
        let enough = wanted.ahead.max(wanted.space).plus(room.part(STEP_PART));
        for (_, id) in first {
            if inner.taken.plus(enough).fits(room) {
                break;
            }
            if inner.whole.contains_key(&id) {
                self.drop_whole(inner, id)?;
            } else {
                self.drop_upload(inner, id)?;
            }
        }
        for id in last {
            let few = inner.brought_by(Origin::Validator).fits(room.part(FETCHED_PART));
            if few || inner.taken.plus(wanted.space).fits(room) {
                break;
            }
            self.drop_upload(inner, id)?;
        }
        if inner.taken.plus(wanted.space).fits(room) { Ok(true) } else { Err(full) }
    }

    /// Finds what may not go of what is needed. Each kind has a part of the room, and what it does
    /// not take is for the others, in the order in which they are needed, as long as all together
    /// leave the reserve. What is longer than it should be may go.
    fn kept(&self, inner: &Inner, needed: &[Need]) -> BTreeSet<BlobId> {
        let room = self.limits.room();
        let most = room.minus(room.part(RESERVE_PART));
        let here = needed.iter().filter_map(|Need { blob, bytes_max, kind }| {
            let whole = inner.whole.get(blob).filter(|it| it.bytes <= *bytes_max)?;
            Some((*blob, Space::blob(whole.bytes), *kind))
        });
        let here: Vec<(BlobId, Space, Kind)> = here.collect();
        let (mut kept, mut taken) = (BTreeSet::new(), Space::default());
        let mut of_kinds: BTreeMap<Kind, Space> = BTreeMap::new();
        for (blob, space, kind) in &here {
            let of_kind = of_kinds.entry(*kind).or_default();
            let more = of_kind.plus(*space);
            if more.fits(room.part(RESERVE_PART).times(kind.eighths())) && kept.insert(*blob) {
                (*of_kind, taken) = (more, taken.plus(*space));
            }
        }
        for (blob, space, _) in here {
            let more = taken.plus(space);
            if more.fits(most) && kept.insert(blob) {
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
        let mut taken = inner.brought_by(origin);
        let candidates: BTreeSet<_> = resting(inner, wanted, origin).collect();
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

impl Inner {
    /// Returns what the files of all unfinished uploads of an origin take.
    fn brought_by(&self, origin: Origin) -> Space {
        let same = self.uploads.values().filter(|upload| upload.origin == origin);
        same.fold(Space::default(), |sum, upload| sum.plus(upload.space))
    }
}

/// Finds the uploads that may go for another one: those of an origin that have brought something
/// and are not being finished.
fn resting(inner: &Inner, wanted: &Wanted, origin: Origin) -> impl Iterator<Item = (u64, BlobId)> {
    let others = inner.uploads.iter().filter(|(id, _)| Some(**id) != wanted.upload);
    let others = others.filter(move |(_, upload)| upload.origin == origin);
    let others = others.filter(|(_, upload)| !upload.finishing && upload.has_files());
    others.map(|(id, upload)| (upload.used, *id))
}

/// Finds the uploads of validators that may go for something shorter, the longest first: whoever
/// hands out a long blob, and not its end, is in nobody's way.
fn longer(inner: &Inner, wanted: &Wanted) -> Vec<BlobId> {
    let bytes = |id: &BlobId| inner.uploads.get(id).map_or(0, |upload| upload.space.bytes);
    let own = wanted.upload.as_ref().map_or(0, bytes);
    let resting = resting(inner, wanted, Origin::Validator).map(|(_, id)| (bytes(&id), id));
    let mut longer: Vec<(u64, BlobId)> = resting.filter(|(bytes, _)| *bytes > own).collect();
    longer.sort_unstable();
    longer.into_iter().rev().map(|(_, id)| id).collect()
}
