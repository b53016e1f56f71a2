//! Many seeds, on several threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ciro_consensus::{Genesis, ReplicaId};

use crate::oracle::Violation;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::scheme::Keyed;
use crate::stats::Stats;
use crate::world::World;

/// A range of seeds to run.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Validators of each run.
    pub nodes: usize,
    /// Blocks of each run.
    pub blocks: u64,
    /// The kind of runs.
    pub profile: Profile,
    /// Threads.
    pub jobs: usize,
    /// Whether to stop at the first violation.
    pub stop_early: bool,
}

/// What the runs gave.
#[derive(Clone, Debug, Default)]
pub struct SweepReport {
    /// Measurements over all runs.
    pub stats: Stats,
    /// Broken properties by seed.
    pub violations: BTreeMap<u64, Violation>,
    /// Runs in which the chain forked, with those whom the logs convicted.
    pub forks: BTreeMap<u64, Vec<ReplicaId>>,
    /// The exclusive or of all trace hashes: equal for equal sweeps, in whatever order they ran.
    pub trace: u128,
}

impl Sweep {
    /// Runs all seeds.
    #[must_use]
    pub fn run(&self) -> SweepReport {
        self.run_with(|_, genesis| genesis)
    }

    /// Runs all seeds, with plan and chain adapted by `adapt`.
    #[must_use]
    pub fn run_with(
        &self,
        adapt: impl Fn(&mut Plan, Genesis<Keyed>) -> Genesis<Keyed> + Sync,
    ) -> SweepReport {
        let next = AtomicU64::new(self.seeds.start);
        let stop = AtomicBool::new(false);
        let worker = || {
            let mut part = SweepReport::default();
            while !stop.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seeds.end {
                    break;
                }
                self.run_one(seed, &adapt, &mut part);
                if self.stop_early && !part.violations.is_empty() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            part
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
            let mut report = SweepReport::default();
            for worker in workers {
                report.merge(worker.join().expect("a run does not panic"));
            }
            report
        })
    }

    fn run_one(
        &self,
        seed: u64,
        adapt: &impl Fn(&mut Plan, Genesis<Keyed>) -> Genesis<Keyed>,
        part: &mut SweepReport,
    ) {
        let mut plan = Plan::new(seed, self.nodes, self.blocks, self.profile);
        let genesis = plan.genesis().expect("a plan's stakes make a set");
        let genesis = adapt(&mut plan, genesis);
        let report = World::with_genesis(plan, genesis).run();
        part.stats.merge(&report.stats);
        part.trace ^= report.trace;
        if report.forked {
            part.forks.insert(seed, report.culprits.into_iter().collect());
        }
        if let Some(violation) = report.violation {
            part.violations.insert(seed, violation);
        }
    }

    /// Returns the command that replays a seed of this sweep.
    #[must_use]
    pub fn replay_command(&self, seed: u64) -> String {
        let (nodes, blocks, profile) = (self.nodes, self.blocks, self.profile);
        format!(
            "cargo run -p ciro-sim -- --replay {seed} --nodes {nodes} --blocks {blocks} --profile {profile}"
        )
    }
}

impl SweepReport {
    fn merge(&mut self, other: Self) {
        self.stats.merge(&other.stats);
        self.violations.extend(other.violations);
        self.forks.extend(other.forks);
        self.trace ^= other.trace;
    }
}
