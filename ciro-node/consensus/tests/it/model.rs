//! A model of the view change: four replicas, one of them Byzantine, every order of events.
//!
//! The simulator samples long runs; this model exhausts short ones: one block, two values, three
//! views of which an honest replica leads the second or the third and the Byzantine one the others.
//! Messages are never lost, only arbitrarily late, and the Byzantine replica has sent every Prepare
//! and Commit there is. Its ViewChanges claim whatever a certificate can prove, and it starts its
//! views with any quorum, towards each replica another. The choice of what a view starts with is
//! the crate's own [`select`].
//!
//! Who holds which content is part of the state: the Byzantine leader hands a content to those
//! alone whom it proposes to, and nothing to those who ask.

use ciro_consensus::message::{Claim, Summary};
use ciro_consensus::new_view::select;
use ciro_consensus::{Digest, Seq, View};
use stateright::{Checker, HasDiscoveries, Model, Property};

const HONEST: usize = 3;
const VIEWS: usize = 3;
const VALUES: [u8; 2] = [1, 2];
/// The honest leader of one view; the others belong to the Byzantine replica.
const HONEST_LEADER: usize = 0;

/// The protocol, or a broken one that the checker must refute.
#[derive(Clone, Copy)]
struct ViewChangeModel {
    /// Votes that make a quorum.
    quorum: usize,
    /// Whether honest ViewChanges claim what they saw prepared.
    remembers: bool,
    /// The view that the honest leader starts, 1 or 2.
    honest_view: u8,
    /// Whether replicas keep the contents of what they voted for.
    keeps: bool,
    /// Whether the honest leader counts a claim only with its content.
    fills: bool,
}

const SOUND: ViewChangeModel =
    ViewChangeModel { quorum: 3, remembers: true, honest_view: 1, keeps: true, fills: true };

/// A prepared entry: view and value.
type Entry = (u8, u8);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    replicas: [Replica; HONEST],
    /// What the honest leader's NewView starts its view with.
    new_view: Option<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    view: u8,
    /// Whether it waits for a NewView.
    changing: bool,
    /// What it sent a Prepare for, by view.
    agreed: [Option<u8>; VIEWS],
    /// What it sent a Commit for, by view.
    committed: [Option<u8>; VIEWS],
    /// The claim of its ViewChange to each view, if it sent one.
    asked: [Option<Option<Entry>>; VIEWS],
    /// Whether it holds the content of each value.
    holds: [bool; VALUES.len()],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// A replica accepts a value that the Byzantine leader of view 0 proposes.
    Accept { replica: usize, value: u8 },
    /// A replica sees its value prepared and commits to it.
    Commit { replica: usize },
    /// A replica asks for a view.
    Ask { replica: usize, view: u8 },
    /// The honest leader starts its view from these ViewChanges.
    Start { quorum: Quorum, fresh: u8 },
    /// A replica enters the honest leader's view, and votes if some honest replica has the content.
    Enter { replica: usize },
    /// The Byzantine leader starts its later view towards one replica from these ViewChanges, with
    /// the content.
    Mislead { replica: usize, quorum: Quorum, fresh: u8 },
}

/// ViewChanges that a NewView is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quorum {
    honest: Vec<usize>,
    byzantine: Option<Option<Entry>>,
}

impl ViewChangeModel {
    /// Whether prepares for an entry can make a certificate, the Byzantine one among them.
    fn is_prepared(&self, state: &State, (view, value): Entry) -> bool {
        let agreed = |replica: &&Replica| replica.agreed[usize::from(view)] == Some(value);
        state.replicas.iter().filter(agreed).count() + 1 >= self.quorum
    }

    /// The later view that the Byzantine replica leads.
    const fn byzantine_view(&self) -> u8 {
        3 - self.honest_view
    }

    /// Whether the honest leader may count these ViewChanges: it holds the content of each claim or
    /// is handed it.
    fn counts(&self, state: &State, view: u8, quorum: &Quorum) -> bool {
        let honest = quorum.honest.iter();
        let claims = honest.filter_map(|id| state.replicas[*id].asked[usize::from(view)]);
        let mut claims = claims.chain(quorum.byzantine).flatten();
        !self.fills || claims.all(|(_, value)| state.is_held(value))
    }

    /// Returns every quorum of ViewChanges for a view, with everything the Byzantine one can prove.
    fn quorums(&self, state: &State, view: u8) -> Vec<Quorum> {
        let asked: Vec<usize> = (0..HONEST)
            .filter(|id| state.replicas[*id].asked[usize::from(view)].is_some())
            .collect();
        let mut claims = vec![None];
        for earlier in 0..view {
            let provable = VALUES.map(|value| (earlier, value)).into_iter();
            claims.extend(provable.filter(|entry| self.is_prepared(state, *entry)).map(Some));
        }
        let mut quorums = Vec::new();
        for bits in 1..1_usize << asked.len() {
            let honest: Vec<usize> =
                (0..asked.len()).filter(|i| bits >> i & 1 == 1).map(|i| asked[i]).collect();
            if honest.len() >= self.quorum {
                quorums.push(Quorum { honest: honest.clone(), byzantine: None });
            }
            if honest.len() + 1 >= self.quorum {
                quorums.extend(
                    claims
                        .iter()
                        .map(|claim| Quorum { honest: honest.clone(), byzantine: Some(*claim) }),
                );
            }
        }
        quorums
    }

    /// Returns what a view must start with, by the crate's own rule; a free choice gives the fresh
    /// value.
    fn start(state: &State, view: u8, quorum: &Quorum, fresh: u8) -> u8 {
        let honest = quorum.honest.iter();
        let claims = honest.filter_map(|id| state.replicas[*id].asked[usize::from(view)]);
        let summaries: Vec<Summary> =
            claims.chain(quorum.byzantine).map(|claim| summary(view, claim)).collect();
        let chosen =
            select(summaries.iter()).and_then(|selection| selection.chosen[..].first().copied());
        let value = chosen.flatten().map(|claim| claim.digest.low_u128());
        value.and_then(|value| u8::try_from(value).ok()).unwrap_or(fresh)
    }
}

fn summary(view: u8, claim: Option<Entry>) -> Summary {
    let claim = claim.map(|(view, value)| Claim {
        seq: Seq(1),
        view: View(view.into()),
        digest: Digest::from_u64(value.into()),
    });
    Summary {
        view: View(view.into()),
        stable_seq: Seq(0),
        stable_digest: Digest::ZERO,
        claims: claim.into_iter().collect(),
    }
}

impl Replica {
    /// The highest view it saw something prepared in: where it sent a Commit.
    fn prepared(&self) -> Option<Entry> {
        (0..).zip(self.committed).filter_map(|(view, value)| Some((view, value?))).last()
    }

    /// Votes for a value whose content it holds from now on; without keeping, what it voted for
    /// before is dropped.
    fn agree(&mut self, view: u8, value: u8, keeps: bool) {
        self.view = view;
        self.changing = false;
        self.agreed[usize::from(view)] = Some(value);
        if !keeps {
            let prepared = self.prepared().map(|(_, value)| value);
            self.holds = VALUES.map(|held| self.holds[index(held)] && Some(held) == prepared);
        }
        self.holds[index(value)] = true;
    }
}

impl State {
    /// Whether some honest replica can hand a content out.
    fn is_held(&self, value: u8) -> bool {
        self.replicas.iter().any(|replica| replica.holds[index(value)])
    }
}

fn index(value: u8) -> usize {
    usize::from(value) - 1
}

impl Model for ViewChangeModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (id, replica) in state.replicas.iter().enumerate() {
            let view = usize::from(replica.view);
            if replica.view == 0 && !replica.changing && replica.agreed[0].is_none() {
                actions.extend(VALUES.map(|value| Action::Accept { replica: id, value }));
            }
            let agreed = replica.agreed[view].filter(|_| !replica.changing);
            if replica.committed[view].is_none()
                && agreed.is_some_and(|value| self.is_prepared(state, (replica.view, value)))
            {
                actions.push(Action::Commit { replica: id });
            }
            for view in replica.view + 1..u8::try_from(VIEWS).unwrap_or(0) {
                actions.push(Action::Ask { replica: id, view });
            }
            let behind =
                |view: u8| replica.view < view || (replica.view == view && replica.changing);
            let held = state.new_view.is_some_and(|value| state.is_held(value));
            if held && behind(self.honest_view) {
                actions.push(Action::Enter { replica: id });
            }
            if behind(self.byzantine_view()) {
                for quorum in self.quorums(state, self.byzantine_view()) {
                    actions.extend(VALUES.map(|fresh| Action::Mislead {
                        replica: id,
                        quorum: quorum.clone(),
                        fresh,
                    }));
                }
            }
        }
        let leader = &state.replicas[HONEST_LEADER];
        let view = self.honest_view;
        if leader.view == view && leader.changing && state.new_view.is_none() {
            let quorums = self.quorums(state, view).into_iter();
            let quorums = quorums.filter(|quorum| {
                quorum.honest.contains(&HONEST_LEADER) && self.counts(state, view, quorum)
            });
            for quorum in quorums {
                actions.extend(VALUES.map(|fresh| Action::Start { quorum: quorum.clone(), fresh }));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Accept { replica, value } => next.replicas[replica].agree(0, value, self.keeps),
            Action::Commit { replica } => {
                let replica = &mut next.replicas[replica];
                let view = usize::from(replica.view);
                replica.committed[view] = replica.agreed[view];
            }
            Action::Ask { replica, view } => {
                let replica = &mut next.replicas[replica];
                replica.view = view;
                replica.changing = true;
                let claim = replica.prepared().filter(|_| self.remembers);
                replica.asked[usize::from(view)] = Some(claim);
            }
            Action::Start { quorum, fresh } => {
                let value = Self::start(state, self.honest_view, &quorum, fresh);
                let claimed = Self::start(state, self.honest_view, &quorum, 3 - fresh) == value;
                next.new_view = Some(value);
                // A free choice is the leader's own proposal; a counted claim was fetched.
                if !claimed || state.is_held(value) {
                    next.replicas[HONEST_LEADER].holds[index(value)] = true;
                }
            }
            Action::Enter { replica } => {
                let value = state.new_view?;
                next.replicas[replica].agree(self.honest_view, value, self.keeps);
            }
            Action::Mislead { replica, quorum, fresh } => {
                let view = self.byzantine_view();
                let value = Self::start(state, view, &quorum, fresh);
                next.replicas[replica].agree(view, value, self.keeps);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("agreement", |model, state| decided(model, state).len() <= 1),
            // Whoever follows an honest leader can get what its view begins with, whatever the
            // Byzantine replica hides.
            Property::always("an honest view can be filled", |_, state: &State| {
                state.new_view.is_none_or(|value| state.is_held(value))
            }),
            Property::always(
                "what prepared is held by honest replicas",
                |model: &Self, state: &State| {
                    let views = 0..u8::try_from(VIEWS).unwrap_or(0);
                    let mut entries = views.flat_map(|view| VALUES.map(|value| (view, value)));
                    !model.keeps
                        || entries.all(|entry| {
                            let held = |it: &&Replica| it.holds[index(entry.1)];
                            let holders = state.replicas.iter().filter(held).count();
                            !model.is_prepared(state, entry) || holders + 1 >= model.quorum
                        })
                },
            ),
            Property::sometimes("view 0 decides", |model, state| decides_in(model, state, 0)),
            Property::sometimes("view 1 decides", |model, state| decides_in(model, state, 1)),
            Property::sometimes("view 2 decides", |model, state| decides_in(model, state, 2)),
            Property::sometimes("a later view repeats the decision", |model, state| {
                decides_in(model, state, 0) && decides_in(model, state, 2)
            }),
        ]
    }
}

fn decides(model: &ViewChangeModel, state: &State, view: usize, value: u8) -> bool {
    let commits = state.replicas.iter().filter(|replica| replica.committed[view] == Some(value));
    commits.count() + 1 >= model.quorum
}

fn decides_in(model: &ViewChangeModel, state: &State, view: usize) -> bool {
    VALUES.iter().any(|value| decides(model, state, view, *value))
}

/// Returns the values for which Commits of a quorum exist in some view.
fn decided(model: &ViewChangeModel, state: &State) -> Vec<u8> {
    let in_any = |value: &u8| (0..VIEWS).any(|view| decides(model, state, view, *value));
    VALUES.into_iter().filter(in_any).collect()
}

#[test]
fn no_order_of_events_breaks_agreement() {
    let checker = SOUND.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 10_000, "{}", checker.unique_state_count());
}

#[test]
fn no_order_of_events_begins_an_honest_view_with_what_nobody_holds() {
    let late = ViewChangeModel { honest_view: 2, ..SOUND };
    for sound in [late, ViewChangeModel { keeps: false, ..late }] {
        let checker = sound.checker().threads(2).spawn_bfs().join();
        checker.assert_no_discovery("agreement");
        checker.assert_no_discovery("an honest view can be filled");
        checker.assert_no_discovery("what prepared is held by honest replicas");
    }
}

#[test]
fn the_checker_refutes_claims_that_count_without_their_contents() {
    let broken = ViewChangeModel { honest_view: 2, keeps: false, fills: false, ..SOUND };
    let checker = broken.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.assert_any_discovery("an honest view can be filled");
}

#[test]
fn the_checker_refutes_quorums_that_do_not_intersect() {
    let broken = ViewChangeModel { quorum: 2, ..SOUND };
    let checker = broken.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.assert_any_discovery("agreement");
}

#[test]
fn the_checker_refutes_view_changes_that_forget() {
    let broken = ViewChangeModel { remembers: false, ..SOUND };
    let checker = broken.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.assert_any_discovery("agreement");
}
