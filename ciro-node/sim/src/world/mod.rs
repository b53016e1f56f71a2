//! The event loop: one thread, a virtual clock, every choice from the seed.

mod clients;
mod faults;
mod judge;
mod network;
mod perform;
mod watch;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use ciro_consensus::{
    Digest, Epoch, Footprint, Genesis, Input, Operation, ReplicaId, Seq, StakeChange, Timer, View,
};

use crate::byzantine::{Behaviour, Byzantine, Cargo};
use crate::coalition::Coalition;
use crate::costs::Work;
use crate::fault::Cut;
use crate::node::{Node, Role};
use crate::oracle::{Oracle, Violation};
use crate::plan::{Micros, Plan, SECOND};
use crate::rng::Rng;
use crate::scheme::{Keyed, take_work};
use crate::stats::Stats;
use crate::trace::{Moment, MomentKind, TraceHash};
use crate::views::{ViewWatch, is_new_view_overdue};
use clients::Client;

/// Steps between two looks at a node's memory.
const MEMORY_CHECK_INTERVAL: u64 = 32;

/// A run in progress.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    genesis: Genesis<Keyed>,
    rng: Rng,
    now: Micros,
    queue: BinaryHeap<Reverse<Queued>>,
    queued: u64,
    steps: u64,
    nodes: Vec<Node>,
    cuts: BTreeMap<usize, Cut>,
    clients: Vec<Client>,
    oracle: Oracle,
    views: ViewWatch,
    stats: Stats,
    trace: TraceHash,
    moments: Option<Vec<Moment>>,
    bound: Footprint,
    /// How long the node at work computes before what it sends leaves.
    lag: Micros,
    /// What all who misbehave know together.
    coalition: Coalition,
    done: bool,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The first property that was broken.
    pub violation: Option<Violation>,
    /// A hash over every event: equal for equal runs.
    pub trace: u128,
    /// Whether honest replicas executed different blocks at one height.
    pub forked: bool,
    /// Whom the logs of the honest replicas convict, after a fork.
    pub culprits: BTreeSet<ReplicaId>,
    /// Measurements.
    pub stats: Stats,
    /// The timeline, if asked for.
    pub moments: Vec<Moment>,
}

/// An event and when it happens; events of one instant keep the order they were made in.
#[derive(Debug)]
struct Queued {
    at: Micros,
    number: u64,
    event: Event,
}

#[derive(Debug)]
enum Event {
    Deliver { from: usize, to: usize, cargo: Cargo },
    Operation { to: usize, operation: Operation },
    Timeout { node: usize, timer: Timer, request: u64 },
    Executed { node: usize, incarnation: u64, seq: Seq, root: Digest, changes: Vec<StakeChange> },
    Verdict { node: usize, incarnation: u64, seq: Seq, digest: Digest, valid: bool },
    State { node: usize, incarnation: u64, seq: Seq, root: Digest, sources: Vec<ReplicaId> },
    Client { client: usize },
    Fault { index: usize },
    Mend { index: usize },
    Restart { node: usize },
    Mischief { node: usize },
    Ready { node: usize },
    Heal,
}

impl World {
    /// Prepares the run of a plan.
    ///
    /// # Panics
    ///
    /// When the plan's stakes make no validator set.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let genesis = plan.genesis().expect("a plan's stakes make a set");
        Self::with_genesis(plan, genesis)
    }

    /// Prepares the run of a plan with a chain description of one's own, for instance one with a
    /// known bug.
    #[must_use]
    pub fn with_genesis(plan: Plan, genesis: Genesis<Keyed>) -> Self {
        let misbehaving = plan.behaviours.keys().copied().collect();
        let oracle = Oracle::new(misbehaving, genesis.evidence_domain(), plan.expects_fork);
        let rng = Rng::new(plan.seed).fork(0x0057_4f52_4c44);
        let bound = Footprint::bound(&plan.params, plan.replicas());
        let domain = genesis.message_domain();
        let coalition = Coalition::new(plan.behaviours.keys().copied(), domain, rng.fork(1));
        let mut world = Self {
            genesis,
            rng,
            now: 0,
            queue: BinaryHeap::new(),
            queued: 0,
            steps: 0,
            nodes: Vec::new(),
            cuts: BTreeMap::new(),
            clients: (0..plan.clients.count).map(|_| Client::default()).collect(),
            oracle,
            views: ViewWatch::default(),
            stats: Stats::default(),
            trace: TraceHash::default(),
            moments: None,
            bound,
            lag: 0,
            coalition,
            done: false,
            plan,
        };
        world.build();
        world
    }

    /// Records a timeline.
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.moments = Some(Vec::new());
        self
    }

    /// Runs to the end: everything executed, a property broken, or time out.
    #[must_use]
    pub fn run(mut self) -> Report {
        for index in 0..self.plan.faults.len() {
            let at = self.plan.faults[index].at;
            self.push(at, Event::Fault { index });
        }
        self.push(self.plan.heal_at, Event::Heal);
        for node in 0..self.nodes.len() {
            if self.plan.is_observer(self.nodes[node].id) {
                self.push(self.plan.observers_start, Event::Restart { node });
            } else {
                self.restart(node);
            }
        }
        for client in 0..self.clients.len() {
            self.push(1, Event::Client { client });
        }
        let deadline = self.plan.heal_at + self.deadline();
        while let Some(Reverse(queued)) = self.queue.pop() {
            if queued.at > deadline {
                self.time_out();
                break;
            }
            self.now = queued.at;
            self.handle(queued.event);
            if self.done || self.oracle.violation().is_some() {
                break;
            }
        }
        self.finish()
    }

    fn deadline(&self) -> Micros {
        // After a fork there is nothing to wait for but the sides' discovery of each other.
        if self.plan.expects_fork { 4 * SECOND } else { self.plan.patience }
    }

    /// Creates replicas, observers and second twins, in order of address.
    fn build(&mut self) {
        let stake_operations = self.plan.stake_payloads();
        let replicas = u32::try_from(self.plan.replicas()).unwrap_or(u32::MAX);
        let patience = self.plan.params.progress_timeout.as_micros();
        let patience = u64::try_from(patience).unwrap_or(SECOND);
        let mut twins = Vec::new();
        for id in (0..replicas).map(ReplicaId) {
            let role = match self.plan.behaviours.get(&id) {
                None => Role::Honest,
                Some(Behaviour::Twins) => {
                    twins.push(id);
                    Role::Twin
                }
                Some(behaviour) => {
                    let rng = self.rng.fork(id.0.into());
                    let domain = self.genesis.message_domain();
                    Role::Byzantine(Box::new(Byzantine::new(*behaviour, id, domain, patience, rng)))
                }
            };
            let rate = self.plan.clock_rates.get(id.0 as usize).copied().unwrap_or(1000);
            self.nodes.push(Node::new(id, role, Arc::clone(&stake_operations), rate));
        }
        for id in twins {
            self.nodes.push(Node::new(id, Role::Twin, Arc::clone(&stake_operations), 1000));
        }
        for node in 0..self.nodes.len() {
            if let Role::Byzantine(byzantine) = &self.nodes[node].role
                && byzantine.is_mischievous()
            {
                self.push(SECOND / 5, Event::Mischief { node });
            }
        }
    }

    fn push(&mut self, at: Micros, event: Event) {
        self.queued += 1;
        let number = self.queued;
        self.queue.push(Reverse(Queued { at: at.max(self.now), number, event }));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, cargo } => self.deliver(from, to, cargo),
            Event::Operation { to, operation } => {
                if self.is_valid(&operation) {
                    self.step(to, Input::Operation(operation));
                }
            }
            Event::Timeout { node, timer, request } => {
                if self.nodes[node].timers.get(&timer) == Some(&request)
                    && !self.postpone(node, || Event::Timeout { node, timer, request })
                {
                    self.step(node, Input::Timeout(timer));
                }
            }
            Event::Executed { node, incarnation, seq, root, changes } => {
                if self.nodes[node].incarnation == incarnation {
                    self.executed(node, seq, root, changes);
                }
            }
            Event::Verdict { node, incarnation, seq, digest, valid } => {
                if self.nodes[node].incarnation == incarnation {
                    self.step(node, Input::Verdict { seq, digest, valid });
                }
            }
            Event::State { node, incarnation, seq, root, sources } => {
                if self.nodes[node].incarnation == incarnation {
                    self.provide_state(node, seq, root, &sources);
                }
            }
            Event::Client { client } => self.client(client),
            Event::Fault { index } => self.strike(index),
            Event::Mend { index } => {
                self.cuts.remove(&index);
            }
            Event::Restart { node } => self.restart(node),
            Event::Mischief { node } => self.mischief(node),
            Event::Ready { node } => self.serve(node),
            Event::Heal => self.heal(),
        }
    }

    /// Feeds one input to a node's replica and performs what it asks for.
    fn step(&mut self, node: usize, input: Input) {
        self.steps += 1;
        take_work();
        let local = self.nodes[node].local(self.now);
        let Some(running) = self.nodes[node].running_mut() else { return };
        let before = (running.replica.epoch(), running.replica.view(), running.replica.is_active());
        let effects = running.replica.step(local, input);
        let work = take_work();
        let after = (running.replica.epoch(), running.replica.view(), running.replica.is_active());
        let overdue = is_new_view_overdue(&running.replica);
        if self.nodes[node].is_honest() {
            if before != after {
                self.view_moved(node, after);
            }
            if overdue {
                self.oracle.violated(Violation::LateNewView { node, view: after.1 });
            }
            self.watch(node, before.0, &effects);
            if self.steps.is_multiple_of(MEMORY_CHECK_INTERVAL) {
                self.check_memory(node);
            }
        }
        let outer = self.lag;
        self.lag = self.compute(node, work);
        self.perform(node, effects);
        self.lag = outer;
    }

    /// Lets a node compute; returns how long it takes until the outcome is there. Who misbehaves
    /// has better machines.
    fn compute(&mut self, node: usize, work: Work) -> Micros {
        let takes = self.plan.costs.of(work);
        let node = &mut self.nodes[node];
        if node.is_honest() {
            node.busy_until = node.busy_until.max(self.now) + takes;
        }
        node.busy_until.saturating_sub(self.now)
    }

    fn view_moved(&mut self, node: usize, (epoch, view, active): (Epoch, View, bool)) {
        self.note(&[3, node as u64, epoch.0, view.0, u64::from(active)]);
        self.stats.view(epoch, view, active);
        let phase = if active { "takes part in" } else { "asks for" };
        self.tell(Some(node), MomentKind::View, || format!("{phase} view {view} of epoch {epoch}"));
        if view > View::ZERO && self.plan.profile.is_faultless() {
            self.oracle.violated(Violation::NeedlessViewChange { node });
        }
        if active {
            return self.views.begins(epoch, view);
        }
        let Some(running) = self.nodes[node].running() else { return };
        let (validators, id) = (running.replica.validators(), running.replica.id());
        let misbehaving = self.oracle.misbehaving();
        if !self.views.asks(validators, misbehaving, (epoch, view), id) {
            self.oracle.violated(Violation::RacesAhead { node, view });
        }
    }

    fn check_memory(&mut self, node: usize) {
        let Some(running) = self.nodes[node].running() else { return };
        if let Some(what) = running.replica.footprint().exceeds(&self.bound) {
            self.oracle.violated(Violation::Memory { node, what });
        }
    }

    fn note(&mut self, values: &[u64]) {
        self.trace.note(self.now);
        for value in values {
            self.trace.note(*value);
        }
    }

    fn tell(&mut self, node: Option<usize>, kind: MomentKind, text: impl FnOnce() -> String) {
        if let Some(moments) = &mut self.moments {
            moments.push(Moment { at: self.now, node, kind, text: text() });
        }
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
