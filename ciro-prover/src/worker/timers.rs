//! When attempts are looked at, by the worker's own clock.

use super::table::State;
use super::{Key, Worker};

impl Worker {
    pub(super) fn set_timer(&mut self, key: Key, due: u64) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        self.timers.remove(&(entry.due, key));
        entry.due = due;
        if !entry.row.state.is_end() {
            self.timers.insert((due, key));
        }
    }

    /// Looks at all attempts in these states at once.
    pub(super) fn wake(&mut self, states: &[State]) {
        let entries = self.entries.iter();
        let asleep = entries.filter(|(_, entry)| states.contains(&entry.row.state));
        let keys: Vec<Key> = asleep.map(|(key, _)| *key).collect();
        self.wake_all(keys);
    }

    /// Looks at once at what may be claimed and pays enough by now.
    pub(super) fn wake_ready(&mut self) {
        if let Some(head) = self.head {
            let keys = self.tally.ready(head.time_ms);
            self.wake_all(keys);
        }
    }

    fn wake_all(&mut self, keys: Vec<Key>) {
        for key in keys {
            let due = self.entries.get(&key).map_or(0, |entry| entry.not_before);
            self.set_timer(key, due.max(self.clock));
        }
    }
}
