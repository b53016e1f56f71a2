//! What the entries add up to, kept while they change: no decision walks the table, however many
//! offers somebody fills it with.

use std::collections::BTreeSet;

use ciro_protocol::amount::Amount;
use ciro_protocol::id::JobId;

use super::mutation::Mutation;
use super::table::State;
use super::{Entry, Key, Look};

/// The least key.
const FIRST: Key = (JobId([0; 32]), 0);

/// Sums and orders of the entries.
#[derive(Debug, Default)]
pub(super) struct Tally {
    busy: usize,
    looks: usize,
    children: usize,
    /// Collateral of claims on their way, in units: below 2^90 for each, so that no table's sum
    /// leaves 128 bits.
    claiming: u128,
    /// What may be claimed, the least worth keeping last: by whether its input could not be had,
    /// then by the ledger time from which it pays enough.
    seen: BTreeSet<(bool, u64, Key)>,
    /// What is held and not begun, by the end of its lease.
    held: BTreeSet<(u64, Key)>,
}

impl Tally {
    pub(super) fn add(&mut self, key: Key, entry: &Entry) {
        self.count(key, entry, true);
    }

    pub(super) fn remove(&mut self, key: Key, entry: &Entry) {
        self.count(key, entry, false);
    }

    /// Counts all that an entry is, or what it was no more.
    fn count(&mut self, key: Key, entry: &Entry, is: bool) {
        let row = &entry.row;
        number(&mut self.busy, counts(row.state), is);
        number(&mut self.looks, is_look(entry), is);
        match row.state {
            State::Seen => member(&mut self.seen, (entry.missed, entry.ready_ms, key), is),
            State::Held => member(&mut self.held, (row.lease_until_ms, key), is),
            State::Claiming => {
                let collateral = row.order.offer.collateral.units();
                self.claiming =
                    if is { self.claiming + collateral } else { self.claiming - collateral };
            }
            State::Fetching | State::Proving => number(&mut self.children, true, is),
            State::Waiting
            | State::Uploading
            | State::Submitting
            | State::Releasing
            | State::Done
            | State::GivenUp => {}
        }
    }

    /// How many places are taken.
    pub(super) const fn busy(&self) -> usize {
        self.busy
    }

    /// How many inputs are looked at for a claim, or were.
    pub(super) const fn looks(&self) -> usize {
        self.looks
    }

    /// How many children are at work.
    pub(super) const fn children(&self) -> usize {
        self.children
    }

    /// Collateral of claims on their way.
    pub(super) fn claiming(&self) -> Amount {
        Amount::from_units(self.claiming).unwrap_or(Amount::SUPPLY)
    }

    /// What may be claimed and pays enough at a ledger time.
    pub(super) fn ready(&self, time_ms: u64) -> Vec<Key> {
        let after = time_ms.saturating_add(1);
        let of = |missed| self.seen.range((missed, 0, FIRST)..(missed, after, FIRST));
        of(false).chain(of(true)).map(|(_, _, key)| *key).collect()
    }

    /// What may be claimed and is the least worth keeping, with whether its input could not be had
    /// and from when on it pays enough.
    pub(super) fn loosest(&self) -> Option<(bool, u64, Key)> {
        self.seen.last().copied()
    }

    /// What is held and not begun, by the end of its lease.
    pub(super) fn held(&self) -> impl Iterator<Item = Key> {
        self.held.iter().map(|(_, key)| *key)
    }
}

/// Counts one more or one less, if it counts at all.
fn number(sum: &mut usize, counts: bool, is: bool) {
    let one = usize::from(counts);
    *sum = if is { *sum + one } else { *sum - one };
}

/// Puts something into a set, or takes it out.
fn member<T: Ord>(set: &mut BTreeSet<T>, it: T, is: bool) {
    if is {
        set.insert(it);
    } else {
        set.remove(&it);
    }
}

/// Whether an attempt in this state takes a place.
fn counts(state: State) -> bool {
    state.is_busy() && !(state == State::Claiming && Mutation::UncountedClaims.chosen())
}

/// Whether an entry's input is looked at for a claim, or was.
pub(super) fn is_look(entry: &Entry) -> bool {
    entry.row.state == State::Waiting && entry.look != Look::Ahead
}
