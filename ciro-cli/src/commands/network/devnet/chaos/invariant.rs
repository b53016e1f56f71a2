//! What must hold whatever dies, and how a report says that it does not.

use serde::Serialize;

/// Violations of one invariant that are kept with their words; more are counted.
const KEPT: usize = 20;

/// What must hold. The names are those of docs/network.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Invariant {
    /// Each job ends exactly once, settled or refunded.
    I1,
    /// The sum over all purses is the supply, and accounts hold what the events say.
    I2,
    /// What is in escrow is what unfinished jobs have paid in.
    I3,
    /// Each result verifies, and is what the interpreter computes.
    I4,
    /// All nodes tell one history and have one state.
    I5,
    /// Nobody has evidence against a validator.
    I6,
    /// Nobody signed twice: what each node keeps of its signatures is whole.
    I7,
    /// No process ended but by the hand of this command.
    I8,
    /// What was acknowledged is in the ledger.
    I9,
    /// A statement about an attempt that is over changes nothing.
    Fencing,
}

/// What did not hold.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    pub(super) what: String,
}

/// All that did not hold.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Violations {
    first: Vec<Violation>,
    /// Those and more.
    count: usize,
}

impl Invariant {
    pub(super) const ALL: [Self; 10] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::Fencing,
    ];

    /// What it says, for people.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::I1 => "each job ends exactly once",
            Self::I2 => "no money comes or goes",
            Self::I3 => "escrow is that of unfinished jobs",
            Self::I4 => "each result verifies and is the interpreter's",
            Self::I5 => "all nodes have one history and one state",
            Self::I6 => "there is no evidence against a validator",
            Self::I7 => "what nodes keep of their signatures is whole",
            Self::I8 => "no process ends by itself",
            Self::I9 => "what was acknowledged is in the ledger",
            Self::Fencing => "an attempt that is over changes nothing",
        }
    }
}

impl Violations {
    pub(super) fn add(&mut self, invariant: Invariant, what: impl Into<String>) {
        self.count += 1;
        let kept = self.first.iter().filter(|it| it.invariant == invariant).count();
        if kept < KEPT {
            self.first.push(Violation { invariant, what: what.into() });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn of(&self, invariant: Invariant) -> impl Iterator<Item = &Violation> {
        self.first.iter().filter(move |it| it.invariant == invariant)
    }

    pub(super) fn extend(&mut self, other: Self) {
        let kept = other.first.len();
        for Violation { invariant, what } in other.first {
            self.add(invariant, what);
        }
        self.count += other.count - kept;
    }
}
