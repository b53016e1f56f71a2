//! What goes wrong with machines and links.

use std::collections::BTreeSet;

use crate::disk::DiskFault;
use crate::plan::Micros;
use crate::rng::Rng;

/// A fault and when it strikes.
#[derive(Clone, Debug)]
pub struct TimedFault {
    /// When.
    pub at: Micros,
    /// What.
    pub fault: Fault,
}

/// A fault of machines or links. Nodes are named by address.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Links are cut for a while.
    Cut {
        /// Which links.
        cut: Cut,
        /// How long.
        lasts: Micros,
    },
    /// A node loses power and comes back.
    Crash {
        /// The node.
        node: usize,
        /// How long it is down.
        lasts: Micros,
    },
    /// A node stands still, with all its memory.
    Pause {
        /// The node.
        node: usize,
        /// How long.
        lasts: Micros,
    },
    /// A node's disk fails at its next fitting operation; the node stops and comes back.
    Disk {
        /// The node.
        node: usize,
        /// How the disk fails.
        fault: DiskFault,
    },
}

impl Fault {
    /// Returns a crash of some node.
    pub fn crash(rng: &mut Rng, nodes: usize) -> Self {
        Self::Crash { node: rng.index(nodes), lasts: rng.between(10_000, 5_000_000) }
    }

    /// Returns a pause of some node.
    pub fn pause(rng: &mut Rng, nodes: usize) -> Self {
        Self::Pause { node: rng.index(nodes), lasts: rng.between(10_000, 4_000_000) }
    }

    /// Returns a disk error of some node.
    pub fn disk(rng: &mut Rng, nodes: usize) -> Self {
        let fault = *rng.pick(&[DiskFault::Full, DiskFault::Sync, DiskFault::Replace]);
        Self::Disk { node: rng.index(nodes), fault }
    }
}

/// A set of cut links, each in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut(BTreeSet<(usize, usize)>);

impl Cut {
    /// Separates two groups.
    #[must_use]
    pub fn split(left: &BTreeSet<usize>, right: &BTreeSet<usize>) -> Self {
        let mut cut = Self::one_way(left, right);
        cut.0.extend(Self::one_way(right, left).0);
        cut
    }

    /// Silences the first group towards the second; the other way stays open.
    #[must_use]
    pub fn one_way(from: &BTreeSet<usize>, to: &BTreeSet<usize>) -> Self {
        Self(from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))).collect())
    }

    /// Separates two groups except for one node that talks to both.
    #[must_use]
    pub fn bridged(left: &BTreeSet<usize>, right: &BTreeSet<usize>, bridge: usize) -> Self {
        let Self(links) = Self::split(left, right);
        Self(links.into_iter().filter(|(from, to)| *from != bridge && *to != bridge).collect())
    }

    /// Cuts some links at random.
    pub fn random(rng: &mut Rng, nodes: usize) -> Self {
        let all = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
        let share = rng.between(100, 500);
        Self(all.filter(|_| rng.chance(share)).collect())
    }

    /// Whether a link is cut.
    #[must_use]
    pub fn blocks(&self, from: usize, to: usize) -> bool {
        self.0.contains(&(from, to))
    }

    /// Returns the cut links.
    pub fn links(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_block_what_they_say() {
        let (left, right) = (BTreeSet::from([0, 1]), BTreeSet::from([2, 3]));
        let split = Cut::split(&left, &right);
        assert!(split.blocks(0, 2) && split.blocks(3, 1) && !split.blocks(0, 1));
        let one_way = Cut::one_way(&left, &right);
        assert!(one_way.blocks(0, 2) && !one_way.blocks(2, 0));
        let bridged = Cut::bridged(&left, &right, 1);
        assert!(bridged.blocks(0, 2) && !bridged.blocks(1, 2) && !bridged.blocks(3, 1));
    }
}
