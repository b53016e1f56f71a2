//! What is known of models: the keys that are proven here, and those that cannot be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ciro_protocol::id::{KeyDigest, ModelId};

use crate::worker::Served;

/// Keys of models that are not proven here, and of which something is remembered, at most.
const FAILED_MAX: usize = 4096;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Keys that are proven, with the number of their last use.
    entries: BTreeMap<KeyDigest, (u64, Entry)>,
    /// Until when a model is not tried again under a key; for ever without a time.
    failed: BTreeMap<(ModelId, KeyDigest), Option<Instant>>,
    /// The cells of keys that an order which came was not worth.
    cells: BTreeMap<(ModelId, KeyDigest), u64>,
    uses: u64,
}

/// A key that is proven here.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) served: Served,
    /// The key's bytes.
    pub(super) key: Vec<u8>,
    /// The file of the model.
    pub(super) model: PathBuf,
    /// The length of that file.
    pub(super) bytes: u64,
    /// Whether no more jobs are taken under it.
    pub(super) stopped: bool,
}

/// How much is kept at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Keys.
    pub(super) keys: usize,
    /// Bytes of the files of models.
    pub(super) bytes: u64,
}

impl Known {
    /// A key that is proven; that somebody asks counts as a use.
    pub(super) fn entry(&mut self, key: KeyDigest) -> Option<Entry> {
        self.uses += 1;
        let (used, entry) = self.entries.get_mut(&key)?;
        *used = self.uses;
        Some(entry.clone())
    }

    /// Whether a key is proven.
    pub(super) fn has(&self, key: KeyDigest) -> bool {
        self.entries.contains_key(&key)
    }

    /// All keys that jobs are taken under.
    pub(super) fn served(&self) -> BTreeMap<KeyDigest, Served> {
        let served = self.entries.iter().filter(|(_, (_, entry))| !entry.stopped);
        served.map(|(key, (_, entry))| (*key, entry.served)).collect()
    }

    /// Takes no more jobs under a key as long as it is known; those that are held are proven.
    pub(super) fn stop(&mut self, key: KeyDigest) {
        if let Some((_, entry)) = self.entries.get_mut(&key) {
            entry.stopped = true;
        }
    }

    /// Adds a key; one that is known stays as it is.
    pub(super) fn add(&mut self, key: KeyDigest, entry: Entry) {
        self.uses += 1;
        self.entries.entry(key).or_insert((self.uses, entry));
    }

    /// Whether it is known that a model cannot be proven under a key, at some time.
    pub(super) fn has_failed(&self, key: (ModelId, KeyDigest), now: Instant) -> bool {
        self.failed.get(&key).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// Remembers until when a model is not tried again under a key; for ever without a time.
    /// Another model may be proven under it.
    pub(super) fn fail(&mut self, key: (ModelId, KeyDigest), until: Option<Instant>) {
        remember(&mut self.failed, key, until);
    }

    /// The cells of a key that an order which came was not worth.
    pub(super) fn cells(&self, key: (ModelId, KeyDigest)) -> Option<u64> {
        self.cells.get(&key).copied()
    }

    /// Remembers them: what is as cheap need not ask again.
    pub(super) fn note_cells(&mut self, key: (ModelId, KeyDigest), cells: u64) {
        remember(&mut self.cells, key, cells);
    }

    /// Whether a model's file belongs to a key that is proven.
    pub(super) fn uses_file(&self, file: &Path) -> bool {
        self.entries.values().any(|(_, entry)| entry.model == file)
    }

    /// Forgets keys that nobody needs, what was used longest ago first, until there is room.
    /// Returns the files of models that no key has any more; `None` if nothing was forgotten.
    pub(super) fn trim(
        &mut self,
        room: Room,
        needed: impl Fn(&KeyDigest) -> bool,
    ) -> Option<Vec<PathBuf>> {
        let mut files = None;
        while self.entries.len() > room.keys || self.bytes() > room.bytes {
            let loose = self.entries.iter().filter(|(key, _)| !needed(key));
            let oldest = loose.min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            let Some((_, entry)) = oldest.and_then(|key| self.entries.remove(&key)) else { break };
            let files = files.get_or_insert_with(Vec::new);
            if !self.uses_file(&entry.model) {
                files.push(entry.model);
            }
        }
        files
    }

    /// Bytes of the files of models, each counted once.
    fn bytes(&self) -> u64 {
        let entries = self.entries.values();
        let files: BTreeMap<&Path, u64> =
            entries.map(|(_, entry)| (entry.model.as_path(), entry.bytes)).collect();
        files.values().sum()
    }
}

/// Remembers something of a key, with a bound on all that is.
fn remember<T>(map: &mut BTreeMap<(ModelId, KeyDigest), T>, key: (ModelId, KeyDigest), value: T) {
    if map.len() >= FAILED_MAX && !map.contains_key(&key) {
        map.pop_first();
    }
    map.insert(key, value);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ciro_protocol::amount::Amount;

    use super::*;

    fn entry(model: &str) -> Entry {
        let served = Served { cells: 1, memory_mb: 1, prepare_ms: 1, fees: Amount::ZERO };
        let model = PathBuf::from(model);
        Entry { served, key: vec![], model, bytes: 100, stopped: false }
    }

    fn key(number: u8) -> KeyDigest {
        KeyDigest([number; 32])
    }

    #[test]
    fn what_was_used_longest_ago_and_nobody_needs_makes_room() {
        let mut known = Known::default();
        for (number, model) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            known.add(key(number), entry(model));
        }
        let room = |keys, bytes| Room { keys, bytes };
        assert_eq!(known.trim(room(4, 300), |_| false), None, "files are counted once");
        assert!(known.entry(key(1)).is_some());
        // The second one goes, and its file stays as the first one's.
        assert_eq!(known.trim(room(3, 300), |_| false), Some(vec![]));
        // The third one is needed.
        let needed = |it: &KeyDigest| *it == key(3);
        assert_eq!(known.trim(room(4, 299), needed), Some(vec![PathBuf::from("c")]));
        assert!(known.has(key(1)) && known.has(key(3)) && !known.has(key(4)));
        assert_eq!(known.trim(room(0, 0), |_| true), None, "what is needed stays");
    }

    #[test]
    fn a_key_that_was_stopped_is_known_and_takes_no_jobs() {
        let mut known = Known::default();
        for number in [1, 2] {
            known.add(key(number), entry("a"));
        }
        known.stop(key(1));
        known.add(key(1), entry("a"));
        assert_eq!(known.served().into_keys().collect::<Vec<_>>(), [key(2)]);
        assert!(known.has(key(1)) && known.entry(key(1)).is_some());
    }

    #[test]
    fn a_model_that_cannot_be_proven_says_nothing_of_another_with_its_key() {
        let (mut known, model) = (Known::default(), |number| ModelId([number; 32]));
        let now = Instant::now();
        known.fail((model(1), key(1)), None);
        assert!(known.has_failed((model(1), key(1)), now));
        assert!(!known.has_failed((model(2), key(1)), now));
        assert!(!known.has_failed((model(1), key(2)), now));
        for number in 0..2 * FAILED_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_le_bytes());
            known.fail((ModelId(id), key(1)), None);
        }
        assert_eq!(known.failed.len(), FAILED_MAX);
    }

    #[test]
    fn what_failed_for_a_time_is_tried_again_after_it() {
        let (mut known, it) = (Known::default(), (ModelId([1; 32]), key(1)));
        let (now, pause) = (Instant::now(), Duration::from_secs(600));
        known.fail(it, Some(now + pause));
        assert!(known.has_failed(it, now + pause - Duration::from_millis(1)));
        assert!(!known.has_failed(it, now + pause));
    }
}
