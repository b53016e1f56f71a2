//! What computing and sending cost in virtual time.

use std::collections::{BTreeMap, VecDeque};

use crate::byzantine::Cargo;
use crate::plan::Micros;

/// What a replica computed in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Signatures made.
    pub signatures: u64,
    /// Signatures checked.
    pub checks: u64,
    /// Permutations of the hash.
    pub permutations: u64,
}

impl Work {
    /// Nothing.
    pub const NONE: Self = Self { signatures: 0, checks: 0, permutations: 0 };

    /// Adds up.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            signatures: self.signatures + other.signatures,
            checks: self.checks + other.checks,
            permutations: self.permutations + other.permutations,
        }
    }
}

/// How fast machines and links are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Microseconds to make a signature.
    pub sign: Micros,
    /// Microseconds to check one.
    pub check: Micros,
    /// Nanoseconds for a permutation of the hash.
    pub permutation_ns: u64,
    /// Bytes that a node's uplink carries in a microsecond; without end if 0.
    pub uplink: u64,
}

impl Costs {
    /// STARK-curve signatures and Poseidon on one core, as `cargo bench -p ciro-consensus` measures
    /// them, rounded up, and an uplink of 1 Gbit/s.
    pub const REAL: Self = Self { sign: 300, check: 300, permutation_ns: 9_000, uplink: 125 };

    /// Machines and links without limits.
    pub const FREE: Self = Self { sign: 0, check: 0, permutation_ns: 0, uplink: 0 };

    /// Returns the time that some work takes.
    #[must_use]
    pub const fn of(&self, work: Work) -> Micros {
        work.signatures * self.sign
            + work.checks * self.check
            + work.permutations * self.permutation_ns / 1000
    }

    /// Returns the time that bytes take on an uplink.
    #[must_use]
    pub const fn of_bytes(&self, bytes: u64) -> Micros {
        match bytes.checked_div(self.uplink) {
            Some(takes) => takes,
            None => 0,
        }
    }
}

/// What has arrived at a node that computes. Connections are served in turns, so that a flood on
/// one of them delays its own messages and not others'.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    waiting: BTreeMap<usize, VecDeque<Cargo>>,
    /// The connection served last.
    last: usize,
}

impl Inbox {
    pub(crate) fn put(&mut self, from: usize, cargo: Cargo) {
        self.waiting.entry(from).or_default().push_back(cargo);
    }

    /// Takes the oldest message of the next connection that has any.
    pub(crate) fn take(&mut self) -> Option<(usize, Cargo)> {
        let after = self.waiting.range(self.last + 1..).next();
        let from = *after.or_else(|| self.waiting.iter().next())?.0;
        let queue = self.waiting.get_mut(&from)?;
        let cargo = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&from);
        }
        self.last = from;
        Some((from, cargo?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_flood_on_one_connection_delays_no_other() {
        let mut inbox = Inbox::default();
        let cargo = || Cargo::Bytes(Arc::default());
        for _ in 0..1000 {
            inbox.put(0, cargo());
        }
        inbox.put(2, cargo());
        inbox.put(5, cargo());
        let order: Vec<usize> = (0..4).map(|_| inbox.take().unwrap().0).collect();
        assert_eq!(order, [2, 5, 0, 0]);
    }

    #[test]
    fn work_costs_what_it_says() {
        let work = Work { signatures: 1, checks: 2, permutations: 3 };
        assert_eq!(Costs::REAL.of(work.plus(work)), 2 * (300 + 600 + 27));
        assert_eq!((Costs::REAL.of_bytes(12_500), Costs::FREE.of_bytes(12_500)), (100, 0));
    }
}
