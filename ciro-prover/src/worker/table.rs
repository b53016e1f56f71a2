//! The states of an attempt at a job, and what leads from one to the next. What is not listed
//! changes nothing.

use borsh::{BorshDeserialize, BorshSerialize};

/// Where the worker is with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum State {
    /// It is known, and not claimed yet: no capacity, or the price is still too low.
    Seen,
    /// It is to be claimed once those who rank before have had their time, and its input was looked
    /// at.
    Waiting,
    /// A claim is on its way, or may be.
    Claiming,
    /// The ledger says that this provider holds it.
    Held,
    /// The input is being fetched.
    Fetching,
    /// A child proves it.
    Proving,
    /// The bundle goes to a node.
    Uploading,
    /// The proof goes to the ledger.
    Submitting,
    /// It cannot be done, and goes back to the ledger.
    Releasing,
    /// It is settled by this provider.
    Done,
    /// It is over without that.
    GivenUp,
}

/// What happens to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It is worth claiming.
    Chosen,
    /// The time of those who rank before is over, and its input is here.
    Waited,
    /// It is not worth claiming any more, or the claim can no longer be executed.
    Postponed,
    /// It will never be claimed.
    Denied,
    /// The ledger says that this provider holds it.
    Won,
    /// A child is free for it.
    Started,
    /// The input is there.
    Fetched,
    /// The proof is there.
    Proved,
    /// A node has the bundle.
    Stored,
    /// It cannot be done.
    Failed,
    /// The ledger says that it is over for this provider.
    Lost,
    /// The ledger says that this provider settled it.
    Settled,
    /// The process begins anew: children and timers are gone.
    Restarted,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The states before.
    pub from: &'static [State],
    /// What happens.
    pub event: Event,
    /// The state after.
    pub to: State,
}

/// The states in which the ledger may say that this provider holds the attempt.
const BUSY: &[State] = &[
    State::Claiming,
    State::Held,
    State::Fetching,
    State::Proving,
    State::Uploading,
    State::Submitting,
    State::Releasing,
];

const UNCLAIMED: &[State] = &[State::Seen, State::Waiting, State::Claiming];
const WORKING: &[State] =
    &[State::Held, State::Fetching, State::Proving, State::Uploading, State::Submitting];
const LIVE: &[State] = &[
    State::Seen,
    State::Waiting,
    State::Claiming,
    State::Held,
    State::Fetching,
    State::Proving,
    State::Uploading,
    State::Submitting,
    State::Releasing,
];

/// All steps that an attempt may take.
pub const TABLE: [Step; 15] = [
    row(&[State::Seen], Event::Chosen, State::Waiting),
    row(&[State::Waiting], Event::Waited, State::Claiming),
    row(&[State::Waiting, State::Claiming], Event::Postponed, State::Seen),
    row(UNCLAIMED, Event::Denied, State::GivenUp),
    row(UNCLAIMED, Event::Won, State::Held),
    // The ledger knows better: what is held after all goes back.
    row(&[State::GivenUp], Event::Won, State::Releasing),
    row(&[State::Held], Event::Started, State::Fetching),
    row(&[State::Fetching], Event::Fetched, State::Proving),
    row(&[State::Proving], Event::Proved, State::Uploading),
    row(&[State::Uploading], Event::Stored, State::Submitting),
    row(WORKING, Event::Failed, State::Releasing),
    row(LIVE, Event::Lost, State::GivenUp),
    row(LIVE, Event::Settled, State::Done),
    row(&[State::Waiting], Event::Restarted, State::Seen),
    row(&[State::Fetching, State::Proving], Event::Restarted, State::Held),
];

const fn row(from: &'static [State], event: Event, to: State) -> Step {
    Step { from, event, to }
}

/// Returns where an event leads from a state, or `None` if it changes nothing there.
#[must_use]
pub fn step(from: State, event: Event) -> Option<State> {
    TABLE.iter().find(|row| row.event == event && row.from.contains(&from)).map(|row| row.to)
}

impl State {
    /// All states.
    pub const ALL: [Self; 11] = [
        Self::Seen,
        Self::Waiting,
        Self::Claiming,
        Self::Held,
        Self::Fetching,
        Self::Proving,
        Self::Uploading,
        Self::Submitting,
        Self::Releasing,
        Self::Done,
        Self::GivenUp,
    ];

    /// Whether the attempt may be this provider's on the ledger, now or by a claim that is on its
    /// way.
    #[must_use]
    pub fn is_busy(self) -> bool {
        BUSY.contains(&self)
    }

    /// Whether nothing more is done about it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::GivenUp)
    }

    /// Whether an attempt in this state is durable whatever it was before. One that was never
    /// claimed or held leaves no trace.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        !matches!(self, Self::Seen | Self::Waiting | Self::GivenUp)
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Waiting => "waiting",
            Self::Claiming => "claiming",
            Self::Held => "held",
            Self::Fetching => "fetching",
            Self::Proving => "proving",
            Self::Uploading => "uploading",
            Self::Submitting => "submitting",
            Self::Releasing => "releasing",
            Self::Done => "done",
            Self::GivenUp => "given_up",
        }
    }
}

impl Event {
    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Waited => "waited",
            Self::Postponed => "postponed",
            Self::Denied => "denied",
            Self::Won => "won",
            Self::Started => "started",
            Self::Fetched => "fetched",
            Self::Proved => "proved",
            Self::Stored => "stored",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Settled => "settled",
            Self::Restarted => "restarted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pair_stands_twice_and_a_settled_attempt_has_no_way_out() {
        let mut pairs = std::collections::BTreeSet::new();
        for row in TABLE {
            for from in row.from {
                assert!(pairs.insert((*from, row.event)), "{from:?} {:?}", row.event);
                assert_ne!(*from, State::Done);
            }
        }
    }

    #[test]
    fn whatever_is_not_over_ends_when_the_ledger_says_so() {
        for state in State::ALL.into_iter().filter(|state| !state.is_end()) {
            assert_eq!(step(state, Event::Lost), Some(State::GivenUp));
            assert_eq!(step(state, Event::Settled), Some(State::Done));
        }
    }

    /// `docs/network.md` shows the table as the code has it.
    #[test]
    fn the_documentation_shows_this_table() {
        let page = include_str!("../../../docs/network.md");
        for Step { from, event, to } in TABLE {
            let from: Vec<&str> = from.iter().map(|state| state.name()).collect();
            let row = format!("| `{}` | `{}` | `{}` |", from.join("`, `"), event.name(), to.name());
            assert!(page.contains(&row), "docs/network.md lacks the row {row}");
        }
    }
}
