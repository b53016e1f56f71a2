//! Uploads: blobs that are half here.

use ciro_protocol::blob::BlobList;

use super::Space;

/// Who brings a blob that comes in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Anybody, by the interface.
    Client,
    /// Another validator, since somebody here asked for it.
    Validator,
}

/// A blob that is half here.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) list: BlobList,
    /// Which chunks are here; unknown after a restart, until somebody goes on.
    pub(super) here: Option<Vec<bool>>,
    pub(super) origin: Origin,
    /// What its files take: nothing before its first chunk.
    pub(super) space: Space,
    pub(super) used: u64,
    /// When it was announced, by the clock: what was written for an earlier one is gone.
    pub(super) begun: u64,
    /// Whether somebody makes it whole just now.
    pub(super) finishing: bool,
}

impl Upload {
    /// One of which nothing has come, announced by anybody at a time of the clock.
    pub(super) fn new(list: BlobList, begun: u64) -> Self {
        let here = Some(vec![false; list.chunks.len()]);
        let (origin, space) = (Origin::Client, Space::default());
        Self { list, here, origin, space, used: begun, begun, finishing: false }
    }

    /// Whether it has brought something.
    pub(super) fn has_files(&self) -> bool {
        self.space.files > 0
    }

    pub(super) fn has(&self, index: u64) -> bool {
        let place = usize::try_from(index).ok();
        place.and_then(|place| self.here.as_ref()?.get(place).copied()).unwrap_or(false)
    }
}
