//! The transition table of jobs: every state, every event, and where it leads. What is not listed
//! is refused by name.

use ciro_protocol::refusal::Refusal;

use crate::mutation::Mutation;

/// The states of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has ordered it.
    Absent,
    /// It waits for a provider.
    Open,
    /// A provider holds it.
    Claimed,
    /// It is proven and paid; the end.
    Settled,
    /// It is paid back; the end.
    Refunded,
}

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It is ordered.
    Order,
    /// A provider takes it.
    Claim,
    /// Its requester takes it back.
    Cancel,
    /// Its provider brings the proof.
    Submit,
    /// Its provider gives it back.
    Release,
    /// Its provider holds it for longer.
    Renew,
    /// Its provider is shown to have signed a proof that is none.
    Fraud,
    /// Its provider's time is over.
    LeaseEnded,
    /// Its own time is over.
    DeadlinePassed,
}

/// Where a job may go.
pub type Target = &'static [State];

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The state before.
    pub from: State,
    /// What happens.
    pub event: Event,
    /// The states after, of which the rule's guards choose one.
    pub to: Target,
}

/// All steps that a job may take.
pub const TABLE: [Step; 10] = [
    row(State::Absent, Event::Order, &[State::Open, State::Claimed]),
    row(State::Open, Event::Claim, &[State::Claimed]),
    row(State::Open, Event::Cancel, &[State::Refunded]),
    row(State::Open, Event::DeadlinePassed, &[State::Refunded]),
    row(State::Claimed, Event::Submit, &[State::Settled]),
    row(State::Claimed, Event::Release, &[State::Open, State::Refunded]),
    row(State::Claimed, Event::Renew, &[State::Claimed]),
    row(State::Claimed, Event::Fraud, &[State::Open, State::Refunded]),
    row(State::Claimed, Event::LeaseEnded, &[State::Open, State::Refunded]),
    row(State::Claimed, Event::DeadlinePassed, &[State::Refunded]),
];

const fn row(from: State, event: Event, to: Target) -> Step {
    Step { from, event, to }
}

/// Returns where an event leads from a state.
///
/// # Errors
///
/// The refusal that names the state, if the table has no such row.
pub fn step(from: State, event: Event) -> Result<Target, Refusal> {
    if Mutation::CancelClaimed.chosen() && (from, event) == (State::Claimed, Event::Cancel) {
        return Ok(&[State::Refunded]);
    }
    let row = TABLE.iter().find(|row| row.from == from && row.event == event);
    row.map(|row| row.to).ok_or(match from {
        State::Absent => Refusal::JobUnknown,
        State::Open => Refusal::JobNotClaimed,
        State::Claimed => Refusal::JobClaimed,
        State::Settled => Refusal::JobSettled,
        State::Refunded => Refusal::JobRefunded,
    })
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Absent, Self::Open, Self::Claimed, Self::Settled, Self::Refunded];

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Open => "open",
            Self::Claimed => "claimed",
            Self::Settled => "settled",
            Self::Refunded => "refunded",
        }
    }
}

impl Event {
    /// All events.
    pub const ALL: [Self; 9] = [
        Self::Order,
        Self::Claim,
        Self::Cancel,
        Self::Submit,
        Self::Release,
        Self::Renew,
        Self::Fraud,
        Self::LeaseEnded,
        Self::DeadlinePassed,
    ];

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Claim => "claim",
            Self::Cancel => "cancel",
            Self::Submit => "submit",
            Self::Release => "release",
            Self::Renew => "renew",
            Self::Fraud => "fraud",
            Self::LeaseEnded => "lease_ended",
            Self::DeadlinePassed => "deadline_passed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_a_row_or_refused_by_name() {
        let pairs = State::ALL.into_iter().flat_map(|from| Event::ALL.map(|event| (from, event)));
        let rows = pairs.filter(|(from, event)| match step(*from, *event) {
            Ok(to) => {
                assert!(!to.is_empty());
                true
            }
            Err(refusal) => {
                assert!(refusal.name().starts_with("job_"), "{refusal:?}");
                false
            }
        });
        assert_eq!(rows.count(), TABLE.len(), "no row stands twice");
    }

    #[test]
    fn ends_have_no_way_out_and_time_ends_everything() {
        for event in Event::ALL {
            assert_eq!(step(State::Settled, event), Err(Refusal::JobSettled));
            assert_eq!(step(State::Refunded, event), Err(Refusal::JobRefunded));
        }
        for state in [State::Open, State::Claimed] {
            assert_eq!(step(state, Event::DeadlinePassed), Ok(&[State::Refunded][..]));
        }
    }

    /// `docs/network.md` shows the table as the code has it.
    #[test]
    fn the_documentation_shows_this_table() {
        let page = include_str!("../../../../docs/network.md");
        for Step { from, event, to } in TABLE {
            let to: Vec<&str> = to.iter().map(|state| state.name()).collect();
            let row = format!("| `{}` | `{}` | `{}` |", from.name(), event.name(), to.join("`, `"));
            assert!(page.contains(&row), "docs/network.md lacks the row {row}");
        }
    }
}
